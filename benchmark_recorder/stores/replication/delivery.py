"""From the journal to the remote store, batch by batch; and from any store to another.

A process may be killed between any two steps of a batch: write its end to the cursor (``attempted``), send it, move the
cursor past it (``delivered``). After a kill the next process sends the same records again, which is safe, because a
store counts one id once; in between, readers exclude the ids of the batch from the remote side. While one batch is
sent, the next is read ahead, but attempted only after the cursor has moved past the one before.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from benchmark_recorder.errors import RefusedRecordsError, StoreSetupError, StoreUnavailableError, preview
from benchmark_recorder.log import logger
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.base import PlaceLostError, Position
from benchmark_recorder.stores.cursors import DAMAGED, LOST, Cursor
from benchmark_recorder.stores.replication.attachment import Attachment, unaddressed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Batch, Journal, Store
    from benchmark_recorder.stores.cursors import CursorFile
    from benchmark_recorder.stores.quarantine import Quarantine

T = TypeVar("T")

BATCH: Final = 1000
"""Records sent at once: enough to make a round trip cheap, few enough for a question to exclude their ids."""


class Delivery:
    """Brings a journal's records to a remote store; those that it refuses go to quarantine."""

    def __init__(self, journal: Journal, remote: Store, cursor_file: CursorFile, quarantine: Quarantine) -> None:
        self._journal, self._remote = journal, remote
        self._cursor_file, self._quarantine = cursor_file, quarantine
        self.attachment = Attachment(journal, remote.name, cursor_file)

    def deliver(self, go_on: Callable[[], bool], report: Callable[[int], None] = lambda _: None) -> bool:
        """Deliver everything that is pending; ``False`` if something may be left, or another process delivers.

        Args:
            go_on: called between two batches; ``False`` stops.
            report: called with the number of records of each batch.

        Raises:
            StoreError: the remote store cannot take them now, or the journal cannot be read.
        """
        self.attachment.attach()
        with self._cursor_file.lease() as lease:
            if lease is None:
                return False
            report = lease.confirming(report)
            try:
                batch = self._next()
                while batch.documents:
                    following = self._send_and_confirm(batch)
                    report(len(batch.documents))
                    if not go_on():
                        return False
                    batch = following
            except PlaceLostError:
                self._deliver_anew(report)
        return True

    def deliver_history(self, report: Callable[[int], None]) -> None:
        """Deliver the whole journal, including what was recorded before the remote store was attached.

        Raises:
            StoreError: the remote store cannot take it now, or the journal cannot be read.
        """
        self.deliver(lambda: True, report)
        with self._cursor_file.lease(seconds=60.0) as lease:
            if lease is None:
                raise StoreUnavailableError(f"another process is delivering to {self._remote.name}; try again")
            report = lease.confirming(report)
            self._send_all(self._before_cursor(), report)
            with self._cursor_file.held():
                self._cursor_file.write(replace(self._cursor(), attached=Position(0, 0, ""), confirmed_at=_now()))

    def _before_cursor(self) -> Iterator[Sequence[Document]]:
        """All records before the cursor, in batches; readers take those after it from the journal."""
        after: Position | None = None
        while True:
            with self._cursor_file.held(shared=True):  # so that no rewrite comes between the two
                place = self._cursor().delivered
                batch = self._journal.read(after, BATCH)
                count = count_before(self._journal, place, after, batch)
            if count:
                yield batch.documents[:count]
            if count < len(batch.documents) or not batch.documents:
                return
            after = batch.position

    def deliver_quarantined(self, report: Callable[[int], None]) -> int:
        """Try again to deliver refused records; how many are still refused.

        Raises:
            StoreError: the remote store cannot take anything now.
        """
        refused = (entry.document for entry in self._quarantine.of(self._remote.name).values())
        still = 0
        for batch in in_batches(refused, BATCH):
            reasons = self._send(batch)
            still += len(reasons)
            delivered = {document["record_id"] for document in batch} - reasons.keys()
            self._quarantine.remove(self._remote.name, delivered)
            report(len(batch))
        return still

    def _send_all(self, parts: Iterator[Sequence[Document]], report: Callable[[int], None]) -> None:
        for part in one_ahead(self._remote.prepared(unaddressed(part)) for part in parts):
            self._refuse(part, self._send(part))
            report(len(part))

    def _send_and_confirm(self, batch: Batch) -> Batch:
        """Send one batch; return the next one, noted as attempted."""
        if len(batch.documents) < BATCH:
            return self._confirm(batch, self._send(batch.documents))
        ahead = Prefetch(lambda: self._read_ahead(batch.position))
        try:
            return self._confirm(batch, self._send(batch.documents), ahead)
        finally:
            ahead.wait()

    def _read_ahead(self, after: Position) -> Batch:
        batch = self._read(after)
        return replace(batch, documents=self._remote.prepared(batch.documents))

    def _read(self, after: Position) -> Batch:
        batch = self._journal.read(after, BATCH)
        return replace(batch, documents=unaddressed(batch.documents))

    def _next(self) -> Batch:
        """The next batch, noted as attempted."""
        with self._cursor_file.held():
            return self._attempt(self._cursor())

    def _attempt(self, cursor: Cursor, ahead: Batch | None = None) -> Batch:
        """The batch after a cursor, noted as attempted in it when it is written."""
        try:
            batch = ahead or self._read(cursor.delivered)
        except PlaceLostError:
            self._write(replace(cursor, attempted=None))
            raise
        self._write(replace(cursor, attempted=batch.position if batch.documents else None))
        return batch

    def _write(self, cursor: Cursor) -> None:
        if cursor != self._cursor_file.read():
            self._cursor_file.write(cursor)

    def _send(self, documents: Sequence[Document]) -> dict[str, str]:
        """Send records; the reasons of those that were refused, by id."""
        try:
            new: object = self._remote.append(documents, fresh=self._remote.repeats_are_free)
        except RefusedRecordsError as error:
            return dict(error.reasons)
        if not isinstance(new, int):  # a third party's coroutine, for example
            raise StoreSetupError(f"{self._remote.name} did not acknowledge: its append returned {preview(new)}")
        return {}

    def _confirm(self, batch: Batch, reasons: dict[str, str], ahead: Prefetch[Batch] | None = None) -> Batch:
        """Move the cursor past a batch; return the next one, noted as attempted by the same write."""
        self._refuse(batch.documents, reasons)
        following = None if ahead is None else _whole(ahead)
        with self._cursor_file.held():
            cursor = self._cursor()
            delivered = cursor.attempted  # read again: a rewrite of the journal may have moved it meanwhile
            if delivered is None or delivered.record_id != batch.position.record_id:
                return self._attempt(cursor)  # no longer this batch's: continue from wherever the cursor is
            if delivered != batch.position:
                following = None  # it was read from a place that has moved
            return self._attempt(replace(cursor, delivered=delivered, attempted=None, confirmed_at=_now()), following)

    def _refuse(self, documents: Sequence[Document], reasons: dict[str, str]) -> None:
        if reasons:
            self._quarantine.add(self._remote.name, documents, reasons)

    def _cursor(self) -> Cursor:
        cursor = self._cursor_file.read()
        if cursor is None or cursor is DAMAGED:
            # It was removed since the attachment, so how far delivery had come is unknown: its place is lost.
            path, journal = self._cursor_file.path, self._journal.name
            logger.warning("%s is gone or damaged: all of %s is delivered again", path, journal)
            cursor = Cursor(self._remote.name, Position(0, 0, ""), 0, LOST)
            self._cursor_file.write(cursor)
        return cursor

    def _deliver_anew(self, report: Callable[[int], None]) -> None:
        """The journal was rewritten without the cursor's record: deliver everything since the attachment again.

        The cursor stays until all is delivered, so that readers meanwhile see that its place is lost.
        """
        with self._cursor_file.held():
            cursor = self._cursor()
            end = self._journal.end()
        sent = 0

        def counted(count: int) -> None:
            nonlocal sent
            sent += count
            report(count)

        # What has come since is sent, too: an id may occur twice, so none marks the end.
        self._send_all(in_batches(newer(self._journal, cursor), BATCH), counted)
        logger.warning(
            "the place of delivery in %s was lost: %d records were delivered again", self._journal.name, sent
        )
        with self._cursor_file.held():
            self._cursor_file.write(replace(self._cursor(), delivered=end, attempted=None, confirmed_at=_now()))


