from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis import distributions_of
from benchmark_recorder.analysis.percentiles import BINS, percentile, percentile_in, runs_for_percentile
from benchmark_recorder.histogram import Histogram
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore

durations = st.lists(st.floats(0, 1e9, allow_subnormal=False), max_size=50)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [5, 6, 20, 71, 72, 73, 130, 368, 1000, 200_000])
def test_a_percentile_has_the_interval_of_scipys_quantile_test(share: float, n: int) -> None:
    ordered = np.sort(np.random.default_rng(n).normal(size=n))
    found = percentile(ordered, share).estimate
    expected: Any = stats.quantile_test(ordered, p=share).confidence_interval(0.95)
    if found.interval is None:
        assert math.isnan(expected.low) or math.isnan(expected.high)
        assert n < runs_for_percentile(share)
        assert f"n >= {runs_for_percentile(share)}" in found.method
    else:
        assert (found.interval.low, found.interval.high) == (expected.low, expected.high)
        assert n >= runs_for_percentile(share)


def test_an_interval_of_the_95th_percentile_needs_72_runs() -> None:
    assert runs_for_percentile(0.95) == 72


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_a_percentile_is_that_of_numpy(n: int, share: float) -> None:
    ordered = np.sort(np.random.default_rng(n).lognormal(size=n))
    assert percentile(ordered, share).value == np.quantile(ordered, share)


def test_of_many_runs_only_those_around_a_percentile_are_kept() -> None:
    ordered = np.arange(1_000_000, dtype=float)
    found = percentile(ordered, 0.5)
    assert len(found.around) < 3000
    assert found.around.base is None
    assert found.first == found.around[0]


def test_there_is_no_percentile_of_nothing() -> None:
    found = percentile(np.empty(0), 0.5).estimate
    assert found.value is None
    assert found.n == 0


def test_the_percentiles_of_a_distribution_are_those_of_numpy() -> None:
    times = np.random.default_rng(0).lognormal(0, 1, 333)
    found = distributions_of({"v": times})["v"]
    assert found.percentiles == pytest.approx([np.percentile(times, share) for share in range(101)])
    assert (found.percentiles[0], found.percentiles[100]) == (times.min(), times.max())
    assert found.n == 333


@given(durations, durations)
def test_every_run_is_in_one_bin_and_all_versions_have_the_same_bins(left: list[float], right: list[float]) -> None:
    found = distributions_of({"a": np.array(left), "b": np.array(right)})
    assert found["a"].edges == found["b"].edges
    for version, times in (("a", left), ("b", right)):
        assert sum(found[version].counts) == found[version].n == len(times)
    if left or right:
        edges = np.array(found["a"].edges)
        assert len(edges) == BINS + 1
        assert (np.diff(edges) > 0).all()
        assert edges[-1] >= max(left + right)
        assert edges[0] <= min([time for time in left + right if time > 0], default=0)


def test_a_bin_counts_what_lies_between_its_edges() -> None:
    times = np.array([1.0, 1.0, 3.0, 4.9, 5.0])
    found = distributions_of({"v": times})["v"]
    assert found.scale == "linear"
    for low, high, count in zip(found.edges, found.edges[1:-1], found.counts, strict=False):
        assert count == sum(low <= time < high for time in times)
    assert (found.counts[0], found.counts[-1]) == (2, 2)


def test_long_and_short_runs_are_on_a_logarithmic_scale() -> None:
    found = distributions_of({"v": np.array([0.0, 0.001, 1.0, 1000.0])})["v"]
    assert found.scale == "log"
    assert found.edges[0] == 0.001
    assert found.edges[-1] == 1000.0
    assert found.counts[0] == 2
    ratios = np.array(found.edges[1:]) / np.array(found.edges[:-1])
    assert ratios == pytest.approx(np.full(BINS, 10 ** (6 / BINS)))


@pytest.mark.parametrize("times", [[2.0], [2.0, 2.0], [0.0, 0.0]])
def test_equal_runs_have_a_bin_around_them(times: list[float]) -> None:
    found = distributions_of({"v": np.array(times)})["v"]
    assert sum(found.counts) == len(times)
    assert found.edges[0] <= times[0] <= found.edges[-1]
    assert found.edges[0] < found.edges[-1]


def test_what_is_not_finite_does_not_count_and_no_runs_are_no_figures() -> None:
    found = distributions_of({"v": np.array([np.nan, 1.0, np.inf]), "none": np.empty(0)})
    assert found["v"].n == 1
    assert (found["none"].n, found["none"].percentiles, sum(found["none"].counts)) == (0, (), 0)
    nothing = distributions_of({"v": np.empty(0)})["v"]
    assert (nothing.edges, nothing.counts, nothing.scale) == ((), (), "linear")


# From a histogram ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_a_percentile_of_a_histogram_is_within_its_error_of_the_exact_one(share: float) -> None:
    values = np.random.default_rng(7).lognormal(0, 1, 200_000)
    found = percentile_in(Histogram.of(values), share)
    exact = percentile(np.sort(values), share)
    assert found.value == pytest.approx(exact.value, rel=0.011)
    interval, sharp = found.estimate.interval, exact.estimate.interval
    assert interval is not None
    assert sharp is not None
    assert None not in {interval.low, interval.high, sharp.low, sharp.high}
    assert (interval.low or 0.0) <= (sharp.low or 0.0)
    assert (interval.high or 0.0) >= (sharp.high or 0.0)
    assert found.estimate.method == "from a histogram, error at most 1.08%"


def test_without_runs_a_histogram_has_no_percentile() -> None:
    assert percentile_in(Histogram(), 0.5).value is None


def test_beyond_so_many_runs_percentiles_come_from_a_histogram_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_recorder.questions.MOST_DURATIONS", 100)
    recorder = BenchmarkRecorder(store=MemoryStore())
    for number in range(1, 102):
        recorder.record_execution("t", float(number), True, "v1")
    found = recorder.get_historical_metrics("v1")
    assert found.p95 == pytest.approx(96, rel=0.011)
    assert found.min == pytest.approx(1, rel=0.011)
    (caveat,) = [one for one in found.warnings if one.code == "percentiles_from_histogram"]
    assert caveat.sentence == (
        "With 101 runs the percentiles of v1 are read from a histogram; they are off by at most 1.1%."
    )
    assert "read from a histogram" in recorder.generate_report(["v1"]).replace("\n     ", " ")
