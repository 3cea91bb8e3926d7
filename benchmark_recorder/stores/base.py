"""The contract of a store: ``name``, ``append``, ``scan``, ``summarize``, ``documents``.

A journal adds ``read`` and ``end``; ``supports`` names what a store does of ``EXTRAS``. A URL finds its store by an
entry point (``opening.open_store``).

A store holds validated documents (see ``records.Document``), and counts one ``record_id`` once. It knows nothing of
statistics beyond cells, and nothing of other stores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Self

from benchmark_recorder.errors import StoreFormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from types import TracebackType

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.histogram import Histograms
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.health import Condition


READ_AT_ONCE: Final = 10_000
"""Records in memory at a time when all are read: some 10 MB."""

EXTRAS: Final = frozenset(
    {"by", "model", "error_type", "host", "commit", "expected_agent", "dropped", "runs", "pairs", "unit"}
)
"""What a store need not know: grouping, these filters, with ``"pairs"`` all but the cells where two versions are
compared (``Cells.beyond`` and ``Cells.unmatched``), and units."""

DELIVER_TO: Final = "deliver_to"
"""The field of a record that was written while no cursor could be: the remote stores that it is for."""


class Store(ABC):
    """Where records live. Safe to use from any thread, and after a fork.

    Every question raises ``StoreError`` where the store cannot be read, or holds something else.

    Attributes:
        is_remote: whether it may be unreachable, so that a recorder writes to a local journal first.
        repeats_are_free: whether ``append(fresh=True)`` accepts records that are stored already, because a record
            counts once when it is read; replication then saves the store a lookup.
        supports: what the store does itself, of ``EXTRAS``; everything else is done for it (see ``completing``), from
            records that it scans. ``fields.BLOCK`` where it tells blocks apart, too.
    """

    is_remote: ClassVar[bool] = False
    repeats_are_free: ClassVar[bool] = False
    supports: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call it: a path or a URL, without secrets."""

    @abstractmethod
    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """Store documents; when this returns, a killed process cannot lose them.

        Args:
            documents: validated ones, each with a ``record_id``.
            fresh: the ids are new, so no record can be stored already, and nothing is looked up.

        Returns:
            How many were new; records whose id is stored already are left as they are.

        Raises:
            RefusedRecordsError: some are refused for their content, and would be again; all others are stored.
            StoreError: not all of the documents are stored; repeating the call is safe.
        """

    def check_writable(self) -> None:  # noqa: B027
        """Raise what would keep every append from working, as far as it is known without writing.

        Raises:
            StoreError: says what to do.
        """

    def prepared(self, documents: Sequence[Document]) -> Sequence[Document]:
        """The same documents, with the local part of ``append``'s work done.

        Replication calls it in another thread, while an earlier batch is being sent. ``append`` must accept the result
        like the documents themselves; refusals are raised there, not here.
        """
        return documents

    def stored_ids(self, ids: Collection[str]) -> Collection[str] | None:  # noqa: ARG002
        """Which of some ids are stored; ``None`` if the store would have to read all of its records to say so.

        Raises:
            StoreError: it cannot be read, or holds something else.
        """
        return None

    @abstractmethod
    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """The asked-for fields (see ``fields.COLUMNS``) of the matching records, in the order they were stored.

        A server keeps no such order: there it is the order of ``record_id``, which is that of recording, or any order
        if neither ``record_id`` nor a time is asked for.
        """

    @abstractmethod
    def summarize(self, query: Query) -> Cells:
        """The cells of the matching records; see ``cells.Cells`` for which tasks have cells of their own."""

    def durations(self, query: Query) -> Durations:
        """The durations of the matching records; a store that keeps them sorted may answer faster."""
        from benchmark_recorder.columns import Durations  # it needs numpy

        query.refuse_unit("the list of durations")
        return Durations.of(self.scan(query, ("execution_time",))["execution_time"])

    def histogram(self, query: Query, field: str = "execution_time") -> Histograms:
        """The histogram of a field's values for each version and group (see ``Query.by``) that has records.

        Args:
            query: which records.
            field: of numbers: ``execution_time``, ``cost``, ``input_tokens``, ...
        """
        from benchmark_recorder.grouping import fields_for  # these need numpy
        from benchmark_recorder.histogram import histograms_of

        query.refuse_unit("a histogram")
        return histograms_of(self.scan(query, {"version", field, *fields_for(query.by)}), query, field)

    @abstractmethod
    def documents(self, query: Query) -> Iterator[Document]:
        """The matching records as they are, including unknown fields, in the order of ``scan``."""

    def condition(self) -> Condition | None:
        """The state of delivery to a remote store; ``None`` if there is none."""
        return None

    def beside(self) -> int:
        """How many records wait beside a file until it is converted; they count."""
        return 0

    @property
    def limitation(self) -> str | None:
        """What the server lacks, as far as is known, so that questions cost more than elsewhere."""
        return None

    def flush(self, timeout: float | None = None) -> bool:  # noqa: ARG002
        """Wait until everything is delivered, at most so many seconds (``None``: without limit); whether it is."""
        return True

    def close(self) -> None:  # noqa: B027
        """Close what the store opened itself; a later call may open it again."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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
    """The record before a place is no longer in the journal."""


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

    def warm_up(self) -> None:
        """Import what reading needs: with a remote store the first append asks for the end, and no append imports."""

    def first_for(self, remote: str, end: Position, seconds: float) -> Position | None:  # noqa: ARG002
        """The place before the first record that names a remote store in ``deliver_to``; ``None`` if none does.

        Args:
            remote: what stands in ``deliver_to``.
            end: how far to look.
            seconds: how long the search may take.

        Raises:
            StoreUnavailableError: it takes longer.
        """
        before = Position(end.inode, 0, "")
        while before != end and (batch := self.read(before, 1)).documents:
            if remote in batch.documents[0].get(DELIVER_TO, ()):
                return before
            before = batch.position
        return None

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
    """Documents as columns of ``fields.COLUMNS``: what ``scan`` returns, for a store that keeps whole documents."""
    from benchmark_recorder import columns  # imports numpy, which a process that only records never needs

    return columns.columns_of(documents, fields)
