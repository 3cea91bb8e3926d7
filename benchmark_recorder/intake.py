"""A record's last step in: into the journal, or into memory while the journal cannot be written.

Storage trouble is not the caller's: a record that cannot be written waits here, is written before the next one, and
is counted all the while.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmark_recorder.errors import InvalidRecordError
    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

logger = logging.getLogger("benchmark_recorder")
logger.addHandler(logging.NullHandler())

MAX_WAITING: Final = 10_000
"""Records kept in memory while the journal cannot be written: some 10 MB."""


@dataclass(frozen=True, slots=True)
class Health:
    """How recording fares.

    Attributes:
        store: where records go.
        waiting: records in memory that could not be written yet; a killed process loses these.
        lost: records that were dropped because more than 10,000 were waiting, or at the end.
        invalid: recordings that were refused for their content and only logged.
        normalised: records that differ from what the caller gave: a text cut, a number that was not finite.
        failing_since: when the present trouble began, or ``None``.
        last_error: the latest storage trouble, also a past one.
        pending: records in the local journal that the remote store has not confirmed; a killed process keeps these.
        pending_since: the time of the oldest of them as text, or ``None``.
        quarantined: records that the remote store refused for their content; they still count.
    """

    store: str
    waiting: int = 0
    lost: int = 0
    invalid: int = 0
    normalised: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    pending: int = 0
    pending_since: str | None = None
    quarantined: int = 0

    @property
    def ok(self) -> bool:
        """Whether every record is where it belongs, or on its way."""
        return not (self.waiting or self.lost or self.invalid or self.quarantined or self.failing_since)


class Intake:
    """The way of documents into a journal.

    Args:
        journal: where they go.
        strict: raise storage trouble instead of keeping the record.
    """

    def __init__(self, journal: Store, *, strict: bool = False) -> None:
        self._journal = journal
        self._strict = strict
        self._waiting: deque[Document] = deque()
        self._lost = self._invalid = self._normalised = 0
        self._failing_since: datetime | None = None
        self._last_error: str | None = None
        self._lock = threading.Lock()
        _intakes.add(self)

    def append(self, document: Document, *, fresh: bool = True) -> None:
        """Write one document; when this returns, it is in the journal, or waits in memory.

        Args:
            document: an admitted one.
            fresh: its id was made just now, so it cannot be in the journal already.

        Raises:
            StoreError: the journal cannot be written, and the intake is strict.
        """
        if self._waiting:
            self._append_behind(document, fresh=fresh)
            return
        try:
            self._journal.append((document,), fresh=fresh)
        except Exception as error:
            if self._strict:
                raise
            with self._lock:
                self._keep(document, error)

    def flush(self) -> bool:
        """Write what waits; whether nothing waits any more."""
        with self._lock:
            return self._write_waiting()

    def close(self) -> None:
        """Write what waits; what still cannot be written is lost, and logged so."""
        with self._lock:
            if self._write_waiting():
                return
            self._lost += len(self._waiting)
            logger.error(
                "%d records could not be written to %s before the end, and are lost: %s",
                len(self._waiting),
                self._journal.name,
                self._last_error,
            )
            self._waiting.clear()

    def count_unwritten(self, error: Exception) -> None:
        """A strict recorder could not write a record, and its caller must not be told by an exception."""
        with self._lock:
            self._lost += 1
            self._failed(error)

    def count_invalid(self, error: InvalidRecordError) -> None:
        """A recording was refused, and the caller wants it logged, not raised."""
        with self._lock:
            self._invalid += 1
            first = self._invalid == 1
        logger.log(logging.WARNING if first else logging.DEBUG, "not recorded: %s", error)

    def count_normalised(self, notes: tuple[str, ...]) -> None:
        """A record differs from what the caller gave."""
        with self._lock:
            self._normalised += 1
            first = self._normalised == 1
        logger.log(logging.WARNING if first else logging.DEBUG, "recorded, but %s", "; ".join(notes))

    def health(self) -> Health:
        """The counts at this moment."""
        with self._lock:
            return Health(
                store=self._journal.name,
                waiting=len(self._waiting),
                lost=self._lost,
                invalid=self._invalid,
                normalised=self._normalised,
                failing_since=self._failing_since,
                last_error=self._last_error,
            )

    def _append_behind(self, document: Document, *, fresh: bool) -> None:
        """Records keep their order: what waits goes first."""
        with self._lock:
            if not self._write_waiting():
                self._keep(document, None)
                return
        self.append(document, fresh=fresh)

    def _write_waiting(self) -> bool:
        """Try the oldest one alone first: during an outage that is all that an attempt costs."""
        try:
            while self._waiting:
                batch = tuple(self._waiting)[: None if self._failing_since is None else 1]
                # Not fresh: trouble after the write (a failed fsync) may have left the record there.
                self._journal.append(batch)
                for _ in batch:
                    self._waiting.popleft()
                self._recovered()
        except Exception as error:  # noqa: BLE001 - also a third party's store must not hurt the caller
            self._failed(error)
        return not self._waiting

    def _keep(self, document: Document, error: Exception | None) -> None:
        if error is not None:
            self._failed(error)
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(document)
            return
        self._lost += 1
        if self._lost == 1:
            logger.error(
                "more than %d records wait for %s: further ones are lost until it can be written again",
                MAX_WAITING,
                self._journal.name,
            )

    def _failed(self, error: Exception) -> None:
        self._last_error = str(error) or type(error).__name__
        if self._failing_since is None:
            self._failing_since = datetime.now(UTC)
            logger.warning("records are kept in memory until they can be written: %s", self._last_error)

    def _recovered(self) -> None:
        if self._failing_since is not None:
            self._failing_since = None
            logger.warning("%s can be written again", self._journal.name)

    def _forget_parent(self) -> None:
        """In a forked child: what waits is the parent's to write."""
        self._lock = threading.Lock()
        self._waiting.clear()
        self._lost = self._invalid = self._normalised = 0


_intakes: weakref.WeakSet[Intake] = weakref.WeakSet()


def _forget_parents() -> None:
    for intake in tuple(_intakes):
        intake._forget_parent()  # noqa: SLF001 - the class's own


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_parents)
