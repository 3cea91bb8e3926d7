from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from benchmark_recorder.analysis import WEEK, Change, Trend, compare, trend_of, week_starts
from benchmark_recorder.analysis.trend import TREND_METRICS, WEEKS
from benchmark_recorder.cells import Cells, collect, tabulate
from benchmark_recorder.grouping import DAY, groups_of, period_start
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import Columns, cells_of, runs, task_names

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = (datetime(2026, 11, 2, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
NEVER = MONDAY + 1000 * WEEK


def trend(*weeks: Columns | None, now: int = NEVER, days: int = 7) -> Trend:
    """Of consecutive weeks, the first of which begins on ``MONDAY``, on so many days; ``None``: without runs."""
    weekly = {MONDAY + i * WEEK: Cells() if week is None else by_day(week, days) for i, week in enumerate(weeks)}
    return trend_of("v", weekly, now)


def by_day(week: Columns, days: int) -> Cells:
    """A week's cells, those of each day in a group; its runs are on each of the days in turn."""
    dated = week | {"time": np.arange(len(week["version"])) % days * DAY}
    return Cells(tuple(tabulate(dated, groups_of(("day",), dated))))


def week(factor: float = 1.0, *, seed: int = 0, n: int = 40, spread: float = 0.1, **columns: Any) -> Columns:
    """One task, ``n`` times, lognormal around ``factor`` seconds."""
    rng = np.random.default_rng(seed)
    return runs("v", ["t"] * n, time=factor * rng.lognormal(0, spread, n), **columns)


def time_of(found: Trend, ordinal: int = 1) -> Change:
    return found.weeks[ordinal].changes["execution_time"]


# Weeks ----------------------------------------------------------------------------------------------------------------


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_week_is_that_of_iso_8601_in_utc(moment: datetime) -> None:
    start = EPOCH + timedelta(microseconds=period_start("week", (moment - EPOCH) // timedelta(microseconds=1)))
    assert start == datetime.fromisocalendar(*moment.isocalendar()[:2], 1).replace(tzinfo=UTC)


def test_the_weeks_between_two_moments_are_the_eight_newest_at_most() -> None:
    assert week_starts(MONDAY, MONDAY) == (MONDAY,)
    assert week_starts(MONDAY - 1, MONDAY + WEEK - 1) == (MONDAY - WEEK, MONDAY)
    many = week_starts(MONDAY - 100 * WEEK, MONDAY + 1)
    assert many == tuple(MONDAY - i * WEEK for i in range(WEEKS - 1, -1, -1))


def test_a_week_has_the_plain_figures_of_its_runs() -> None:
    times = [1.0, 2.0, 6.0]
    found = trend(
        runs("v", ["a", "a", "b"], time=times, success=[True, True, False], cost=[1, 2, 3], routed=[True, None, False])
    )
    (only,) = found.weeks
    assert {metric: only.figures[metric].value for metric in TREND_METRICS} == {
        "execution_time": 3.0,
        "success_rate": pytest.approx(2 / 3),
        "cost": 2.0,
        "routing_accuracy": 0.5,
    }
    interval = only.figures["execution_time"].interval
    assert interval is not None
    parts = [2 / 9 * np.var([1.0, 2.0], ddof=1), 1 / 9 * np.var(times, ddof=1)]  # of the task that ran twice, and once
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 1 + parts[1] ** 2 / 2)
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    assert (interval.low, interval.high) == pytest.approx((max(0.0, 3.0 - reach), 3.0 + reach))
    assert (only.start, only.end, only.runs, only.against, only.changes) == (MONDAY, MONDAY + WEEK, 3, None, {})


def test_a_week_that_is_not_over_says_so() -> None:
    found = trend(week(), week(), now=MONDAY + 2 * WEEK - 1)
    assert [one.is_over for one in found.weeks] == [True, False]


def test_empty_weeks_stand_between_others_and_nowhere_else() -> None:
    found = trend(None, week(), None, week(1.5), None)
    assert [one.runs for one in found.weeks] == [40, 0, 40]
    empty, last = found.weeks[1:]
    assert (empty.figures, empty.against, empty.changes) == ({}, None, {})
    assert last.against == found.weeks[0].start
    assert time_of(found, 2).flag == "worse"


def test_a_version_without_runs_has_no_weeks() -> None:
    assert trend_of("other", {MONDAY: cells_of(week())}, NEVER).weeks == ()
    assert trend_of("v", {}, NEVER).weeks == ()


# Changes --------------------------------------------------------------------------------------------------------------


def test_a_change_has_the_variance_between_days_of_an_analysis_of_variance() -> None:
    shared = np.random.default_rng(7).normal(0, 0.2, 14)
    halves = [week(n=42, seed=seed, spread=0.2) for seed in (1, 2)]
    for half, own in zip(halves, (shared[:7], shared[7:]), strict=True):
        half["execution_time"] *= np.exp(np.tile(own, 6))
    change = time_of(trend(*halves))
    logs = [np.log(half["execution_time"]) for half in halves]
    table = pd.DataFrame({"log": np.concatenate(logs), "day": np.r_[np.tile(range(7), 6), np.tile(range(7, 14), 6)]})
    table["week"] = table["day"] >= 7
    days = anova_lm(ols("log ~ C(week)", table).fit(), ols("log ~ C(day)", table).fit()).loc[1]
    between = days["ss_diff"] / days["df_diff"] / 6 * 2 / 7
    within = [log.var(ddof=1) / 42 for log in logs]
    assert between > sum(within)
    own = sum(within) ** 2 / sum(part**2 / 41 for part in within)  # Satterthwaite's, of the runs alone
    freedom = between**2 / (sum(within) ** 2 / own + (between - sum(within)) ** 2 / 12)
    difference = logs[1].mean() - logs[0].mean()
    assert change.effect == pytest.approx(1 - np.exp(difference))
    assert change.p_value == pytest.approx(2 * stats.t.sf(abs(difference) / np.sqrt(between), freedom))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(between)
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == pytest.approx(
        (1 - np.exp(difference + reach), 1 - np.exp(difference - reach))
    )
    assert (change.earlier_n, change.later_n) == (42, 42)


def test_days_that_differ_as_much_as_weeks_are_no_finding() -> None:
    slow = week(n=40)
    slow["execution_time"] *= np.exp(np.arange(40) % 7 / 4)  # days from one to four and a half times as slow
    later = week(1.3, n=40, seed=1)
    later["execution_time"] *= np.exp(np.arange(40) % 7 / 4)
    assert time_of(trend(slow, later)).flag is None
    assert time_of(trend(week(n=40), week(1.3, n=40, seed=1))).flag == "worse"


def test_a_week_of_bad_days_is_no_finding_where_there_have_been_such_days() -> None:
    def failing(*bad: int) -> Columns:
        return week(n=140, success=[day not in bad or run % 2 == 0 for run, day in enumerate(np.tile(range(7), 20))])

    weeks = [failing(1), failing(), failing(4), failing(2, 5), failing(1, 2)]
    assert [one.changes["success_rate"].flag for one in trend(*weeks).weeks[1:]] == [None] * 4


def test_the_days_of_weeks_of_one_day_are_assumed_to_differ_until_they_show_it() -> None:
    few = time_of(trend(week(n=40), week(1.3, n=40), days=1))
    assert (few.flag, few.verdict) == (None, "inconclusive")
    much = time_of(trend(week(n=40), week(3.0, n=40), days=1))
    assert much.flag == "worse"
    assert "block_sd_assumed" in [caveat.code for caveat in much.warnings]
    known = trend(*(week(n=40, seed=seed) for seed in range(6)), week(1.3, n=40, seed=7), days=1)
    assert time_of(known, 6).flag == "worse"


def test_a_week_is_compared_with_all_weeks_before_it() -> None:
    found = trend(week(n=42), week(n=42, seed=1), week(1.2, n=42, seed=2))
    change = time_of(found, 2)
    earlier = np.concatenate([week(n=42)["execution_time"], week(n=42, seed=1)["execution_time"]])
    later = week(1.2, n=42, seed=2)["execution_time"]
    assert change.effect == pytest.approx(1 - np.exp(np.log(later).mean() - np.log(earlier).mean()))
    assert change.earlier_value == pytest.approx(earlier.mean())
    assert (change.earlier_n, change.later_n, found.weeks[2].against) == (84, 42, MONDAY)


def test_a_week_that_has_only_begun_is_not_flagged() -> None:
    now = MONDAY + WEEK + 2 * DAY
    assert time_of(trend(week(), week(2.0, n=16), now=now)).flag is None
    assert time_of(trend(week(), week(2.0, n=24), now=now)).flag == "worse"
    assert time_of(trend(week(), week(2.0, n=16))).flag == "worse"


@pytest.mark.parametrize(("factor", "flag", "verdict"), [(1.12, "worse", "regressed"), (0.88, "better", "improved")])
def test_over_ten_percent_is_flagged_where_the_runs_bear_it_out(factor: float, flag: str, verdict: str) -> None:
    change = time_of(trend(week(), week(factor)))
    assert change.effect == pytest.approx(1 - factor)
    assert (change.flag, change.verdict) == (flag, verdict)


def test_twelve_percent_worse_on_three_runs_is_not_flagged_but_inconclusive() -> None:
    times = np.array([0.8, 1.0, 1.3])
    change = time_of(trend(runs("v", ["t"] * 3, time=times), runs("v", ["t"] * 3, time=1.12 * times)))
    assert change.effect == pytest.approx(-0.12)
    assert (change.flag, change.verdict) == (None, "inconclusive")
    assert change.interval is not None
    assert change.interval.low is not None
    assert change.interval.high is not None
    assert change.interval.low < -0.12 < 0 < change.interval.high
    assert change.warnings == ()


def test_a_change_of_eight_percent_is_not_flagged_however_sure() -> None:
    change = time_of(trend(week(n=400), week(1.08, n=400)))
    assert change.verdict == "regressed"
    assert change.p_value is not None
    assert change.p_value < 1e-6
    assert change.flag is None


def test_a_single_run_a_week_is_never_flagged() -> None:
    change = time_of(trend(week(n=1), week(9.0, n=1)))
    assert change.effect == pytest.approx(-8.0)
    assert (change.flag, change.verdict, change.interval) == (None, "inconclusive", None)


def test_values_that_are_fixed_by_design_are_flagged_by_a_test_alone() -> None:
    found = trend(week(cost=np.full(40, 0.5)), week(cost=np.full(40, 0.6)))
    change = found.weeks[1].changes["cost"]
    assert change.effect == pytest.approx(-0.2)
    assert (change.flag, change.interval) == ("worse", None)
    assert "no_spread" in [caveat.code for caveat in change.warnings]


def test_rates_change_relative_to_the_week_before_and_not_in_points() -> None:
    before, after = [True] * 160 + [False] * 40, [True] * 120 + [False] * 80
    found = trend(week(n=200, success=before), week(n=200, success=after))
    change = found.weeks[1].changes["success_rate"]
    assert change.effect == pytest.approx(0.6 / 0.8 - 1)
    assert (change.flag, change.verdict) == ("worse", "regressed")


def test_cost_and_routing_are_followed_where_they_are_known() -> None:
    known: dict[str, Any] = {"cost": np.linspace(1, 1.1, 40), "routed": [True, False] * 20}
    found = trend(week(**known), week(), week(**{**known, "cost": 2 * known["cost"]}))
    assert list(found.weeks[1].changes) == ["execution_time", "success_rate"]
    assert found.weeks[2].changes["cost"].earlier_n == 40  # of the two weeks before
    assert found.weeks[2].changes["routing_accuracy"].effect == 0
    both = trend(week(**known), week(**{**known, "cost": 2 * np.linspace(1, 1.1, 40)})).weeks[1].changes
    assert both["cost"].effect == pytest.approx(-1.0)
    assert both["cost"].flag == "worse"
    assert both["routing_accuracy"].flag is None


def test_tasks_are_compared_with_themselves() -> None:
    """A week of long tasks is not a slow week."""
    short, long = ["short"] * 30, ["long"] * 30
    times = np.random.default_rng(0).lognormal(0, 0.05, 40)
    before = runs("v", short + long[:10], time=np.r_[times[:30], 100 * times[30:]])
    after = runs("v", short[:10] + long, time=np.r_[times[:10], 100 * times[10:]])
    assert after["execution_time"].mean() > 2 * before["execution_time"].mean()
    assert time_of(trend(before, after)).flag is None


def test_among_many_changes_one_must_be_surer() -> None:
    """The q-value is Benjamini and Hochberg's over the weeks and metrics of a version, as scipy has it."""
    found = trend(*(week(seed=seed, spread=0.4, n=20, cost=np.full(20, 1 + seed / 10)) for seed in range(8)))
    changes = [change for one in found.weeks for change in one.changes.values()]
    p_values = [change.p_value for change in changes if change.p_value is not None]
    assert len(p_values) == len(changes) == 7 * 3
    expected = stats.false_discovery_control(p_values)
    assert [change.q_value for change in changes] == pytest.approx(expected.tolist())


def test_a_flag_needs_a_q_value_as_well() -> None:
    """One change of several that is significant at 4% alone is not flagged among them."""
    times = np.exp(np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]))
    steady = runs("v", ["t"] * 6, time=times)
    slow = runs("v", ["t"] * 6, time=times * np.exp(0.50))
    alone, among = trend(steady, slow), trend(steady, steady, steady, steady, steady, steady, steady, slow)
    p_value = stats.ttest_ind(np.log(slow["execution_time"]), np.log(times)).pvalue
    assert time_of(alone).p_value == pytest.approx(p_value) == pytest.approx(0.043, abs=1e-3)
    assert time_of(alone).q_value == pytest.approx(2 * p_value)
    assert time_of(alone).flag == "worse"
    last = time_of(among, 7)
    assert last.verdict == "regressed"
    assert last.p_value is not None
    assert last.p_value < p_value  # against seven weeks
    assert last.q_value == pytest.approx(14 * last.p_value)
    assert last.flag is None


def test_a_flagged_change_comes_with_the_caveats_about_it_under_the_weeks_names() -> None:
    change = time_of(trend(week(n=4, spread=0.01), week(3.0, n=4, spread=0.01)))
    assert change.flag == "worse"
    assert [caveat.sentence for caveat in worded(change).warnings] == [
        f"There are only 4 runs of the week of 2026-11-0{day}: hardly any change can be told from chance."
        for day in (2, 9)
    ]


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_a_trend_finds_what_compare_finds_on_many_tasks(seed: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    tasks = task_names(5, repeats)
    halves = [
        runs(name, tasks, time=rng.lognormal(0, 0.3, len(tasks)), success=(rng.random(len(tasks)) < 0.8).tolist())
        for name in ("a", "b")
    ]
    found = trend(*({**half, "version": runs("v", tasks)["version"]} for half in halves), days=1).weeks[1].changes
    both = collect([cell for half in halves for cell in tabulate(half)], ("a", "b"))
    expected = compare(both, "a", "b", "success_rate")
    assert (found["success_rate"].verdict, found["success_rate"].p_value) == (expected.verdict, expected.p_value)
    assert found["execution_time"].effect == pytest.approx(compare(both, "a", "b").effect)


def test_a_trend_is_json() -> None:
    found = trend(week(cost=np.zeros(40)), week(1.3, cost=np.zeros(40)))
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["weeks"][1]["changes"]["execution_time"]["flag"] == "worse"
    assert document["weeks"][1]["changes"]["cost"]["effect"] is None
