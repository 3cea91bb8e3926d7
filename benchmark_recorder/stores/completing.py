"""Does for a store what it does not do itself: filters and groups that came after it was written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.queries import TEXT_FILTERS, Query
from benchmark_recorder.stores.base import EXTRAS, Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.health import Condition

_FILTERS: Final = {
    "model": "model",
    "error_type": "error_type",
    "host": "host",
    "commit": "git_commit",
    "expected_agent": "expected_agent",
}
"""The fields behind the filters that a store need not know."""


def completed(store: Store) -> Store:
    """The store itself where it supports everything, else the same records with what it lacks done here."""
    return store if store.supports >= EXTRAS else Completed(store)


class Completed(Store):
    """A store, and here what it does not do itself.

    Args:
        store: has the records.
    """

    supports = EXTRAS

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """The store's."""
        return self._store.name

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``."""
        return self._store.append(documents, fresh=fresh)

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``."""
        wide, needed = self._widened(query)
        columns = self._store.scan(wide, {*fields, *needed})
        if not needed:
            return columns
        import numpy as np

        names = tuple(needed)
        filters: dict[str, Any] = {TEXT_FILTERS[name]: query.texts[name] for name in names if name in TEXT_FILTERS}
        dropped = query.dropped if "dropped" in needed else None
        asked = Query(runs=query.runs, units=query.units, dropped=dropped, **filters)
        records = zip(*(columns[name].tolist() for name in names), strict=True)
        rows = np.fromiter((asked.matches(dict(zip(names, record, strict=True))) for record in records), np.bool_)
        return {name: columns[name][rows] for name in fields}

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        from benchmark_recorder.matching import compared
        from benchmark_recorder.tabulation import fields_of, summarize_columns

        wide, needed = self._widened(query)
        extras = (("by", query.by), ("pairs", compared(query.versions)), ("unit", query.unit))
        wanted = {name for name, asked in extras if asked}
        if not needed and wanted <= self._store.supports:
            return self._store.summarize(wide)
        return summarize_columns(self.scan(query, fields_of(query)), query)

    def durations(self, query: Query) -> Durations:
        """See ``Store.durations``."""
        wide, needed = self._widened(query)
        query.refuse_unit("the list of durations")
        return super().durations(query) if needed else self._store.durations(wide)

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        return filter(query.matches, self._store.documents(self._widened(query)[0]))

    def condition(self) -> Condition | None:
        """The store's."""
        return self._store.condition()

    def beside(self) -> int:
        """The store's."""
        return self._store.beside()

    def flush(self, timeout: float | None = None) -> bool:
        """See ``Store.flush``."""
        return self._store.flush(timeout)

    def close(self) -> None:
        """See ``Store.close``."""
        self._store.close()

    def _widened(self, query: Query) -> tuple[Query, frozenset[str]]:
        """The query without what the store does not know, and the fields that this is about."""
        supported = self._store.supports
        changes: dict[str, Any] = {}
        needed = set()
        for name, field in _FILTERS.items():
            if name not in supported and field in query.texts:
                changes[TEXT_FILTERS[field]] = None
                needed.add(field)
        if "runs" not in supported:
            changes["runs"] = "all"
            if query.runs != "all":
                needed.add("parent_id")
        if "dropped" not in supported and query.dropped is not None:
            changes["dropped"] = None
            needed.add("dropped")
        if "by" not in supported:
            changes["by"] = ()
        if "unit" not in supported:
            changes |= {"unit": None, "units": None}
            if query.units is not None:
                needed.add("metadata")
        return replace(query, **changes), frozenset(needed)
