"""One thread of a process at a time, and what a signal handler does that would have to wait for its turn."""

from __future__ import annotations

import signal
import sys
from _thread import RLock
from threading import get_ident, main_thread
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreBusyError

if TYPE_CHECKING:
    from types import FrameType

STALL_SECONDS: Final = 0.05
"""How long a signal handler waits for another thread: the program stands still meanwhile."""


class Mutex(RLock):  # type: ignore[misc]  # final in the stubs alone
    """Keeps threads apart; reentrant, so that a signal handler need not wait in vain for its own thread.

    Attributes:
        inside: the thread that has taken it and is at work.
        successor: what another thread puts in its place, where it was left behind.
    """

    inside = 0
    successor: Mutex


class Turns:
    """Takes turns at a document. A thread that has taken the mutex says that it is inside, and then looks at it again.

    Args:
        path: of the document, for errors.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._mutex = Mutex()
        self._main_waits = False

    def _wait(self, seconds: float) -> Mutex:
        """Take the mutex.

        Raises:
            StoreBusyError: another thread is inside, or this one, which a signal handler has interrupted.
        """
        if get_ident() != main_thread().ident:
            return self._take(seconds)
        if self._main_waits:  # a signal handler in the middle of this; a fast timer's would nest ever deeper
            raise self._busy(interrupted=True)
        try:
            self._main_waits = True
            if not self._mutex.acquire(timeout=min(seconds, STALL_SECONDS)):
                if _is_handling_signal():
                    raise self._busy(interrupted=True)
                return self._take(seconds)
            self._mutex.release()
            return self._take(seconds)
        finally:
            self._main_waits = False

    def _take(self, seconds: float) -> Mutex:
        """Take the mutex, or a new one where nobody is inside although it is taken.

        Ctrl-C in the moment between taking it and ``try`` leaves it behind so.
        """
        for _ in range(2):
            mutex = self._mutex
            if mutex.acquire(timeout=seconds):
                if mutex is self._mutex:
                    self._refuse_inside(mutex)
                    return mutex
                mutex.release()
            elif mutex.inside:
                break
            else:
                self._replace_mutex(mutex)
        raise self._busy()

    def _replace_mutex(self, left: Mutex) -> None:
        """Put a new mutex in the place of one that was left behind, unless a thread that had just taken it goes inside.

        Such a thread says first that it is inside, and then looks whether its mutex is still the one in use; here, the
        new mutex comes into use first, and then this looks whether anybody is inside. So one of the two sees the other
        and gives way. Nobody else goes inside meanwhile: the new mutex is taken.
        """
        fresh = Mutex()
        if vars(left).setdefault("successor", fresh) is not fresh:  # atomic: one thread alone replaces it
            return
        with fresh:
            if left is self._mutex:
                self._mutex = fresh
                if left.inside:
                    self._mutex = left
                    del left.successor

    def _check_turn(self, mutex: Mutex) -> None:
        """Give way where the mutex was taken for left behind just before this thread went inside."""
        if mutex is not self._mutex:
            raise self._busy()

    def _refuse_inside(self, mutex: Mutex) -> None:
        """Give the mutex back where this thread has taken it twice."""
        if mutex.inside:
            mutex.release()
            raise StoreBusyError(f"{self.path} is being written by the call that was interrupted", interrupted=True)

    def _busy(self, *, interrupted: bool = False) -> StoreBusyError:
        message = f"{self.path} has been held by another thread for too long; try again"
        return StoreBusyError(message, interrupted=interrupted)


def _is_handling_signal() -> bool:
    """Whether the main thread, which this is, runs a signal handler: one of these functions is being called."""
    handlers = [getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()]
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - inspect takes long to import
    while frame is not None and frame.f_code not in handlers:
        frame = frame.f_back
    return frame is not None
