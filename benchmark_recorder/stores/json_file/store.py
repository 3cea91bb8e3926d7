"""Records in one JSON document that anything can load: the default store, and the journal of every remote one.

What is promised, and what not, is in ``docs/json-store.md``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.errors import ConfigurationError, StoreError
from benchmark_recorder.fields import BLOCK
from benchmark_recorder.stores.base import EXTRAS, Journal
from benchmark_recorder.stores.json_file.format import JOINT, encode
from benchmark_recorder.stores.json_file.handle import PENDING
from benchmark_recorder.stores.json_file.writer import Writer
from benchmark_recorder.stores.locking import check_locks, check_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.base import Batch, Position
    from benchmark_recorder.stores.json_file.inspection import Inspection, Repair
    from benchmark_recorder.stores.json_file.places import Places
    from benchmark_recorder.stores.json_file.reader import Reader
    from benchmark_recorder.stores.json_file.rewrite import Rewrite


class JSONFileStore(Journal):
    """One JSON file. Safe to use from any thread and process at once, and after a fork.

    Args:
        path: of the file; created with its folder by the first append. Symbolic links are followed.
        durability: what an append that returned survives: ``"process"``, a killed process; ``"fsync"``, a power cut.

    Raises:
        StoreUnavailableError: the system has no ``flock`` (Windows).
        ConfigurationError: the durability is unknown.
    """

    supports = EXTRAS | {BLOCK}

    def __init__(self, path: str | os.PathLike[str], *, durability: Literal["process", "fsync"] = "process") -> None:
        if durability not in {"process", "fsync"}:
            raise ConfigurationError(f'durability: expected "process" or "fsync", got {durability!r}')
        check_platform()
        self._path = os.path.abspath(os.fspath(path))
        self._writer = Writer(self._path, durability)
        self._kept: Reader | None = None
        self._kept_places: Places | None = None

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
            self._writer.append(encode(documents[0]))
        elif not fresh:
            return self._writer.append_new(documents) if documents else 0
        elif documents:
            self._writer.append(JOINT.join([encode(document) for document in documents]))
        return count

    def check_writable(self) -> None:
        """See ``Store.check_writable``."""
        check_locks(self._path)

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        return self._reader().scan(query, fields)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        return self._reader().summarize(query)

    def durations(self, query: Query) -> Durations:
        """See ``Store.durations``; those of whole versions are kept in order."""
        return self._reader().durations(query)

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        return filter(query.matches, self.distinct(None))

    def _reader(self) -> Reader:
        """Created by the first question, because it imports numpy, which a recording-only process never needs."""
        self._writer.confirm()
        if self._kept is None:
            from benchmark_recorder.stores.json_file.reader import Reader

            self._kept = Reader(self._path)
        return self._kept

    def close(self) -> None:
        """See ``Store.close``."""
        self._writer.close()

    # Journal ----------------------------------------------------------------------------------------------------------

    def read(self, after: Position | None, limit: int) -> Batch:
        """See ``Journal.read``."""
        return self._places().read(after, limit)

    def end(self) -> Position:
        """See ``Journal.end``."""
        return self._places().end()

    def count(self, after: Position | None) -> int:
        """See ``Journal.count``."""
        return self._places().count(after)

    def first_for(self, remote: str, end: Position, seconds: float) -> Position | None:
        """See ``Journal.first_for``."""
        return self._places().first_for(remote, end, seconds)

    def distinct(self, after: Position | None, since: Position | None = None) -> Iterator[Document]:
        """See ``Journal.distinct``."""
        places = self._places()
        return places.distinct(self.batches(after), lambda: self._reader().is_copied(), (since, after))

    def _places(self) -> Places:
        self._writer.confirm()
        if self._kept_places is None:
            from benchmark_recorder.stores.json_file.places import Places

            self._kept_places = Places(self._path)
        return self._kept_places

    def warm_up(self) -> None:
        """See ``Journal.warm_up``."""
        from benchmark_recorder.stores.json_file import places  # noqa: F401 - only imported

    # Maintenance ------------------------------------------------------------------------------------------------------

    def clear(self, *, unconfirmed: bool = False) -> Path:
        """Begin a new file; the path of the backup that holds all there was.

        Args:
            unconfirmed: leave out also what a remote store has not confirmed; otherwise that stays.

        Raises:
            StoreError: the records could not be moved; nothing was changed.
        """
        with self._rewriting() as rewrite:
            backup = rewrite.back_up()
            rewrite.keep(lambda _: False, unconfirmed=unconfirmed)
        return backup

    def prune(self, before: int | None = None, *, version: str | None = None, unconfirmed: bool = False) -> int:
        """Remove the records that are older than a moment, or of a version, or both; how many that were.

        Args:
            before: microseconds since 1970 in UTC.
            version: its name.
            unconfirmed: remove also what a remote store has not confirmed; otherwise that stays.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        if not os.path.exists(self._path):
            return 0
        with self._rewriting() as rewrite:
            return rewrite.prune(before, version, unconfirmed=unconfirmed)

    def rename_version(self, old: str, new: str) -> int:
        """Give the records of one version the name of another; how many that were. Errors as in ``prune``."""
        if not os.path.exists(self._path):
            return 0
        with self._rewriting() as rewrite:
            return rewrite.rename_version(old, new)

    def compact(self) -> int:
        """Rewrite the file with each id once; how many records were removed.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        if not os.path.exists(self._path):
            return 0
        with self._rewriting() as rewrite:
            return rewrite.keep(lambda _: True)

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Copy the document as it is at one moment, for readers that take no lock: the copy appears whole.

        Raises:
            StoreError: it could not be written; the target is as it was.
        """
        target = os.path.abspath(os.fspath(path))
        if os.path.realpath(target) == os.path.realpath(self._path):
            raise StoreError(f"{target} is the document itself; name another path for the snapshot")
        self._places().copy(target)

    def beside(self) -> int:
        """See ``Store.beside``."""
        if not os.path.exists(os.path.realpath(self._path) + PENDING):
            return 0
        from benchmark_recorder.stores.json_file.pending import lines_beside

        return len(lines_beside(os.path.realpath(self._path)))

    def inspect(self) -> Inspection:
        """The state of the file, for people; changes nothing."""
        from benchmark_recorder.stores.json_file.inspection import inspect

        return inspect(self._path)

    def repair(self) -> Repair:
        """Remove a truncated record at the end and duplicates, and set lines aside that are not valid records.

        Where lines are removed, the file as it was becomes a backup first.

        Raises:
            StoreFormatError: the file holds something else; it was not touched.
            StoreUnavailableError: it could not be written; nothing was changed.
        """
        from benchmark_recorder.stores.json_file.inspection import repair

        return repair(self._path, self._writer)

    def _rewriting(self) -> AbstractContextManager[Rewrite]:
        from benchmark_recorder.stores.json_file.rewrite import rewriting

        return rewriting(self._path, self._writer)
