"""The e-detector: its e-values, the recursion, what it takes for the baseline's doubt, and a sample of its rates."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from benchmark_recorder.analysis import detector
from benchmark_recorder.analysis.detector import (
    Baseline,
    Hour,
    Hours,
    baseline_of,
    change_in,
    hours_of,
    read_hours,
    watched_metric,
)
from benchmark_recorder.cells import Moments, tabulate
from benchmark_recorder.errors import InvalidQueryError
from tests.perf.alerts import ROWS, table

ALARM = 24 * 365.0


def cells_of(times: dict[int, dict[str, list[float]]], failed: float = 0.0, seed: int = 0) -> list[Hour]:
    """Cells by hour, from the times of each task in each hour."""
    rng = np.random.default_rng(seed)
    found = []
    for hour, tasks in times.items():
        names = [name for name, own in tasks.items() for _ in own]
        columns: dict[str, Any] = {
            "version": np.array(["v1"] * len(names), dtype=object),
            "task_id": np.array(names, dtype=object),
            "success": rng.random(len(names)) >= failed,
            "execution_time": np.array([seconds for own in tasks.values() for seconds in own]),
            "cost": np.full(len(names), 0.01),
            "expected_agent": np.array(["right"] * len(names), dtype=object),
            "agent_selected": np.array(["right"] * len(names), dtype=object),
            "git_commit": np.array([""] * len(names), dtype=object),
            "host": np.array([""] * len(names), dtype=object),
            "time": np.full(len(names), hour * 3_600_000_000, dtype=np.int64),
        }
        found += [Hour(hour, cell) for cell in tabulate(columns)]
    return found


def month(rng: np.random.Generator, hours: range, factor: float = 1.0) -> dict[int, dict[str, list[float]]]:
    return {
        hour: {
            "short": (factor * rng.lognormal(0, 0.3, 5)).tolist(),
            "long": (factor * rng.lognormal(3, 0.3, 5)).tolist(),
        }
        for hour in hours
    }


def ratios(inflation: float = 1.0) -> Baseline:
    return Baseline({"a": Moments(10_000, 0.0, 2500.0)}, False, 0.0, 0.25, inflation, 20, assumed=False)


def rates(level: float) -> Baseline:
    moments = Moments(10_000, level, 10_000 * level * (1 - level))
    return Baseline({"a": moments}, True, level, level * (1 - level), 1.0, 20, assumed=False)


def hours(value: list[float], expected: float = 0.0, n: int = 20) -> Hours:
    size = len(value)
    return Hours(
        np.arange(size),
        np.full(size, float(n)),
        np.array(value),
        np.full(size, expected),
        np.zeros(size),
        np.array([1.0]),
    )


@pytest.mark.parametrize("worse", [True, False])
@pytest.mark.parametrize("level", [0.0, 0.05, 0.6, 0.99])
def test_a_rates_e_value_has_expectation_1_on_the_line(level: float, worse: bool) -> None:
    n, baseline, doubt = 20, rates(level), 0.01
    line = min(level + 0.02 + doubt, 1 - 1e-9)
    gains = detector._gains(hours([k / n for k in range(n + 1)], level, n), baseline, 0.02, doubt, worse=worse)
    expectation = (np.exp(gains) * stats.binom.pmf(np.arange(n + 1), n, line)).sum(1)
    assert expectation == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("worse", [True, False])
def test_a_ratios_e_value_has_expectation_1_on_the_line(worse: bool) -> None:
    line, sd = math.log(1.05) + 0.01, 0.5 / math.sqrt(20)
    for size in range(3 if worse else 2):
        found, _ = integrate.quad(
            lambda x, size=size: (
                math.exp(detector._gains(hours([x]), ratios(), 0.05, 0.01, worse=worse)[size, 0])
                * stats.norm.pdf(x, line, sd)
            ),
            line - 12 * sd,
            line + 12 * sd,
        )
        assert found == pytest.approx(1, abs=1e-6)


def test_an_hour_with_one_wild_run_is_weak_evidence() -> None:
    calm = hours([0.3])
    wild = calm._replace(square=np.array([30.0]))
    gains = [detector._gains(each, ratios(), 0.05, 0.0, worse=True).max() for each in (calm, wild)]
    assert gains[1] < gains[0] / 10


def test_the_evidence_is_the_sum_over_every_hour_at_which_the_change_may_have_begun() -> None:
    values = [0.1, -0.2, 0.15, 0.05, 0.2]
    baseline = ratios()
    gains = detector._gains(hours(values), baseline, 0.05, baseline.doubt(np.array([1.0])), worse=True)
    direct = np.mean([sum(math.exp(own[start:].sum()) for start in range(len(own))) for own in gains])
    reading = read_hours(hours(values), baseline, 0.05, alarm_hours=ALARM)
    assert reading.evidence == pytest.approx(math.log(direct))
    assert not reading.firing
    assert reading.changed is None


def test_an_interval_always_has_a_width() -> None:
    change = change_in(hours([0.0] * 5), rates(0.0)._replace(variance=1e-8))
    assert change is not None
    assert change.high - change.low > 0.01


def test_it_fires_after_the_change_and_recovers_after_its_end() -> None:
    values = [0.0] * 48 + [0.4] * 24 + [0.0] * 72
    reading = read_hours(hours(values), ratios(), 0.05, alarm_hours=ALARM)
    assert not reading.firing
    assert reading.transitions == 2
    first = read_hours(hours(values[:72]), ratios(), 0.05, alarm_hours=ALARM)
    assert first.firing
    assert first.since == 48
    assert first.changed is not None
    assert 48 < first.changed < 60
    change = change_in(hours(values).part(slice(first.since, first.changed)), ratios())
    assert change is not None
    assert change.low < 0.4 < change.high
    # Where one look left off, the next goes on: the same, however often one looks.
    rest = hours(values)
    later = read_hours(rest.part(rest.hour >= first.changed), ratios(), 0.05, alarm_hours=ALARM, firing=True)
    assert (later.firing, later.changed) == (False, reading.changed)


def test_what_is_better_never_fires() -> None:
    assert not read_hours(hours([-0.5] * 700), ratios(), 0.05, alarm_hours=ALARM).transitions
    assert not read_hours(hours([0.0] * 700, 0.5), rates(0.5), 0.02, alarm_hours=ALARM).transitions


def test_a_recovery_is_not_told_while_the_change_is_above_half_of_the_margin() -> None:
    values = [0.4] * 24 + [0.035] * 2000
    assert read_hours(hours(values), ratios(), 0.05, alarm_hours=ALARM).firing


def test_other_tasks_than_the_baselines_are_left_out_and_a_new_mix_of_them_is_no_change() -> None:
    rng = np.random.default_rng(1)
    known = baseline_of(cells_of(month(rng, range(24 * 10))), "execution_time")
    assert known is not None
    assert known.days == 10
    assert known.inflation == pytest.approx(1, abs=0.3)
    later = month(rng, range(240, 480))
    for tasks in later.values():
        tasks["long"] *= 4
        tasks["new"] = [1000.0]
    found = hours_of(cells_of(later), "execution_time", known)
    assert set(found.n) == {25}
    assert not read_hours(found, known, 0.05, alarm_hours=ALARM).transitions


def test_hours_and_days_that_differ_count_as_fewer_runs() -> None:
    rng = np.random.default_rng(2)
    apart = month(rng, range(24 * 20))
    days = {hour: {name: [t * (1.3 if hour // 24 % 2 else 1) for t in own] for name, own in tasks.items()}
            for hour, tasks in apart.items()}  # fmt: skip
    peaks = {hour: {name: [t * (1.3 if hour % 24 < 8 else 1) for t in own] for name, own in tasks.items()}
             for hour, tasks in apart.items()}  # fmt: skip
    found = [baseline_of(cells_of(each), "execution_time") for each in (apart, peaks, days)]
    inflations = [each.inflation for each in found if each is not None]
    assert len(inflations) == 3
    assert inflations[0] < 2
    assert min(inflations[1:]) > 10
    doubts = [each.doubt(np.array([1.0, 1.0])) for each in found if each is not None]
    assert all(less < more for less, more in pairwise(doubts[:2]))


def test_a_baseline_of_few_days_is_taken_to_have_days_that_differ_as_usual() -> None:
    rng = np.random.default_rng(3)
    found = baseline_of(cells_of(month(rng, range(48))), "execution_time")
    assert found is not None
    assert found.assumed
    assert found.inflation > 50


def test_times_that_are_all_equal_make_a_baseline() -> None:
    same = {hour: {"a": [1.0] * 5} for hour in range(240)}
    known = baseline_of(cells_of(same), "execution_time")
    assert known is not None
    slower = {hour: {"a": [1.2] * 5} for hour in range(240, 245)}
    assert read_hours(hours_of(cells_of(slower), "execution_time", known), known, 0.05, alarm_hours=ALARM).firing


@pytest.mark.parametrize("metric", detector.READS)
def test_nothing_makes_no_baseline_and_no_reading(metric: str) -> None:
    assert baseline_of([], metric) is None
    assert baseline_of(cells_of({0: {"a": [1.0]}}), metric) is None
    reading = read_hours(hours([]), ratios(), 0.05, alarm_hours=ALARM)
    assert reading == detector.Reading(firing=False)
    assert change_in(hours([]), ratios()) is None


def test_each_metric_is_watched_where_cells_are_enough() -> None:
    assert watched_metric("time") == "execution_time"
    with pytest.raises(
        InvalidQueryError, match=r"p95 needs the values of single runs.*take one of execution_time, cost"
    ):
        watched_metric("p95")
    with pytest.raises(InvalidQueryError, match="metric"):
        watched_metric("speed")


def test_a_sample_of_the_published_rates_holds() -> None:
    names = {"unchanged, days differ and resemble (AR 0.8)", "unchanged, 5% failures", "25% slower"}
    lines, wrong = table(12, tuple(row for row in ROWS if row.name in names))
    assert len(lines) == 2 + len(names)
    assert wrong == []
