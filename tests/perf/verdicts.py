"""How often verdicts are wrong, by simulation: false blocks, power, coverage of intervals; and how fast they are.

``python -m tests.perf.verdicts [--quick]`` prints the tables of ``docs/statistics.md``, and fails if the gate blocks
unchanged versions more often than it may.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from benchmark_recorder.analysis import METRICS, compare, selftest
from benchmark_recorder.analysis.evidence import wilson
from benchmark_recorder.analysis.gates import check_gate
from benchmark_recorder.analysis.guardrails import rule
from benchmark_recorder.analysis.means import geometric, sums
from benchmark_recorder.analysis.metrics import Counts, Pair, Strata
from benchmark_recorder.analysis.rates import (
    PairedTable,
    greenland_robins,
    independent,
    koopman,
    mantel_haenszel,
    nam_blackwelder,
    paired,
    rate_difference,
    weigh,
)
from benchmark_recorder.cells import Moments, collect, tabulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.analysis.evidence import Evidence

Noise = Callable[[np.random.Generator, tuple[int, ...]], "NDArray[np.float64]"]

TASKS = 13
TASK_SCALE = np.geomspace(1, 60, TASKS)
"""Seconds of the shortest and of the longest task."""


# Made-up suites -------------------------------------------------------------------------------------------------------


def lognormal(sd: float) -> Noise:
    return lambda rng, shape: rng.normal(0, sd, shape)


def bimodal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Three runs in ten take three times as long."""
    return rng.normal(0, 0.2, shape) + math.log(3) * (rng.random(shape) < 0.3)


