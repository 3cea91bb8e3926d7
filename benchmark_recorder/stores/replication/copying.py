"""Records from one store to another, and reading ahead while a server takes a batch."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from benchmark_recorder.errors import RefusedRecordsError
from benchmark_recorder.records import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.stores.base import Store

T = TypeVar("T")

BATCH: Final = 1000
"""Records in memory at a time."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The result of a copy.

    Attributes:
        read: records in the source.
        new: those that the target did not have.
        refused: the reasons for which the target refused some, by id.
    """

    read: int = 0
    new: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def copy(source: Store, target: Store, report: Callable[[int], None]) -> Copied:
    """Copy all records that the target does not have; repeating it is safe, also after a failure.

    Args:
        source: is only read.
        target: keeps what it has.
        report: called with the number of records of each batch.

    Raises:
        StoreError: a store cannot be read, or written.
    """
    read = new = 0
    refused: dict[str, str] = {}
    # The next ones are read and prepared while the target takes these.
    for batch in one_ahead(map(target.prepared, in_batches(source.documents(Query()), BATCH))):
        try:
            new += target.append(batch)
        except RefusedRecordsError as error:
            refused |= error.reasons
            new += error.new
        read += len(batch)
        report(len(batch))
    return Copied(read, new, refused)


def in_batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """The same items, some at a time."""
    while batch := list(islice(items, size)):
        yield batch


class Prefetch(Generic[T]):
    """A call that runs in a thread of its own; without a thread to be had, it runs when its result is requested.

    Args:
        call: runs once.
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
        except Exception as error:  # noqa: BLE001 - raised by result()
            self._error = error

    def wait(self) -> None:
        """Wait until the thread has ended; never raises."""
        if self._thread is not None:
            self._thread.join()

    def result(self) -> T:
        """What the call returns; waits for it.

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
    """The same items; each is produced while the one before is processed. None of them may be ``None``."""
    ahead = Prefetch(lambda: next(items, None))
    try:
        while (item := ahead.result()) is not None:
            ahead = Prefetch(lambda: next(items, None))
            yield item
    finally:
        ahead.wait()  # the source of the items may be closed after this
