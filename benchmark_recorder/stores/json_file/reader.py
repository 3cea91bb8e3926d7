"""Answers from a document, with what was read of it kept for the next question."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import numpy as np

from benchmark_recorder._fork import in_child
from benchmark_recorder.cells import Cells, StoreNote
from benchmark_recorder.columns import Coded, Durations, column_of
from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError
from benchmark_recorder.fields import BLOCK, COLUMNS, metadata_key
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import cache
from benchmark_recorder.stores.json_file.arrays import UnusableError
from benchmark_recorder.stores.json_file.format import JOINT, ids_of
from benchmark_recorder.stores.json_file.lines import keys_of, rows_in, rows_of
from benchmark_recorder.stores.json_file.metadata import Metadata
from benchmark_recorder.stores.json_file.source import Fingerprint, opened
from benchmark_recorder.stores.json_file.streaming import UnusualError
from benchmark_recorder.stores.json_file.table import KEPT, TEXTS, Table
from benchmark_recorder.tabulation import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.json_file.source import Piece, Source

T = TypeVar("T")

WORTH_SAVING: Final = 10_000
"""Records read from a document that make it worth saving their columns: some 20 ms of decoding."""


class Reader:
    """The columns of one document, brought up to date by reading what was added since the last question.

    Args:
        path: of the document.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._begin_anew()
        in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._extent: Fingerprint | None = None
        self._table = Table()
        self._saved = 0
        self._by_line = False  # an older document, whose records as they are would be counted wrongly
        self._tail = b""
        self._metadata: Metadata | None = None
        self._saved_metadata = 0

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        return self._answer(lambda table, source: self._scan(table, source, query, fields))

    def durations(self, query: Query) -> Durations:
        """See ``Store.durations``."""
        query.refuse_unit("the list of durations")

        def stored() -> NDArray[np.float64]:
            return self.scan(query, ("execution_time",))["execution_time"]

        if query == Query(versions=query.versions):
            kept = self._answer(lambda table, _: None if table.children else table.durations(query.versions))
            if kept is not None:
                return Durations(kept, stored)
        return Durations.of(stored())

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        return self._answer(lambda table, source: self._with_caveat(table, self._summarize(table, source, query)))

    def is_copied(self) -> Callable[[str], bool] | None:
        """Whether more than one valid record has an id; ``None`` where each has its own."""
        copied = self._answer(lambda table, _: frozenset(table.copied))
        return None if not copied else lambda record_id: keys_of([record_id]) in copied

    def _scan(self, table: Table, source: Source | None, query: Query, fields: Collection[str]) -> Columns:
        rows, others = self._gather(table, source, query, [name for name in fields if name not in KEPT])
        places = None if rows is None else table.places(rows)

        def column(name: str) -> NDArray[np.generic]:
            if name in others:
                return others[name]
            kept = table.column(name, places)
            return table.texts(name, kept) if name in TEXTS else kept

        return {name: column(name) for name in fields}

    def _summarize(self, table: Table, source: Source | None, query: Query) -> Cells:
        if query == Query(versions=query.versions) and (kept := table.summarize_kept(query.versions)) is not None:
            return kept
        if query == _BY_BLOCK and (kept := table.summarize_blocks()) is not None:
            return kept
        names = [name for name in fields_of(query) if name not in KEPT and (query.unit or name != "metadata")]
        rows, others = self._gather(table, source, query, names)
        labels = {key: self._labels(name, source, rows) for key in query.by if (name := metadata_key(key)) is not None}
        return table.summarize(query, rows, {**others, **labels})

    def _with_caveat(self, table: Table, cells: Cells) -> Cells:
        notes = []
        if table.invalid:
            sentence = (
                f"{table.invalid:,} of {len(table):,} records in {self._path} {'is' if table.invalid == 1 else 'are'} "
                "left out of every answer: a field is missing or has the wrong type. Nothing was removed from the "
                "file; `benchmark-recorder doctor` says more."
            )
            figures = {"store": self._path, "left_out": table.invalid, "records": len(table)}
            notes.append(StoreNote("records_left_out", sentence, figures))
        if table.damaged:
            lines = "1 line is not a record" if table.damaged == 1 else f"{table.damaged:,} lines are not records"
            sentence = (
                f"{lines} in {self._path}, as after a merge; every answer is about all others. `benchmark-recorder "
                "doctor --repair` sets such lines aside."
            )
            notes.append(StoreNote("lines_left_out", sentence, {"store": self._path, "left_out": table.damaged}))
        return replace(cells, caveats=(*cells.caveats, *notes)) if notes else cells

    def _gather(
        self, table: Table, source: Source | None, query: Query, names: Collection[str]
    ) -> tuple[NDArray[np.bool_] | None, dict[str, NDArray[np.generic]]]:
        """Which records match (``None``: all), and some columns of theirs that are not kept."""
        rows = None
        if query.metadata and source is not None:
            rows = self._metadata_of(source).matching(query, source)
        if (rows is None or rows.any()) and (selected := table.select(query)) is not None:
            rows = selected if rows is None else rows & selected
        gathering = Projection(query, names)
        if not names and not gathering.is_narrowed:
            return rows, {}
        if source is not None:
            by_line = self._by_line or "record_id" in gathering.fields
            gathering.gather(source.decoded(gathering.decode, source.header, by_line=by_line), rows)
        return gathering.rows, gathering.columns()

    def _labels(self, key: str, source: Source | None, rows: NDArray[np.bool_] | None) -> Coded:
        """The groups of some records (``None``: of all) by a key of the metadata."""
        if source is None:
            return Coded(np.empty(0, np.int32), ())
        codes, vocabulary = self._metadata_of(source).labels(key, source)
        return Coded(codes if rows is None else codes[rows], vocabulary)

    def _metadata_of(self, source: Source) -> Metadata:
        """The metadata of the records in the columns."""
        document = os.path.realpath(self._path)
        if self._metadata is None:
            self._metadata = cache.load_metadata(document, source) or Metadata(source.header)
            self._saved_metadata = len(self._metadata)
        self._metadata.read_on(source, by_line=self._by_line)
        unsaved = len(self._metadata) - self._saved_metadata
        if unsaved > max(WORTH_SAVING, self._saved_metadata // 20):
            cache.save_metadata(document, Fingerprint.at_end(source), self._metadata)
            self._saved_metadata = len(self._metadata)
        return self._metadata

    def _answer(self, ask: Callable[[Table, Source | None], T]) -> T:
        """Ask of the columns as they are now."""
        with self._lock, self._opened() as source:
            try:
                self._read_on(source)
                return ask(self._table, source)
            except UnusableError:
                cache.remove(os.path.realpath(self._path))
                self._forget()
                self._read_on(source)
                return ask(self._table, source)

    @contextmanager
    def _opened(self) -> Iterator[Source | None]:
        with opened(self._path) as source:
            try:
                yield source
            except msgspec.DecodeError as error:
                self._forget()
                raise StoreFormatError(
                    f"{self._path} has a line that is not a record: {error}; nothing was touched. `benchmark-recorder "
                    "doctor --repair` sets such lines aside"
                ) from error
            except EOFError as error:
                self._forget()
                raise StoreUnavailableError(
                    f"{self._path} was cut by another program while it was read; try again"
                ) from error

    def _read_on(self, source: Source | None) -> None:
        """Bring the columns up to date with the end of the document, and with the records beside it."""
        if source is None:
            self._forget()
            return
        if self._extent is None or not self._extent.fits(source) or not self._goes_on(source):
            document = os.path.realpath(self._path)
            # What was changed in place makes older saved columns as wrong as ours, although they may seem to fit.
            is_changed = self._extent is not None and self._extent.inode == source.inode and not self._tail
            if is_changed:
                cache.remove(document)
            self._forget()
            if not is_changed and (saved := cache.load(document, source)):
                self._extent, self._table = saved
                self._by_line = self._extent.by_line
                self._saved = len(self._table)
        own = replace(source, tail=b"")
        # Read anew after an error, so that no record is counted twice.
        before, self._extent = self._extent, None
        extent = Fingerprint.at_end(source)
        if before is None or before.offset != extent.offset:
            self._read(own, source.header if before is None else before.offset)
            extent = replace(extent, by_line=self._by_line)
            unsaved = len(self._table) - self._saved
            if unsaved > max(WORTH_SAVING, self._saved // 20):
                cache.save(os.path.realpath(self._path), extent, self._table)
                self._saved = len(self._table)
        if source.tail != self._tail:
            new = source.tail[len(self._tail) :].strip(JOINT)
            self._table.extend(rows_in(new))
            self._tail = source.tail
        self._extent = replace(extent, by_line=self._by_line)

    def _read(self, source: Source, start: int) -> None:
        """Add the records of a document from an offset on."""
        try:
            self._table.extend(rows_of(source, start, by_line=self._by_line))
            if source.older is None or not self._table.copied:
                return
        except UnusualError:
            pass
        # Those that are there twice are left out: what is read later must then leave them out as well.
        self._table, self._by_line = Table(), True
        self._table.extend(rows_of(source, start, by_line=True))

    def _goes_on(self, source: Source) -> bool:
        """Whether what was read of the records beside a document is still there, behind the same records."""
        if not self._tail:
            return True
        assert self._extent is not None
        end = source.size if source.older is not None else source.layout.end
        return self._extent.offset == end and source.tail.startswith(self._tail)


_BY_BLOCK: Final = Query(by=(BLOCK,))

_ASKED_OF_DOCUMENTS: Final = ("record_id", "task_id", "task_description", "metadata", "dropped")


class Projection:
    """Some columns of the records that match a query, gathered block by block.

    Args:
        query: which records; what kept columns and metadata can decide of it is decided already.
        names: which columns; none of those that are kept.

    Attributes:
        is_narrowed: whether the kept columns could not decide all of the query.
        fields: what is needed of each record.
        decode: a list of records with these.
    """

    def __init__(self, query: Query, names: Collection[str]) -> None:
        self._query = Query(
            task=query.task, exclude_ids=query.exclude_ids, dropped=query.dropped, runs="all", units=query.units
        )
        self.is_narrowed = self._query != Query(runs="all")
        self.fields = dict.fromkeys((*names, *(_ASKED_OF_DOCUMENTS if self.is_narrowed else ())))
        row = msgspec.defstruct("Row", [(name, Any, None) for name in self.fields], gc=False)
        self.decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        self._values: dict[str, list[Any]] = {name: [] for name in names}
        self._masks: list[NDArray[np.bool_]] = []

    def gather(self, pieces: Iterable[Piece], rows: NDArray[np.bool_] | None) -> None:
        """Take what matches from all records of a document, or from some rows."""
        start = 0
        for block, found, _ in pieces:
            records = self.decode(b"[%b]" % block) if found is None else found
            stop = start + len(records)
            mask = np.ones(len(records), np.bool_) if rows is None else rows[start:stop].copy()
            if self.is_narrowed:
                for number in np.flatnonzero(mask).tolist():
                    mask[number] = self._query.matches(_document(records[number]))
            self._masks.append(mask)
            self._take(block, records, mask)
            start = stop

    def _take(self, block: bytes, records: list[Any], mask: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(mask).tolist()
        for name, values in self._values.items():
            if name == "record_id":
                ids = ids_of(block)
                values += [ids[place] for place in places]
            else:
                values += [getattr(records[place], name) for place in places]

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Which of the document's records match."""
        return np.concatenate(self._masks) if self._masks else np.empty(0, np.bool_)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """The asked-for columns of the records that match; see ``records.COLUMNS``.

        Raises:
            msgspec.DecodeError: a value is not a number.
        """
        try:
            return {name: column_of(values, COLUMNS[name]) for name, values in self._values.items()}
        except (ValueError, OverflowError) as error:
            raise msgspec.DecodeError(str(error)) from error


def _document(record: Any) -> Document:  # noqa: ANN401 - of a class made for the query
    return {name: getattr(record, name) for name in _ASKED_OF_DOCUMENTS}