def timeouts(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One run in twenty takes ten times as long."""
    return rng.normal(0, 0.3, shape) + math.log(10) * (rng.random(shape) < 0.05)


SHAPES: dict[str, Noise] = {
    "log-sd 0.2": lognormal(0.2),
    "log-sd 0.5": lognormal(0.5),
    "log-sd 0.8": lognormal(0.8),
    "bimodal": bimodal,
    "5% timeouts": timeouts,
}


class Design(NamedTuple):
    """A suite of 13 tasks: the noise of a run, the runs of a task and version, what versions differ by."""

    noise: Noise
    repeats: int
    slower: float = 1.0
    interaction: float = 0.0
    failing: float = 0.08


def suites(design: Design, count: int, rng: np.random.Generator) -> Iterator[dict[str, list[list[list[float]]]]]:
    """Moments and counts of simulated suites: by guardrail, side and task."""
    shape = (count, 2, TASKS, design.repeats)
    tasks = rng.normal(0, 0.2, (count, 1, TASKS, 1)) + rng.normal(0, design.interaction, (count, 2, TASKS, 1))
    logs = design.noise(rng, shape) + tasks + np.log(TASK_SCALE)[:, None]
    logs[:, 1] += math.log(design.slower)
    cost = np.exp(0.5 * design.noise(rng, shape) + rng.normal(0, 0.2, shape) + tasks) * TASK_SCALE[:, None] * 1e-4
    rate = np.clip(design.failing * rng.lognormal(0, 0.5, (count, 1, TASKS, 1)), 0, 0.5)
    failed = rng.random(shape) < rate
    plain = np.exp(logs)
    for i in range(count):
        yield {
            "execution_time": _moments(logs[i]),
            "cost": _moments(cost[i]),
            "failure_rate": failed[i].sum(-1)[..., None].tolist(),
            "plain": [[[float(side.mean())] for side in part] for part in (plain[i], cost[i], failed[i])],
        }


def _moments(values: NDArray[np.float64]) -> list[list[list[float]]]:
    mean = values.mean(-1)
    m2 = ((values - mean[..., None]) ** 2).sum(-1)
    stacked: list[list[list[float]]] = np.stack([mean, m2], -1).tolist()
    return stacked


def moment_strata(sides: list[list[list[float]]], repeats: int) -> Strata[Moments]:
    left, right = ([Moments(repeats, mean, m2) for mean, m2 in side] for side in sides)
    pairs = tuple(Pair("", a, b) for a, b in zip(left, right, strict=True))
    whole = Moments(repeats * TASKS)
    return Strata(pairs, whole, whole)


def count_strata(sides: list[list[list[float]]], repeats: int) -> Strata[Counts]:
    left, right = ([Counts(repeats, int(hits)) for (hits,) in side] for side in sides)
    pairs = tuple(Pair("", a, b) for a, b in zip(left, right, strict=True))
    totals = [Counts(repeats * TASKS, sum(c.hits for c in side)) for side in (left, right)]
    return Strata(pairs, *totals)


# The gate -------------------------------------------------------------------------------------------------------------


class Tally(NamedTuple):
    """What the gate did to simulated suites."""

    n: int
    blocked: Counter[str]

    def share(self, what: str) -> float:
        return self.blocked[what] / self.n


def gate(design: Design, count: int, rng: np.random.Generator, scope: str = "suite") -> Tally:
    """The default policy and the literal thresholds on simulated suites."""
    blocked = Counter[str]()
    for suite in suites(design, count, rng):
        rulings = rule(
            {
                "execution_time": geometric(moment_strata(suite["execution_time"], design.repeats), scope),
                "failure_rate": rate_difference(count_strata(suite["failure_rate"], design.repeats), scope, once=False),
                "cost": sums(moment_strata(suite["cost"], design.repeats), scope),
            }
        )
        states = {ruling.state for ruling in rulings.values()}
        blocked["any"] += "block" in states
        blocked["inconclusive"] += "block" not in states and "inconclusive" in states
        for name, ruling in rulings.items():
            blocked[name] += ruling.state == "block"
        (t1, t2), (c1, c2), (f1, f2) = ([value for (value,) in part] for part in suite["plain"])
        blocked["literal"] += t2 > 1.1 * t1 or c2 > 1.05 * c1 or f2 > f1
    return Tally(count, blocked)


def clopper_pearson_low(hits: int, n: int) -> float:
    """The lower end of the 95% interval."""
    return float(stats.beta.ppf(0.025, hits, n - hits + 1)) if hits else 0.0


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def gate_table(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Rows for people, and what is not as it must be."""
    rows = [
        "| shape | runs per task | false blocks | lower bound | time | failures | cost | inconclusive | literal "
        "| power, 20% slower |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    wrong = []
    for i, (name, noise) in enumerate(SHAPES.items()):
        for repeats in (1, 5, 10):
            rng = np.random.default_rng([seed, i, repeats])
            same, slower = (gate(Design(noise, repeats, slower), count, rng) for slower in (1.0, 1.2))
            low = clopper_pearson_low(same.blocked["any"], count)
            if low > 0.05:
                wrong.append(f"{name}, {repeats} runs per task: {percent(same.share('any'))} false blocks")
            shares = [
                same.share(what) for what in ("execution_time", "failure_rate", "cost", "inconclusive", "literal")
            ]
            cells = [percent(x) for x in (same.share("any"), low, *shares, slower.share("execution_time"))]
            rows.append(f"| {name} | {repeats} | {' | '.join(cells)} |")
    return rows, wrong


def interaction_table(count: int, seed: int = 2) -> list[str]:
    """Versions that differ on each task, though not on average."""
    rows = [
        "| scope | runs per task | false blocks | time | failures | cost | power, 20% slower |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for scope in ("suite", "tasks"):
        for repeats in (1, 5, 10):
            rng = np.random.default_rng([seed, repeats])
            same, slower = (
                gate(Design(lognormal(0.5), repeats, slower, interaction=0.2), count, rng, scope)
                for slower in (1.0, 1.2)
            )
            shares = [same.share(what) for what in ("any", "execution_time", "failure_rate", "cost")]
            cells = [percent(share) for share in (*shares, slower.share("execution_time"))]
            rows.append(f"| {scope} | {repeats} | {' | '.join(cells)} |")
    return rows


# Coverage -------------------------------------------------------------------------------------------------------------


def covers(evidence: Evidence | None, truth: float) -> bool | None:
    """Whether the 95% interval holds the truth; ``None`` where there is no interval."""
    limits = evidence.limits(0.95) if evidence else None
    return None if limits is None else limits[0] <= truth <= limits[1]


def time_coverage(noise: Noise, repeats: int, scope: str, count: int, seed: int) -> list[bool | None]:
    rng = np.random.default_rng([seed, repeats])
    design = Design(noise, repeats, 0.7, interaction=0.2 if scope == "tasks" else 0.0)
    return [
        covers(geometric(moment_strata(suite["execution_time"], repeats), scope), math.log(0.7))
        for suite in suites(design, count, rng)
    ]


def cost_coverage(noise: Noise, repeats: int, count: int, seed: int) -> list[bool | None]:
    """In the mean, both versions cost the same for any tasks."""
    rng = np.random.default_rng([seed, repeats])
    return [
        covers(sums(moment_strata(suite["cost"], repeats), "suite"), 0.0)
        for suite in suites(Design(noise, repeats), count, rng)
    ]


def rate_coverage(n: int, p1: float, p2: float, count: int, seed: int) -> dict[str, list[bool | None]]:
    """Two independent samples of n: Wilson, Newcombe, Koopman."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[bool | None]] = {"Wilson": [], "Newcombe": [], "Koopman": []}
    for x, y in zip(rng.binomial(n, p1, count).tolist(), rng.binomial(n, p2, count).tolist(), strict=True):
        low, high = wilson(x, n, 1.959964)
        found["Wilson"].append(low <= p1 <= high)
        left, right = Counts(n, x), Counts(n, y)
        found["Newcombe"].append(covers(independent(left, right), p2 - p1))
        found["Koopman"].append(covers(koopman(left, right), math.log(p2 / p1)) if x + y else None)
    return found


def paired_coverage(n: int, shares: tuple[float, ...], count: int, seed: int) -> dict[str, list[bool | None]]:
    """Pairs of single runs with given shares of both, left only, right only, neither."""
    rng = np.random.default_rng(seed)
    difference, ratio = shares[2] - shares[1], (shares[0] + shares[2]) / (shares[0] + shares[1])
    found: dict[str, list[bool | None]] = {"Newcombe, paired": [], "Nam-Blackwelder": []}
    for table in rng.multinomial(n, shares, count).tolist():
        flips = PairedTable(*table)
        found["Newcombe, paired"].append(covers(paired(flips), difference))
        hit = flips.both + flips.left_only + flips.right_only
        found["Nam-Blackwelder"].append(covers(nam_blackwelder(flips), math.log(ratio)) if hit else None)
    return found


def stratified_coverage(
    repeats: int, failing: float, factor: float, count: int, seed: int
) -> dict[str, list[bool | None]]:
    """Tasks of different rates: the Mantel-Haenszel difference, and the ratio."""
    rng = np.random.default_rng(seed)
    p1 = np.clip(failing * np.geomspace(0.3, 3, TASKS), 0, 0.9)
    p2 = p1 * factor
    found: dict[str, list[bool | None]] = {"Mantel-Haenszel difference": [], "Mantel-Haenszel ratio": []}
    shape = (count, TASKS)
    for xs, ys in zip(
        rng.binomial(repeats, p1, shape).tolist(), rng.binomial(repeats, p2, shape).tolist(), strict=True
    ):
        pairs = [Pair("", Counts(repeats, x), Counts(repeats, y)) for x, y in zip(xs, ys, strict=True)]
        weighted = weigh(pairs, once=False)
        found["Mantel-Haenszel difference"].append(covers(mantel_haenszel(weighted), float((p2 - p1).mean())))
        found["Mantel-Haenszel ratio"].append(covers(greenland_robins(weighted), math.log(factor)))
    return found


def coverage_row(method: str, setting: str, found: list[bool | None]) -> str:
    given = [hit for hit in found if hit is not None]
    share = sum(given) / len(given) if given else math.nan
    return f"| {method} | {setting} | {percent(share)} | {percent(len(given) / len(found))} |"


def coverage_table(count: int) -> list[str]:
    """How often 95% intervals hold the truth."""
    head = ["| interval | setting | contains the truth | exists |", "|---|---|--:|--:|"]
    return [*head, *_mean_rows(count), *_rate_rows(count)]


def _mean_rows(count: int) -> Iterator[str]:
    for scope, repeated in (("suite", (2, 5)), ("tasks", (1, 5))):
        for name, noise in SHAPES.items():
            for repeats in repeated:
                found = time_coverage(noise, repeats, scope, count, 3)
                yield coverage_row(f"time, scope {scope}", f"{name}, {_runs(repeats)}", found)
    for name, noise in SHAPES.items():
        for repeats in (1, 2, 5):
            found = cost_coverage(noise, repeats, count, 4)
            yield coverage_row("cost, ratio of sums", f"{name}, {_runs(repeats)}", found)


def _runs(repeats: int) -> str:
    return f"{repeats} {'run' if repeats == 1 else 'runs'} per task"


def _rate_rows(count: int) -> Iterator[str]:
    for n, p1, p2 in ((13, 0.1, 0.1), (13, 0.6, 0.75), (65, 0.1, 0.05), (230, 0.11, 0.05)):
        for method, found in rate_coverage(n, p1, p2, count, 5).items():
            yield coverage_row(method, f"{percent(p1)} and {percent(p2)} of {n}", found)
    for n, shares in ((13, (0.5, 0.1, 0.25, 0.15)), (13, (0.85, 0.05, 0.05, 0.05)), (60, (0.5, 0.1, 0.25, 0.15))):
        for method, found in paired_coverage(n, shares, count, 6).items():
            yield coverage_row(method, f"{n} tasks, {percent(shares[1])} lost, {percent(shares[2])} won", found)
    for repeats, failing, factor in ((2, 0.2, 1.0), (5, 0.1, 1.0), (5, 0.2, 0.5), (10, 0.1, 0.5)):
        for method, found in stratified_coverage(repeats, failing, factor, count, 7).items():
            yield coverage_row(method, f"{_runs(repeats)}, {percent(failing)}, times {factor:g}", found)


# Speed ----------------------------------------------------------------------------------------------------------------


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


def main(quick: bool = False) -> None:
    """Print the tables.

    Args:
        quick: a tenth of the simulations.

    Raises:
        AssertionError: the gate blocks unchanged versions more often than it may.
    """
    count = 200 if quick else 2000
    gates, wrong = gate_table(count)
    tables = {
        f"The gate on unchanged versions, {count:,} suites of 13 tasks a row": gates,
        f"The same where versions differ by task (sd 0.2, log-sd 0.5), {count:,} suites a row": interaction_table(
            count
        ),
        f"Coverage of 95% intervals, {count:,} samples a row": coverage_table(count),
        "Speed": speed_table(0.2 if quick else 1.0),
    }
    for title, rows in tables.items():
        print(f"\n{title}\n", *rows, sep="\n")
    assert not wrong, wrong


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
