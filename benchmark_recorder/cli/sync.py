"""``sync``: what waits in the journal goes to the remote store; a history moves from one store to another."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final

import typer

from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import resolved
from benchmark_recorder.cli.signals import Interruption
from benchmark_recorder.config import open_store
from benchmark_recorder.errors import StoreError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.replication.copying import copy

WATCH_SECONDS: Final = 1.0
"""Between two looks at the journal; after a failure, and up to sixteen times as long after several."""


@app.command(epilog="Example: benchmark-recorder sync --store mongodb://localhost/benchmarks --watch")
@resolved
def sync(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on delivering until SIGINT or SIGTERM, then exit with 0.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Deliver also what was in the journal before it got a remote store.")
    ] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Try once more what the remote store refused.")
    ] = False,
    source: Annotated[
        str | None, typer.Option("--from", metavar="STORE", help="Copy from this path or URL, instead of delivering.")
    ] = None,
    target: Annotated[str | None, typer.Option("--to", metavar="STORE", help="To this one.")] = None,
) -> None:
    """Deliver what waits to the remote store, or copy a store.

    Repeating is safe.
    """
    if (source is None) != (target is None):
        raise typer.BadParameter("give both --from and --to, or neither")
    if source is not None and target is not None:
        if watch or everything or quarantined:
            raise typer.BadParameter("--from and --to go with no other option")
        _copy(source, target)
        return
    store = recorder.store
    if not isinstance(store, ReplicatedStore):
        raise typer.BadParameter(f"{terminal(store.name)} is no remote store: there is nothing to deliver")
    if everything:
        with _progress(store.journal.count(None)) as report:
            store.delivery.deliver_history(report)
    if quarantined:
        with _progress(store.condition().quarantined) as report:
            store.delivery.deliver_quarantined(report)
    if watch:
        _keep_on(store)
    else:
        _deliver(store, lambda: True)


def _deliver(store: ReplicatedStore, go_on: Callable[[], bool]) -> None:
    """Everything that is pending, with a progress bar; says what is left."""
    with _progress(store.condition().pending) as report:
        delivered = store.deliver(go_on, report)
    if not delivered and go_on():
        typer.echo(f"another process is delivering to {terminal(store.name)}")
    _tell(store)


def _tell(store: ReplicatedStore) -> None:
    condition = store.condition()
    typer.echo(f"{condition.pending:,} pending, {condition.quarantined:,} in quarantine for {terminal(store.name)}")


def _keep_on(store: ReplicatedStore) -> None:
    """Look again and again, until interrupted; trouble makes the pauses longer, and is told once while it lasts."""
    interruption = Interruption()
    deliver: Callable[[Callable[[], bool]], object] = partial(_deliver, store)
    pause, trouble = WATCH_SECONDS, ""
    with interruption.awaited():
        while not interruption.has_come:
            try:
                deliver(lambda: not interruption.has_come)
            except StoreError as error:
                pause = min(2 * pause, 16 * WATCH_SECONDS)
                if not trouble:
                    complain(str(error))
                trouble = str(error)
            else:
                if trouble:
                    complain(f"{store.name} takes records again")
                pause, trouble, deliver = WATCH_SECONDS, "", store.deliver
            interruption.pause(pause)
    _tell(store)


def _copy(source: str, target: str) -> None:
    with open_store(source) as one, open_store(target) as other:
        if one.name == other.name:
            raise typer.BadParameter("--from and --to are the same store")
        with _progress(None) as report:
            copied = copy(one, other, report)
        typer.echo(
            f"{copied.read:,} records in {terminal(one.name)}, {copied.new:,} of them new in {terminal(other.name)}"
        )
    if not copied.read:
        raise typer.Exit(Code.NO_DATA)
    if copied.refused:
        complain(f"{len(copied.refused):,} records were refused: {next(iter(copied.refused.values()))}")
        raise typer.Exit(Code.NO_DATA)


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many records are done; shown on stderr, where that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total)
        yield lambda count: progress.advance(bar, count)
