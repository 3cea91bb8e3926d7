from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis import Interval, Summary, summarize_version
from benchmark_recorder.cells import Cells
from benchmark_recorder.columns import Durations
from tests.analysis.histories import cells_of, runs, task_names

PLAIN = (
    "mean", "p50", "p90", "p95", "p99", "min", "max", "std", "success_rate", "total_cost", "mean_cost"
)  # fmt: skip


def summary_of(n: int = 40, seed: int = 0) -> tuple[Summary, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    rng = np.random.default_rng(seed)
    time = rng.lognormal(1, 0.5, n)
    columns = runs("v1", ["t"] * n, time=time, success=(rng.random(n) < 0.8).tolist(), cost=rng.lognormal(-9, 0.5, n))
    return summarize_version("v1", cells_of(columns), Durations.of(columns["execution_time"])), time


def ends(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    return interval.low, interval.high


@given(st.integers(2, 200))
def test_the_guides_figures_are_those_of_numpy(n: int) -> None:
    summary, time = summary_of(n, seed=n)
    assert summary.count == n
    assert summary.mean == pytest.approx(time.mean())
    assert summary.std == pytest.approx(time.std(ddof=1))
    assert (summary.min, summary.max) == (time.min(), time.max())
    for name, share in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)):
        assert summary[name] == pytest.approx(np.percentile(time, share))
    assert all(isinstance(summary[name], float) for name in PLAIN)


def test_means_have_the_intervals_of_scipy() -> None:
    summary, time = summary_of()
    expected = stats.ttest_1samp(time, 0).confidence_interval(0.95)
    assert ends(summary.estimates["mean"].interval) == pytest.approx(tuple(expected))
    logs: Any = tuple(stats.ttest_1samp(np.log(time), 0).confidence_interval(0.95))
    assert ends(summary.estimates["geometric_mean"].interval) == pytest.approx(tuple(np.exp(logs)))


def test_a_success_rate_has_wilsons_interval() -> None:
    summary, _ = summary_of()
    expected = stats.binomtest(round(summary.success_rate * 40), 40).proportion_ci(method="wilson")
    assert ends(summary.estimates["success_rate"].interval) == pytest.approx((expected.low, expected.high))


def test_what_a_success_costs_has_the_error_of_the_delta_method() -> None:
    """The ratio of mean cost and success rate, by the sample covariance of cost and success."""
    rng = np.random.default_rng(1)
    n = 200
    success = rng.random(n) < 0.7
    cost = rng.lognormal(0, 0.5, n) * np.where(success, 1.0, 0.3)
    summary = summarize_version(
        "v", cells_of(runs("v", ["t"] * n, success=success.tolist(), cost=cost)), Durations.of(np.ones(1))
    )
    found = summary.estimates["cost_per_success"]
    assert found.value == pytest.approx(cost.sum() / success.sum())
    gradient = np.array([1 / cost.mean(), -1 / success.mean()])
    error = math.sqrt(gradient @ np.cov(cost, success) @ gradient / n)
    low, high = ends(found.interval)
    assert (math.log(high) - math.log(low)) / 2 == pytest.approx(stats.t.ppf(0.975, n - 1) * error, rel=1e-9)


def test_repeats_are_counted_as_by_drawing_all_subsets() -> None:
    outcomes = {"a": [1, 1, 0, 1], "b": [0, 0, 1], "c": [1]}
    names = [task for task, results in outcomes.items() for _ in results]
    success = [bool(x) for results in outcomes.values() for x in results]
    summary = summarize_version("v", cells_of(runs("v", names, success=success)), Durations.of(np.ones(1)))
    for repeats in summary.repeats:
        subsets = [
            list(itertools.combinations(results, repeats.k))
            for results in outcomes.values()
            if len(results) >= repeats.k
        ]
        assert repeats.tasks == len(subsets)
        assert repeats.all_succeed == pytest.approx(np.mean([np.mean([all(s) for s in task]) for task in subsets]))
        assert repeats.any_succeeds == pytest.approx(np.mean([np.mean([any(s) for s in task]) for task in subsets]))
    assert [repeats.k for repeats in summary.repeats] == [2, 3, 4]


def test_no_runs_are_an_empty_answer() -> None:
    summary = summarize_version("v9", Cells(), Durations.of(np.empty(0)))
    assert summary["count"] == 0
    assert all(math.isnan(summary[name]) for name in PLAIN)
    assert [caveat.code for caveat in summary.warnings] == ["unknown_version"]
    json.dumps(summary.to_dict(), allow_nan=False)
    assert f"Mean: {summary['mean']:.3f}s" == "Mean: nans"


@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
@pytest.mark.parametrize("n", [1, 2, 50])
def test_values_that_are_all_equal_have_no_interval_of_width_zero(value: float, n: int) -> None:
    summary = summarize_version(
        "v", cells_of(runs("v", ["t"] * n, time=[value] * n, cost=[value] * n)), Durations.of(np.full(n, value))
    )
    assert summary.mean == pytest.approx(value)
    assert math.isnan(summary.std) == (n == 1)
    for estimate in summary.estimates.values():
        if estimate.interval is not None:
            low, high = ends(estimate.interval)
            assert low < high
    json.dumps(summary.to_dict(), allow_nan=False)


def test_a_95th_percentile_that_is_the_maximum_is_named() -> None:
    few, _ = summary_of(20)
    assert "p95_is_the_maximum" in [caveat.code for caveat in few.warnings]
    enough, _ = summary_of(21)
    assert "p95_is_the_maximum" not in [caveat.code for caveat in enough.warnings]


def test_unknown_costs_are_no_zeros() -> None:
    columns = runs("v", task_names(2, 3), cost=[1, 2, math.nan, math.nan, math.nan, 3])
    summary = summarize_version("v", cells_of(columns), Durations.of(columns["execution_time"]))
    assert summary.total_cost == pytest.approx(6)
    assert summary.mean_cost == pytest.approx(2)
    none = runs("v", task_names(2, 3))
    assert math.isnan(summarize_version("v", cells_of(none), Durations.of(none["execution_time"])).total_cost)
