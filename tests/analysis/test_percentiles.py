from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis.percentiles import percentile, runs_for_percentile


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
