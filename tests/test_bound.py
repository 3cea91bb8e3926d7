from __future__ import annotations

import asyncio

import pytest

from benchmark_recorder import BenchmarkRecorder, InvalidRecordError, MemoryStore
from benchmark_recorder.bound import BoundRecorder
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def bound(store: MemoryStore) -> BoundRecorder:
    known = {"expected_agent": "builder", "metadata": {"a": 1}}
    return BoundRecorder(
        BenchmarkRecorder(store=store), version="v1", task="a task", known=known, ignored=(KeyError, StopIteration)
    )


def held(store: MemoryStore) -> list[Document]:
    return list(store.documents(Query()))


def test_it_records_its_version_its_task_and_what_is_known(bound: BoundRecorder, store: MemoryStore) -> None:
    bound.record(2.5)
    with bound.measure() as run:
        run.metadata["b"] = 2
    bound.record(3, success=False, task="another", version="v2", expected_agent="writer")
    told = [
        (d["version"], d["task_description"], d["success"], d["expected_agent"], d["metadata"]) for d in held(store)
    ]
    assert told == [
        ("v1", "a task", True, "builder", {"a": 1}),
        ("v1", "a task", True, "builder", {"a": 1, "b": 2}),
        ("v2", "another", False, "writer", {"a": 1}),
    ]
    assert bound.count == 3


def test_a_function_is_called_and_returns_what_it_returns(bound: BoundRecorder, store: MemoryStore) -> None:
    async def execute(task: str) -> str:
        return task.upper()

    assert bound(sorted, [2, 1], reverse=False) == [1, 2]
    assert asyncio.run(bound(execute, "x")) == "X"
    assert [document["success"] for document in held(store)] == [True, True]


def test_an_exception_is_a_failure_and_passes_on(bound: BoundRecorder, store: MemoryStore) -> None:
    with pytest.raises(ZeroDivisionError):
        bound(divmod, 1, 0)
    assert [(d["success"], d["error_type"]) for d in held(store)] == [(False, "ZeroDivisionError")]


def test_an_exception_that_says_nothing_of_the_execution_is_not_recorded(
    bound: BoundRecorder, store: MemoryStore
) -> None:
    with pytest.raises(KeyError):
        bound({1: 2}.__getitem__, 3)
    assert held(store) == []
    assert bound.count == 0


def test_a_wrong_record_is_raised(bound: BoundRecorder) -> None:
    with pytest.raises(InvalidRecordError, match="duration"):
        bound.record(-1)
    with pytest.raises(InvalidRecordError, match="cost"), bound.measure() as run:
        run.cost = -1


def test_an_unknown_field_is_an_error_at_once(store: MemoryStore) -> None:
    with pytest.raises(TypeError, match="unknown speed; known are task, version, success"):
        BoundRecorder(BenchmarkRecorder(store=store), version="v1", task="a", known={"speed": 3})
