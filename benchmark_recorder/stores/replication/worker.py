"""The thread that delivers, away from the threads that record."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Final

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import StoreSetupError
from benchmark_recorder.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable


GATHER_SECONDS: Final = 1.0
"""How long records gather before they are sent, unless a caller waits for them."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts at most: how long a server may be back unnoticed."""

SETUP_PAUSE: Final = 60.0
"""Seconds between two attempts when a person must act first."""

CLOSE_SECONDS: Final = 2.0
"""How long an exit waits for the last records; the next process delivers the rest."""


class Worker:
    """Runs a delivery in a daemon thread of its own whenever there is something to deliver, until it succeeds.

    Args:
        deliver: delivers everything that is pending; ``False`` if something may be left. Its argument returns whether
            to go on.
        name: of the remote store, for the log.
    """

    def __init__(self, deliver: Callable[[Callable[[], bool]], bool], name: str) -> None:
        self._deliver, self._name = deliver, name
        self._forget_parent()
        in_child(self._forget_parent)

    def _forget_parent(self) -> None:
        """In a forked child: begin anew, as the thread is the parent's."""
        self._round = _Round()
        self._changed = threading.Condition(threading.RLock())  # a signal handler may record while this is held
        self._asked = self._done = 0
        self.failing_since: datetime | None = None
        self.last_error: str | None = None

    def wake(self) -> None:
        """There is something to deliver."""
        current = self._round
        if not current.awake.is_set() or current.thread is None:
            current.awake.set()
            self._ensure_thread()

    def flush(self, timeout: float | None) -> bool:
        """Deliver now; whether everything recorded so far is delivered within some seconds (``None``: any time)."""
        with self._changed:
            self._asked += 1
            mine = self._asked
        self._round.hurry.set()
        self._round.awake.set()
        self._ensure_thread()
        with self._changed:
            return self._changed.wait_for(lambda: self._done >= mine, timeout)

    def close(self) -> None:
        """Try once more, for two seconds at most, and end the thread; ``wake`` starts a new one."""
        current, self._round = self._round, _Round()
        current.stop_at = monotonic() + CLOSE_SECONDS
        current.hurry.set()
        current.awake.set()
        if current.thread is not None and current.thread is not threading.current_thread():
            current.thread.join(CLOSE_SECONDS)

    def _ensure_thread(self) -> None:
        with self._changed:
            current = self._round
            if current.thread is not None:
                return
            thread = threading.Thread(
                target=self._run, args=(current,), name="benchmark-recorder-delivery", daemon=True
            )
            if current.thread is None:  # a signal handler may have come first
                current.thread = thread
            else:
                return
            try:
                thread.start()
            except RuntimeError as error:  # the interpreter is ending, or there are too many
                current.thread = None
                logger.debug("records for %s are left to the next process: %s", self._name, error)

    def _run(self, current: _Round) -> None:
        while True:
            current.awake.wait()
            current.hurry.wait(GATHER_SECONDS)
            current.awake.clear()
            current.hurry.clear()
            with self._changed:
                asked = self._asked
            delivered = self._attempt(current)
            if delivered:
                with self._changed:
                    self._done = max(self._done, asked)
                    self._changed.notify_all()
            else:
                current.awake.set()
            if current.stop_at is not None:
                return

    def _attempt(self, current: _Round) -> bool:
        """Deliver, with growing pauses, until it succeeds or the round ends; whether nothing is left."""
        retrying = Retrying(
            retry=retry_if_exception_type(Exception),  # a third party's store must not end the thread either
            wait=pause_after,
            stop=lambda _: current.stop_at is not None,
            sleep=current.pause,
            reraise=True,
        )
        try:
            delivered: bool = retrying(self._try, current)
        except Exception:  # noqa: BLE001 - the round has ended
            return False
        if delivered and self.failing_since is not None:
            self.failing_since = None
            logger.warning("%s accepts records again", self._name)
        return delivered

    def _try(self, current: _Round) -> bool:
        try:
            return self._deliver(current.goes_on)
        except Exception as error:
            self.last_error = str(error) or type(error).__name__
            if self.failing_since is None:
                self.failing_since = datetime.now(UTC)
                logger.warning(
                    "records stay in the local journal until %s accepts them: %s", self._name, self.last_error
                )
            raise


_growing = wait_exponential(multiplier=0.25, max=LONGEST_PAUSE)
# Of its own: a program that seeds the module's gets the numbers that it expects.
_random = Random()  # noqa: S311 - pauses are no secrets


def pause_after(state: RetryCallState) -> float:
    """Seconds until the next attempt."""
    error = None if state.outcome is None else state.outcome.exception()
    return SETUP_PAUSE if isinstance(error, StoreSetupError) else _random.uniform(0, _growing(state))


class _Bell:
    """A ``threading.Event`` for one waiting thread, which a signal handler may set in the middle of ``set``.

    An event has a lock, for which the handler would wait for ever.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._queue: SimpleQueue[None] = SimpleQueue()  # its put is reentrant

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._queue.put(None)

    def clear(self) -> None:
        self._is_set = False
        with suppress(Empty):
            while True:
                self._queue.get_nowait()

    def wait(self, timeout: float | None = None) -> bool:
        if not self._is_set:
            with suppress(Empty):
                self._queue.get(timeout=timeout)
        return self._is_set


class _Round:
    """One thread's life.

    Attributes:
        awake: there may be something to deliver.
        hurry: a caller waits for it.
        stop_at: the monotonic time at which the thread ends, or ``None``.
        thread: the one that runs it; ``None`` before the first record.
    """

    def __init__(self) -> None:
        self.awake, self.hurry = _Bell(), _Bell()
        self.stop_at: float | None = None
        self.thread: threading.Thread | None = None

    def goes_on(self) -> bool:
        return self.stop_at is None or monotonic() < self.stop_at

    def pause(self, seconds: float) -> None:
        """Between two attempts; a caller in a hurry ends it."""
        if self.hurry.wait(seconds):
            self.hurry.clear()
