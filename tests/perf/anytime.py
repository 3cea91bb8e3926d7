"""How often any of many looks is wrong, how often an interval holds the truth, and what repeated looks cost without.

``python -m tests.perf.anytime [--histories=N] [--rounds=N]`` prints a line for each design, looked at after each round,
and exits 1 where a share surely breaks its bound (one-sided 99.9%): at most 5% wrong, at least 95% held.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace

import numpy as np
from scipy import stats

from tests.perf.simulation.looks import Looked, Looks, look, skewed, student, ties, timeouts

FIXED = 79
"""Runs a version with which a single t test finds 20% at a log-sd of 0.5 four times in five."""


def designs() -> dict[str, Looked]:
    """Nothing changed."""
    found: dict[str, Looked] = {}
    for tasks in (1, 3, 13, 60):
        base = Looked(tasks)
        found |= {
            f"{tasks} tasks, equal spread": base,
            f"{tasks} tasks, three times the spread": replace(base, scale=3),
            f"{tasks} tasks, t with 3 degrees of freedom": replace(base, draw=student),
            f"{tasks} tasks, 5% timeouts": replace(base, draw=timeouts),
            f"{tasks} tasks, ties": replace(base, draw=ties),
            f"{tasks} tasks, exponential": replace(base, draw=skewed),
            f"{tasks} tasks, 90/10": replace(base, each=(9, 1)),
            f"{tasks} tasks, 90/10, exponential": replace(base, each=(9, 1), draw=skewed),
        }
    single = Looked(1, matched=False)
    found["other tasks"] = single
    found["other tasks, 90/10, 5% timeouts"] = replace(single, each=(9, 1), draw=timeouts)
    found["other tasks, 90/10, exponential"] = replace(single, each=(9, 1), draw=skewed)
    found["13 tasks, failures 5 to 30%"] = Looked(13, rates=(0.05, 0.3))
    found["3 tasks, failures 2 to 8%"] = Looked(3, rates=(0.02, 0.08))
    return found


def holds(looks: Looks) -> bool:
    """Whether no share surely breaks its bound."""
    n = len(looks.wrong)
    return bool(
        looks.wrong.sum() <= stats.binom.ppf(0.999, n, 0.05) and looks.held.sum() >= stats.binom.ppf(0.001, n, 0.95)
    )


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.anytime")
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1000)
    asked = parser.parse_args(arguments)
    print("| nothing changed | wrong at any look | interval holds | one test, any look | one test, ten looks |")
    print("|---|--:|--:|--:|--:|")
    wrong = False
    for seed, (name, design) in enumerate(designs().items()):
        rounds = asked.rounds if design.each == (1, 1) else max(1, asked.rounds // 5)
        looks = look(design, asked.histories, rounds, seed)
        shares = (looks.wrong, looks.held, looks.naive, looks.ten)
        fails = not holds(looks)
        wrong |= fails
        print(f"| {name} | {' | '.join(f'{share.mean():.1%}' for share in shares)} |{' FAILS' * fails}", flush=True)
    stops = look(Looked(1, change=math.log(0.8)), asked.histories, asked.rounds, 99).stops
    median = float(np.median(np.where(stops, stops, asked.rounds)))
    print(f"\n20% faster: found after {median:.0f} runs a version (median); a single look of 80% power takes {FIXED}")
    return int(wrong or median > 1.2 * FIXED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
