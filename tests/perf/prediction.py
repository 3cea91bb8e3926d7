"""How often the next run falls into its predicted interval, and all runs into theirs: simulated suites.

``python -m tests.perf.prediction [--quick]`` prints the table of ``docs/prediction.md``, and exits 1 where the coverage
of a nominal 90% lies outside of 86 to 93% (from 30 runs a task on, where order statistics are conservative: 86 to 95%).
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmark_recorder.analysis.prediction import Past, forecast

HISTORIES, TASKS = 200, 13
KINDS = ("equal", "unequal", "t3", "5% timeouts")
RUNS = (3, 5, 10, 30)
LOW, HIGH, HIGH_ORDERED = 0.86, 0.93, 0.95


def runs(
    kind: str, spread: NDArray[np.float64], level: NDArray[np.float64], repeats: int, chance: np.random.Generator
) -> NDArray[np.float64]:
    """Times of each task, a row for each repeat."""
    size = (repeats, len(level))
    noise = chance.standard_t(3, size) if kind == "t3" else chance.standard_normal(size)
    times = np.exp(level + spread * noise)
    late: NDArray[np.float64] = (
        np.where(chance.random(size) < 0.05, 5.0, 1.0) if kind == "5% timeouts" else np.ones(size)
    )
    return np.asarray(times * late)


def covered(kind: str, repeats: int, seed: int) -> tuple[float, bool]:
    """The part of the tasks whose next run lies in its interval, and whether the sum of five rounds does."""
    chance = np.random.default_rng([seed, repeats, KINDS.index(kind)])
    level = chance.normal(1, 0.7, TASKS)
    spread = 0.3 * np.sqrt(8 / chance.chisquare(8, TASKS)) if kind == "unequal" else np.full(TASKS, 0.3)
    past, later = runs(kind, spread, level, repeats, chance), runs(kind, spread, level, 5, chance)
    ran = Past(
        np.tile(np.arange(TASKS), repeats),
        past.ravel(),
        np.full(past.size, 0.01),
        np.ones(past.size, bool),
    )
    names = [str(n) for n in range(TASKS)]
    found = forecast(ran, names, names, version="v", repeats=5)
    within = 0
    for n, one in enumerate(found.tasks):
        assert one.time.interval is not None
        assert one.time.interval.low is not None
        assert one.time.interval.high is not None
        within += one.time.interval.low <= later[0, n] <= one.time.interval.high
    total = found.total_time.interval
    assert total is not None
    assert total.low is not None
    assert total.high is not None
    return within / TASKS, bool(total.low <= later.sum() <= total.high)


def main(options: list[str]) -> int:
    number = 20 if "--quick" in options else HISTORIES
    failed = 0
    print(
        f"{number} suites of {TASKS} tasks: coverage of nominal 90%, of the next run of a task / of five rounds of all"
    )
    print(f"{'runs a task':<14}{''.join(f'{n:>16}' for n in RUNS)}")
    before = time.process_time()
    for kind in KINDS:
        cells = []
        for repeats in RUNS:
            found = [covered(kind, repeats, seed) for seed in range(number)]
            rate, total = (float(np.mean([one[side] for one in found])) for side in (0, 1))
            bad = not LOW <= rate <= (HIGH if repeats < 19 else HIGH_ORDERED)
            failed |= bad
            cells.append(f"{f'{100 * rate:.1f} / {100 * total:.1f}':>15}{'!' if bad else ' '}")
        print(f"{kind:<14}{''.join(cells)}")
    print(f"{1000 * (time.process_time() - before) / (number * len(KINDS) * len(RUNS)):.0f} ms of CPU a forecast")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
