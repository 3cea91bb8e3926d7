from __future__ import annotations

import pytest

from benchmark_recorder.queries import Query
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import JournalContract, make_document


class TestMemoryStore(JournalContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class Interrupting:
    """Is copied in the middle of an append, and appends another record there, as a signal handler may."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.document = make_document()

    def __deepcopy__(self, _: object) -> str:
        self.store.append([self.document])
        return "copied"


def test_a_signal_handler_may_append_in_the_middle_of_an_append() -> None:
    store = MemoryStore()
    handler = Interrupting(store)
    document = make_document() | {"metadata": {"handler": handler}}
    assert store.append([document]) == 1
    ids = [found["record_id"] for found in store.documents(Query())]
    assert sorted(ids) == sorted([document["record_id"], handler.document["record_id"]])
