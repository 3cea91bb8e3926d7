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

from tests.perf.simulation.bench import TIGHT, Bench, Row, at_least, at_most, table
from tests.perf.simulation.designs import LogNormal, MostlyFree, Pareto, Shape, Suite
from tests.perf.simulation.questions import (
    BLOCKED,
    COST,
    FAILURES,
    NOTHING_FOUND,
    TIME,
    caveat,
    changed,
    check_says,
    effect_held,
    gate_says,
    proven,
    verdict,
)

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

FASTER = (verdict(TIME, "suite", "improved"), verdict(TIME, "tasks", "improved"), proven(5))
TIME_AND_GATE = (*changed((TIME,)), *BLOCKED)
PASSES = (check_says(TIME, "pass"), check_says(FAILURES, "pass"), check_says(COST, "pass"))

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
