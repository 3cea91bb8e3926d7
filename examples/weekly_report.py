"""The weekly report by e-mail, from a scheduled job.

::

    python examples/weekly_report.py --from benchmarks@example.com --to team@example.com

The records are found by the usual settings (``BENCHMARK_RECORDER_STORE``, ...). The environment names the server:
``SMTP_HOST`` (``localhost``), ``SMTP_PORT``, ``SMTP_SECURITY`` (``starttls``, ``tls`` or ``none``), ``SMTP_USER`` and
``SMTP_PASSWORD``. A password goes only over an encrypted connection, and never into the output.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from typing import TYPE_CHECKING, Final

from benchmark_recorder import BenchmarkRecorderError, get_benchmark_history
from benchmark_recorder.alerts import Mail, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_DATA: Final = 4
"""The exit status where there was nothing to report, as of ``benchmark-recorder report``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compose and send; the exit status: 1 if it was not sent, 4 if there was nothing to report."""
    parser = argparse.ArgumentParser(description="Send a benchmark report by e-mail.")
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="oldest first; default: the latest two")
    parser.add_argument("--from", dest="sender", required=True, metavar="ADDRESS")
    parser.add_argument("--to", action="append", required=True, metavar="ADDRESS", help="may be repeated")
    parser.add_argument("--days", type=float, default=7, help="how far to look back (7)")
    parser.add_argument("--format", choices=["html", "markdown", "text"], default="html", help="(html)")
    parser.add_argument("--skip-empty", action="store_true", help="send nothing if there are no runs")
    parser.add_argument("--print", action="store_true", help="show the message instead of sending it")
    given = parser.parse_args(arguments)
    try:
        history, form = get_benchmark_history(), given.format
        there = history.versions(last_days=given.days)
        versions = given.versions or [*there][-2:]
        is_empty = not any(version in there for version in versions)
        subject = f"Benchmarks of the last {given.days:g} days: {', '.join(versions)}"
        text, html = f"There are no runs in the last {given.days:g} days.\n", None
        if is_empty:
            subject = f"Benchmarks: no runs in the last {given.days:g} days"
        else:
            text = history.generate_report(versions, "text" if form == "html" else form, last_days=given.days)
            html = history.generate_report(versions, "html", last_days=given.days) if form == "html" else None
        message = Message(uuid.uuid4().hex, subject, text, html)
        mail = Mail(given.to, given.sender)
        letter = mail.compose(message)
        if is_empty and given.skip_empty:
            print("not sent: there are no runs")
        elif given.print:
            print(letter)
        else:
            mail.send(message)
            print(f"sent to {letter['To']}")
    except (BenchmarkRecorderError, OSError, ValueError) as error:
        print(f"not sent: {error}", file=sys.stderr)
        return 1
    return NO_DATA if is_empty else 0


if __name__ == "__main__":
    sys.exit(main())
