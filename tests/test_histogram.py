from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics._internal.exponential_histogram.mapping.logarithm_mapping import LogarithmMapping

from benchmark_recorder.histogram import SCALE, Histogram, bounds_of, bucket_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOSTILE = (0.0, 5e-324, 2.2e-308, 1e-9, 0.5, 1.0, 1.5, 2.0, 4.0, 1e9, 1e300, float(np.finfo(np.float64).max))

durations = st.lists(st.floats(0, allow_infinity=False, allow_nan=False), min_size=1, max_size=50)


def lognormal(n: int, seed: int = 1, sd: float = 1.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).lognormal(0.0, sd, n)


def test_a_power_of_two_is_the_least_value_of_its_bucket() -> None:
    powers = np.exp2(np.arange(-1074.0, 1024.0))
    assert bucket_of(powers).tolist() == [32 * exponent for exponent in range(-1074, 1024)]


def test_buckets_are_those_of_opentelemetry() -> None:
    values = lognormal(100_000, sd=3.0)
    oracle = LogarithmMapping(SCALE)
    ours = bucket_of(values)
    theirs = np.array([oracle.map_to_index(value) for value in values.tolist()])
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 1e-4
    counts = Histogram.of(values).counts
    assert sum(counts.values()) == len(values)


@given(durations)
def test_each_value_lies_within_the_bounds_of_its_bucket(values: list[float]) -> None:
    for value in values:
        if value > 0:
            low, high = bounds_of(int(bucket_of(np.array([value]))[0]))
            assert low * (1 - 1e-12) <= value <= high * (1 + 1e-12)


@given(durations, durations)
def test_merging_is_the_histogram_of_all(one: list[float], two: list[float]) -> None:
    merged = Histogram.of(np.array(one)).merge(Histogram.of(np.array(two)))
    assert merged == Histogram.of(np.array(one + two))
    assert merged.count == len(one) + len(two)


@given(durations, st.integers(0, 8))
def test_downscaling_keeps_every_value(values: list[float], steps: int) -> None:
    coarse = Histogram.of(np.array(values)).downscale(steps)
    assert coarse.count == len(values)
    assert coarse.scale == SCALE - steps
    assert coarse.merge(Histogram.of(np.array(values))).count == 2 * len(values)


def test_what_is_no_duration_is_left_out() -> None:
    values = np.array([*HOSTILE, math.nan, math.inf, -1.0])
    assert Histogram.of(values).count == len(HOSTILE)
    assert Histogram.of(values).zeros == 1


@pytest.mark.parametrize("sd", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
def test_a_quantile_is_within_its_stated_error_of_the_exact_one(sd: float, q: float) -> None:
    values = lognormal(100_000, sd=sd)
    histogram = Histogram.of(values)
    exact = float(np.quantile(values, q))
    found = histogram.quantile(q)
    assert found is not None
    assert found.low * (1 - 1e-9) <= exact <= found.high * (1 + 1e-9)
    assert abs(found.value / exact - 1) <= histogram.error * (1 + 1e-9)
    assert histogram.error < 0.0109


@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.0, 1.0), (1.0,), (5e-324, 1e300)])
def test_few_values_have_quantiles_too(values: tuple[float, ...]) -> None:
    histogram = Histogram.of(np.array(values))
    for q in (0.0, 0.5, 1.0):
        found = histogram.quantile(q)
        assert found is not None
        assert found.low <= found.value <= found.high
        assert math.isfinite(found.high)


def test_without_values_there_is_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None
    assert Histogram.together([]) == Histogram()


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_a_quantile_beyond_0_and_1_is_an_error(q: float) -> None:
    with pytest.raises(ValueError, match="q: expected a number from 0 to 1"):
        Histogram.of(np.array([1.0])).quantile(q)


def test_buckets_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="buckets cannot be split"):
        Histogram().downscale(-1)
