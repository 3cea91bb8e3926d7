from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmark_recorder.analysis import check_gate, selftest
from benchmark_recorder.analysis.self_test import _literal_blocks, _rulings
from benchmark_recorder.analysis.splits import DAY, PAUSE, Repeated, by_block, repeated, within_tasks
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import Columns, known, runs, task_names, texts


def history(repeats: int = 6, *, tasks: int = 13, days: int = 12, seed: int = 0, shared: float = 0.0) -> Columns:
    """Runs spread over days; ``shared`` is the spread of what all runs of a day have in common."""
    rng = np.random.default_rng(seed)
    names = task_names(tasks, repeats)
    n = len(names)
    day = rng.integers(0, days, n)
    time = rng.lognormal(0, 0.2, n) * np.exp(shared * rng.normal(size=days))[day]
    columns = runs("v1", names, time=time, success=(rng.random(n) > 0.1).tolist(), cost=rng.lognormal(-9, 0.2, n))
    return columns | {"time": day.astype(np.int64) * DAY}


def with_version(columns: Columns, version: str, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Columns:
    part = {name: column[rows] for name, column in columns.items()}
    return part | {"version": texts([version] * int(rows.sum()))}


@pytest.mark.parametrize("scope", ["suite", "tasks"])
@pytest.mark.parametrize("repeats", [2, 5, 6])
def test_each_split_is_judged_exactly_as_the_gate_would(repeats: int, scope: str) -> None:
    columns = history(repeats)
    found: Repeated = repeated(columns)
    (batch,) = within_tasks(found, 25, np.random.default_rng(3))
    literal = _literal_blocks(found, batch)
    for split, (rulings, blocked) in enumerate(zip(_rulings(found, batch, scope), literal, strict=True)):
        candidate = batch.sides(split)
        cells = known(with_version(columns, "a", ~candidate), with_version(columns, "b", candidate))
        gate = check_gate(cells, "a", "b", scope=scope)
        for check in gate.checks:
            ruling = rulings[check.metric]
            assert ruling.state == check.state
            assert ruling.worsening == pytest.approx(check.worsening, abs=1e-9)
            assert ruling.p_adjusted == pytest.approx(check.p_adjusted, abs=1e-9)
        assert (gate.literal_state == "block") == blocked


@pytest.mark.parametrize("kind", ["within tasks", "by day"])
def test_the_sums_of_a_split_are_those_of_its_runs(kind: str) -> None:
    found = repeated(history(5, days=9))
    rng = np.random.default_rng(1)
    (batch,) = within_tasks(found, 30, rng) if kind == "within tasks" else by_block(found, 9, 30, rng)
    for split in range(30):
        sides = batch.sides(split)
        expected = [found.figures[sides & (found.task == task)].sum(0) for task in range(13)]
        np.testing.assert_allclose(batch.sums[split], expected, atol=1e-12)
        if kind == "by day":
            assert {len(set(sides[found.block == day].tolist())) for day in range(9)} == {1}
            assert sum(sides[found.block == day].all() for day in range(9)) in {4, 5}


def test_half_of_each_tasks_runs_go_to_either_side() -> None:
    columns = history(5)
    found = repeated(columns)
    (batch,) = within_tasks(found, 400, np.random.default_rng(0))
    sides = np.stack([batch.sides(split) for split in range(400)])
    counts = np.stack([sides[:, found.task == task].sum(1) for task in range(13)])
    assert set(np.unique(counts).tolist()) == {2, 3}
    assert sides.mean(0) == pytest.approx(np.full(65, 0.5), abs=0.12)


def test_what_the_runs_of_a_day_share_shows_in_splits_by_day_alone() -> None:
    found = selftest(history(20, days=8, shared=0.5), "v1", splits=400)
    assert found.within_tasks is not None
    assert found.by_day is not None
    assert found.within_tasks.by_metric["execution_time"] < 0.05
    assert found.by_day.by_metric["execution_time"] > 0.15
    assert found.by_day.different == 70
    assert "real" not in worded(found).sentence


def test_the_guides_thresholds_block_more_often_than_not() -> None:
    found = selftest(history(4), "v1", splits=400)
    assert found.within_tasks is not None
    assert found.within_tasks.literal_rate > 5 * found.within_tasks.rate
    assert found.detectable["execution_time"] is not None
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_seed_gives_the_same_answer() -> None:
    columns = history(4)
    assert selftest(columns, "v1", splits=50, seed=1) == selftest(columns, "v1", splits=50, seed=1)


def test_one_run_per_task_makes_it_impossible_and_is_a_caveat() -> None:
    found = selftest(history(1), "v1")
    assert found.within_tasks is None
    assert found.by_day is None
    assert [caveat.code for caveat in found.warnings] == ["no_repeats"]


def test_runs_of_one_sitting_cannot_be_split_by_time() -> None:
    found = selftest(history(4, days=1), "v1", splits=50)
    assert found.within_tasks is not None
    assert found.by_day is None
    assert "few_days" in [caveat.code for caveat in found.warnings]


def test_runs_of_one_day_are_split_by_run_of_the_suite() -> None:
    columns = history(20, days=8, shared=0.5)
    at = columns["time"] // DAY * 2 * PAUSE + np.arange(260) % 7 * 1_000_000
    found = selftest(columns | {"time": at}, "v1", splits=400)
    assert found.by_day is not None
    assert (found.by_day.kind, found.by_day.different) == ("by run", 70)
    assert found.by_day.by_metric["execution_time"] > 0.15
    assert "few_days" in [caveat.code for caveat in found.warnings]


def test_splits_that_must_repeat_name_the_number_of_possible_ones() -> None:
    found = worded(selftest(history(20, days=6), "v1", splits=100))
    assert found.by_day is not None
    assert found.by_day.different == 20
    assert "100 comparisons of this version with itself, drawn from only 20 possible splits;" in found.sentence
    assert found.sentence.count("possible splits") == 1


def test_no_runs_are_an_empty_answer_that_names_the_version() -> None:
    empty: dict[str, Any] = {name: column[:0] for name, column in history(2).items()}
    found = selftest(empty, "v9")
    assert found.runs == 0
    assert [caveat.code for caveat in found.warnings] == ["unknown_version"]


@pytest.mark.parametrize("time", [0.0, 1.0])
def test_strange_histories_are_not_an_error(time: float) -> None:
    names = task_names(3, 3)
    columns = runs("v1", names, time=[time] * 9, success=[False] * 9)
    found = selftest(columns, "v1", splits=20)
    assert found.within_tasks is not None
    assert found.within_tasks.rate == 0


@pytest.mark.parametrize("splits", [0, -1, 2.5, "many", True])
def test_a_wrong_number_of_splits_is_an_error(splits: Any) -> None:
    with pytest.raises(InvalidQueryError, match="splits"):
        selftest(history(2), "v1", splits=splits)
