"""How often verdicts, gates, claims, intervals and trends are wrong, by simulation: a table that must hold.

``python -m tests.perf.verdicts [WORD ...]`` prints a line for each design of each row whose name contains the words
(``--help`` names the options), and exits 1 where one fails: an upper bound where the rate surely exceeds it (one-sided
99.9% Clopper-Pearson limit), a lower bound where it surely stays below, a band where the interval lies outside.
``--quick`` draws few histories; ``--each`` shows every question, not the worst alone. The histories of a
design never change: their seed is the crc32 of its name.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace

from benchmark_recorder.analysis import Claim
from tests.perf.simulation import truths
from tests.perf.simulation.bench import TIGHT, Bench, Bound, Question, Row, at_least, at_most, table
from tests.perf.simulation.designs import LogNormal, MostlyFree, Pareto, Shape, Suite, Weeks
from tests.perf.simulation.planning import NAMED, NO_REPEATS, decided, settled
from tests.perf.simulation.questions import (
    ANY_FLAG,
    BLOCKED,
    COST,
    FAILURES,
    MEAN,
    NOTHING_FOUND,
    TAIL,
    TIME,
    caveat,
    changed,
    check_says,
    effect_held,
    figure_held,
    gate_says,
    proven,
    ratio_held,
    tail_guarded,
    time_by,
    verdict,
    worse_flagged,
)
from tests.perf.simulation.textbook import TEXTBOOK

BIMODAL, TIMEOUTS, TENFOLD = LogNormal(0.2, 0.3, 3), LogNormal(0.3, 0.05, 10), LogNormal(0.3, 0.1, 10)
"""Three runs in ten take three times as long; one in twenty ten times; one in ten ten times."""

CALM, USUAL, LOUD = LogNormal(0.2), LogNormal(0.5), LogNormal(1.0)

UNCHANGED: dict[str, Suite] = {
    "3 x 5": Suite(3),
    "5 x 20, log-sd 0.2": Suite(5, (20, 20), CALM),
    "5 x 100, log-sd 1": Suite(5, (100, 100), LOUD),
    "5 x 1 against 100": Suite(5, (1, 100)),
    "13 x 1": Suite(runs=(1, 1)),
    "13 x 2, log-sd 0.2": Suite(runs=(2, 2), noise=CALM),
    "13 x 5, log-sd 0.1": Suite(noise=LogNormal(0.1)),
    "13 x 5": Suite(),
    "13 x 10, log-sd 1": Suite(runs=(10, 10), noise=LOUD),
    "13 x 1 against 20": Suite(runs=(1, 20)),
    "13 x 40 against 3": Suite(runs=(40, 3)),
    "13 x 100, log-sd 1": Suite(runs=(100, 100), noise=LOUD),
    "50 x 3": Suite(50, (3, 3)),
}
"""Independent and log-normal, of log-sd 0.5 unless it says otherwise; 8% failures."""

ODD: dict[str, Suite] = {
    "13 x 5, bimodal": Suite(noise=BIMODAL),
    "13 x 5, 5% timeouts": Suite(noise=TIMEOUTS),
    "13 x 5, one in ten takes ten times as long": Suite(noise=TENFOLD),
    "13 x 5, AR(1) 0.8 interleaved": Suite(carried=0.8),
}

SINGLES: dict[str, Suite] = {
    "7 x 5 of log-sd 0.2, 6 once of 0.1": Suite(noise=CALM, singles=6, singly=LogNormal(0.1)),
    "7 x 5 of log-sd 0.2, 6 once of 0.4": Suite(noise=CALM, singles=6, singly=LogNormal(0.4)),
    "7 x 5 of log-sd 0.2, 6 once of 0.8": Suite(noise=CALM, singles=6, singly=LogNormal(0.8)),
    "9 x 5 of log-sd 0.2, 4 once of 0.8": Suite(noise=CALM, singles=4, singly=LogNormal(0.8)),
}
FEW_SINGLES: dict[str, Suite] = {
    "11 x 5 of log-sd 0.2, 2 once of 0.8": Suite(noise=CALM, singles=2, singly=LogNormal(0.8)),
}

PRICES: dict[str, Shape] = {
    "log-normal 2": LogNormal(2.0),
    "Pareto 1.1": Pareto(1.1),
    "1 in 50 x 100": LogNormal(0.3, 0.02, 100),
    "98% zero": MostlyFree(0.98),
}
HEAVY: dict[str, Suite] = {
    f"13 x {runs}, costs {name}": Suite(runs=(runs, runs), price=price)
    for name, price in PRICES.items()
    for runs in (5, 10, 20)
}

GATED: dict[str, Suite] = {
    "13 x 5, log-sd 0.3": Suite(noise=LogNormal(0.3)),
    "13 x 5": UNCHANGED["13 x 5"],
}


def on_days(sd: float, left: tuple[int, ...], right: tuple[int, ...], slower: float = 1.0) -> Suite:
    return Suite(noise=LogNormal(0.3), days=(left, right), day_sd=sd, slower=slower)


THREE, FIVE = tuple(range(3)), tuple(range(5))

DAYS: dict[str, Suite] = {
    "a day each, sd 0 between days": on_days(0.0, (0,), (1,)),
    "a day each, sd 0.1 between days": on_days(0.1, (0,), (1,)),
    "five days against another, sd 0.1": on_days(0.1, FIVE, (6,)),
    "the same three days, sd 0.1": on_days(0.1, THREE, THREE),
    "the same five days, sd 0.1": on_days(0.1, FIVE, FIVE),
}
LOUD_DAYS: dict[str, Suite] = {
    "a day each, sd 0.2 between days": on_days(0.2, (0,), (1,)),
    "five days against another, sd 0.2": on_days(0.2, FIVE, (6,)),
    "the same three days, sd 0.2": on_days(0.2, THREE, THREE),
    "the same five days, sd 0.2": on_days(0.2, FIVE, FIVE),
}
SLOWER_DAY: dict[str, Suite] = {
    f"three times slower on another day, sd {sd:g}": on_days(sd, (0,), (1,), 3.0) for sd in (0.0, 0.1, 0.2)
}

TWICE: dict[str, Suite] = {
    "every record twice": Suite(twice=("v1", "v2")),
    "the candidate's records twice": Suite(twice=("v2",)),
}
CARRIED: dict[str, Suite] = {
    "AR(1) 0.8, one version after the other": Suite(carried=0.8, order="one after the other"),
}


def failing_fast(worse: float, slower: float = 1.0) -> Suite:
    return Suite(noise=LogNormal(0.3), worse=worse, failures_take=0.1, slower=slower)


FAST_FAILURES: dict[str, Suite] = {
    "failures 8 to 15%, fast": failing_fast(0.07),
    "failures 8 to 20%, fast": failing_fast(0.12),
}
HIDDEN: dict[str, Suite] = {
    "25% slower, failures 8 to 15%, fast": failing_fast(0.07, 1.25),
    "25% slower, failures 8 to 20%, fast": failing_fast(0.12, 1.25),
}


def beyond(runs: int, noise: LogNormal, slower: float, worse: float, dearer: float) -> Suite:
    return Suite(runs=(runs, runs), noise=noise, slower=slower, worse=worse, dearer=dearer)


BEYOND: dict[str, Suite] = {
    "13 x 2, time +12%, failures +3 points, cost +6%": beyond(2, CALM, 1.12, 0.03, 1.06),
    "13 x 2, time +20%, failures +10 points, cost +10%": beyond(2, CALM, 1.20, 0.10, 1.10),
    "13 x 3, time +15%, failures +5 points, cost +8%": beyond(3, CALM, 1.15, 0.05, 1.08),
    "13 x 5, time +12%, failures +3 points, cost +6%": beyond(5, CALM, 1.12, 0.03, 1.06),
    "13 x 20, log-sd 0.5, time +12%, failures +3 points, cost +6%": beyond(20, USUAL, 1.12, 0.03, 1.06),
    "13 x 20, log-sd 0.5, time +20%, failures +5 points, cost +8%": beyond(20, USUAL, 1.20, 0.05, 1.08),
}

RARE: dict[str, Suite] = {
    "13 x 20, failures 0 to 2%": Suite(runs=(20, 20), failing=0.0, worse=0.02),
    "13 x 50, failures 0.5 to 2.5%": Suite(runs=(50, 50), failing=0.005, worse=0.02),
}

SHAPES: dict[str, LogNormal] = {
    "log-sd 0.5": USUAL,
    "bimodal": BIMODAL,
    "5% timeouts": TIMEOUTS,
    "one in ten takes ten times as long": TENFOLD,
}
SLOWER: dict[str, Suite] = {
    f"20% slower, {name}": Suite(noise=noise, slower=1.2, failing=0.0) for name, noise in SHAPES.items()
}

TESTED: dict[str, Suite] = {
    "selftest, log-sd 0.5, 5 runs a side": Suite(),
    "selftest, log-sd 0.5, 10 runs a side": Suite(runs=(10, 10)),
    "selftest, log-sd 0.2, 10 runs a side": Suite(runs=(10, 10), noise=CALM, price=LogNormal(0.1)),
    "selftest, log-sd 0.2, 100 runs a side": Suite(runs=(100, 100), noise=CALM, price=LogNormal(0.1)),
}

PLANNED_TIME: dict[str, Suite] = {
    "planned, time, log-sd 0.2": Suite(runs=(2, 2), noise=CALM, slower=1.05),
    "planned, time, log-sd 0.5": Suite(slower=1.05),
    "planned, time, 3 runs against 10": Suite(runs=(3, 10), noise=LogNormal(0.3), slower=1.05),
}
PLANNED_FAILURES: dict[str, Suite] = {"planned, failures": Suite(worse=0.02)}
PLANNED_COST: dict[str, Suite] = {"planned, cost, log-sd 0.05": Suite(price=LogNormal(0.05), dearer=1.01)}
PLANNED_TASKS: dict[str, Suite] = {
    "planned, tasks that differ by sd 0.05": Suite(noise=CALM, slower=1.05, between=0.05),
    "planned, tasks that differ by sd 0.2": Suite(noise=CALM, slower=1.05, between=0.2),
}
PLANNED_CLAIMS: dict[str, Suite] = {"planned, claims": Suite(price=LogNormal(0.05))}
CERTAIN: dict[str, Suite] = {
    "a router without chance, once": Suite(runs=(1, 1), routed=(tuple(range(6)), (0, 1, 2, 3, 6, 7, 8, 9, 10))),
    "a router without chance, twice": Suite(runs=(2, 2), routed=(tuple(range(6)), (0, 1, 2, 3, 6, 7, 8, 9, 10))),
}


def changed_by(noise: LogNormal, between: float = 0.0) -> Suite:
    """Slower, dearer, and failing more often."""
    return Suite(noise=noise, price=noise, slower=1.2, worse=0.05, dearer=1.1, between=between)


PLAIN_CHANGES: dict[str, Suite] = {
    "changed, log-sd 0.2": changed_by(CALM),
    "changed, log-sd 0.5": changed_by(USUAL),
    "changed, log-sd 1": changed_by(LOUD),
}
ODD_CHANGES: dict[str, Suite] = {
    f"changed, {name}": changed_by(noise) for name, noise in SHAPES.items() if noise is not USUAL
}
UNLIKE: dict[str, Suite] = {"changed, tasks differ by sd 0.2": changed_by(USUAL, 0.2)}
TAILS: dict[str, Suite] = {
    f"13 x 10, p95, log-sd {noise.sd:g}": Suite(runs=(10, 10), noise=noise) for noise in (CALM, USUAL, LOUD)
}
LONG_TAILS: dict[str, Suite] = {
    f"13 x 50, p95, log-sd {noise.sd:g}": Suite(runs=(50, 50), noise=noise) for noise in (CALM, USUAL, LOUD)
}
CHANGED_TAILS, CHANGED_LONG_TAILS = (
    {f"{name}, 20% slower": replace(suite, slower=1.2) for name, suite in designs.items()}
    for designs in (TAILS, LONG_TAILS)
)

STEADY: dict[str, Weeks] = {
    "eight weeks": Weeks(),
    "eight weeks, sd 0.1 between days": Weeks(day_sd=0.1),
    "eight weeks, sd 0.2 between days": Weeks(day_sd=0.2),
    "eight weeks, one day in ten is bad": Weeks(bad_days=0.1),
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
STEP: dict[str, Weeks] = {
    f"eight weeks, 15% slower from a {day} on": Weeks(begins=35 + place, slower=1.15)
    for place, day in enumerate(WEEKDAYS)
}
FAILING: dict[str, Weeks] = {
    "2,002 runs a week, failures 1 to 9%": Weeks(weeks=2, a_day=22, failing=0.01, worse=0.08, begins=7)
}

FASTER = (verdict(TIME, "suite", "improved"), verdict(TIME, "tasks", "improved"), proven(5))
TIME_AND_GATE = (*changed((TIME,)), *BLOCKED)
PASSES = (check_says(TIME, "pass"), check_says(FAILURES, "pass"), check_says(COST, "pass"))
INTERVALS = (
    effect_held(TIME, "suite", truths.faster),
    effect_held(FAILURES, "suite", truths.fewer_failures),
    effect_held(COST, "suite", truths.cheaper),
    ratio_held(TIME, "suite", truths.time_ratio),
    ratio_held(FAILURES, "suite", truths.failure_ratio),
    ratio_held(COST, "suite", truths.cost_ratio),
    figure_held("mean", truths.mean_time),
    figure_held("geometric_mean", truths.geometric_mean),
    figure_held("success_rate", truths.success_rate),
    figure_held("mean_cost", truths.mean_cost),
    figure_held("cost_per_success", truths.cost_per_success),
)
GUARDED = Question("gate block, mean and p95 guarded", tail_guarded)
P95 = (figure_held("p95", truths.p95),)
P95_CHANGE = (effect_held(TAIL, "suite", truths.faster),)
CLAIMED = (settled(Claim(TIME, at_least=10)), settled(Claim(FAILURES, at_least=50)), settled(Claim(COST, within=1)))
PLANNED = Bound(0.75, 0.85)
"""Five points around the power that is stated."""

ROWS: tuple[Row, ...] = (
    Row("nothing changed", UNCHANGED, NOTHING_FOUND, at_most(0.05), plain=True),
    Row("nothing changed, odd runs", ODD, NOTHING_FOUND, at_most(0.05)),
    Row("nothing changed, tasks that run once", SINGLES, NOTHING_FOUND, at_most(0.07)),
    Row("nothing changed, few tasks that run once", FEW_SINGLES, NOTHING_FOUND, at_most(0.05)),
    Row("few tasks that run once are named", FEW_SINGLES, (caveat("singles_not_judged"),), at_least(0.99)),
    Row("nothing changed, heavy costs", HEAVY, (*changed((COST,)), *BLOCKED), at_most(0.06)),
    Row("intervals of heavy costs", HEAVY, (effect_held(COST, "suite", lambda _: 0.0),), at_least(0.90)),
    Row("false blocks", GATED, (gate_says("block"),), at_most(0.05), plain=True),
    Row("false blocks or warnings", GATED, (gate_says("block", "warn"),), at_most(0.10), plain=True),
    Row("nothing changed but the day", DAYS, TIME_AND_GATE, at_most(0.05)),
    Row("nothing changed but the day, sd 0.2", LOUD_DAYS, TIME_AND_GATE, at_most(0.06)),
    Row("blocked on another day", SLOWER_DAY, (gate_says("block"),), at_least(0.90)),
    Row("nothing changed, recorded twice", TWICE, NOTHING_FOUND, at_most(0.05)),
    Row("said that it is recorded twice", TWICE, (caveat("recorded_twice"),), at_least(0.99)),
    Row("nothing changed, runs depend on those before", CARRIED, TIME_AND_GATE, at_most(0.05)),
    Row("only failures grew, called faster", FAST_FAILURES, FASTER, at_most(0.05)),
    Row("slower behind fast failures, time blocked", HIDDEN, (check_says(TIME, "block"),), at_least(0.90)),
    Row("passes beyond the margin", BEYOND, PASSES, at_most(0.05)),
    Row("rare failures rose, called equivalent", RARE, (verdict(FAILURES, "suite", "equivalent"),), at_most(0.05)),
    Row(
        "power over that of a textbook", SLOWER, (verdict(TIME, "suite", "regressed"),), at_least(0.9), against=TEXTBOOK
    ),
    Row(
        "power over that of a textbook, auto", SLOWER, (time_by("auto", "regressed"),), at_least(0.9), against=TEXTBOOK
    ),
    Row("nothing changed, auto", UNCHANGED | ODD, (time_by("auto", "improved", "regressed"),), at_most(0.05)),
    Row("nothing changed, ranks", UNCHANGED | ODD, (time_by("rank", "improved", "regressed"),), at_most(0.05)),
    Row("found at the size that is named", TESTED, NAMED, PLANNED, most=500),
    Row("decided on time as planned", PLANNED_TIME, (decided(TIME),), PLANNED, most=500),
    Row("decided on failures as planned", PLANNED_FAILURES, (decided(FAILURES),), PLANNED, most=250),
    Row("decided on cost as planned", PLANNED_COST, (decided(COST),), PLANNED, most=500),
    Row("decided over tasks as planned", PLANNED_TASKS, (decided(TIME, "tasks"),), PLANNED, most=500),
    Row("claims settled as planned", PLANNED_CLAIMS, CLAIMED, PLANNED, most=250),
    Row("no number of repeats", CERTAIN, (NO_REPEATS,), at_least(1.0), most=20),
    Row("intervals", PLAIN_CHANGES, INTERVALS, at_least(0.93), plain=True),
    Row("intervals, odd runs", ODD_CHANGES, INTERVALS, at_least(0.93)),
    Row("intervals over tasks", UNLIKE, (effect_held(TIME, "tasks", truths.faster),), at_least(0.93)),
    Row("p95 of one version from 10 runs a task", TAILS, P95, at_least(0.90), plain=True),
    Row("p95 of one version from 50 runs a task", LONG_TAILS, P95, at_least(0.93), plain=True, most=500),
    Row("mean and p95 unchanged", TAILS | LONG_TAILS, changed((MEAN, TAIL), ("suite",)), at_most(0.05), plain=True),
    Row("false blocks, mean and p95 guarded", TAILS, (GUARDED,), at_most(0.05), plain=True, most=1000),
    Row("change of the mean", PLAIN_CHANGES, (effect_held(MEAN, "suite", truths.faster),), at_least(0.93), plain=True),
    Row("change of p95 from 10 runs a task", CHANGED_TAILS, P95_CHANGE, at_least(0.93), plain=True),
    Row("change of p95 from 50 runs a task", CHANGED_LONG_TAILS, P95_CHANGE, at_least(0.93), plain=True, most=500),
    Row("flagged though nothing changed", STEADY, (ANY_FLAG,), at_most(0.10), most=1000),
    Row("15% slower is flagged", STEP, (worse_flagged(TIME),), at_least(0.85), most=250),
    Row("rare failures are flagged", FAILING, (worse_flagged("success_rate", FAILURES),), at_least(1.0), most=20),
)


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.verdicts")
    parser.add_argument("words", nargs="*", help="only rows whose name contains each of these")
    parser.add_argument("--quick", action="store_true", help="a minute instead of half an hour")
    parser.add_argument("--each", action="store_true", help="every question, not the worst of each design alone")
    parser.add_argument("--most", type=int, default=TIGHT, help="histories of a row and design at most")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    rows = [row for row in ROWS if all(word in row.name for word in asked.words)]
    start = time.perf_counter()
    rates = Bench(rows, most=asked.most, share=1 / 50 if asked.quick else 1.0).run(asked.processes)
    print(*table(rates, each=asked.each), sep="\n")
    wrong = {rate.row.name for questions in rates for rate in questions if not rate.holds}
    print(f"\n{len(wrong)} of {len(rows)} rows fail; {(time.perf_counter() - start) / 60:.1f} minutes")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
