"""Records that wait for another remote store, or for this one under another name (``localhost``, ``127.0.0.1``).

One journal may have several cursors. What one of them has not confirmed, and is older than the attachment of another,
is delivered by nobody else unless a process names the old store again: so it is told, and counted.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from benchmark_recorder.stores.base import PlaceLostError
from benchmark_recorder.stores.cursors import DAMAGED, cursor_files_of
from benchmark_recorder.stores.replication.delivery import BATCH, count_before
from benchmark_recorder.stores.replication.undelivered import first_by_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Journal, Position
    from benchmark_recorder.stores.cursors import Cursor


class Elsewhere:
    """What waits for the other remote stores of a journal.

    Args:
        journal: where it is read.
        path: of the journal's file.
        own: the name of the remote store that is none of the others.
    """

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
