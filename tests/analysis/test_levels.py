from __future__ import annotations

import numpy as np
import pytest

from benchmark_recorder.analysis import METRICS, check_gate, compare
from tests.analysis.histories import ASKED, Columns, known, runs


def uneven(version: str, seed: int, tasks: int = 6, most: int = 40) -> Columns:
    """Each task as often as it comes; a task's length and chance of failure depend on it."""
    rng = np.random.default_rng(seed)
    numbers = np.concatenate((np.repeat(np.arange(tasks), 2), rng.integers(0, tasks, rng.integers(1, most) * tasks)))
    n, scale = len(numbers), 3.0**numbers
    return runs(
        version,
        [f"task-{number}" for number in numbers],
        time=scale * rng.lognormal(0, 0.4, n),
        success=(rng.random(n) > 0.1 * numbers).tolist(),
        cost=scale * rng.lognormal(0, 0.3, n),
        routed=(rng.random(n) > 0.1 * numbers).tolist(),
        tokens=scale * rng.lognormal(0, 0.3, n),
    )


@pytest.mark.parametrize(("metric", "scope"), ASKED)
@pytest.mark.parametrize("seed", range(5))
def test_the_change_is_between_the_two_values(metric: str, scope: str, seed: int) -> None:
    found = compare(known(uneven("v1", seed), uneven("v2", seed + 100)), "v1", "v2", metric, scope=scope)
    v1, v2 = found.v1_compared, found.v2_compared
    assert v1 is not None
    assert v2 is not None
    change = v2 - v1 if found.kind == "points" else v2 / v1 - 1
    assert found.effect == pytest.approx(METRICS[metric].better * change, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_versions_without_a_common_task_are_compared_by_all_of_their_runs(metric: str) -> None:
    old, new = uneven("v1", 1), uneven("v2", 2)
    new["task_id"] = np.array([f"other-{name}" for name in new["task_id"]], dtype=object)
    found = compare(known(old, new), "v1", "v2", metric)
    assert found.v1_compared is not None
    assert found.v2_compared is not None
    change = found.v2_compared - found.v1_compared
    change = change if found.kind == "points" else change / found.v1_compared
    assert found.effect == pytest.approx(METRICS[metric].better * change, rel=1e-9, abs=1e-12)
    if not METRICS[metric].of_successes:
        assert (found.v1_compared, found.v2_compared) == pytest.approx((found.v1_value, found.v2_value))


def test_a_version_that_ran_more_of_the_long_tasks_does_not_look_slower() -> None:
    """Simpson's paradox: the plain mean rises, each task is as fast as before."""
    old = runs("v1", ["short"] * 30 + ["long"] * 10, time=[*np.linspace(0.9, 1.1, 30), *np.linspace(90, 110, 10)])
    new = runs("v2", ["short"] * 10 + ["long"] * 30, time=[*np.linspace(0.8, 1.0, 10), *np.linspace(80, 100, 30)])
    found = compare(known(old, new), "v1", "v2")
    assert found.v2_value > found.v1_value
    assert found.v1_compared is not None
    assert found.v2_compared is not None
    assert found.v2_compared < found.v1_compared


def test_tasks_that_the_verdict_leaves_out_are_in_neither_value() -> None:
    old = runs("v1", ["a"] * 5 + ["b"] * 5 + ["once"], time=[1, 2, 1, 2, 1, 3, 4, 3, 4, 3, 1000])
    new = runs("v2", ["a"] * 5 + ["b"] * 5 + ["once"], time=[1, 2, 1, 1, 1, 3, 4, 3, 3, 3, 1])
    found = compare(known(old, new), "v1", "v2")
    assert "singles_not_judged" in [caveat.code for caveat in found.warnings]
    assert found.v1_compared == pytest.approx(np.exp(np.log([[1, 2, 1, 2, 1], [3, 4, 3, 4, 3]]).mean()))


def test_a_gate_has_the_same_values() -> None:
    cells = known(uneven("v1", 1), uneven("v2", 2))
    for check in check_gate(cells, "v1", "v2", margins={"p95": 0.1}).checks:
        found = compare(cells, "v1", "v2", check.metric)
        assert (check.v1_compared, check.v2_compared) == (found.v1_compared, found.v2_compared)


def test_where_there_is_nothing_there_is_no_value() -> None:
    found = compare(known(uneven("v1", 1)), "v1", "v2")
    assert found.v1_compared is found.v2_compared is None
