from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from benchmark_recorder.analysis.moderation import ORDERED, Prior, TaskValues, ordered_ends, prior_of


def test_the_prior_of_many_variances_is_the_one_that_they_were_drawn_from() -> None:
    chance = np.random.default_rng(1)
    tasks, freedom = 20_000, 4.0
    truth = 0.5 * 10 / chance.chisquare(10, tasks)
    found = prior_of(truth * chance.chisquare(freedom, tasks) / freedom, np.full(tasks, freedom))
    assert found.freedom == pytest.approx(10, rel=0.1)
    assert found.variance == pytest.approx(0.5, rel=0.03)


def test_variances_that_differ_no_more_than_by_chance_are_one() -> None:
    found = prior_of(np.full(10, 2.0), np.full(10, 5.0))
    assert math.isinf(found.freedom)
    assert found.variance == pytest.approx(2.0 * math.exp(math.log(2.5) - float(special.digamma(2.5))))


def test_the_prior_solves_the_equations_of_its_source() -> None:
    variances, freedom = np.array([0.1, 0.4, 1.0, 3.0, 0.05]), np.array([2.0, 3.0, 4.0, 5.0, 6.0])
    found = prior_of(variances, freedom)
    logs = np.log(variances) - special.digamma(freedom / 2) + np.log(freedom / 2)
    assert special.polygamma(1, found.freedom / 2) == pytest.approx(
        logs.var(ddof=1) - special.polygamma(1, freedom / 2).mean()
    )
    assert math.log(found.variance) == pytest.approx(
        logs.mean() + special.digamma(found.freedom / 2) - math.log(found.freedom / 2)
    )


@pytest.mark.parametrize(("variances", "freedom"), [([], []), ([0.3], [4.0]), ([0.0, 0.3], [2.0, 2.0]), ([0.3], [0.0])])
def test_with_one_variance_or_none_nothing_is_borrowed(variances: list[float], freedom: list[float]) -> None:
    assert prior_of(np.array(variances), np.array(freedom)).freedom == 0


def test_one_task_alone_has_the_plain_t_interval() -> None:
    values = np.array([1.0, 1.3, 0.9, 1.6])
    model = TaskValues.of(np.zeros(4, np.int64), values, 1)
    found = model.next_of(0, values, 1.0)
    logs = np.log(values)
    reach = stats.t.ppf(0.95, 3) * logs.std(ddof=1) * math.sqrt(1 + 1 / 4)
    assert found.value == pytest.approx(math.exp(logs.mean()))
    assert found.interval is not None
    assert found.interval.low == pytest.approx(math.exp(logs.mean() - reach))
    assert found.interval.high == pytest.approx(math.exp(logs.mean() + reach))


def test_a_single_run_of_a_single_task_has_no_interval() -> None:
    values = np.array([2.0])
    found = TaskValues.of(np.zeros(1, np.int64), values, 1).next_of(0, values, 1.0)
    assert found.value == pytest.approx(2.0)
    assert found.interval is None


@pytest.mark.parametrize(("runs", "low", "high"), [(19, 1, 19), (38, 1, 38), (39, 2, 38), (99, 5, 95)])
def test_order_statistics_hold_the_next_value_often_enough(runs: int, low: int, high: int) -> None:
    assert ordered_ends(np.arange(1.0, runs + 1)) == (low, high)
    assert (high - low) / (runs + 1) >= 0.9
    assert runs >= ORDERED


def test_a_task_without_spread_is_as_it_was() -> None:
    values = np.full(5, 3.0)
    model = TaskValues.of(np.zeros(5, np.int64), values, 1)
    assert model.prior == Prior(0.0, 0.0)
    assert model.next_of(0, values, 1.0).interval is None
    assert np.allclose(model.drawn(np.zeros(4, np.int64), 10, np.random.default_rng(0), 1.0), 3.0)
