"""Keeps the boards that somebody looks at up to date, and wakes who waits for them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmark_recorder.serve.board import PACE, Board

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmark_recorder.history import History
    from benchmark_recorder.serve.sections import View

T = TypeVar("T")

HEARTBEAT: Final = 5.0
"""Seconds after which a page is told the time, so that it knows that it is still connected."""
MOST_BOARDS: Final = 20
"""That are kept though nobody looks at them."""


class Pulse:
    """One board for each view, computed in a thread while somebody looks.

    It belongs to one event loop. What is shown is never queued: who is slow gets the newest, once.

    Args:
        history: what is asked.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self._boards: dict[View, Board] = {}
        self._lookers: dict[View, set[asyncio.Event]] = {}
        self._computing: set[asyncio.Future[Any]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_over = False

    async def opened(self, view: View) -> Board:
        """The board of a view, as it is now."""
        board = self._boards.pop(view, None) or Board(self.history, view)
        self._boards[view] = board  # the latest is the last
        for idle in [v for v in self._boards if v not in self._lookers][:-MOST_BOARDS]:
            del self._boards[idle]
        await self.computed(board.refresh)
        return board

    async def changes(self, view: View) -> AsyncIterator[list[tuple[str, str]] | None]:
        """Sections that changed, by id; all at first. ``None`` each ``HEARTBEAT`` seconds."""
        board, wake = await self.opened(view), asyncio.Event()
        self._lookers.setdefault(view, set()).add(wake)
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat())
        seen: dict[str, int] = {}
        try:
            while not self._is_over:
                wake.clear()
                shown = board.fragments()
                if changed := [(name, f.html) for name, f in shown.items() if seen.get(name) != f.number]:
                    yield changed
                    seen |= {name: fragment.number for name, fragment in shown.items()}
                yield None
                try:
                    await asyncio.wait_for(wake.wait(), HEARTBEAT)
                except TimeoutError:
                    continue
        finally:
            own = self._lookers[view]
            own.discard(wake)
            if not own:
                del self._lookers[view]

    def end(self) -> None:
        """Let every page and stream end, whatever is being computed for them; from any thread or signal handler."""
        self._is_over = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        for answer in [*self._computing]:
            _settle(answer, None, None)
        for wake in [wake for own in self._lookers.values() for wake in own]:
            wake.set()

    async def computed(self, call: Callable[[], T]) -> T | None:
        """Call in a thread that no exit waits for: a store that does not answer must not keep Ctrl-C waiting.

        Returns:
            What the call returns, or ``None`` if the server ends before it does.
        """
        self._loop = loop = asyncio.get_running_loop()
        answer: asyncio.Future[T | None] = loop.create_future()

        def run() -> None:
            found, error = None, None
            try:
                found = call()
            except Exception as raised:  # noqa: BLE001 - it is raised where the call is awaited
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_settle, answer, found, error)

        self._computing.add(answer)
        Thread(target=run, name="benchmark_recorder live page", daemon=True).start()
        try:
            return await answer
        finally:
            self._computing.discard(answer)

    async def _beat(self) -> None:
        while self._lookers and not self._is_over:
            for view in [*self._lookers]:
                board = self._boards[view]
                before = _numbers(board)
                await self.computed(board.refresh)
                if _numbers(board) != before:
                    for wake in self._lookers.get(view, ()):
                        wake.set()
            await asyncio.sleep(PACE)


def _settle(answer: asyncio.Future[T | None], found: T | None, error: Exception | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)


def _numbers(board: Board) -> list[int]:
    return [fragment.number for fragment in board.fragments().values()]
