"""How delivery is doing: what is pending, since when and why, and what readers of the journal alone must know."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import StoreError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import READ_AT_ONCE, PlaceLostError
from benchmark_recorder.stores.cursors import DAMAGED, cursor_files_of
from benchmark_recorder.stores.health import Condition
from benchmark_recorder.stores.replication.delivery import BATCH, count_before, in_batches, newer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmark_recorder.cells import StoreNote
    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Journal, Position
    from benchmark_recorder.stores.cursors import Cursor, CursorFile
    from benchmark_recorder.stores.quarantine import Quarantine


class Elsewhere:
    """What waits for the other remote stores of a journal; the name of its own one is not theirs."""

    def __init__(self, journal: Journal, path: str, own: str) -> None:
        self._journal, self._path, self._own = journal, path, own

    def counts(self, cursor: Cursor | None) -> Mapping[str, int]:
        """How many records wait, by the other store's name; stores for which none does are left out."""
        waiting = Counter({other.remote: sum(1 for _ in self._waiting(other, cursor)) for other in self._others()})
        return dict(+waiting)

    def documents(self, cursor: Cursor | None) -> Iterator[Document]:
        """The records, each id once; errors as in ``Journal.read``.

        Args:
            cursor: the own one: what is behind its attachment is delivered here. ``None``: there is none yet.
        """
        return first_by_id(document for other in self._others() for document in self._waiting(other, cursor))

    def _others(self) -> Iterator[Cursor]:
        for file in cursor_files_of(self._path):
            cursor = file.read()
            if cursor is not None and cursor is not DAMAGED and cursor.remote != self._own:
                yield cursor

    def _waiting(self, other: Cursor, cursor: Cursor | None) -> Iterator[Document]:
        after = self._found(other.delivered, other.attached)
        end = None if cursor is None else self._found(cursor.attached)
        if after is not None and end is not None and end.offset <= after.offset:
            return
        while documents := (batch := self._journal.read(after, BATCH)).documents:
            count = len(documents) if end is None else count_before(self._journal, end, after, batch)
            yield from documents[:count]
            if count < len(documents):
                return
            after = batch.position

    def _found(self, *places: Position) -> Position | None:
        """Where the first of some places is now that is not lost."""
        for place in places:
            with suppress(PlaceLostError):
                return self._journal.read(place, 0).position
        return None


class DeliveryState:
    """What is known of the delivery of a journal to a remote store."""

    def __init__(
        self, journal: Journal, remote: str, cursor_file: CursorFile, quarantine: Quarantine, elsewhere: Elsewhere
    ) -> None:
        self._journal, self._remote = journal, remote
        self._cursor_file, self._quarantine, self._elsewhere = cursor_file, quarantine, elsewhere
        self._has_told = False

    def condition(self, failing_since: datetime | None, last_error: str | None) -> Condition:
        """See ``Store.condition``; the arguments are this process's own."""
        try:
            cursor = self._cursor_file.read()
            pending, pending_since = (0, None) if cursor is None else self._pending(cursor)
            quarantined = len(self._quarantine.of(self._remote))
            elsewhere = self._elsewhere.counts(cursor)
        except StoreError as error:
            since = failing_since or datetime.now(UTC)
            return Condition(self._remote, failing_since=since, last_error=str(error))
        others = self._cursor_file.read_error() if pending and last_error is None else None
        if others is not None:  # of another process; this one had no error before or since
            failing_since, last_error = others.since, others.error
        stuck = self._cursor_file.stuck_deliverer() if pending and failing_since is None else None
        if stuck is not None:
            failing_since, last_error = datetime.fromtimestamp(stuck.active_at, UTC), str(stuck)
        return Condition(self._remote, pending, pending_since, quarantined, failing_since, last_error, elsewhere)

    def tell_of_others(self) -> None:
        """Log once what waited for another store when this one was attached."""
        if not self._has_told:
            self._has_told = True
            for name, count in self._elsewhere.counts(self._cursor_file.read()).items():
                logger.warning("%d records wait for %s; `sync --all` brings them to %s", count, name, self._remote)

    def journal_alone(self, error: StoreUnavailableError) -> StoreNote:
        """What readers of figures from the journal alone must know."""
        from benchmark_recorder.cells import StoreNote

        cursor = self._cursor_file.read()
        pending, _ = (0, None) if cursor is None else self._pending(cursor)
        confirmed = None if cursor is None or cursor.confirmed_at is None else _text(cursor.confirmed_at)
        reached = "It was never reached from here" if confirmed is None else f"It was last reached at {confirmed}"
        reason = str(error).removeprefix(f"{self._remote} ")
        waiting = "1 record waits" if pending == 1 else f"{pending:,} records wait"
        figures: dict[str, Any] = {"store": self._remote, "journal": self._journal.name}
        figures |= {"last_confirmed": confirmed, "pending": pending}
        return StoreNote(
            "store_out_of_reach",
            f"{self._remote} could not be asked: {reason}. These figures are from the local journal alone, "
            "without records of other machines and without those that were pruned here. "
            f"{reached}. {waiting} to be delivered.",
            figures | {"error": str(error)},
        )

    def _pending(self, cursor: Cursor) -> tuple[int, str | None]:
        """How many records are not delivered, and the time of the oldest."""
        try:
            first = self._journal.read(cursor.delivered, 1).documents
            return self._journal.count(cursor.delivered), first[0].get("timestamp") if first else None
        except PlaceLostError:
            documents = newer(self._journal, cursor)
            oldest = next(documents, None)
            return (0, None) if oldest is None else (1 + sum(1 for _ in documents), oldest.get("timestamp"))


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Pending:
    """The undelivered records of the journal, as far as they count here.

    Attributes:
        documents: all of them, each id once.
        uncertain: how many of the first may be in the remote store as well; ``None`` for all.
    """

    documents: Callable[[], Iterable[Document]]
    uncertain: int | None


@dataclass(frozen=True)
class Undelivered:
    """The local side of a question.

    Attributes:
        ids: the records that are counted here, and may be in the remote store, too.
        matching: all matching records that are counted here.
    """

    ids: frozenset[str]
    matching: Callable[[], Iterator[Document]]

    def parts(self) -> Iterator[list[Document]]:
        """The matching records, some at a time."""
        return in_batches(self.matching(), READ_AT_ONCE)


def first_by_id(documents: Iterable[Document]) -> Iterator[Document]:
    """Each id once."""
    seen: set[str] = set()
    for document in documents:
        if (record_id := document["record_id"]) not in seen:
            seen.add(record_id)
            yield document
