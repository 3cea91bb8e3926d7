from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder.analysis import Comparison, compare
from benchmark_recorder.analysis.single_runs import Mix, Values
from tests.analysis.histories import Columns, known, runs, task_names


def suite(version: str, rng: np.random.Generator, repeats: int, *, sd: float = 0.5, slower: float = 1.0) -> Columns:
    """Thirteen tasks of 1 to 60 s."""
    names = task_names(13, repeats)
    scale = np.repeat(np.geomspace(1, 60, 13), repeats)
    return runs(version, names, time=slower * scale * rng.lognormal(0, sd, len(names)))


def holds(comparison: Comparison, truth: float) -> bool:
    assert comparison.interval is not None
    low, high = comparison.interval.low, comparison.interval.high
    return (low is None or low <= truth) and (high is None or truth <= high)


def mix(*tasks: list[float]) -> Mix:
    value = np.array([value for values in tasks for value in values])
    task = np.repeat(np.arange(len(tasks)), [len(values) for values in tasks])
    return Mix.of(Values(value, task, value, task), len(tasks))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.95, 0.99, 1.0])
def test_with_as_many_runs_of_each_task_the_quantile_is_numpys(share: float) -> None:
    rng = np.random.default_rng(1)
    tasks = rng.lognormal(0, 1, (7, 11))
    assert mix(*tasks.tolist()).quantile(share) == pytest.approx(np.quantile(tasks, share), rel=1e-12)


def test_a_task_that_ran_more_often_counts_no_more() -> None:
    few, many = mix([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]), mix([1.0, 2.0, 3.0] * 50, [10.0, 20.0, 30.0])
    assert many.quantile(0.9) == pytest.approx(few.quantile(0.9), rel=0.05)
    plain = np.quantile([1.0, 2.0, 3.0] * 50 + [10.0, 20.0, 30.0], 0.9)
    assert plain == 3.0


def test_the_error_of_one_task_is_that_of_a_binomial_share() -> None:
    values = np.arange(1.0, 101)
    one = mix(values.tolist())
    below = (values <= one.quantile(0.9)).mean()
    assert one.error(0.9) == pytest.approx(math.sqrt(below * (1 - below) / 99))


def test_the_error_is_what_resampling_within_the_tasks_gives() -> None:
    rng = np.random.default_rng(5)
    tasks = rng.lognormal(0, 0.7, (6, 80)) * np.geomspace(1, 8, 6)[:, None]
    own = mix(*tasks.tolist())
    resampled = np.take_along_axis(tasks[None], rng.integers(0, 80, (4000, 6, 80)), axis=2)
    shares = (resampled <= own.quantile(0.95)).mean(axis=(1, 2))
    assert own.error(0.95) == pytest.approx(shares.std(), rel=0.05)


def test_the_interval_of_one_task_agrees_with_scipys_for_a_quantile() -> None:
    """With a baseline that hardly varies, the interval of the ratio is that of the candidate's quantile."""
    rng = np.random.default_rng(3)
    times = rng.lognormal(0, 0.5, 1000)
    old = runs("v1", ["t"] * 1000, time=1 + 1e-9 * rng.random(1000))
    found = compare(known(old, runs("v2", ["t"] * 1000, time=times)), "v1", "v2", "p95").ratio
    oracle: Any = stats.quantile_test(times, p=0.95).confidence_interval(0.95)
    assert found is not None
    assert found.value == pytest.approx(np.quantile(times, 0.95), rel=1e-6)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(oracle.low, rel=0.02)
    assert found.interval.high == pytest.approx(oracle.high, rel=0.02)


@pytest.mark.parametrize(("metric", "repeats"), [("p95", 10), ("p95", 50), ("time.p99", 50), ("time.median", 5)])
def test_the_interval_of_a_change_holds_it_and_an_unchanged_version_is_seldom_called_changed(
    metric: str, repeats: int
) -> None:
    rng = np.random.default_rng(11)
    slower = [
        compare(known(suite("v1", rng, repeats), suite("v2", rng, repeats, slower=1.2)), "v1", "v2", metric)
        for _ in range(200)
    ]
    same = [
        compare(known(suite("v1", rng, repeats), suite("v2", rng, repeats)), "v1", "v2", metric) for _ in range(200)
    ]
    held = sum(holds(found, -0.2) for found in slower)
    assert stats.binomtest(held, 200, 0.93, "less").pvalue > 0.001
    wrong = sum(found.verdict in {"improved", "regressed"} for found in same)
    assert stats.binomtest(wrong, 200, 0.05, "greater").pvalue > 0.001


@pytest.mark.parametrize(
    ("metric", "needed"), [("p95", 10), ("time.p99", 50), ("cost.p95", 10), ("output_tokens.p99", 50)]
)
def test_below_so_many_runs_a_task_there_is_no_interval_and_the_reason_is_given(metric: str, needed: int) -> None:
    rng = np.random.default_rng(2)

    def both(repeats: int) -> Comparison:
        n = 3 * repeats
        sides = [
            runs(v, task_names(3, repeats), time=rng.random(n), cost=rng.random(n), tokens=rng.random(n))
            for v in ("v1", "v2")
        ]
        return compare(known(*sides), "v1", "v2", metric)

    few, enough = both(needed - 1), both(needed)
    assert few.interval is None
    assert few.effect is not None
    assert few.verdict == "inconclusive"
    assert [caveat.figures["needed"] for caveat in few.warnings if caveat.code == "too_few_for_quantile"] == [needed]
    assert enough.interval is not None
    assert "too_few_for_quantile" not in [caveat.code for caveat in enough.warnings]


def test_the_same_runs_give_the_same_answer_in_any_order() -> None:
    rng = np.random.default_rng(4)
    old, new = suite("v1", rng, 12), suite("v2", rng, 12, slower=0.9)
    there = compare(known(old, new), "v1", "v2", "p95")
    order = rng.permutation(13 * 12)
    shuffled = {name: column[order] for name, column in new.items()}
    assert compare(known(old, shuffled), "v1", "v2", "p95") == there


def test_failed_runs_count_for_the_plain_value_alone() -> None:
    old = runs("v1", ["t"] * 40, time=np.linspace(1, 2, 40))
    new = runs("v2", ["t"] * 50, time=[*np.linspace(1, 2, 40), *[100.0] * 10], success=[True] * 40 + [False] * 10)
    found = compare(known(old, new), "v1", "v2", "p95")
    assert found.v2_value == 100.0
    assert found.effect == pytest.approx(0.0, abs=1e-12)


def test_failed_runs_count_among_the_runs_that_an_interval_needs() -> None:
    rng = np.random.default_rng(6)
    sides = [runs(v, ["a"] * 10 + ["b"] * 10, time=rng.random(20), success=[False, *[True] * 19]) for v in ("v1", "v2")]
    assert compare(known(*sides), "v1", "v2", "p95").interval is not None
