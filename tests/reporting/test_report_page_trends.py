from __future__ import annotations

import re

import numpy as np
import pytest

from benchmark_recorder.analysis import Caveat, Trend
from benchmark_recorder.reporting.page import Footnotes
from benchmark_recorder.reporting.report_page import MOST_FLAGS, trend_section
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import Columns, runs
from tests.analysis.test_trend import trend, week


def text_of(*trends: Trend) -> str:
    footnotes = Footnotes()
    return render_text((*trend_section([worded(trend) for trend in trends], footnotes), *footnotes.notes()))


def rows(text: str) -> list[str]:
    return re.findall(r"^(2026-\d\d-\d\d .*)$", text, re.MULTILINE)


def test_a_worse_week_is_flagged_and_a_better_one_celebrated_newest_first() -> None:
    text = " ".join(text_of(trend(week(), week(1.12), week(0.9))).split())
    interval = trend(week(), week(1.12)).weeks[1].changes["execution_time"].interval
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    reach = f"{-100 * interval.high:.1f} to {-100 * interval.low:.1f}% slower"
    worse = f"- ! week of 2026-11-09: v is 12.0% slower than in the week before (95% interval: {reach}); 40+40 runs"
    better = "- * week of 2026-11-16: v is 15.0% faster than in the 2 weeks before (95% interval: "
    assert text.index(better) < text.index(worse)


def test_each_week_has_a_row_with_its_figures_and_signs() -> None:
    text = text_of(trend(week(), week(1.12), None, week(1.12), week(1.1, n=3)))
    assert [row.split() for row in rows(text)] == [
        ["2026-11-02", "40", f"{week()['execution_time'].mean():.2f}", "100.0"],
        ["2026-11-09", "40", f"{week(1.12)['execution_time'].mean():.2f}", "!", "+12.0%", "100.0", "~"],
        ["2026-11-16", "0", "-", "-"],
        ["2026-11-23", "40", f"{week(1.12)['execution_time'].mean():.2f}", "+5.8%", "100.0", "~"],
        ["2026-11-30", "3", f"{week(1.1, n=3)['execution_time'].mean():.2f}", "~", "100.0", "~"],
    ]
    assert "in the week before" in text
    assert "~: inconclusive" in text


def test_a_week_after_a_gap_is_compared_with_the_last_one_with_runs() -> None:
    assert "slower than in the week of 2026-11-02" in " ".join(text_of(trend(week(), None, week(1.5))).split())


def test_weeks_that_do_not_differ_take_one_sentence() -> None:
    text = " ".join(text_of(trend(week(), week(seed=1))).split())
    assert "No week is shown to differ from those before it by more than 10%." in text
    assert "- !" not in text
    assert "- *" not in text


def test_the_week_that_is_not_over_is_named() -> None:
    over, running = trend(week(), week()), trend(week(), week(), now=0)
    assert "is not over" not in text_of(over)
    assert "that of 2026-11-09 is not over" in " ".join(text_of(running).split())


def test_caveats_about_a_flagged_week_are_footnotes() -> None:
    text = text_of(trend(week(n=4, spread=0.01), week(3.0, n=4, spread=0.01)))
    assert re.search(r"4\+4 runs \[1, 2\]", text)
    assert "There are only 4 runs of the week of 2026-11-09" in " ".join(text.split())


def test_one_week_is_no_trend() -> None:
    assert "a trend needs two" in text_of(trend(week()))
    assert "a trend needs two" in text_of(trend(None, week(), None), Trend("other", (), ()))
    assert text_of(trend()) == "\n"


def test_a_new_version_of_one_week_is_named_beside_the_trend_of_the_old_one() -> None:
    old, new = trend(week(), week(1.5)), trend(None, week())
    text = text_of(old, Trend("new", new.weeks, ()), old)
    assert "All runs of new are from one week; a trend needs two." in text
    assert len(rows(text)) == 2
    assert len(re.findall(r"^- !", text, re.MULTILINE)) == 1


def test_why_there_is_no_trend_is_said_once() -> None:
    reason = Caveat("no_trend", "There is no trend, as the store could not be asked.")
    text = text_of(Trend("v1", (), (reason,)), Trend("v2", (), (reason,)))
    assert text.count("as the store could not be asked") == 1


def test_of_many_flags_of_a_version_the_newest_are_listed() -> None:
    weeks: list[Columns] = [
        runs("v", ["t"] * 40, time=2.0**i * np.linspace(1, 1.1, 40), cost=2.0**i * np.linspace(1, 1.1, 40))
        for i in range(8)
    ]
    text = text_of(trend(*weeks))
    assert len(re.findall(r"^- !", text, re.MULTILINE)) == MOST_FLAGS
    assert f"- {2 * 7 - MOST_FLAGS} more of v" in text


@pytest.mark.parametrize("versions", [1, 3])
def test_only_the_newest_version_has_a_table(versions: int) -> None:
    found = trend(week(), week(1.5))
    text = text_of(*(Trend(f"v{i}", found.weeks, ()) for i in range(versions)))
    assert len(rows(text)) == 2
    assert f"\nv{versions - 1}:\n" in text
    assert len(re.findall(r"^- !", text, re.MULTILINE)) == versions


def test_four_metrics_fit_into_eighty_columns() -> None:
    known = [week(factor, cost=np.full(40, 0.00123), routed=[True, False] * 20) for factor in (1.0, 1.3, 1.0, 1.3)]
    text = text_of(trend(*known))
    assert max(map(len, text.splitlines())) <= 80
    assert len(rows(text)) == 4
