"""What every store is held to when two versions are compared."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmark_recorder import matching
from benchmark_recorder.columns import columns_of
from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.matching import LISTED, UnmatchedTasks
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.tabulation import summarize_columns
from benchmark_recorder.testing.histories import HOSTILE_TEXTS, assert_same_cells, make_document

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

PAIR: Final = Query.of(version=["v1", "v2"])


class PairsContract:
    """Part of ``StoreContract``; the reference is always the records themselves."""

    def test_tasks_that_only_one_of_two_versions_ran_are_counted_and_listed(self, store: Store) -> None:
        """Over all groups, and whatever other versions ran; the first hundred by id."""
        ran = {"v1": range(150), "v2": range(140, 160), "v3": range(300)}
        history = [
            make_document(version=version, task_id=f"task {number}", model=f"m{number % 2}{version}")
            for version, numbers in ran.items()
            for number in numbers
        ]
        history += [make_document(version="v1", task_id=text) for text in HOSTILE_TEXTS]
        store.append(history)
        alone = sorted({*(f"task {number}" for number in range(140)), *HOSTILE_TEXTS})
        expected = (
            UnmatchedTasks("v1", len(alone), tuple(alone[:LISTED])),
            UnmatchedTasks("v2", 10, tuple(f"task {number}" for number in range(150, 160))),
        )
        answering = completed(store)
        assert answering.summarize(PAIR).unmatched == expected
        assert answering.summarize(Query(versions=("v2", "v1"), by=("model",))).unmatched == expected
        assert answering.summarize(Query.of(version=["v2", "none"], task_id="task 155")).unmatched == (
            UnmatchedTasks("v2", 1, ("task 155",)),
        )
        named = Query(versions=("v1", "v2"), own_cells=frozenset({"task 150", "task 0", "no such task"}))
        assert [(one.version, one.tasks) for one in answering.summarize(named).unmatched] == [
            ("v1", len(alone) - 1),
            ("v2", 9),
        ]

    def test_tasks_are_listed_only_where_two_versions_are_compared(self, store: Store) -> None:
        """One, three and all say nothing."""
        store.append([make_document(version=f"v{number}", task_id=f"t{number}") for number in range(3)])
        for versions in (None, ("v1",), ("v1", "v1"), ("v0", "v1", "v2"), ()):
            found = completed(store).summarize(Query(versions=versions))
            assert (found.unmatched, found.beyond) == ((), None)

    @pytest.mark.parametrize("most", [0, 7])
    def test_matched_tasks_beyond_the_most_are_there_without_their_ids(
        self, store: Store, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each with the same numbers as in a cell; also by group, and beside tasks that are named."""
        monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", most)
        history = _history()
        store.append(history)
        for query in (
            PAIR,
            Query(versions=("v2", "v1"), by=("model",)),
            Query(versions=("v1", "v2"), success=True, own_cells=frozenset({"task 3", "task 11"})),
            Query.of(version=["v1", "none"]),
        ):
            found = completed(store).summarize(query)
            expected = summarize_columns(
                columns_of([document for document in history if query.matches(document)], COLUMNS), query
            )
            assert_same_cells(found, expected)
            assert found.unmatched == expected.unmatched
            assert numbers_beyond(found) == numbers_beyond(expected)

    def test_every_matched_task_is_in_a_cell_or_beyond(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """And in one of the two only."""
        monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", 5)
        history = _history()
        store.append(history)
        found = completed(store).summarize(PAIR)
        tasks = {version: {d["task_id"] for d in history if d["version"] == version} for version in ("v1", "v2")}
        assert found.beyond is not None
        assert len(found.by_task("v1")) == 5
        assert len(found.by_task("v1")) + found.beyond.tasks == len(tasks["v1"] & tasks["v2"])


def _history() -> list[Document]:
    """Runs of some twenty tasks in three versions, costs and routes known for some of them."""
    rng = random.Random(5)  # noqa: S311 - a reproducible history, no secret
    return [
        make_document(
            version=rng.choice(["v1", "v2", "v3"]),
            task_id=f"task {min(rng.randrange(30), rng.randrange(30))}",
            success=rng.random() < 0.7,
            execution_time=rng.choice([0.0, rng.lognormvariate(0, 1), rng.lognormvariate(9, 1)]),
            cost_estimated=rng.choice([0.0, rng.lognormvariate(-6, 1)]),
            cost_known=rng.choice([None, True]),
            agent_selected=rng.choice([None, "a", "b"]),
            expected_agent=rng.choice([None, "a", "b"]),
            model=rng.choice([None, "m1", "m2"]),
        )
        for _ in range(200)
    ]


def numbers_beyond(cells: Cells) -> list[tuple[Any, ...]]:
    """What is known of the tasks beyond, task by task, in an order that does not depend on their numbers."""
    tasks: dict[tuple[Any, int], list[tuple[Any, ...]]] = {}
    for group in cells.beyond.groups if cells.beyond else ():
        within = cells.beyond and cells.beyond.within(group)
        for version in ("v1", "v2") if within else ():
            for row in within.rows(version) if within else ():
                moments = [round(number, 9) for sample in (row.log_time, row.cost, row.log_cost) for number in sample]
                counts = (row.n, row.routed, row.routed_right, *moments)
                tasks.setdefault((str(group), row.task), []).append((version, row.success, *counts))
    return sorted((group, *sorted(rows)) for (group, _), rows in tasks.items())
