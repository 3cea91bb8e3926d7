"""One execution of a task, in real time or in virtual time that jumps over every wait.

Orchestrators that wait with asyncio need not know which: in virtual time ``asyncio.sleep(3600)`` returns at once, and
exactly 3600 seconds have passed.
"""

from __future__ import annotations

import asyncio
import inspect
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from benchmark_recorder.harness.result import TIMEOUT, Outcome, is_rate_limit, read_outcome
from benchmark_recorder.log import logger
from benchmark_recorder.recording.measurement import CANCELLED

if TYPE_CHECKING:
    from benchmark_recorder.harness.tasks import Task


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

    Only for work that waits in asyncio: threads and processes take no virtual time, so a timeout overtakes them.
    """

    name = "virtual"

    def now(self) -> float:
        """See ``Clock.now``.

        Raises:
            RuntimeError: the running loop runs in real time.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, _VirtualLoop):
            raise RuntimeError("this loop runs in real time; call harness.run(), which makes a virtual loop")  # noqa: TRY004
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
    """Instead of sleeping until its next timer, the loop jumps to that time."""

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


GRACE: Final = 1.0
"""Seconds that a cancelled execution has to clean up; then it is left behind and the run goes on."""


class Orchestrator(Protocol):
    """What can be run: anything that has a version and does tasks."""

    @property
    def version(self) -> str:
        """The version of its records."""

    async def execute_task(self, task: Task, /) -> Any:  # noqa: ANN401
        """Do a task; ``result.read_outcome`` says what a result looks like."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How an execution ended and how long it took.

    Attributes:
        outcome: success, or which kind of failure.
        duration: seconds, from the call to its result, to its exception, or to the timeout.
        left_running: whether it was cancelled and went on regardless.
    """

    outcome: Outcome
    duration: float
    left_running: bool = False


async def execute(orchestrator: Orchestrator, task: Task, timeout: float | None, clock: Clock) -> Timing:  # noqa: ASYNC109
    """Let an orchestrator do a task; at the timeout, in seconds, it is cancelled.

    An exception is an outcome, and so is a timeout; a cancellation of this call, ``KeyboardInterrupt`` and
    ``SystemExit`` pass on.
    """
    started = clock.now()
    call = asyncio.create_task(attempt(orchestrator, task, clock))
    # Fetches the error of an abandoned call, so that asyncio does not print it.
    call.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait({call}, timeout=timeout)
    except asyncio.CancelledError:
        await _stop(call)
        raise
    if not call.done():
        elapsed = clock.now() - started
        await _stop(call)
        return Timing(Outcome(success=False, error_type=TIMEOUT), elapsed, left_running=not call.done())
    return timing_of(call, clock.now() - started, timeout)


def timing_of(call: asyncio.Task[Timing], elapsed: float, timeout: float | None) -> Timing:
    """How an ``attempt`` ended that was not stopped from outside, after so many seconds."""
    if call.cancelled():
        # The orchestrator let a cancellation of its own escape.
        return Timing(Outcome(success=False, error_type=CANCELLED, raised=True), elapsed)
    timing = call.result()
    if timeout is not None and timing.duration > timeout:
        # It blocked the loop, so nothing could stop it in time.
        return Timing(Outcome(success=False, error_type=TIMEOUT), timing.duration)
    return timing


async def attempt(orchestrator: Orchestrator, task: Task, clock: Clock) -> Timing:
    """Let an orchestrator do a task, however long it takes; an exception is an outcome."""
    started = clock.now()
    try:
        result: Any = orchestrator.execute_task(task)
        if inspect.isawaitable(result):
            result = await result
    except Exception as error:
        logger.info("an execution by %s raised", orchestrator.version, exc_info=True)
        outcome = Outcome(
            success=False, error_type=type(error).__name__, raised=True, rate_limited=is_rate_limit(error)
        )
        return Timing(outcome, clock.now() - started)
    duration = clock.now() - started
    return Timing(read_outcome(result), duration)


async def _stop(call: asyncio.Task[Timing]) -> None:
    if not call.cancelling():  # a second cancel would interrupt its cleanup
        call.cancel()
    await asyncio.wait({call}, timeout=GRACE)
