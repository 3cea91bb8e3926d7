"""How fast comparisons are, on ready cells, against one t-test of scipy's.

``python -m tests.perf.comparing [--quick]`` prints the table of ``docs/statistics.md``.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from benchmark_recorder.analysis import METRICS, check_gate, compare, selftest
from benchmark_recorder.cells import collect, tabulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

TASKS = 13


def best(call: Callable[[], object], seconds: float) -> float:
    """Seconds of the processor that the fastest call took, among those of so many seconds."""
    end, found = time.perf_counter() + seconds, math.inf
    while time.perf_counter() < end:
        start = time.process_time()
        call()
        found = min(found, time.process_time() - start)
    return found


def _columns(version: str, repeats: int, rng: np.random.Generator) -> dict[str, Any]:
    n = TASKS * repeats

    def texts(values: list[str]) -> NDArray[np.object_]:
        return np.array(values, dtype=object)

    return {
        "version": texts([version] * n),
        "task_id": texts([f"task {i}" for i in range(TASKS) for _ in range(repeats)]),
        "success": rng.random(n) < 0.9,
        "execution_time": rng.lognormal(0, 0.5, n),
        "cost": rng.lognormal(-9, 0.3, n),
        "expected_agent": texts(["right"] * n),
        "agent_selected": texts(["right" if x < 0.8 else "wrong" for x in rng.random(n).tolist()]),
        "git_commit": texts(["abc"] * n),
        "host": texts(["here"] * n),
        "time": np.arange(n, dtype=np.int64) * 3_600_000_000,
    }


def speed_table(seconds: float) -> list[str]:
    """Comparisons on ready cells of 13 tasks, against one t-test on 1,000 values a side."""
    rng = np.random.default_rng(8)

    a, b = rng.lognormal(0, 0.5, (2, 1000))
    unit = best(lambda: stats.ttest_ind(a, b, equal_var=False), seconds)
    rows = ["| call | runs | CPU ms | in t-tests |", "|---|--:|--:|--:|"]
    rows.append(f"| scipy.stats.ttest_ind, 1,000 values a side | 2,000 | {1e3 * unit:.2f} | 1.0 |")

    def row(name: str, n: int, call: Callable[[], object]) -> None:
        took = best(call, seconds)
        rows.append(f"| {name} | {n:,} | {1e3 * took:.2f} | {took / unit:.1f} |")

    for repeats in (10, 38_462):
        columns = [_columns(version, repeats, rng) for version in ("v1", "v2")]
        cells = collect([cell for part in columns for cell in tabulate(part)], ("v1", "v2"))
        n = 2 * TASKS * repeats
        for metric in METRICS:
            row(f"compare, {metric}", n, partial(compare, cells, "v1", "v2", metric))
        row("check_gate", n, partial(check_gate, cells, "v1", "v2"))
    row("selftest, 2 x 2,000 splits", 130, partial(selftest, _columns("v1", 10, rng), "v1"))
    return rows


if __name__ == "__main__":
    print(*speed_table(0.2 if "--quick" in sys.argv[1:] else 1.0), sep="\n")
