"""Work that a thread does ahead, while this one waits for a server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Prefetch(Generic[T]):
    """A call in a thread of its own, begun now; where no thread can be had, it is made when its result is asked for.

    Args:
        call: is made once.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: Exception | None = None
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, name="benchmark-recorder-ahead", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or there are too many
            self._thread = None

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error

    def wait(self) -> None:
        """Until the thread has ended; nothing is raised."""
        if self._thread is not None:
            self._thread.join()

    def result(self) -> T:
        """What the call returned, as soon as it has.

        Raises:
            Exception: what the call raised.
        """
        if self._thread is None:
            return self._call()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._results[0]


def one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; the next one is made while one is dealt with. None of them may be ``None``."""
    ahead = Prefetch(lambda: next(items, None))
    try:
        while (item := ahead.result()) is not None:
            ahead = Prefetch(lambda: next(items, None))
            yield item
    finally:
        ahead.wait()  # the items' source may be closed after this
