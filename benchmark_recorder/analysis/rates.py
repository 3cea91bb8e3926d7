"""Rates: success, failure, right routing. One rate by Wilson; two by what the design of the runs allows.

Sources: Wilson (1927); Newcombe (1998, Stat. Med. 17:857 single, 17:873 independent, method 10; 17:2635 paired,
method 10); McNemar (1947) with the mid-p of Fagerland, Lydersen & Laake (2013); Fisher's exact test with mid-p;
Mantel-Haenszel difference with the variance of Sato (1989), inverted as a test, so that interval and p-value agree.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import (
    OVER_TASKS,
    Both,
    Evidence,
    Limits,
    Score,
    binomial_tail,
    normal_tail,
    wilson,
)
from benchmark_recorder.analysis.means import over_tasks
from benchmark_recorder.analysis.metrics import NO_LEVELS, Counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.metrics import Levels, Pair, Strata


def newcombe(left: Limits, right: Limits, rates: Limits, correlation: float = 0.0) -> Limits:
    """The interval of a difference by squaring and adding the distances of each rate to its own Wilson limits.

    Of independent rates the correlation is 0.
    """
    (l1, u1), (l2, u2), (p1, p2) = left, right, rates
    down, up = (p2 - l2, u1 - p1), (u2 - p2, p1 - l1)
    difference = p2 - p1
    low = difference - _added(*down, correlation)
    high = difference + _added(*up, correlation)
    return max(-1.0, low), min(1.0, high)


def _added(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * correlation * a * b + b * b))


def independent(left: Counts, right: Counts) -> Evidence:
    """Two rates from different tasks: Newcombe's interval, Fisher's exact test with mid-p."""
    p1, p2 = left.rate, right.rate

    def limits(z: float) -> Limits:
        return newcombe(wilson(left.hits, left.n, z), wilson(right.hits, right.n, z), (p1, p2))

    return Score(p2 - p1, limits, "Newcombe's interval, Fisher's exact test with mid-p", _fisher(left, right))


def _fisher(left: Counts, right: Counts) -> tuple[float, float]:
    """One-sided mid-p of "not above" and "not below" for the candidate, given both margins."""
    n, hits, own = left.n + right.n, int(left.hits + right.hits), int(right.hits)
    mean = hits * right.n / n
    sd = math.sqrt(mean * (1 - hits / n) * left.n / max(1, n - 1))
    # Beyond nine standard deviations lies less than 1e-18, which no other part of a p-value is exact to.
    low = min(own, max(0, hits - left.n, math.floor(mean - 9 * sd - 1)))
    high = max(own, min(hits, right.n, math.ceil(mean + 9 * sd + 1)))
    weights = _hypergeometric(left.n, right.n, hits, range(low, high + 1))
    at = own - low
    total, half = float(weights.sum()), float(weights[at]) / 2
    return (float(weights[at + 1 :].sum()) + half) / total, (float(weights[:at].sum()) + half) / total


def _hypergeometric(left: int, right: int, hits: int, of: range) -> NDArray[np.float64]:
    """Weights of so many of the hits on the right side, the greatest 1, from the ratio of each to the one before."""
    x = np.arange(of.start, of.stop - 1, dtype=np.float64)
    steps = np.log((right - x) * (hits - x) / ((x + 1) * (left - hits + x + 1)))
    logs = np.concatenate(((0.0,), np.cumsum(steps)))
    weights: NDArray[np.float64] = np.exp(logs - logs.max())
    return weights


class PairedTable(NamedTuple):
    """Tasks with one run per side, by the outcomes of both versions: ``left_only`` hit in the baseline alone."""

    both: int
    left_only: int
    right_only: int
    neither: int

    @property
    def n(self) -> int:
        """Tasks."""
        return sum(self)


def paired_table(pairs: Sequence[tuple[Counts, Counts]]) -> PairedTable:
    """Pairs of single runs, counted."""
    table = [0, 0, 0, 0]
    for left, right in pairs:
        table[(0 if left.hits else 2) + (0 if right.hits else 1)] += 1
    return PairedTable(*table)


def paired(table: PairedTable) -> Evidence:
    """One run a task and side: Newcombe's paired interval, McNemar's test with mid-p."""
    n = table.n
    left, right = table.both + table.left_only, table.both + table.right_only
    correlation = _phi(table)

    def limits(z: float) -> Limits:
        return newcombe(wilson(left, n, z), wilson(right, n, z), (left / n, right / n), correlation)

    estimate = (table.right_only - table.left_only) / n
    only = table.left_only, table.right_only
    return Score(estimate, limits, "Newcombe's paired interval, McNemar's test with mid-p", mcnemar(table), only)


def _phi(table: PairedTable) -> float:
    """The correlation of the outcomes, corrected for continuity (Newcombe's method 10)."""
    a, b, c, d = table
    product = float((a + b) * (c + d) * (a + c) * (b + d))
    if not product:
        return 0.0
    excess = float(a * d - b * c)
    return (max(0.0, excess - table.n / 2) if excess > 0 else excess) / math.sqrt(product)


def mcnemar(table: PairedTable) -> tuple[float, float]:
    """One-sided mid-p of "not above" and "not below" for the candidate."""
    b, c = table.left_only, table.right_only
    if not b + c:
        return 0.5, 0.5
    half = math.exp(math.lgamma(b + c + 1) - math.lgamma(b + 1) - math.lgamma(c + 1) - (b + c) * math.log(2)) / 2
    above = binomial_tail(b - 1, b + c, 0.5) if b else 0.0
    below = binomial_tail(c - 1, b + c, 0.5) if c else 0.0
    return above + half, below + half


class Weighted(NamedTuple):
    """One task's rates with its weight, and the counts that are evidence.

    Where all repeats of a task end alike because the router is deterministic, they are one piece of evidence: the
    weight is still that of all runs, so that the estimate is theirs.
    """

    weight: float
    left: Counts
    right: Counts


def weigh(pairs: Sequence[Pair[Counts]], *, once: bool) -> list[Weighted]:
    """Mantel-Haenszel weights; with ``once``, a side whose repeats all end alike counts as one run."""
    return [
        Weighted(
            left.n * right.n / (left.n + right.n),
            collapsed(left) if once else left,
            collapsed(right) if once else right,
        )
        for _, left, right in pairs
    ]


def collapsed(sample: Counts) -> Counts:
    """One run, where all end alike; otherwise the sample as it is."""
    return Counts(1, min(1, sample.hits)) if sample.hits in {0, sample.n} else sample


def mantel_haenszel(strata: Sequence[Weighted]) -> Evidence | None:
    """The weighted mean of the tasks' differences; ``None`` where the runs within tasks do not vary.

    The variance at a difference D is (D * P + Q) / W**2 (Sato 1989); the interval is all D that a normal test at that
    variance does not refuse, which is a quadratic's roots. Where few runs are hits, P and Q are small by chance just
    when D seems to be excluded. But rates that differ by D have at least the variance of a rate of D: half of that is
    added, and all of it is the least. Otherwise rare failures would be called equivalent twice too often.
    """
    total = math.fsum(s.weight for s in strata)
    estimate = math.fsum(s.weight * (s.right.rate - s.left.rate) for s in strata) / total
    slope, base = (math.fsum(part) / total**2 for part in zip(*map(_sato, strata), strict=True))
    if not base > 0:
        return None
    least = math.fsum(s.weight**2 / s.left.n for s in strata), math.fsum(s.weight**2 / s.right.n for s in strata)

    def end(z: float, sign: int) -> float:
        ends = []
        for side in (1, -1):  # at differences above zero, and below
            rare = side * least[side > 0] / total**2
            for steep, flat in ((slope + rare / 2, base), (rare, 0.0)):
                centre = estimate + z * z * steep / 2
                reach = math.sqrt(max(0.0, centre * centre - estimate * estimate + z * z * flat))
                ends += [found for found in (centre + sign * reach,) if side * found >= 0]
        return max(-1.0, min(1.0, sign * max(sign * found for found in ends)))

    def limits(z: float) -> Limits:
        return end(z, -1), end(z, 1)

    z = estimate / math.sqrt(base)
    null = normal_tail(-z), normal_tail(z)
    return Score(estimate, limits, "Mantel-Haenszel difference within tasks, Sato's variance", null)


def _sato(stratum: Weighted) -> tuple[float, float]:
    """A task's parts of P and Q, for its own weight."""
    (n1, x1), (n2, x2) = stratum.left, stratum.right
    n = n1 + n2
    scale = (stratum.weight * n / (n1 * n2)) ** 2
    slope = (n2 * n2 * x1 - n1 * n1 * x2 + n1 * n2 * (n1 - n2) / 2) / n**2
    base = (x1 * (n2 - x2) + x2 * (n1 - x1)) / (2 * n)
    return scale * slope, scale * base


def rate_difference(strata: Strata[Counts], scope: str, *, once: bool) -> Evidence | None:
    """The difference of two versions' rates, by the method that fits the runs; ``None`` where a side is empty.

    With ``once``, a task's repeats that all end alike are one piece of evidence.
    """
    if not (strata.left.n and strata.right.n):
        return None
    if not strata.matched:
        return independent(strata.left, strata.right)
    weighted = weigh(strata.pairs, once=once)
    if all(s.left.n == 1 and s.right.n == 1 for s in weighted):
        return paired(paired_table([(s.left, s.right) for s in weighted]))
    within = mantel_haenszel(weighted)
    if within is None:  # no task's runs vary, and all end alike in both versions
        left, right = as_one_task(strata)
        within = of_mean_rates(
            left.rate, right.rate, (left.n, right.n), "Newcombe's interval at the rates within tasks"
        )
    return within if scope == "suite" else _over_tasks(strata.pairs, within)


def as_one_task(strata: Strata[Counts]) -> tuple[Counts, Counts]:
    """The runs of the common tasks, at the rates that these have with the same weight in both versions."""
    rates = levels_of_rates(strata, "suite")
    n = sum(pair.left.n for pair in strata.pairs), sum(pair.right.n for pair in strata.pairs)
    return Counts(n[0], rates[0] * n[0]), Counts(n[1], rates[1] * n[1])


def _over_tasks(pairs: Sequence[Pair[Counts]], within: Evidence) -> Evidence:
    """The tasks as the sample; few runs without a hit differ by the same everywhere, so those within must agree."""
    found = over_tasks([pair.right.rate - pair.left.rate for pair in pairs])
    if found is not None:
        return Both(found, within, f"{OVER_TASKS}, if the {within.method} agrees")
    # All tasks differ by the same, mostly by nothing: as many pairs as there are tasks, at the mean rates.
    left, right = fmean(p.left.rate for p in pairs), fmean(p.right.rate for p in pairs)
    return of_mean_rates(left, right, (len(pairs), len(pairs)), "Newcombe's interval over tasks")


def of_mean_rates(left: float, right: float, n: tuple[float, float], method: str) -> Evidence:
    """Two rates of so many runs each, which need not be whole hits."""

    def limits(z: float) -> Limits:
        return newcombe(wilson(left * n[0], n[0], z), wilson(right * n[1], n[1], z), (left, right))

    return Score(right - left, limits, method)


def levels_of_rates(strata: Strata[Counts], scope: str) -> Levels:
    """Mantel-Haenszel's weighted rates within tasks; with the tasks as the sample, their mean rates."""
    if not (strata.left.n and strata.right.n):
        return NO_LEVELS
    if not strata.matched:
        return strata.left.rate, strata.right.rate
    weights = [1.0 if scope == "tasks" else p.left.n * p.right.n / (p.left.n + p.right.n) for p in strata.pairs]
    whole = math.fsum(weights)
    left, right = (
        math.fsum(weight * getattr(pair, side).rate for weight, pair in zip(weights, strata.pairs, strict=True)) / whole
        for side in ("left", "right")
    )
    return left, right
