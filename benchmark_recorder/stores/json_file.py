"""Records in one JSON document that anything can load: the default store, and the journal of every remote one.

The format is in ``_document``, the append in ``_tail``; what is promised, and what not, in ``docs/json-store.md``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.errors import ConfigurationError, StoreError
from benchmark_recorder.stores._document import CLOSING, HEADER, JOINT, encode
from benchmark_recorder.stores._inspection import Inspection, Repair, inspect, is_sound, take_stock
from benchmark_recorder.stores._lock import REWRITE_SECONDS, check_platform, unavailable
from benchmark_recorder.stores._places import end_of, read_batch
from benchmark_recorder.stores._rewrite import back_up, copy_to, replace
from benchmark_recorder.stores._selection import Selection, is_since
from benchmark_recorder.stores._source import Source, opened
from benchmark_recorder.stores._tail import Held, Tail
from benchmark_recorder.stores.base import Batch, Journal, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.records import Columns, Document, Query
    from benchmark_recorder.stores._reader import Reader


class JSONFileStore(Journal):
    """One JSON file. Safe to use from any thread and process at once, and after a fork.

    Args:
        path: of the file; made with its folder at the first append. Symbolic links are followed.
        durability: what an append that returned survives: ``"process"``, a killed process; ``"fsync"``, a power cut.

    Raises:
        StoreUnavailableError: the system has no ``flock`` (Windows).
        ConfigurationError: the durability is unknown.
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Literal["process", "fsync"] = "process") -> None:
        if durability not in {"process", "fsync"}:
            raise ConfigurationError(f'durability: expected "process" or "fsync", got {durability!r}')
        check_platform()
        self._path = os.path.abspath(os.fspath(path))
        self._tail = Tail(self._path, durability)
        self._kept: Reader | None = None

    def __repr__(self) -> str:
        return f"JSONFileStore({self._path!r})"

    @property
    def name(self) -> str:
        """The path."""
        return self._path

    @property
    def path(self) -> Path:
        """The path, absolute."""
        return Path(self._path)

    # Store ------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``."""
        count = len(documents)
        if count == 1 and fresh:
            self._tail.append(encode(documents[0]))
        elif not fresh:
            return self._tail.append_new(documents) if documents else 0
        elif documents:
            self._tail.append(JOINT.join([encode(document) for document in documents]))
        return count

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        return self._reader().scan(query, fields)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        return self._reader().summarize(query)

    def _reader(self) -> Reader:
        """Made for the first question, because it needs numpy, and recording does not."""
        self._tail.confirm()
        if self._kept is None:
            from benchmark_recorder.stores._reader import Reader

            self._kept = Reader(self._path)
        return self._kept
    def close(self) -> None:
        """See ``Store.close``."""
        self._tail.close()

    # Journal ----------------------------------------------------------------------------------------------------------

    def read(self, after: Position | None, limit: int) -> Batch:
        """See ``Journal.read``."""
        self._tail.confirm()
        with opened(self._path) as source:
            if source is None:
                return Batch((), Position(0, 0, ""))
            return read_batch(source, after, limit, self._path)

    def end(self) -> Position:
        """See ``Journal.end``."""
        self._tail.confirm()
        with opened(self._path) as source:
            return Position(0, 0, "") if source is None else end_of(source)

    # Care -------------------------------------------------------------------------------------------------------------

    def clear(self) -> Path:
        """Begin a new file; the path of the backup that holds all there was.

        Raises:
            StoreError: the records could not be moved; nothing was changed.
        """
        with self._tail.held(REWRITE_SECONDS) as held:
            backup = self._back_up(held)
            replace(held.document, held.fd, [_source(held).read(0, held.layout.header) or HEADER, CLOSING])
            self._tail.forget()
        return backup

    def prune(self, before: int) -> int:
        """Remove the records that are older than a moment; how many that were.

        Args:
            before: microseconds since 1970 in UTC.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        return self._select(lambda line: is_since(line, before))

    def compact(self) -> int:
        """Rewrite the file with each id once; how many records were removed.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        return self._select(lambda _: True)

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Copy the document as it is at one moment, for readers that take no lock: the copy appears whole.

        Raises:
            StoreError: it could not be written; what stood there is as it was.
        """
        target = os.path.abspath(os.fspath(path))
        if os.path.realpath(target) == os.path.realpath(self._path):
            raise StoreError(f"{target} is the document itself; name another path for the snapshot")
        self._tail.confirm()
        with opened(self._path) as source:
            copy_to(target, iter([HEADER, CLOSING]) if source is None else source.whole())

    def inspect(self) -> Inspection:
        """The state of the file, for people; nothing is changed."""
        return inspect(self._path)

    def repair(self) -> Repair:
        """Remove a cut record at the end, set lines aside that are no records, and keep each id once.

        Where lines are removed, the file as it was becomes a backup first.

        Raises:
            StoreFormatError: the file holds something else; it was not touched.
            StoreUnavailableError: it could not be written; nothing was changed.
        """
        before = inspect(self._path)
        if not before.exists:
            return Repair()
        with self._tail.held(REWRITE_SECONDS) as held:
            _, damaged, duplicates = take_stock(_source(held))
            if not damaged and not duplicates:
                return Repair(torn=before.torn)
            backup = self._back_up(held)
            replace(held.document, held.fd, Selection(_source(held), is_sound))
            self._tail.forget()
        return Repair(before.torn, damaged, duplicates, backup)

    def _back_up(self, held: Held) -> Path:
        try:
            return Path(back_up(held.document, _source(held).whole()))
        except OSError as error:
            raise unavailable(error, self._path, "back up") from error

    def _select(self, keep: Callable[[bytes], bool]) -> int:
        """Rewrite the file with the lines that are kept; how many were not."""
        if not os.path.exists(self._path):
            return 0
        with self._tail.held(REWRITE_SECONDS) as held:
            selection = Selection(_source(held), keep)
            replace(held.document, held.fd, selection)
            self._tail.forget()
        return selection.removed


def _source(held: Held) -> Source:
    """A locked document to read from."""
    return Source(held.fd, held.layout, (0, 0), 0, 0)