def newer(journal: Journal, cursor: Cursor) -> Iterator[Document]:
    """The records to deliver where a cursor's place is lost: those since the attachment, or all if that is lost, too.

    No clock is asked which these are: to deliver a record again is harmless, while to leave one out loses it.
    """
    try:
        yield from documents_after(journal, cursor.attached)
    except PlaceLostError:
        yield from documents_after(journal, None)


def _whole(ahead: Prefetch[Batch]) -> Batch | None:
    """What was read ahead; ``None`` if it must be read again: it failed, or was short and may have grown since."""
    try:
        batch = ahead.result()
    except Exception:  # noqa: BLE001 - reading again raises it where it can be handled
        return None
    return batch if len(batch.documents) == BATCH else None


def documents_after(journal: Journal, after: Position | None) -> Iterator[Document]:
    """All records after a place; errors as in ``Journal.read``."""
    for batch in journal.batches(after):
        yield from batch.documents


def count_before(journal: Journal, place: Position, after: Position | None, batch: Batch) -> int:
    """How many records of the batch after a position are before a place: by offset, because an id may occur twice."""
    documents = batch.documents
    if place.inode == batch.position.inode:
        if batch.position.offset <= place.offset:
            return len(documents)
        offsets = range(1, len(documents))
        return bisect_right(offsets, place.offset, key=lambda count: journal.read(after, count).position.offset)
    if not place.record_id:
        return 0
    # Another program has replaced the file, and nothing new follows the place.
    ids = [document["record_id"] for document in documents]
    return ids.index(place.record_id) + 1 if place.record_id in ids else len(documents)


def _now() -> int:
    return time.time_ns() // 1000


# From any store to another -------------------------------------------------------------------------------------------


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
    for batch in one_ahead(map(target.prepared, in_batches(source.documents(Query(runs="all")), BATCH))):
        try:
            new += target.append(batch)
        except RefusedRecordsError as error:
            refused |= error.reasons
            new += error.new
        read += len(batch)
        report(len(batch))
    return Copied(read, new, refused)


# Reading ahead -------------------------------------------------------------------------------------------------------


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
