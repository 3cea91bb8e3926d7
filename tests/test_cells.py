from __future__ import annotations

import math
import random
from itertools import starmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.cells import (
    CELL_FIELDS,
    Cell,
    Cells,
    Moments,
    collect,
    encode,
    tabulate,
    total,
)
from benchmark_recorder.matching import MAX_MATCHED_TASKS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import assert_same_cells, make_document, make_history


def cells_of(documents: list[Document]) -> list[Cell]:
    store = MemoryStore()
    store.append(documents)
    return tabulate(store.scan(Query(), CELL_FIELDS))


def moments_of(values: list[float]) -> Moments:
    moments = Moments()
    for value in values:
        moments = moments.merge(Moments(1, value, 0.0))
    return moments


def test_merged_moments_agree_with_numpy_on_a_million_values_with_a_large_offset() -> None:
    rng = np.random.default_rng(1)
    values = 1e6 + rng.normal(size=1_000_000)
    parts = [
        Moments(len(part), float(part.mean()), float(((part - part.mean()) ** 2).sum()))
        for part in np.array_split(values, 1000)
    ]
    merged = Moments()
    for part in parts:
        merged = merged.merge(part)
    assert merged.n == len(values)
    assert merged.mean == pytest.approx(float(values.mean()), rel=1e-12)
    assert merged.variance == pytest.approx(float(values.var(ddof=1)), rel=1e-9)


