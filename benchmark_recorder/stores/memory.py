"""Records in memory: the reference of what a store means, and a store for tests."""

from __future__ import annotations

import threading
from copy import deepcopy
from typing import TYPE_CHECKING

from benchmark_recorder._fork import in_child
from benchmark_recorder.fields import BLOCK
from benchmark_recorder.stores.base import EXTRAS, Batch, Journal, Position

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document


class MemoryStore(Journal):
    """Everything in a list; gone with the process."""

    supports = EXTRAS | {BLOCK}

    def __init__(self) -> None:
        self._documents: list[Document] = []
        self._ids: set[str] = set()
        self._forget_parent()
        in_child(self._forget_parent)

    def _forget_parent(self) -> None:
        """In a forked child: whoever held the lock stayed with the parent."""
        self._lock = threading.RLock()  # a signal handler may record in the middle of a call

    @property
    def name(self) -> str:
        """``memory``."""
        return "memory"

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:  # noqa: ARG002
        """See ``Store.append``."""
        with self._lock:
            new = self._unknown(documents)
            self._documents += new.values()
            self._ids |= new.keys()
            return len(new)

    # A loop at the end of a `with` or `try` would skip the exit on Ctrl-C: Python 3.12 and 3.13 do not guard its jump.
    def _unknown(self, documents: Sequence[Document]) -> dict[str, Document]:
        new: dict[str, Document] = {}
        for document in documents:
            if document["record_id"] not in self._ids:
                new.setdefault(document["record_id"], deepcopy(document))
        return new

    def stored_ids(self, ids: Collection[str]) -> frozenset[str]:
        """See ``Store.stored_ids``."""
        with self._lock:
            return frozenset(self._ids.intersection(ids))

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        from benchmark_recorder.columns import columns_of

        with self._lock:
            documents = [document for document in self._documents if query.matches(document)]
        return columns_of(documents, fields)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        from benchmark_recorder.tabulation import fields_of, summarize_columns

        return summarize_columns(self.scan(query, fields_of(query)), query)

    def read(self, after: Position | None, limit: int) -> Batch:
        """See ``Journal.read``."""
        start = after.offset if after else 0
        with self._lock:
            documents = tuple(deepcopy(self._documents[start : start + limit]))
        last = documents[-1]["record_id"] if documents else after.record_id if after else ""
        return Batch(documents, Position(0, start + len(documents), last))

    def end(self) -> Position:
        """See ``Journal.end``."""
        with self._lock:
            last = self._documents[-1]["record_id"] if self._documents else ""
            return Position(0, len(self._documents), last)
