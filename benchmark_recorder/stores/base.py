"""The contract of a store: ``append``, ``scan``, ``summarize``; a journal adds ``read`` and ``end``.

A store holds documents (see ``records.Document``) that were admitted already, and counts one ``record_id`` once.
It knows nothing of statistics beyond cells, and nothing of other stores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self

from benchmark_recorder.errors import StoreFormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.records import Columns, Document, Query


READ_AT_ONCE: Final = 10_000
"""Records in memory at a time when all are read: some 10 MB."""


class Store(ABC):
    """Where records live. Safe to use from any thread, and after a fork.

    Attributes:
        is_remote: whether it may be out of reach, so that a recorder writes to a local journal first.
        repeats_are_free: whether what is appended as fresh may be here already, because a record is counted once when
            it is read; replication then spares the store the look for it.
    """

    is_remote: ClassVar[bool] = False
    repeats_are_free: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call this place: a path or a URL, secrets hidden."""

    @abstractmethod
    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """Store documents; when this returns, a killed process cannot lose them.

        Args:
            documents: admitted ones, each with a ``record_id``.
            fresh: the ids were made just now, so none can be here already, and nothing is looked up.

        Returns:
            How many were new; those whose id was here already are left as they are.

        Raises:
            RefusedRecordsError: some are refused for their content, and will be again; all others are here.
            StoreError: none, or not all, of the documents are here; to repeat the call is safe.
        """

    def prepared(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The same documents, with the part of ``append``'s work done that needs nobody else.

        Replication asks for it ahead, in another thread, while an earlier batch is on its way. ``append`` must take
        what is returned as it takes the documents themselves; what it would refuse is refused there, not here.
        """
        return documents

    @abstractmethod
    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """The asked-for fields (see ``records.COLUMNS``) of the matching records, in the order they were stored.

        A server keeps no such order; there it is the order of ``record_id``, which is that of recording, and any where
        neither ``record_id`` nor a time is asked for.

        Raises:
            StoreError: the place cannot be read, or what it holds is not ours.
        """

    @abstractmethod
    def summarize(self, query: Query) -> Cells:
        """The cells of the matching records; see ``cells.Cells`` for which tasks have cells of their own.

        Raises:
            StoreError: the place cannot be read, or what it holds is not ours.
        """

    def durations(self, query: Query) -> Durations:
        """The durations of the matching records; a store that keeps them in order may answer faster.

        Raises:
            StoreError: the place cannot be read, or what it holds is not ours.
        """
        from benchmark_recorder.columns import Durations  # it needs numpy

        return Durations.of(self.scan(query, ("execution_time",))["execution_time"])

    @abstractmethod
    def documents(self, query: Query) -> Iterator[Document]:
        """The matching records whole, with fields that we do not know, in the order of ``scan``.

        Raises:
            StoreError: the place cannot be read, or what it holds is not ours.
        """

    def condition(self) -> Condition | None:
        """How delivery to a remote place fares; ``None`` where there is none."""
        return None

    def flush(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Wait until everything is in its last place, at most some seconds; whether it is."""
        return True

    def close(self) -> None:  # noqa: B027
        """Let go of what the store opened itself; a later call may open it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Condition:
    """How delivery from a local journal to a remote place fares.

    Attributes:
        remote: the place's name.
        pending: records in the journal that the place has not confirmed.
        pending_since: the time of the oldest of them as text; ``None`` where there is none.
        quarantined: records that the place refused for their content.
        failing_since: when the present trouble of whoever delivers began, or ``None``.
        last_error: this process's latest trouble, also a past one; before it has any, another's present one.
    """

    remote: str
    pending: int = 0
    pending_since: str | None = None
    quarantined: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None


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


class Position(NamedTuple):
    """A place between two records of a journal.

    Attributes:
        inode: of the file; 0 where there is none.
        offset: bytes (or records) before the place.
        record_id: of the record just before the place; empty at the beginning.
    """

    inode: int
    offset: int
    record_id: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of a journal, and the place behind the last of them."""

    documents: Sequence[Document]
    position: Position


class PlaceLostError(StoreFormatError):
    """The record before a place is not in the journal any more."""


class Journal(Store):
    """A store whose records have an order, and can be read on from a place."""

    @abstractmethod
    def read(self, after: Position | None, limit: int) -> Batch:
        """Up to ``limit`` records behind ``after`` (``None``: from the beginning), in order.

        A place that no longer fits (the file was rewritten) is looked for by its ``record_id``; if that is gone too,
        ``PlaceLostError`` is raised, and the reader decides from where to go on.
        """

    @abstractmethod
    def end(self) -> Position:
        """The place behind the last record."""

    def count(self, after: Position | None) -> int:
        """How many records are behind a place; errors as in ``read``."""
        return sum(len(batch.documents) for batch in self.batches(after))

    def batches(self, after: Position | None) -> Iterator[Batch]:
        """All records behind a place, some at a time; errors as in ``read``."""
        batch = self.read(after, READ_AT_ONCE)
        while batch.documents:
            yield batch
            batch = self.read(batch.position, READ_AT_ONCE)

    def distinct(self, after: Position | None, since: Position | None = None) -> Iterator[Document]:  # noqa: ARG002
        """The records behind a place, each id once; errors as in ``read``.

        Args:
            after: the place; ``None`` for the beginning.
            since: an earlier place: records with the id of one between the two are left out as well.
        """
        for batch in self.batches(after):
            yield from batch.documents

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        return filter(query.matches, self.distinct(None))


def columns_of(documents: Sequence[Document], fields: Collection[str]) -> Columns:
    """Documents turned on their side: what ``scan`` returns, for a store that keeps them whole.

    Args:
        documents: in the order of the answer.
        fields: of ``records.COLUMNS``.
    """
    from benchmark_recorder import columns  # with numpy, which who only records does without

    return columns.columns_of(documents, fields)
