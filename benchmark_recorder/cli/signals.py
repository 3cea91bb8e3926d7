"""SIGINT and SIGTERM as a request to stop soon, for a command that runs until then."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Whether one of the two signals has come; a second one ends the process as usual."""

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
