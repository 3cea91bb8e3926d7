"""The weekly report by e-mail, from a scheduled job.

::

    python examples/weekly_report.py --from benchmarks@example.com --to team@example.com

The records are found by the usual settings (``BENCHMARK_RECORDER_STORE``, ...). The environment names the server:
``SMTP_HOST`` (``localhost``), ``SMTP_PORT``, ``SMTP_SECURITY`` (``starttls``, ``tls`` or ``none``), ``SMTP_USER`` and
``SMTP_PASSWORD``. A password goes only over an encrypted connection, and never into the output.
"""

from __future__ import annotations

import argparse
import os
import smtplib
import ssl
import sys
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from typing import TYPE_CHECKING, Final

from benchmark_recorder import BenchmarkRecorderError, get_benchmark_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIMEOUT: Final = 30.0
"""Seconds that the server may take per step."""
NO_DATA: Final = 4
"""The exit status where there was nothing to report, as of ``benchmark-recorder report``."""
PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""How the connection is secured, and the usual port."""


def compose(subject: str, sender: str, to: Sequence[str], text: str, html: str | None = None) -> EmailMessage:
    """The message: the report as text, and as HTML if given.

    Raises:
        ValueError: an address or the subject has a line break.
    """
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, sender, ", ".join(to)
    message["Date"], message["Message-ID"] = localtime(), make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    return message


def send(message: EmailMessage, environment: Mapping[str, str]) -> None:
    """Hand the message to the server.

    Raises:
        ValueError: a setting is wrong.
        OSError: the server cannot be reached or trusted, or refuses the message (``smtplib.SMTPException``).
    """
    host, security = environment.get("SMTP_HOST", "localhost"), environment.get("SMTP_SECURITY", "starttls")
    if security not in PORTS:
        raise ValueError(f"SMTP_SECURITY: expected {', '.join(PORTS)}, got {security!r}")
    user, password = environment.get("SMTP_USER"), environment.get("SMTP_PASSWORD")
    if user and security == "none":
        raise ValueError(
            "SMTP_SECURITY: with SMTP_USER it must be starttls or tls: a password is not sent in the clear"
        )
    port = int(environment.get("SMTP_PORT") or PORTS[security])
    trusted = ssl.create_default_context()
    try:
        server = (
            smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=trusted)
            if security == "tls"
            else smtplib.SMTP(host, port, timeout=TIMEOUT)
        )
    except OSError as error:
        raise OSError(f"{host}:{port} (SMTP_HOST, SMTP_PORT): {error}") from error
    with server:
        if security == "starttls":
            server.starttls(context=trusted)
        if user:
            server.login(user, password or "")
        server.send_message(message)


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
        message = compose(subject, given.sender, given.to, text, html)
        if is_empty and given.skip_empty:
            print("not sent: there are no runs")
        elif given.print:
            print(message)
        else:
            send(message, os.environ)
            print(f"sent to {message['To']}")
    except (BenchmarkRecorderError, OSError, ValueError) as error:
        print(f"not sent: {error}", file=sys.stderr)
        return 1
    return NO_DATA if is_empty else 0


if __name__ == "__main__":
    sys.exit(main())
