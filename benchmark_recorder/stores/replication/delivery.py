"""From the journal to the remote store, batch by batch, so that a process may be killed between any two steps.

A batch is: write down in the mark up to where it goes, send it, move the mark over it. Whoever comes after a kill
sends the same records again, which is safe, because a store counts one id once; whoever reads in between leaves the
batch's records out of the remote side. While one batch is sent, the next is read ahead, and no more than that: it is
attempted only when the mark has moved over the one before it.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import RefusedRecordsError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import PlaceLostError, Position
from benchmark_recorder.stores.replication.cursor import DAMAGED, LOST, Cursor, MarkFile
from benchmark_recorder.stores.replication.prefetch import Prefetch, one_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Batch, Journal, Store
    from benchmark_recorder.stores.replication.quarantine import Quarantine

BATCH: Final = 1000
"""Records sent at once: enough that a round trip is small beside them, few enough to be kept out of a question."""

_GRACE: Final = 86_400_000_000
"""Microseconds before the attachment from which records are delivered when its place is lost. A record gets its time
before it is written; delivering some a second time is nothing, and leaving one out is a loss."""


class Delivery:
    """What brings a journal's records to a remote store.

    Args:
        journal: where they are.
        remote: where they go.
        marks: how far they are.
        quarantine: where those go that the remote store refuses.
    """

    def __init__(self, journal: Journal, remote: Store, marks: MarkFile, quarantine: Quarantine) -> None:
        self._journal, self._remote = journal, remote
        self._marks, self._quarantine = marks, quarantine
        self._is_attached = False

    def attach(self) -> None:
        """Deliver from now on, unless that is so already.

        Raises:
            StoreError: the journal cannot be read, or the mark cannot be written.
        """
        if self._is_attached:
            return
        if self._marks.read() is None:  # without the lock, which a question may hold for as long as the server takes
            with self._marks.held():
                if self._marks.read() is None:
                    end = self._journal.end()
                    self._marks.write(Cursor(self._remote.name, end, _now(), end))
        self._is_attached = True

    def deliver(self, go_on: Callable[[], bool], report: Callable[[int], None] | None = None) -> bool:
        """Deliver everything that is pending; whether nothing is left, or another process is doing it.

        Args:
            go_on: asked between two batches.
            report: told how many records were delivered.

        Raises:
            StoreError: the remote store cannot take them now, or the journal cannot be read.
        """
        self.attach()
        with self._marks.turn() as mine:
            if not mine:
                return False
            try:
                batch = self._next()
                while batch.documents:
                    following = self._send_and_confirm(batch)
                    if report is not None:
                        report(len(batch.documents))
                    if not go_on():
                        return False
                    batch = following
            except PlaceLostError:
                self._deliver_anew(report)
        return True

    def deliver_history(self, report: Callable[[int], None]) -> None:
        """Deliver the whole journal, also what was there before the remote store was attached.

        Raises:
            StoreError: the remote store cannot take it now, or the journal cannot be read.
        """
        self.deliver(lambda: True, report)
        with self._marks.turn(seconds=60.0) as mine:
            if not mine:
                raise StoreUnavailableError(f"another process is delivering to {self._remote.name}; try again")
            for part in one_ahead(map(self._remote.prepared, self._before_mark())):
                self._refuse(part, self._send(part))
                report(len(part))
            with self._marks.held():
                self._marks.write(replace(self._mark(), attached=Position(0, 0, ""), confirmed_at=_now()))

    def _before_mark(self) -> Iterator[Sequence[Document]]:
        """All that stands before the mark, some at a time; a reader takes what is behind it from the journal."""
        after: Position | None = None
        while True:
            with self._marks.held(shared=True):  # so that no rewrite of ours comes between the two
                place = self._mark().delivered
                batch = self._journal.read(after, BATCH)
                count = self._count_before(place, after, batch)
            if count:
                yield batch.documents[:count]
            if count < len(batch.documents) or not batch.documents:
                return
            after = batch.position

    def _count_before(self, place: Position, after: Position | None, batch: Batch) -> int:
        """How many records of a batch stand before a place: by offset, because an id may stand there twice."""
        documents = batch.documents
        if place.inode == batch.position.inode:
            if batch.position.offset <= place.offset:
                return len(documents)
            return bisect_right(range(1, len(documents)), place.offset, key=lambda n: self._offset(after, n))
        if not place.record_id:
            return 0
        # Another program has replaced the file, and nothing new is behind the place.
        ids = [document["record_id"] for document in documents]
        return ids.index(place.record_id) + 1 if place.record_id in ids else len(documents)

    def _offset(self, after: Position | None, count: int) -> int:
        return self._journal.read(after, count).position.offset

    def deliver_quarantined(self, report: Callable[[int], None]) -> int:
        """Try once more to deliver what was refused; how many records are still refused.

        Raises:
            StoreError: the remote store cannot take anything now.
        """
        refused = [entry.document for entry in self._quarantine.of(self._remote.name).values()]
        still = 0
        for start in range(0, len(refused), BATCH):
            batch = refused[start : start + BATCH]
            reasons = self._send(batch)
            still += len(reasons)
            delivered = {document["record_id"] for document in batch} - reasons.keys()
            self._quarantine.remove(self._remote.name, delivered)
            report(len(batch))
        return still

    def _send_and_confirm(self, batch: Batch) -> Batch:
        """Bring one batch there; the next one, written down as attempted."""
        if len(batch.documents) < BATCH:
            return self._confirm(batch, self._send(batch.documents))
        ahead = Prefetch(lambda: self._read_ahead(batch.position))
        try:
            return self._confirm(batch, self._send(batch.documents), ahead)
        finally:
            ahead.wait()

    def _read_ahead(self, after: Position) -> Batch:
        batch = self._journal.read(after, BATCH)
        return replace(batch, documents=self._remote.prepared(batch.documents))

    def _next(self) -> Batch:
        """The next batch, written down as attempted."""
        with self._marks.held():
            return self._attempt(self._mark())

    def _attempt(self, mark: Cursor, ahead: Batch | None = None) -> Batch:
        """What is behind a mark, written down as attempted together with the rest of the mark."""
        try:
            batch = ahead or self._journal.read(mark.delivered, BATCH)
        except PlaceLostError:
            self._write(replace(mark, attempted=None))
            raise
        self._write(replace(mark, attempted=batch.position if batch.documents else None))
        return batch

    def _write(self, mark: Cursor) -> None:
        if mark != self._marks.read():
            self._marks.write(mark)

    def _send(self, documents: Sequence[Document]) -> dict[str, str]:
        """Send records; why some were refused, by id."""
        try:
            self._remote.append(documents, fresh=self._remote.repeats_are_free)
        except RefusedRecordsError as error:
            return dict(error.reasons)
        return {}

    def _confirm(self, batch: Batch, reasons: dict[str, str], ahead: Prefetch[Batch] | None = None) -> Batch:
        """Move the mark over a batch; the next one, written down as attempted in the same stroke."""
        self._refuse(batch.documents, reasons)
        following = None if ahead is None else _whole(ahead)
        with self._marks.held():
            mark = self._mark()
            delivered = mark.attempted  # as it is written now: a rewrite of the journal meanwhile has moved it
            if delivered is None or delivered.record_id != batch.position.record_id:
                return self._attempt(mark)  # no longer this batch's: sent again from wherever the mark is
            if delivered != batch.position:
                following = None  # read from a place that is not the mark's any more
            return self._attempt(replace(mark, delivered=delivered, attempted=None, confirmed_at=_now()), following)

    def _refuse(self, documents: Sequence[Document], reasons: dict[str, str]) -> None:
        if reasons:
            self._quarantine.add(self._remote.name, documents, reasons)

    def _mark(self) -> Cursor:
        mark = self._marks.read()
        if mark is None or mark is DAMAGED:
            # Somebody removed it since it was attached. What it stood for cannot be known: its place is lost.
            logger.warning("%s is gone or damaged: all of %s is delivered again", self._marks.path, self._journal.name)
            mark = Cursor(self._remote.name, Position(0, 0, ""), 0, LOST)
            self._marks.write(mark)
        return mark

    def _deliver_anew(self, report: Callable[[int], None] | None) -> None:
        """The journal was rewritten without the mark's record: deliver everything since the attachment again.

        The mark stays until all is delivered, so that a reader meanwhile sees that its place is lost.
        """
        with self._marks.held():
            mark = self._mark()
            end = self._journal.end()
        # What has come since is sent, too: not to stop at an id, which may stand there twice.
        for part in one_ahead(map(self._remote.prepared, _parts(newer(self._journal, mark)))):
            self._refuse(part, self._send(part))
            if report is not None:
                report(len(part))
        with self._marks.held():
            self._marks.write(replace(self._mark(), delivered=end, attempted=None, confirmed_at=_now()))


def newer(journal: Journal, mark: Cursor) -> Iterator[Document]:
    """The records since a remote store was attached, where the place of the last delivered one is lost."""
    try:
        yield from _documents(journal, mark.attached)
    except PlaceLostError:
        since = mark.attached_at - _GRACE
        yield from (document for document in _documents(journal, None) if _is_since(document, since))


def _whole(ahead: Prefetch[Batch]) -> Batch | None:
    """What was read ahead; ``None`` where it must be read again: it failed, or was short and may have grown since."""
    try:
        batch = ahead.result()
    except Exception:  # noqa: BLE001 - whatever it is, reading again meets it where it can be dealt with
        return None
    return batch if len(batch.documents) == BATCH else None


def _documents(journal: Journal, after: Position | None) -> Iterator[Document]:
    for batch in journal.batches(after):
        yield from batch.documents


def _is_since(document: Document, moment: int) -> bool:
    """Whether a record may have been written at a moment (microseconds since 1970) or later."""
    record_id: str = document["record_id"]
    # One of ours says when it was made; a hash may look like one, but not to the microsecond of its record's time.
    if record_id[8:21].isdecimal() and record_id[8:14] == str(document.get("timestamp"))[20:26]:
        return int(record_id[:8], 16) * 1_000_000 >= moment - 1_000_000
    return True


def _parts(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while part := list(islice(documents, BATCH)):
        yield part


def _now() -> int:
    return time.time_ns() // 1000
