"""The progress bar: on stderr, and only where that is a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(total: int, *, shown: bool | None = None) -> Iterator[Callable[[], None]]:
    """Yield what is to be called after each of ``total`` executions.

    Args:
        total: executions to come.
        shown: whether to show the bar; by default where stderr is a terminal.
    """
    if not (_on_a_terminal() if shown is None else shown):
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("executions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total)
        yield lambda: progress.advance(bar)


def _nothing() -> None:
    pass


def _on_a_terminal() -> bool:
    # A program without a console has no stderr at all.
    return sys.stderr is not None and sys.stderr.isatty()
