"""What every question needs: a store, and a query about some of its executions."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from benchmark_recorder.errors import ConfigurationError, InvalidQueryError, preview
from benchmark_recorder.stores.base import EXTRAS, Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from benchmark_recorder.queries import Query, QueryArguments
    from benchmark_recorder.stores.health import Health


class Answering:
    """Has a store to ask; ``History`` has the questions."""

    gate_settings: Mapping[str, object] = MappingProxyType({})
    """Of ``check_gate``, where a call says nothing: the table ``[tool.benchmark_recorder.gate]``."""

    def __init__(self, store: Store | str | os.PathLike[str]) -> None:
        if isinstance(store, str) and "://" in store:
            raise ConfigurationError(
                "store: expected a Store or the path of a JSON file, got a URL: pass it to get_benchmark_history()"
            )
        if isinstance(store, str | os.PathLike):
            from benchmark_recorder.stores.json_file import JSONFileStore

            store = JSONFileStore(Path(store).absolute())
        if not isinstance(store, Store):
            raise ConfigurationError(f"store: expected a Store or the path of a JSON file, got {preview(store)}")
        self._given = self._store = store
        if not store.supports >= EXTRAS:
            from benchmark_recorder.stores.completing import completed  # our own stores do without

            self._store = completed(store)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._store.name!r})"

    @property
    def store(self) -> Store:
        """Where the records live."""
        return self._given

    def _before_question(self) -> None:
        """A recorder writes the records that wait in memory."""

    def _asked(self) -> Store:
        self._before_question()
        return self._store

    def health(self) -> Health:
        """How delivery to a remote store is doing: what waits in the journal, and why."""
        from benchmark_recorder.stores.health import Health  # not needed to record

        return Health(self._store.name, beside=self._store.beside()).with_delivery(self._store.condition())

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pair(self, v1: str, v2: str, query: QueryArguments) -> Query:
        for name, version in (("v1", v1), ("v2", v2)):
            if not isinstance(version, str) or not version:
                raise InvalidQueryError(f"{name}: expected the name of a version, got {preview(version)}")
        return self._about((v1, v2), query)

    def _about(self, versions: Sequence[str], query: QueryArguments) -> Query:
        """A query about some versions; records that wait are written first."""
        if "version" in query:
            raise InvalidQueryError("version: the versions are already named; omit this argument")
        asked = query_of(version=tuple(versions), **query)
        self._before_question()
        return asked


def query_of(**arguments: Any) -> Query:  # noqa: ANN401 - each is checked there
    """The query that some arguments make; an unknown one is an ``InvalidQueryError``."""
    from benchmark_recorder import queries  # recording never needs it

    return queries.query_of(**arguments)
