"""Which tasks get cells of their own: one rule, which every store is held to."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import matching
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore, aggregation
from benchmark_recorder.testing import START, assert_same_cells, make_document
from tests.fakes.google_cloud import google_cloud

if TYPE_CHECKING:
    from benchmark_recorder.stores.base import Store

VERSIONS = ("v1", "v2", "v3")
ASKED: tuple[tuple[str, ...] | None, ...] = (None, ("v1",), ("v1", "v2"), ("v1", "v1"), ("v2", "none"), VERSIONS, ())


def history_of(rng: random.Random) -> list[Document]:
    """Runs of a few tasks, many of which run once, or in one version alone."""
    versions = rng.sample(VERSIONS, rng.randint(1, 3))
    tasks = [f"task {number}" for number in range(rng.randint(1, 12))]
    return [
        make_document(
            version=rng.choice(versions),
            task_id=rng.choice(tasks),
            success=rng.random() < 0.7,
            execution_time=rng.choice([0.0, rng.lognormvariate(0, 1)]),
            cost_estimated=rng.choice([0.0, rng.random()]),
            timestamp=START.isoformat(),
        )
        for _ in range(rng.randint(1, 25))
    ]


def own_tasks(history: list[Document], query: Query, most: int) -> set[str]:
    """The reference: seen in two of the asked-for versions, or twice in the only one; those with most runs."""
    found = [document for document in history if query.matches(document)]
    runs = Counter(document["task_id"] for document in found)
    seen = defaultdict(set)
    for document in found:
        seen[document["task_id"]].add(document["version"])
    asked = {document["version"] for document in found} if query.versions is None else set(query.versions)
    matched = [task for task in runs if (len(seen[task]) >= 2 if len(asked) > 1 else runs[task] >= 2)]
    return {*sorted(matched, key=lambda task: (-runs[task], task))[:most], *(query.own_cells & runs.keys())}


@pytest.fixture
def stores(tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[dict[str, Store]]:
    with ExitStack() as ends:
        cloud = ends.enter_context(google_cloud())
        cloud.set_up()
        yield {
            "memory": MemoryStore(),
            "json_file": ends.enter_context(JSONFileStore(tmp_path / "metrics.json")),
            "mongodb": ends.enter_context(MongoDBStore(mongodb_uri, database=database)),
            "vertex": ends.enter_context(cloud.store(deadline=30.0)),
        }


@pytest.mark.parametrize("most", [matching.MAX_MATCHED_TASKS, 3])
@pytest.mark.parametrize("seed", range(6))
def test_every_store_gives_the_same_tasks_cells_of_their_own(
    stores: dict[str, Store], seed: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aggregation, "FEW_TASKS", seed % 2 * 1000)
    monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", most)
    rng = random.Random(seed)
    history = history_of(rng)
    for store in stores.values():
        store.append(history, fresh=True)
    for versions in ASKED:
        query = Query(versions=versions, own_cells=frozenset(rng.sample(["task 0", "task 1", "no such task"], 2)))
        expected = own_tasks(history, query, most)
        reference = stores["memory"].summarize(query)
        for name, store in stores.items():
            answer = store.summarize(query)
            assert {cell.task_id for cell in answer.cells} - {None} == expected, (name, versions)
            assert_same_cells(answer, reference)
