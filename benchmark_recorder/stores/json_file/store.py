"""Records in one JSON document that anything can load: the default store, and the journal of every remote one.

What is promised, and what not, is in ``docs/json-store.md``.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.errors import ConfigurationError, StoreError, StoreFormatError
from benchmark_recorder.stores.base import EXTRAS, Batch, Journal, Position
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, encode
from benchmark_recorder.stores.json_file.rewrite import Retention, Selection, is_since, replace
from benchmark_recorder.stores.json_file.source import Source, count_behind, end_of, ids_between, opened, read_batch
from benchmark_recorder.stores.json_file.writer import Writer
from benchmark_recorder.stores.locking import REWRITE_SECONDS, check_platform, unavailable
from benchmark_recorder.stores.sidefiles import back_up, copy_to, cursors_held, quarantined_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.records import Columns, Document, Query
    from benchmark_recorder.stores.json_file.handle import Held
    from benchmark_recorder.stores.json_file.inspection import Inspection, Repair
    from benchmark_recorder.stores.json_file.reader import Reader


class JSONFileStore(Journal):
    """One JSON file. Safe to use from any thread and process at once, and after a fork.

    Args:
        path: of the file; created with its folder by the first append. Symbolic links are followed.
        durability: what an append that returned survives: ``"process"``, a killed process; ``"fsync"``, a power cut.

    Raises:
        StoreUnavailableError: the system has no ``flock`` (Windows).
        ConfigurationError: the durability is unknown.
    """

    supports = EXTRAS

    def __init__(self, path: str | os.PathLike[str], *, durability: Literal["process", "fsync"] = "process") -> None:
        if durability not in {"process", "fsync"}:
            raise ConfigurationError(f'durability: expected "process" or "fsync", got {durability!r}')
        check_platform()
        self._path = os.path.abspath(os.fspath(path))
        self._writer = Writer(self._path, durability)
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
            self._writer.append(encode(documents[0]))
        elif not fresh:
            return self._writer.append_new(documents) if documents else 0
        elif documents:
            self._writer.append(JOINT.join([encode(document) for document in documents]))
        return count

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
        self._writer.confirm()
        with opened(self._path) as source:
            if source is None:
                return Batch((), Position(0, 0, ""))
            return read_batch(source, after, limit, self._path)

    def end(self) -> Position:
        """See ``Journal.end``."""
        self._writer.confirm()
        with opened(self._path) as source:
            return Position(0, 0, "") if source is None else end_of(source)

    def count(self, after: Position | None) -> int:
        """See ``Journal.count``."""
        self._writer.confirm()
        with opened(self._path) as source:
            return 0 if source is None else count_behind(source, after, self._path)

    def distinct(self, after: Position | None, since: Position | None = None) -> Iterator[Document]:
        """See ``Journal.distinct``."""
        batches = self.batches(after)
        first = next(batches, None)
        if first is None:
            return
        is_copied = self._is_copied()
        if is_copied is None:
            for batch in chain([first], batches):
                yield from batch.documents
            return
        seen = set(filter(is_copied, self._ids_between(since, after))) if after and since else set()
        for document in chain.from_iterable(batch.documents for batch in chain([first], batches)):
            record_id = document["record_id"]
            if record_id not in seen:
                yield document
                if is_copied(record_id):
                    seen.add(record_id)

    def _is_copied(self) -> Callable[[str], bool] | None:
        try:
            return self._reader().is_copied()
        except StoreFormatError:  # a damaged line; reading it raises that again
            return None

    def _ids_between(self, since: Position, until: Position) -> list[str]:
        with opened(self._path) as source:
            return [] if source is None else list(ids_between(source, since, until, self._path))

    # Maintenance ------------------------------------------------------------------------------------------------------

    def clear(self, *, unconfirmed: bool = False) -> Path:
        """Begin a new file; the path of the backup that holds all there was.

        Args:
            unconfirmed: leave out also what a remote store has not confirmed; otherwise that stays.

        Raises:
            StoreError: the records could not be moved; nothing was changed.
        """
        with self._rewriting() as (held, retention):
            backup = self._back_up(held)
            self._select(held, retention, lambda _: False, unconfirmed=unconfirmed)
        return backup

    def prune(self, before: int, *, unconfirmed: bool = False) -> int:
        """Remove the records that are older than a moment; how many that were.

        Args:
            before: microseconds since 1970 in UTC.
            unconfirmed: remove also what a remote store has not confirmed; otherwise that stays.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        if not os.path.exists(self._path):
            return 0
        with self._rewriting() as (held, retention):
            return self._select(held, retention, lambda line: is_since(line, before), unconfirmed=unconfirmed)

    def compact(self) -> int:
        """Rewrite the file with each id once; how many records were removed.

        Raises:
            StoreError: the file could not be rewritten; nothing was changed.
        """
        if not os.path.exists(self._path):
            return 0
        with self._rewriting() as (held, retention):
            return self._select(held, retention, lambda _: True)

    def snapshot(self, path: str | os.PathLike[str]) -> None:
        """Copy the document as it is at one moment, for readers that take no lock: the copy appears whole.

        Raises:
            StoreError: it could not be written; the target is as it was.
        """
        target = os.path.abspath(os.fspath(path))
        if os.path.realpath(target) == os.path.realpath(self._path):
            raise StoreError(f"{target} is the document itself; name another path for the snapshot")
        self._writer.confirm()
        with opened(self._path) as source:
            copy_to(target, iter([HEADER, CLOSING]) if source is None else source.whole())

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
        from benchmark_recorder.stores.json_file.inspection import Repair, inspect, is_sound, take_stock

        before = inspect(self._path)
        if not before.exists:
            return Repair()
        with self._rewriting() as (held, retention):
            _, damaged, duplicates, _ = take_stock(_source(held))
            if not damaged and not duplicates:
                return Repair(torn=before.torn)
            backup = self._back_up(held)
            # Invalid lines are never delivered, so nothing needs to keep them.
            self._select(held, retention, is_sound, unconfirmed=True)
        return Repair(before.torn, damaged, duplicates, backup)

    def _back_up(self, held: Held) -> Path:
        try:
            return Path(back_up(held.document, _source(held).whole()))
        except OSError as error:
            raise unavailable(error, self._path, "back up") from error

    @contextmanager
    def _rewriting(self) -> Iterator[tuple[Held, Retention]]:
        """The document, locked, and what must be kept of it: cursors are held before it, the lease is not needed."""
        document = os.path.realpath(self._path)
        with cursors_held(document) as cursors, self._writer.held(REWRITE_SECONDS) as held:
            yield held, Retention(_source(held), self._path, cursors, quarantined_ids(document))

    def _select(
        self, held: Held, retention: Retention, keep: Callable[[bytes], bool], *, unconfirmed: bool = False
    ) -> int:
        """Rewrite the file with the lines that are kept, and move the cursors; how many lines were not kept."""
        selection = Selection(_source(held), keep, retention, only_follow=unconfirmed)
        replace(held.document, held.fd, selection)
        self._writer.forget()
        retention.move(os.stat(held.document).st_ino, selection.found)
        return selection.removed


def _source(held: Held) -> Source:
    """A locked document to read from."""
    return Source(held.fd, held.layout, (0, 0), 0, 0)
