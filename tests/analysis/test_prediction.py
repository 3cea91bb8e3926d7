from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark_recorder.analysis import Estimate, Forecast
from benchmark_recorder.analysis.prediction import Past, _makespan, backtest, forecast
from tests.perf.prediction import KINDS, covered


def past(runs: int = 10, tasks: int = 3, failing: float = 0.0, seed: int = 1, cost: float = 0.01) -> Past:
    chance = np.random.default_rng(seed)
    task = np.tile(np.arange(tasks), runs)
    return Past(
        task,
        np.asarray((task + 1) * np.exp(0.2 * chance.standard_normal(len(task))), float),
        np.full(len(task), cost),
        chance.random(len(task)) >= failing,
    )


def predicted(ran: Past, tasks: list[str] | None = None, **more: Any) -> Forecast:
    names = [f"t{n}" for n in range(3)]
    return forecast(ran, names, tasks or names, version="v", **more)


def ends(found: Estimate) -> tuple[float, float]:
    assert found.interval is not None
    assert found.interval.low is not None
    assert found.interval.high is not None
    return found.interval.low, found.interval.high


def test_a_forecast_holds_each_task_and_the_whole() -> None:
    found = predicted(past(), repeats=5)
    assert [one.task_id for one in found.tasks] == ["t0", "t1", "t2"]
    for n, one in enumerate(found.tasks):
        low, high = ends(one.time)
        assert low < n + 1 < high
        assert one.runs == 10
        assert one.cost.value == pytest.approx(0.01)
    assert found.total_time.value == pytest.approx(5 * 6, rel=0.15)
    assert found.total_cost.value == pytest.approx(0.15)
    low, high = ends(found.total_time)
    assert low < 30 < high
    assert found.backtest is not None


def test_the_same_runs_give_the_same_forecast() -> None:
    assert predicted(past()) == predicted(past())


def test_more_at_once_take_less_time_and_cost_the_same() -> None:
    one, four = predicted(past(), repeats=8), predicted(past(), repeats=8, concurrency=4)
    assert one.total_time.value is not None
    assert four.total_time.value is not None
    assert one.total_time.value / 4 < four.total_time.value < one.total_time.value / 2
    assert four.total_cost == one.total_cost


@pytest.mark.parametrize(("concurrency", "last"), [(1, 10.0), (2, 6.0), (3, 5.0), (9, 4.0)])
def test_a_run_begins_where_a_place_is_free_first(concurrency: int, last: float) -> None:
    assert _makespan(np.array([[1.0, 2.0, 3.0, 4.0]]), concurrency).tolist() == [last]


def test_a_task_that_never_ran_is_wide_and_said_so() -> None:
    found = predicted(past(), ["t0", "new"])
    known, new = found.tasks
    assert (new.runs, new.basis) == (0, "other tasks")
    assert ends(new.time)[1] / ends(new.time)[0] > 2 * ends(known.time)[1] / ends(known.time)[0]
    (caveat,) = [caveat for caveat in found.warnings if caveat.code == "new_tasks"]
    assert caveat.figures == {"tasks": 1, "first": "new"}


def test_without_runs_there_is_no_number() -> None:
    nothing = Past(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0, bool))
    found = forecast(nothing, [], ["x"], version="v")
    assert found.tasks[0].basis == "nothing"
    for estimate in (found.total_time, found.total_cost, found.failures, found.tasks[0].time, found.tasks[0].cost):
        assert (estimate.value, estimate.interval) == (None, None)
    assert [caveat.code for caveat in found.warnings] == ["unknown_version"]


def test_costs_that_nobody_knows_have_no_total() -> None:
    found = predicted(past(cost=np.nan))
    assert found.total_cost.value is None
    assert found.tasks[0].cost.value is None
    assert "costs_not_known" in [caveat.code for caveat in found.warnings]


def test_free_runs_cost_nothing() -> None:
    found = predicted(past(cost=0.0), repeats=3)
    assert found.total_cost.value == 0.0
    assert found.tasks[0].cost.value == 0.0


def test_failures_are_counted_over_all_runs() -> None:
    found = predicted(past(runs=40, failing=0.25), repeats=20)
    low, high = ends(found.failures)
    assert low <= 15 <= high
    assert 0.1 < (found.tasks[0].failure_rate.value or 0) < 0.4


def test_earlier_runs_are_predicted_from_those_before_them() -> None:
    found = backtest(past(runs=100), 3)
    assert found is not None
    assert found.runs > 250
    assert found.within == pytest.approx(0.92, abs=0.04)
    assert found.widened == 1.0


def test_few_runs_are_no_test() -> None:
    assert backtest(past(runs=5), 3) is None


def test_a_history_that_wanders_widens_its_intervals() -> None:
    ran = past(runs=60)
    wandering = ran._replace(time=ran.time * np.exp(np.random.default_rng(4).normal(0, 0.2, len(ran.time)).cumsum()))
    found = predicted(wandering)
    assert found.backtest is not None
    assert found.backtest.within < 0.85
    assert found.backtest.widened > 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_run_lies_in_its_interval_about_as_often_as_stated(kind: str) -> None:
    """A sample of what ``make bench ARGS=prediction`` measures."""
    found = [covered(kind, 5, seed)[0] for seed in range(10)]
    assert 0.8 <= np.mean(found) <= 0.97
