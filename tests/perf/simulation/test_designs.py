"""Made-up histories are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.perf.simulation import truths
from tests.perf.simulation.designs import DAY, LogNormal, MostlyFree, Pareto, Runs, Shape, Suite, Weeks


def drawn(design: Suite | Weeks, seed: int = 0) -> Runs:
    return design.draw(np.random.default_rng(seed))


@pytest.mark.parametrize("shape", [LogNormal(0.5), LogNormal(0.2, 0.3, 3), Pareto(4), MostlyFree(0.9)])
def test_a_shape_knows_its_mean(shape: Shape) -> None:
    assert shape.draw(np.random.default_rng(1), 400_000).mean() == pytest.approx(shape.mean, rel=0.01)


def test_a_shape_knows_its_distribution() -> None:
    shape = LogNormal(0.3, 0.1, 10)
    values = shape.draw(np.random.default_rng(2), 100_000)
    limits = np.array([0.5, 1.0, 5.0, 12.0])
    assert (values < limits[:, None]).mean(axis=1) == pytest.approx(shape.below(limits), abs=0.005)


def test_versions_take_turns_unless_one_comes_after_the_other() -> None:
    assert drawn(Suite(tasks=3)).version[:4].tolist() == ["v1", "v2", "v1", "v2"]
    apart = drawn(Suite(tasks=3, order="one after the other")).version
    assert apart.tolist() == ["v1"] * 15 + ["v2"] * 15


def test_a_day_is_shared_by_all_runs_of_it() -> None:
    runs = drawn(Suite(noise=LogNormal(1e-9), failing=0, day_sd=0.2, days=((0, 1), (1,))))
    factor, day = runs.time / np.geomspace(1, 60, 13)[runs.task], runs.moment // DAY
    assert np.ptp(factor[day == 0]) < 1e-6
    assert np.ptp(factor[day == 1]) < 1e-6
    assert abs(factor[day == 0][0] - factor[day == 1][0]) > 0.01
    assert set(day[runs.version == "v2"]) == {1}


def test_runs_that_depend_on_those_before_keep_their_spread() -> None:
    suite = Suite(tasks=1, runs=(20_000, 20_000), carried=0.8, failing=0)
    logs = np.log(drawn(suite).time)
    assert logs.std() == pytest.approx(0.5, rel=0.03)
    assert np.corrcoef(logs[1:], logs[:-1])[0, 1] == pytest.approx(0.8, abs=0.02)


def test_tasks_that_run_once_do_so_in_each_version() -> None:
    runs = drawn(Suite(singles=6))
    for version in ("v1", "v2"):
        assert np.bincount(runs.task[runs.version == version]).tolist() == [1] * 6 + [5] * 7


def test_records_that_are_there_twice_follow_all_others_in_the_same_order() -> None:
    runs = drawn(Suite(twice=("v2",)))
    first = runs.time[:130][runs.version[:130] == "v2"]
    assert runs.time[130:].tolist() == first.tolist()


def test_a_week_begins_to_be_slower_on_the_day_that_is_named() -> None:
    runs = drawn(Weeks(noise=LogNormal(1e-9), begins=37, slower=1.15))
    factor = runs.time / np.geomspace(1, 60, 13)[runs.task]
    assert factor == pytest.approx(np.where(runs.moment // DAY < 37, 1.0, 1.15))


def test_truths_are_those_of_many_runs() -> None:
    noise = LogNormal(0.3, 0.1, 10)
    suite = Suite(runs=(4000, 4000), noise=noise, price=noise, slower=1.2, worse=0.05, dearer=1.1)
    runs = drawn(suite)
    one, two = runs.version == "v1", runs.version == "v2"
    succeeded = runs.success[one].mean()
    found = {
        truths.mean_time: runs.time[one].mean(),
        truths.geometric_mean: np.exp(np.log(runs.time[one]).mean()),
        truths.success_rate: succeeded,
        truths.mean_cost: runs.cost[one].mean(),
        truths.cost_per_success: runs.cost[one].sum() / runs.success[one].sum(),
        truths.p95: np.quantile(runs.time[one], 0.95),
        truths.failure_ratio: (1 - runs.success[two].mean()) / (1 - succeeded),
        truths.time_ratio: runs.time[two].mean() / runs.time[one].mean(),
        truths.cost_ratio: runs.cost[two].mean() / runs.cost[one].mean(),
    }
    assert {truth.__name__: truth(suite) for truth in found} == pytest.approx(
        {truth.__name__: figure for truth, figure in found.items()}, rel=0.03
    )
    assert truths.fewer_failures(suite) == pytest.approx(runs.success[two].mean() - succeeded, abs=0.005)
    assert (truths.faster(suite), truths.cheaper(suite)) == pytest.approx((-0.2, -0.1))
