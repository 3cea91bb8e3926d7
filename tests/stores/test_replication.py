from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import StoreContract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store


def replicated(folder: Path, remote: Store, deliver: Literal["background", "off"] = "background") -> ReplicatedStore:
    path = folder / "benchmarks" / "metrics.json"
    return ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver=deliver)


class TestReplicatedMemoryContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MemoryStore()) as store:
            yield store


class TestUndeliveredContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MemoryStore(), "off") as store:
            yield store


class _DeliversHalf(ReplicatedStore):
    """Each second append is delivered, so that every question is answered from both sides."""

    appends = 0

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        half = len(documents) // 2
        new = 0
        for part in (documents[:half], documents[half:]) if half else (documents,):
            self.appends += 1
            new += super().append(part, fresh=fresh)
            if self.appends % 2:
                self.delivery.deliver(lambda: True)
        return new


class TestHalfDeliveredContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        path = tmp_path / "metrics.json"
        with _DeliversHalf(JSONFileStore(path), MemoryStore(), beside=path, deliver="off") as store:
            yield store


class TestHalfDeliveredToMongoDBContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[ReplicatedStore]:
        path = tmp_path / "metrics.json"
        remote = MongoDBStore(mongodb_uri, database=database)
        with _DeliversHalf(JSONFileStore(path), remote, beside=path, deliver="off") as store:
            yield store


class TestReplicatedMongoDBContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MongoDBStore(mongodb_uri, database=database)) as store:
            yield store
