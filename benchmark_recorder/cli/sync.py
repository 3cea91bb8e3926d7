"""``sync``: deliver pending records to the remote store, or copy one store to another."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Annotated, Final

import typer

from benchmark_recorder.cli.app import app, complain, confirm
from benchmark_recorder.cli.options import resolved
from benchmark_recorder.cli.output import progress, records
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import StoreError
from benchmark_recorder.opening import open_store
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.replication.delivery import copy

WATCH_SECONDS: Final = 1.0
"""Pause between two looks at the journal; it doubles after each failure, up to sixteen times as long."""


@app.command(epilog="Example: benchmark-recorder sync --store mongodb://localhost/benchmarks --watch")
@resolved
def sync(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep delivering until SIGINT or SIGTERM, then exit with 0.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also deliver records from before the remote store was attached.")
    ] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Retry records that the remote store refused.")
    ] = False,
    source: Annotated[
        str | None, typer.Option("--from", metavar="STORE", help="Copy from this path or URL instead of delivering.")
    ] = None,
    target: Annotated[str | None, typer.Option("--to", metavar="STORE", help="Copy to this one.")] = None,
) -> None:
    """Deliver pending records to the remote store, or copy a store.

    Re-running is safe.
    """
    if (source is None) != (target is None):
        raise typer.BadParameter("give both --from and --to, or neither")
    if source is not None and target is not None:
        if watch or everything or quarantined:
            raise typer.BadParameter("--from and --to take no other option")
        _copy(source, target)
        return
    store = recorder.store
    if not isinstance(store, ReplicatedStore):
        raise typer.BadParameter(f"{terminal(store.name)} is not a remote store: there is nothing to deliver")
    if everything:
        with progress(store.journal.count(None), "were delivered") as report:
            store.delivery.deliver_history(report)
    if quarantined:
        with progress(store.condition().quarantined, "were delivered") as report:
            store.delivery.deliver_quarantined(report)
    if watch:
        _keep_on(store)
    else:
        _deliver(store, lambda: True)


def _deliver(store: ReplicatedStore, go_on: Callable[[], bool]) -> None:
    """Deliver everything that is pending, with a progress bar; then print what is left."""
    with progress(store.condition().pending, "were delivered") as report:
        delivered = store.deliver(go_on, report)
    if not delivered and go_on():
        confirm(f"another process is delivering to {terminal(store.name)}")
        if (reason := store.condition().last_error) is not None:
            complain(reason)
    _print_rest(store)


def _print_rest(store: ReplicatedStore) -> None:
    condition = store.condition()
    confirm(f"{condition.pending:,} pending, {condition.quarantined:,} in quarantine for {terminal(store.name)}")
    for name, count in condition.elsewhere.items():
        wait = "waits" if count == 1 else "wait"
        complain(f"{records(count)} {wait} for {name}; `sync --all` brings them here")


def _keep_on(store: ReplicatedStore) -> None:
    """Deliver again and again until interrupted; failures make the pauses longer, and an outage is reported once."""
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
                    complain(f"{store.name} accepts records again")
                pause, trouble, deliver = WATCH_SECONDS, "", store.deliver
            interruption.pause(pause)
    _print_rest(store)


def _copy(source: str, target: str) -> None:
    with open_store(source) as one, open_store(target) as other:
        if one.name == other.name:
            raise typer.BadParameter("--from and --to are the same store")
        with progress(None, "were copied") as report:
            copied = copy(one, other, report)
        confirm(f"{records(copied.read)} in {terminal(one.name)}, {copied.new:,} of them new in {terminal(other.name)}")
    if copied.refused:
        complain(f"{records(len(copied.refused))} refused: {next(iter(copied.refused.values()))}")
    if not copied.read:
        complain(f"there are no records in {one.name}")
    if copied.refused or not copied.read:
        raise typer.Exit(Code.NO_DATA)


class Interruption:
    """SIGINT and SIGTERM as a request to stop soon: whether one has come; a second one ends the process as usual."""

    def __init__(self) -> None:
        self.has_come = False
        self._is_pausing = False

    def pause(self, seconds: float) -> None:
        """Sleep, or return early if a signal comes."""
        try:
            self._is_pausing = True
            if not self.has_come:
                time.sleep(seconds)
            self._is_pausing = False
        except _WokenError:
            self._is_pausing = False

    def _come(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's form
        for each, before in self._before.items():
            signal.signal(each, before)
        self.has_come = True
        if self._is_pausing:
            raise _WokenError

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """Handle the signals; in the main thread only."""
        self._before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        for each in self._before:
            signal.signal(each, self._come)
        try:
            yield
        finally:
            for each, before in self._before.items():
                signal.signal(each, before)


class _WokenError(Exception):
    """Ends a pause."""
