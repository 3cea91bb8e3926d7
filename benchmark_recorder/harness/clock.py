"""What a run is timed by: real time, or virtual time that jumps over every wait.

Orchestrators that wait with asyncio need not know which: under virtual time ``asyncio.sleep(3600)`` returns
at once, and exactly 3600 seconds have passed.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time, and the event loop that keeps it."""

    @property
    def name(self) -> str:
        """``real`` or ``virtual``; records of different clocks must not be compared."""

    def now(self) -> float:
        """Seconds since some moment; never runs backwards. Called inside the loop."""

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """A loop whose waits take this clock's time."""


class RealClock:
    """Time as it passes."""

    name = "real"

    def now(self) -> float:
        """See ``Clock.now``."""
        return time.perf_counter()

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """See ``Clock.new_loop``."""
        return asyncio.new_event_loop()


class VirtualClock:
    """Time that passes only while all tasks wait, and then at once: exact, the same on every machine.

    Only for work that waits in asyncio: a thread or a process takes no virtual time, so a timeout overtakes
    it.
    """

    name = "virtual"

    def now(self) -> float:
        """See ``Clock.now``.

        Raises:
            RuntimeError: the running loop keeps real time.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _VirtualLoop):
            raise RuntimeError("this loop keeps real time; call harness.run(), which makes a virtual one")  # noqa: TRY004
        return loop.time()

    def new_loop(self) -> asyncio.AbstractEventLoop:
        """See ``Clock.new_loop``."""
        return _VirtualLoop()


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self.seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Where a loop would sleep until its next timer, the loop's time jumps there instead."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._loop.seconds += timeout
        return ready
