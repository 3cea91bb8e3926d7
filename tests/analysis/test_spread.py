from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from benchmark_recorder.analysis.spread import MOST, Noise, decided, fewest, shown_beyond, shown_within, smallest


@pytest.mark.parametrize("n", [3, 5, 12, 40, 400])
@pytest.mark.parametrize("effect", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3])
def test_a_one_sided_test_has_the_power_that_statsmodels_gives(n: int, effect: float, alpha: float) -> None:
    error = math.sqrt(2 / n)
    found = shown_beyond(Noise(error, error, 2 * n - 2), effect, 0.0, alpha)
    assert found == pytest.approx(TTestIndPower().power(effect, n, alpha, alternative="larger"), abs=0.003)


@pytest.mark.parametrize("n", [4, 13, 50])
def test_a_verdict_without_a_margin_has_the_power_of_a_two_sided_test(n: int) -> None:
    error = 1 / math.sqrt(n)
    found = decided(Noise(error, error, n - 1), 0.5, 0.0, 0.0)
    assert found == pytest.approx(TTestPower().power(0.5, n, 0.05), abs=0.003)


@pytest.mark.parametrize(("change", "n"), [(0.0, 20), (0.0, 60), (0.03, 60), (0.05, 30)])
def test_verdicts_and_equivalence_come_as_often_as_in_simulated_tests(change: float, n: int) -> None:
    rng, low, high = np.random.default_rng(n), math.log(0.95), math.log(1.05)
    values = rng.normal(change, 0.1, (20_000, n))
    mean, error = values.mean(1), values.std(1, ddof=1) / math.sqrt(n)
    t95, t975 = stats.t(n - 1).ppf([0.95, 0.975])
    equal = (mean - t95 * error > low) & (mean + t95 * error < high)
    noise = Noise(0.1 / math.sqrt(n), 0.1 / math.sqrt(n), n - 1)
    assert shown_within(noise, change, low, high) == pytest.approx(equal.mean(), abs=0.01)
    either = equal | (np.abs(mean) > t975 * error)
    assert decided(noise, change, low, high) == pytest.approx(either.mean(), abs=0.01)


@pytest.mark.parametrize("change", [0.05, 0.12, 0.2])
def test_a_gate_blocks_as_often_as_in_simulated_tests(change: float) -> None:
    rng, n, least = np.random.default_rng(7), 12, 0.1
    values = rng.normal(change, 0.15, (20_000, n))
    mean, error = values.mean(1), values.std(1, ddof=1) / math.sqrt(n)
    blocked = (mean > least) & (mean > stats.t(n - 1).ppf(1 - 0.05 / 3) * error)
    noise = Noise(0.15 / math.sqrt(n), 0.15 / math.sqrt(n), n - 1)
    assert shown_beyond(noise, change, 0.0, 0.05 / 3, least) == pytest.approx(blocked.mean(), abs=0.01)


def test_the_fewest_are_found_and_too_many_are_none() -> None:
    for least in (1, 2, 7, 1000, 12_345):
        assert fewest(least.__le__, 1) == least
    assert fewest(lambda n: n >= MOST + 1, 1) is None
    assert fewest(lambda _: True, 5) == 5


def test_the_smallest_size_is_found_and_none_where_none_is() -> None:
    assert smallest(lambda size: size >= 0.37, 0.1, 0.05) == pytest.approx(0.37, abs=1e-5)
    assert smallest(lambda _: False, 0.1, 0.05) is None