def test_tabulated_moments_agree_with_numpy_on_a_million_values_with_a_large_offset() -> None:
    rng = np.random.default_rng(2)
    count = 1_000_000
    values = 1e6 + rng.normal(size=count)
    tasks = rng.integers(0, 13, count)
    columns = {
        "version": np.full(count, "v1", object),
        "task_id": np.array([f"t{number:02}" for number in range(13)], object)[tasks],
        "success": np.ones(count, bool),
        "execution_time": values,
        "cost": np.full(count, np.nan),
        "expected_agent": np.full(count, None, object),
        "agent_selected": np.full(count, None, object),
        "git_commit": np.full(count, None, object),
        "host": np.full(count, None, object),
        "time": np.arange(count),
    }
    for number, cell in enumerate(sorted(tabulate(columns), key=lambda cell: cell.task_id or "")):
        own = values[tasks == number]
        assert cell.time.n == len(own)
        assert cell.time.mean == pytest.approx(float(own.mean()), rel=1e-12)
        assert cell.time.variance == pytest.approx(float(own.var(ddof=1)), rel=1e-9)
        assert cell.log_time.mean == pytest.approx(float(np.log(own).mean()), rel=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_moments_merge_to_those_of_the_whole(left: list[float], right: list[float]) -> None:
    merged, whole = moments_of(left).merge(moments_of(right)), left + right
    assert merged.n == len(whole)
    if whole:
        assert merged.mean == pytest.approx(float(np.mean(whole)), rel=1e-9, abs=1e-6)
        assert merged.m2 == pytest.approx(float(np.var(whole) * len(whole)), rel=1e-6, abs=1e-3)
    assert merged.total == pytest.approx(math.fsum(whole), rel=1e-9, abs=1e-3)


def test_a_variance_needs_two_values() -> None:
    assert Moments(1, 5.0, 0.0).variance is None
    assert Moments(2, 5.0, 2.0).variance == 2.0


def test_a_cell_holds_what_its_runs_have() -> None:
    documents = [
        make_document(
            execution_time=time,
            cost_estimated=cost,
            **({"cost_known": True} if known else {}),
            **({"expected_agent": expected} if expected else {}),
            agent_selected=selected,
            git_commit=commit,
            host=host,
            timestamp=f"2026-01-0{day}T00:00:00+00:00",
        )
        for time, cost, known, expected, selected, commit, host, day in [
            (0.0, 0.0, False, None, "a", None, "beta", 3),
            (math.e, 0.0, True, "a", "a", "f" * 40, "alpha", 1),
            (math.e**3, 2.0, False, "b", "a", "a" * 40, "gamma", 2),
            (1.0, 4.0, False, "b", None, None, "beta", 5),
        ]
    ]
    (cell,) = cells_of(documents)
    assert (cell.n, cell.tasks, cell.success) == (4, 1, True)
    assert cell.time.total == pytest.approx(math.e + math.e**3 + 1)
    assert cell.max_time == math.e**3
    assert cell.log_time.n == 3
    assert cell.log_time.mean == pytest.approx(4 / 3)
    assert (cell.cost.n, cell.cost.mean, cell.unknown_cost, cell.max_cost) == (3, 2.0, 1, 4.0)
    assert cell.log_cost.n == 2
    assert cell.log_cost.mean == pytest.approx(math.log(8) / 2)
    assert (cell.routed, cell.routed_right) == (2, 1)
    assert cell.git_commit == ("a" * 40, "f" * 40)
    assert cell.host == ("alpha", "gamma")
    assert cell.last - cell.first == 4 * 24 * 3600 * 10**6


def test_cells_of_parts_merge_to_the_cells_of_the_whole() -> None:
    history = make_history(300)
    rng = random.Random(1)
    rng.shuffle(history)
    parts = [cell for start in range(0, 300, 50) for cell in cells_of(history[start : start + 50])]
    assert_same_cells(collect(parts, None), collect(cells_of(history), None))


def runs(version: str, task: str, count: int = 1) -> list[Document]:
    return [make_document(version=version, task_id=task) for _ in range(count)]


def shown(cells: Cells) -> list[tuple[str, str | None, int, int]]:
    return [(cell.version, cell.task_id, cell.n, cell.tasks) for cell in cells.cells]


def test_tasks_of_at_least_two_of_the_asked_for_versions_have_cells_of_their_own() -> None:
    documents = runs("v1", "a") + runs("v2", "a", 2) + runs("v1", "b", 3) + runs("v1", "c") + runs("v2", "d")
    cells = collect(cells_of(documents), ("v1", "v2"))
    assert shown(cells) == [("v1", "a", 1, 1), ("v2", "a", 2, 1), ("v1", None, 4, 2), ("v2", None, 1, 1)]
    assert cells.versions == ("v1", "v2")
    assert set(cells.by_task("v1")) == {"a"}
    whole = total(cells.of("v1"))
    assert whole is not None
    assert whole.n == 5


def test_tasks_that_repeat_in_the_one_asked_for_version_have_cells_of_their_own() -> None:
    documents = runs("v1", "a", 2) + runs("v1", "b") + runs("v1", "c")
    assert shown(collect(cells_of(documents), ("v1",))) == [("v1", "a", 2, 1), ("v1", None, 2, 2)]
    assert shown(collect(cells_of(documents), None)) == [("v1", "a", 2, 1), ("v1", None, 2, 2)]


def test_a_task_that_succeeds_once_and_fails_once_repeats() -> None:
    documents = [make_document(task_id="a"), make_document(task_id="a", success=False)]
    assert shown(collect(cells_of(documents), ("v1.0",))) == [("v1.0", "a", 1, 1), ("v1.0", "a", 1, 1)]


def test_at_most_ten_thousand_tasks_have_cells_of_their_own_those_with_the_most_runs() -> None:
    one = cells_of(runs("v1", "a"))[0]
    count = MAX_MATCHED_TASKS + 5
    documents = list(
        starmap(
            lambda number, version: Cell(
                **{
                    **{name: getattr(one, name) for name in Cell.__dataclass_fields__},
                    "version": version,
                    "task_id": f"t{number:06}",
                    "n": 2 if number >= count - 7 else 1,
                }
            ),
            ((number, version) for number in range(count) for version in ("v1", "v2")),
        )
    )
    cells = collect(documents, ("v1", "v2"))
    own = set(cells.by_task("v1"))
    assert len(own) == MAX_MATCHED_TASKS
    assert {f"t{number:06}" for number in range(count - 7, count)} <= own
    pooled = [cell for cell in cells.cells if cell.task_id is None]
    assert [(cell.version, cell.tasks, cell.n) for cell in pooled] == [("v1", 5, 5), ("v2", 5, 5)]
    assert "t009992" in own
    assert "t009993" not in own


def test_pooled_cells_stay_pooled_when_they_are_collected_again() -> None:
    cells = collect(cells_of(runs("v1", "a") + runs("v1", "b")), None)
    again = collect((*cells.cells, *cells_of(runs("v1", "c", 2))), None)
    assert shown(again) == [("v1", "c", 2, 1), ("v1", None, 2, 2)]


def test_nothing_makes_no_cells() -> None:
    assert cells_of([]) == []
    assert collect([], None) == Cells()
    assert total([]) is None


def test_a_column_is_coded_in_the_order_of_appearance() -> None:
    coded = encode(np.array(["b", None, "a", "b"], object))
    assert coded.codes.tolist() == [0, -1, 1, 0]
    assert coded.vocabulary == ("b", "a")
