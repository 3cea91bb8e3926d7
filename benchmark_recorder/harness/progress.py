"""What a run shows of itself on stderr while it goes on, and how Ctrl-C ends it softly."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmark_recorder.reporting.escaping import terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _is_shown(shown: bool | None) -> bool:  # noqa: FBT001 - a setting
    if shown is None:
        return sys.stderr is not None and sys.stderr.isatty()  # a program without a console has no stderr
    return shown


@contextmanager
def progress_bar(
    total: int | None, counted: str = "executions", *, shown: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with how many more are done, of a total that may be unknown.

    A bar is shown on stderr where that is a terminal, unless ``shown`` says otherwise.
    """
    if not _is_shown(shown):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(counted), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total)
        yield lambda count: progress.advance(bar, count)


@contextmanager
def live_line(*, shown: bool | None) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line on stderr, in place of the one before; see ``progress_bar``."""
    if not _is_shown(shown):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True, redirect_stdout=False) as live:
        yield lambda line: live.update(Text(terminal(line), no_wrap=True), refresh=True)


@contextmanager
def first_interrupt(stop: Callable[[], object]) -> Iterator[None]:
    """Let the first Ctrl-C call a function, and the next one raise as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
