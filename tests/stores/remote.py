"""A remote store that does as it is told, behind a journal of its own, and what tests ask of the two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from benchmark_recorder.errors import RefusedRecordsError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.replication import ReplicatedStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.base import Store


def replicated(folder: Path, remote: Store, deliver: Literal["background", "off"] = "background") -> ReplicatedStore:
    path = folder / "benchmarks" / "metrics.json"
    return ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver=deliver)


class Remote(MemoryStore):
    """In memory, and out of reach or picky on request."""

    is_remote = True

    def __init__(self, name: str = "remote://somewhere") -> None:
        super().__init__()
        self._name = name
        self.is_down = False
        self.refused_versions: set[str] = set()
        self.sent: list[int] = []
        self.questions = 0

    @property
    def name(self) -> str:
        return self._name

    def _reach(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("nobody answers")

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        self._reach()
        self.sent.append(len(documents))
        taken = [document for document in documents if document["version"] not in self.refused_versions]
        new = super().append(taken, fresh=fresh)
        reasons = {d["record_id"]: "not that version" for d in documents if d["version"] in self.refused_versions}
        if reasons:
            raise RefusedRecordsError("refused", reasons=reasons)
        return new

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        self.questions += 1
        self._reach()
        return super().scan(query, fields)


def ids(store: Store) -> list[str]:
    found: list[str] = store.scan(Query(), ["record_id"])["record_id"].tolist()
    return found


def ids_of(history: Iterable[Document]) -> list[str]:
    return [document["record_id"] for document in history]


def deliver(store: ReplicatedStore) -> None:
    assert store.deliver(lambda: True)


def journal_of(store: ReplicatedStore) -> JSONFileStore:
    assert isinstance(store.journal, JSONFileStore)
    return store.journal
