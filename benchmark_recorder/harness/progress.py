"""The progress bar: on stderr, and only if that is a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(
    total: int | None, counted: str = "executions", *, shown: bool | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with how many more are done.

    Args:
        total: how many there are, or ``None`` if unknown.
        counted: what they are.
        shown: whether to show the bar; by default where stderr is a terminal.
    """
    if not (_on_a_terminal() if shown is None else shown):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(counted), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total)
        yield lambda count: progress.advance(bar, count)


def _on_a_terminal() -> bool:
    # A program without a console has no stderr.
    return sys.stderr is not None and sys.stderr.isatty()
