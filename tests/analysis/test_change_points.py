from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark_recorder.analysis import ChangePoint, ChangePoints
from benchmark_recorder.analysis.change_points import FEWEST, FOLLOWED, find_changes
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.days import followed
from tests.perf.changes import KINDS, findings, quiet, stepped

DAYS = [1.0] * 20 + [1.3] * 20


def changes(recorder: BenchmarkRecorder, metric: str = "execution_time", by: str = "day") -> ChangePoints:
    return find_changes(recorder.store.summarize(Query(versions=("v",), by=(by,))), "v", metric, by=by)


def one(found: ChangePoints) -> ChangePoint:
    (change,) = found.changes
    return change


def codes(found: ChangePoints) -> list[str]:
    return [caveat.code for caveat in found.warnings]


def test_a_step_is_found_with_its_size_and_place() -> None:
    found = changes(followed("v", DAYS))
    change = one(found)
    assert (change.kind, change.at, change.before, change.after) == ("step", "2026-09-21", "2026-09-20", "2026-09-21")
    assert change.effect == pytest.approx(-0.3, abs=0.05)
    assert change.interval is not None
    assert change.interval.low is not None
    assert change.interval.high is not None
    assert change.interval.low < -0.3 < change.interval.high < 0
    assert change.p_value == 1 / 200
    assert change.before_value is not None
    assert change.after_value == pytest.approx(1.3 * change.before_value, rel=0.05)
    assert (change.before_points, change.after_points) == (20, 20)
    assert (change.before_runs, change.after_runs) == (180, 180)
    assert len(found.series) == 40
    assert found.series[20].first == change.time
    assert found.warnings == ()


def test_a_series_without_change_has_none() -> None:
    assert changes(followed("v", [1.0] * 40)).changes == ()


@pytest.mark.parametrize("unit", [1e-3, 60.0, 1e6])
def test_the_unit_of_the_times_changes_nothing(unit: float) -> None:
    plain, scaled = (one(changes(followed("v", DAYS, unit=factor))) for factor in (1.0, unit))
    for name in ("at", "before", "after", "p_value", "before_points", "after_points"):
        assert scaled[name] == plain[name]
    assert scaled.effect == pytest.approx(plain.effect, abs=1e-6)
    assert plain.before_value is not None
    assert scaled.before_value == pytest.approx(unit * plain.before_value)


def test_tasks_that_come_and_go_move_nothing() -> None:
    """The task that comes takes five times as long as the one that goes."""
    recorder = followed("v", [1.0] * 25, tasks=["a", "b"])
    both = followed("v", [0.0] * 15 + [1.0] * 25, tasks=["x", "b", "x2", "x3", "x4"], seed=2)
    for metric in both.get_all_metrics():
        recorder.record(metric)
    found = changes(recorder)
    assert found.changes == ()
    assert np.ptp(np.log([point.value for point in found.series])) < 0.3


def test_a_failure_rate_from_exactly_nothing_has_a_size_in_points() -> None:
    found = changes(followed("v", [1.0] * 40, failing=lambda day: 0.5 * (day >= 20)), "failures")
    change = one(found)
    assert (change.before_value, change.at) == (0.0, "2026-09-21")
    assert change.effect == pytest.approx(-0.5, abs=0.1)
    assert change.effect is not None
    assert change.after_value == pytest.approx(-change.effect)
    assert one(changes(followed("v", [1.0] * 40, failing=lambda day: 0.5 * (day >= 20)), "success")).effect == (
        pytest.approx(change.effect)
    )


@pytest.mark.parametrize("metric", FOLLOWED)
def test_every_metric_that_cells_are_enough_for_is_followed(metric: str) -> None:
    assert changes(followed("v", DAYS), metric).metric == metric


def test_a_step_of_the_cost_without_noise_has_a_size_and_no_interval() -> None:
    change = one(changes(followed("v", DAYS), "cost"))
    assert change.effect == pytest.approx(-0.3)
    assert change.interval is None


def test_a_small_step_is_no_finding() -> None:
    assert changes(followed("v", [1.0] * 20 + [1.02] * 20), "cost").changes == ()


def test_a_drift_is_one_finding() -> None:
    change = one(changes(followed("v", np.exp(np.linspace(0, 1, 60)).tolist())))
    assert change.kind == "drift"
    assert (change.before, change.at) == ("2026-09-01", "2026-10-30")
    assert change.effect is not None
    assert change.effect < -1
    assert change.interval is None


def test_a_gap_of_weeks_is_no_change_and_a_change_in_it_says_so() -> None:
    assert changes(followed("v", [1.0] * 15 + [0.0] * 30 + [1.0] * 15)).changes == ()
    change = one(changes(followed("v", [1.0] * 15 + [0.0] * 30 + [1.5] * 15)))
    (gap,) = change.warnings
    assert (gap.code, gap.figures["days"]) == ("gap", 30)
    assert (change.before, change.after) == ("2026-09-15", "2026-10-16")


@pytest.mark.parametrize("days", range(1, FEWEST))
def test_too_few_points_say_so(days: int) -> None:
    found = changes(followed("v", [1.0] * days))
    assert found.changes == ()
    assert codes(found) == ["too_few_points"]
    assert found.warnings[0].figures["points"] == days


def test_no_runs_say_so() -> None:
    assert codes(changes(followed("other", [1.0]))) == ["unknown_version"]


@pytest.mark.parametrize("metric", ["cost", "failures", "success"])
def test_points_that_are_all_equal_say_so(metric: str) -> None:
    found = changes(followed("v", [1.0] * 10), metric)
    assert found.changes == ()
    assert codes(found) == ["no_movement"]


def test_a_metric_that_no_run_has_a_value_of_says_so() -> None:
    found = changes(followed("v", [1.0] * 10), "routing")
    assert (found.series, codes(found)) == ((), ["too_few_points"])


@pytest.mark.parametrize(
    ("argument", "asked"),
    [
        ("metric", {"metric": "speed"}),
        ("metric", {"metric": "p95"}),
        ("metric", {"metric": "input_tokens"}),
        ("metric", {"metric": 3}),
        ("by", {"by": "week"}),
        ("by", {"by": "model"}),
        ("by", {"by": None}),
    ],
)
def test_what_is_unknown_is_named_with_what_is_known(argument: str, asked: dict[str, Any]) -> None:
    recorder = followed("v", [1.0])
    with pytest.raises(InvalidQueryError, match=f"^{argument}: .*(execution_time|commit, day)"):
        recorder.find_changes("v", **asked)


def test_commits_are_in_the_order_of_their_first_runs_and_runs_without_one_are_counted() -> None:
    def about(day: int) -> dict[str, Any]:
        return {"git_commit": None if day == 0 else f"{(40 - day) // 2:040x}"}

    found = changes(followed("v", DAYS, about=about), by="commit")
    labels = [point.label for point in found.series]
    assert labels == sorted(labels, reverse=True)
    (caveat,) = found.warnings
    assert (caveat.code, caveat.figures["runs"]) == ("outside_series", 9)
    assert one(found).at == f"{(40 - 20) // 2:040x}"


@pytest.mark.parametrize("kind", KINDS)
def test_quiet_series_are_seldom_cut(kind: str) -> None:
    """A sample of what ``make bench ARGS=changes`` measures."""
    assert sum(len(findings(quiet(kind, n))) for n in range(20)) <= 2


def test_a_step_of_two_standard_deviations_is_found_in_ten_series_of_ten() -> None:
    for n in range(10):
        assert any(abs(place - 45) <= 5 for place in findings(stepped(2.0, n)))
