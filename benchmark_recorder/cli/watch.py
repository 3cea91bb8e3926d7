"""``watch``: alerts, checked once or again and again; and what ``--send`` of a report does."""

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from benchmark_recorder.cli.app import app, complain, confirm, say_aside
from benchmark_recorder.cli.options import AsJSON, resolved
from benchmark_recorder.cli.output import Answer, print_answer
from benchmark_recorder.cli.sync import Interruption
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import BenchmarkRecorderError, ConfigurationError, StoreError
from benchmark_recorder.history import History
from benchmark_recorder.opening import get_benchmark_history
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.settings import effective_settings, place_of
from benchmark_recorder.stores.json_file import JSONFileStore

if TYPE_CHECKING:
    from benchmark_recorder.alerts.state import StateFile

EVERY: Final = 300.0
"""Seconds between two looks."""


@app.command(epilog="Example: benchmark-recorder watch --once")
@resolved
def watch(
    place: dict[str, str | None],
    *,
    once: Annotated[bool, typer.Option("--once", help="Look once, as from cron, and print each rule's state.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Only send a test message to each channel.")] = False,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Pause between two looks.")] = EVERY,
    as_json: AsJSON = False,
) -> None:
    """Watch versions by the rules of the settings file, and send alerts. Exits 4 if a store or a channel failed.

    Without --once it goes on until SIGINT or SIGTERM.
    """
    from benchmark_recorder.alerts.rules import alert_settings
    from benchmark_recorder.alerts.state import StateFile

    if as_json and not once:
        raise typer.BadParameter("only with --once", param_hint="--json")
    settings = alert_settings()
    if not settings.rules:
        raise ConfigurationError("alerts: there are no rules; docs/alerts.md shows how to write some")
    if test:
        addresses = dict.fromkeys(address for rule in settings.rules for address in rule.send)
        if not addresses:
            raise ConfigurationError("alerts: no rule names a channel (send)")
        send_to(list(addresses), "test", "Test of an alert channel", "This channel works: alerts will arrive here.\n")
        return
    with get_benchmark_history(place["store"], journal=place["journal"]) as history:
        file = StateFile(beside(history, place))
        if not once:
            _keep_on(history, file, every)
            return
        from benchmark_recorder.alerts.watching import watch_once

        found = watch_once(history, settings, file)
        if found is None:
            say_aside("another watcher is at work on these records")
            return
        for complaint in found.complaints:
            complain(complaint)
        code = Code.NO_DATA if found.complaints else Code.FINE
        print_answer(Answer({"alerts": found.alerts}, found.alerts, (), True, code), history.store, as_json=as_json)  # noqa: FBT003


def beside(history: History, place: dict[str, str | None]) -> str:
    """The file of records, or the journal, beside which a watcher keeps its state."""
    if isinstance(history.store, JSONFileStore):
        return os.fspath(history.store.path)
    return os.fspath(place_of(effective_settings(**place).journal))


def _keep_on(history: History, file: "StateFile", every: float) -> None:
    """Look again and again until interrupted; trouble is said when it begins, changes and ends."""
    from benchmark_recorder.alerts.rules import alert_settings
    from benchmark_recorder.alerts.watching import watch_once

    interruption, trouble, failed = Interruption(), "", False
    with interruption.awaited():
        while not interruption.has_come:
            try:
                found = watch_once(history, alert_settings(), file)
            except (StoreError, ConfigurationError) as error:
                now = str(error)
            else:
                now = "" if found is None else "; ".join(found.complaints)
                for alert in () if found is None else found.told:
                    confirm(f"{terminal(alert.name)}: {alert.state}: {terminal(alert.sentence, 1000)}")
            if now and now.partition(";")[0] != trouble.partition(";")[0]:
                complain(now)
            elif trouble and not now:
                complain("stores and channels work again")
            trouble, failed = now, bool(now)
            interruption.pause(every)
    if failed:
        raise typer.Exit(Code.NO_DATA)


def send_to(addresses: list[str], kind: str, title: str, text: str, html: str | None = None) -> None:
    """Send a message to each channel, and say what came of it; one that fails stops no other.

    Raises:
        typer.Exit: a channel failed.
    """
    from benchmark_recorder.alerts.channels import check_address
    from benchmark_recorder.alerts.delivery import send
    from benchmark_recorder.alerts.texts import plain_message

    failed = False
    for address in [check_address(address, "--send") for address in addresses]:
        try:
            send(address, plain_message(kind, title, text, html))
        except BenchmarkRecorderError as error:
            complain(f"{address}: not sent: {error}")
            failed = True
        else:
            say_aside(f"{terminal(address)}: sent")
    if failed:
        raise typer.Exit(Code.NO_DATA)
