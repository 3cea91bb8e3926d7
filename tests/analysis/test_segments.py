from __future__ import annotations

import numpy as np
import pytest
import ruptures

from benchmark_recorder.analysis.segments import (
    ORDERS,
    SHORTEST,
    Cut,
    chance_of,
    drifts,
    noise,
    partition,
    places_of,
)


def stepped(seed: int) -> np.ndarray:
    """Normal values with up to four steps."""
    chance = np.random.default_rng(seed)
    values = chance.normal(0, 1, int(chance.integers(6, 120)))
    for _ in range(int(chance.integers(0, 5))):
        values[int(chance.integers(0, len(values))) :] += chance.normal(0, 3)
    return values


@pytest.mark.parametrize("seed", range(100))
def test_a_partition_is_that_of_ruptures(seed: int) -> None:
    values = stepped(seed)
    penalty = 3 * np.log(len(values)) * noise(values) ** 2
    oracle = ruptures.Pelt(model="l2", min_size=SHORTEST, jump=1).fit(values).predict(penalty)
    assert partition(values, penalty) == oracle[:-1]


def test_a_step_without_noise_is_found_where_it_is() -> None:
    values = np.repeat([0.0, 1.0], 10)
    assert noise(values) > 0
    assert partition(values, 3 * np.log(20) * noise(values) ** 2) == [10]
    assert places_of(values, Cut(0, 10, 20), 1e-3) == (10, 10)


def test_noise_is_that_of_single_points_whatever_the_steps() -> None:
    values = np.random.default_rng(1).normal(0, 2.0, 10_000)
    values[5000:] += 100
    assert noise(values) == pytest.approx(2.0, rel=0.05)


def test_the_chance_of_a_cut_is_uniform_where_there_is_none() -> None:
    found = [chance_of(np.random.default_rng(seed).normal(size=30), Cut(0, 15, 30)) for seed in range(200)]
    assert min(found) >= 1 / (1 + ORDERS)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.1)


def test_one_outlier_makes_no_cut_and_a_step_does() -> None:
    values = np.random.default_rng(1).normal(size=40)
    outlying = values.copy()
    outlying[20] = 1e6
    assert chance_of(outlying, Cut(0, 20, 40)) > 0.05
    values[20:] += 3
    assert chance_of(values, Cut(0, 20, 40)) == 1 / (1 + ORDERS)


def test_the_places_of_a_cut_are_more_where_it_is_less_clear() -> None:
    values = np.random.default_rng(3).normal(size=60)
    reach = []
    for step in (1.0, 2.0, 8.0):
        moved = values + np.where(np.arange(60) >= 30, step, 0)
        low, high = places_of(moved, Cut(0, 30, 60), 1.0)
        assert low <= 30 <= high
        reach.append(high - low)
    assert reach == sorted(reach, reverse=True)
    assert reach[-1] == 0


def test_a_straight_line_drifts_and_steps_do_not() -> None:
    chance = np.random.default_rng(1).normal(0, 0.1, 90)
    line, steps = chance + np.linspace(0, 2, 90), chance + np.repeat([0.0, 1.0, 0.3], 30)
    penalty = 3 * np.log(90) * 0.1**2
    assert drifts(line, partition(line, penalty), penalty)
    assert partition(steps, penalty) == [30, 60]
    assert not drifts(steps, [30, 60], penalty)
    assert not drifts(line, [45], penalty)
