"""Answers from a document, with what was read of it kept for the next question."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from benchmark_recorder.cells import CELL_FIELDS, Caveat, Cells
from benchmark_recorder.durations import Durations
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.records import Query
from benchmark_recorder.stores._json import sidecar
from benchmark_recorder.stores._json.extent import Extent
from benchmark_recorder.stores._json.gathering import Gathering
from benchmark_recorder.stores._json.places import damaged
from benchmark_recorder.stores._json.source import opened
from benchmark_recorder.stores._json.table import PIECE, TEXTS, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns
    from benchmark_recorder.stores._json.source import Source

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
        _readers.add(self)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._extent: Extent | None = None
        self._table = Table()
        self._saved = 0

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        return self._answer(lambda table, source: self._scan(table, source, query, fields))

    def durations(self, query: Query) -> Durations:
        """See ``Store.durations``."""

        def stored() -> NDArray[np.float64]:
            return self.scan(query, ("execution_time",))["execution_time"]

        if query != Query(versions=query.versions):
            return Durations.of(stored())
        return Durations(self._answer(lambda table, _: table.durations(query.versions)), stored)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        return self._answer(lambda table, source: self._with_caveat(table, self._summarize(table, source, query)))

    def _scan(self, table: Table, source: Source | None, query: Query, fields: Collection[str]) -> Columns:
        rows, others = self._gather(table, source, query, [name for name in fields if name not in CELL_FIELDS])

        def column(name: str) -> NDArray[np.generic]:
            if name in others:
                return others[name]
            kept = table.column(name, rows)
            return table.texts(name, kept) if name in TEXTS else kept

        return {name: column(name) for name in fields}

    def _summarize(self, table: Table, source: Source | None, query: Query) -> Cells:
        if query == Query(versions=query.versions) and (kept := table.summarize_kept(query.versions)) is not None:
            return kept
        rows, _ = self._gather(table, source, query, ())
        return table.summarize(query, rows)

    def _with_caveat(self, table: Table, cells: Cells) -> Cells:
        if not table.odd:
            return cells
        sentence = (
            f"{table.odd:,} of {len(table):,} records in {self._path} are left out of every answer: a field is missing "
            "or of another kind than it should be. They stay in the file; `benchmark-recorder doctor` says more."
        )
        figures = {"store": self._path, "left_out": table.odd, "records": len(table)}
        return replace(cells, caveats=(*cells.caveats, Caveat("records_left_out", sentence, figures)))

    def _gather(
        self, table: Table, source: Source | None, query: Query, names: Collection[str]
    ) -> tuple[NDArray[np.bool_] | None, dict[str, NDArray[np.generic]]]:
        """Which records match (``None``: all), and some columns of theirs that are not kept."""
        rows = table.select(query)
        if not names and query.task is None and not query.metadata and not query.without:
            return rows, {}
        gathering = Gathering(query, names)
        blocks: Iterable[bytes] = () if source is None else source.blocks(source.layout.header, PIECE)
        gathering.gather(blocks, rows)
        return gathering.rows, gathering.columns()

    def _answer(self, ask: Callable[[Table, Source | None], T]) -> T:
        """Ask of the columns as they are now."""
        with self._lock, self._opened() as source:
            try:
                self._read_on(source)
                return ask(self._table, source)
            except sidecar.UnusableError:
                with suppress(OSError):
                    os.unlink(sidecar.path_of(os.path.realpath(self._path)))
                self._forget()
                self._read_on(source)
                return ask(self._table, source)

    @contextmanager
    def _opened(self) -> Iterator[Source | None]:
        with opened(self._path) as source:
            try:
                yield source
            except (msgspec.DecodeError, ValueError, OverflowError) as error:
                self._forget()
                raise damaged(self._path, error) from error
            except EOFError as error:
                self._forget()
                raise StoreUnavailableError(
                    f"{self._path} was cut by another program while it was read; try again"
                ) from error

    def _read_on(self, source: Source | None) -> None:
        """Bring the columns up to the end of the document."""
        if source is None:
            self._forget()
            return
        if self._extent is None or not self._extent.fits(source):
            self._forget()
            if source.converted is None and (saved := sidecar.load(os.path.realpath(self._path), source)):
                self._extent, self._table = saved
                self._saved = len(self._table)
        start = source.layout.header if self._extent is None else self._extent.offset
        if self._extent is not None and start == source.layout.end:
            return
        # Read anew after an error, so that no record is counted twice.
        self._extent, extent = None, Extent.at_end(source)
        self._table.extend(source.blocks(start, PIECE))
        self._extent = extent
        unsaved = len(self._table) - self._saved
        if source.converted is None and unsaved > max(WORTH_SAVING, self._saved // 20):
            sidecar.save(os.path.realpath(self._path), extent, self._table)
            self._saved = len(self._table)


_readers: weakref.WeakSet[Reader] = weakref.WeakSet()


def _forget_parents() -> None:
    for reader in tuple(_readers):
        reader._begin_anew()  # noqa: SLF001 - the class's own


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_parents)
