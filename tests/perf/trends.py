"""How often a trend flags weeks in which nothing changed, and finds one that is 25% slower, by simulation.

``python -m tests.perf.trends [--quick]`` prints the table of ``docs/reports.md``, and fails if a week of an unchanged
version is called worse more often than it may.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from benchmark_recorder.analysis import WEEK, trend_of
from benchmark_recorder.analysis.trend import WEEKS
from benchmark_recorder.cells import Cells, collect, tabulate
from benchmark_recorder.grouping import period_start
from tests.analysis.histories import runs, task_names

if TYPE_CHECKING:
    from benchmark_recorder.analysis import Trend

TASKS, REPEATS = 13, 5
SCALE = np.repeat(np.geomspace(1, 60, TASKS), REPEATS)
MONDAY = period_start("week", 1_800_000_000_000_000)
MOST = 0.08
"""Share of trends of eight unchanged weeks, with four metrics each, in which any week may be called worse."""


def trend(rng: np.random.Generator, spread: float, last: float) -> Trend:
    """Eight weeks of the suite, the last one slower by a factor."""
    n = TASKS * REPEATS
    weekly: dict[int, Cells] = {}
    for week in range(WEEKS):
        columns = runs(
            "v",
            task_names(TASKS, REPEATS),
            time=SCALE * rng.lognormal(0, spread, n) * (last if week == WEEKS - 1 else 1.0),
            success=(rng.random(n) < 0.9).tolist(),
            cost=SCALE * rng.lognormal(0, spread / 2, n),
            routed=(rng.random(n) < 0.7).tolist(),
        )
        weekly[MONDAY + week * WEEK] = collect(tabulate(columns), ("v",))
    return trend_of("v", weekly, MONDAY + WEEKS * WEEK)


def main(trials: int) -> int:
    rng = np.random.default_rng(0)
    print("| noise of a run | any week worse | any better | found: the last week 25% slower |")
    print("|---|---|---|---|")
    failed = False
    for spread in (0.1, 0.3, 0.6, 1.0):
        flags = [
            {change.flag for week in trend(rng, spread, 1.0).weeks for change in week.changes.values()}
            for _ in range(trials)
        ]
        worse, better = (sum(flag in found for found in flags) / trials for flag in ("worse", "better"))
        slower = [trend(rng, spread, 1.25).weeks[-1].changes["execution_time"].flag for _ in range(trials)]
        found = slower.count("worse") / trials
        print(f"| {spread} | {worse:.1%} | {better:.1%} | {found:.1%} |")
        failed |= worse > MOST
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(100 if "--quick" in sys.argv else 500))
