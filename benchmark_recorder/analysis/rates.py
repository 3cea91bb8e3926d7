"""Rates: success, failure, right routing. One rate by Wilson; two by what the design of the runs allows.

Sources: Wilson (1927); Newcombe (1998, Stat. Med. 17:857 single, 17:873 independent, method 10; 17:2635 paired,
method 10); McNemar (1947) with the mid-p of Fagerland, Lydersen & Laake (2013); Fisher's exact test with mid-p;
Mantel-Haenszel difference with the variance of Sato (1989), inverted as a test, so that interval and p-value agree.
Ratios: Mantel-Haenszel with the variance of Greenland & Robins (1985); Koopman (1984) for independent rates;
Nam & Blackwelder (2002), in the form of Tang, Tang & Chan (2003), for pairs.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import (
    NO_SPREAD,
    OVER_TASKS,
    Both,
    Evidence,
    Limits,
    Score,
    Student,
    binomial_tail,
    normal_tail,
    wilson,
)
from benchmark_recorder.analysis.means import over_tasks
from benchmark_recorder.analysis.metrics import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.metrics import Pair, Strata


def newcombe(left: Limits, right: Limits, rates: Limits, correlation: float = 0.0) -> Limits:
    """The interval of a difference by squaring and adding the distances to each rate's own limits.

    Args:
        left: Wilson limits of the baseline's rate.
        right: of the candidate's.
        rates: both rates.
        correlation: between the two; 0 for independent ones.
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
    n, hits = left.n + right.n, left.hits + right.hits
    mean = hits * right.n / n
    sd = math.sqrt(mean * (1 - hits / n) * left.n / max(1, n - 1))
    # Beyond nine standard deviations lies less than 1e-18, which no other part of a p-value is exact to.
    low = min(right.hits, max(0, hits - left.n, math.floor(mean - 9 * sd - 1)))
    high = max(right.hits, min(hits, right.n, math.ceil(mean + 9 * sd + 1)))
    weights = _hypergeometric(left.n, right.n, hits, range(low, high + 1))
    at = right.hits - low
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
    return Score(estimate, limits, "Newcombe's paired interval, McNemar's test with mid-p", mcnemar(table))


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
    variance does not refuse, which is a quadratic's roots.
    """
    total = math.fsum(s.weight for s in strata)
    estimate = math.fsum(s.weight * (s.right.rate - s.left.rate) for s in strata) / total
    slope, base = (math.fsum(part) / total**2 for part in zip(*map(_sato, strata), strict=True))
    if not base > 0:
        return None

    def limits(z: float) -> Limits:
        z2 = z * z
        centre = estimate + z2 * slope / 2
        reach = math.sqrt(max(0.0, centre * centre - estimate * estimate + z2 * base))
        return max(-1.0, centre - reach), min(1.0, centre + reach)

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
    """The difference of two versions' rates, by the method that fits the runs.

    Args:
        strata: runs and hits.
        scope: ``"suite"`` or ``"tasks"``; see ``means.geometric_by_task``.
        once: whether a task's repeats that all end alike are one piece of evidence.

    Returns:
        ``None`` where a side is empty.
    """
    if not (strata.left.n and strata.right.n):
        return None
    if not strata.matched:
        return independent(strata.left, strata.right)
    weighted = weigh(strata.pairs, once=once)
    if all(s.left.n == 1 and s.right.n == 1 for s in weighted):
        return paired(paired_table([(s.left, s.right) for s in weighted]))
    # Where no task's runs vary, all runs together, as if they were independent.
    within = mantel_haenszel(weighted) or independent(*_pooled(strata.pairs))
    return within if scope == "suite" else _over_tasks(strata.pairs, within)


def _over_tasks(pairs: Sequence[Pair[Counts]], within: Evidence) -> Evidence:
    """The tasks as the sample; few runs without a hit differ by the same everywhere, so those within must agree."""
    found = over_tasks([pair.right.rate - pair.left.rate for pair in pairs])
    if found is not None:
        return Both(found, within, f"{OVER_TASKS}, if the {within.method} agrees")
    # All tasks differ by the same, mostly by nothing: as many pairs as there are tasks, at the mean rates.
    k = len(pairs)
    left, right = fmean(p.left.rate for p in pairs), fmean(p.right.rate for p in pairs)

    def limits(z: float) -> Limits:
        return newcombe(wilson(left * k, k, z), wilson(right * k, k, z), (left, right))

    return Score(right - left, limits, "Newcombe's interval over tasks")


# Ratios of two rates, on the scale of their logarithm: what "50% fewer failures" is about ----------------------------

_WIDEST = 60.0
"""Logarithm beyond which a ratio of rates is called unbounded."""


def rate_ratio(strata: Strata[Counts], scope: str, *, once: bool) -> Evidence | None:
    """The logarithm of candidate's rate over baseline's, by the method that fits the runs; see ``rate_difference``.

    Returns:
        ``None`` where a side is empty, or neither has a hit.
    """
    if not (strata.left.n and strata.right.n) or not strata.left.hits + strata.right.hits:
        return None
    if not strata.matched:
        return koopman(strata.left, strata.right)
    weighted = weigh(strata.pairs, once=once)
    left, right = _pooled(strata.pairs)
    if not left.hits + right.hits:
        return None
    if all(s.left.n == 1 and s.right.n == 1 for s in weighted):
        return nam_blackwelder(paired_table([(s.left, s.right) for s in weighted]))
    found = _ratio_over_tasks(strata.pairs) if scope == "tasks" else greenland_robins(weighted)
    return found or koopman(left, right)


def _pooled(pairs: Sequence[Pair[Counts]]) -> tuple[Counts, Counts]:
    return Counts.together(pair.left for pair in pairs), Counts.together(pair.right for pair in pairs)


def greenland_robins(strata: Sequence[Weighted]) -> Evidence | None:
    """The Mantel-Haenszel ratio; ``None`` where a side has no hit or nothing varies."""
    right = math.fsum(s.weight * s.right.rate for s in strata)
    left = math.fsum(s.weight * s.left.rate for s in strata)
    if not (left > 0 and right > 0):
        return None
    error = math.sqrt(max(0.0, math.fsum(map(_greenland_robins_term, strata)) / (left * right)))
    if not error > NO_SPREAD:
        return None
    method = "Mantel-Haenszel ratio within tasks, Greenland-Robins variance"
    return Student(math.log(right) - math.log(left), error, math.inf, method)


def _greenland_robins_term(stratum: Weighted) -> float:
    (n1, x1), (n2, x2) = stratum.left, stratum.right
    n = n1 + n2
    scale = (stratum.weight * n / (n1 * n2)) ** 2
    return scale * ((x1 + x2) * n1 * n2 - x1 * x2 * n) / n**2


def _ratio_over_tasks(pairs: Sequence[Pair[Counts]]) -> Evidence | None:
    """The ratio of the sums of the tasks' rates, with the tasks as the sample (delta method)."""
    left, right = math.fsum(p.left.rate for p in pairs), math.fsum(p.right.rate for p in pairs)
    if not (left > 0 and right > 0):
        return None
    estimate, k = math.log(right) - math.log(left), len(pairs)
    return over_tasks([estimate + k * (p.right.rate / right - p.left.rate / left) for p in pairs])


def koopman(left: Counts, right: Counts) -> Evidence:
    """Independent rates, at least one with a hit: all ratios that the score test does not refuse."""

    def statistic(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        p1 = _restricted(left, right, ratio)
        p2 = min(1.0, ratio * p1)
        variance = p2 * (1 - p2) / right.n + ratio * ratio * p1 * (1 - p1) / left.n
        return _standardised(right.rate - ratio * left.rate, variance)

    return _inverted(_log_ratio(left.rate, right.rate), statistic, "Koopman's score interval of the ratio")


def _restricted(left: Counts, right: Counts, ratio: float) -> float:
    """The baseline's rate that is most likely if the candidate's is ``ratio`` times it."""
    (n1, x1), (n2, x2) = left, right
    a = (n1 + n2) * ratio
    b = -(n2 * ratio + x2 + n1 + x1 * ratio)
    c = x1 + x2
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    # The smaller root in the form that does not cancel.
    return min(1.0, 1 / ratio, 2 * c / (-b + root))


def nam_blackwelder(table: PairedTable) -> Evidence:
    """One run a task and side, at least one hit: all ratios that the score test for pairs does not refuse."""
    n, hit = table.n, table.both + table.left_only + table.right_only
    left, right = table.both + table.left_only, table.both + table.right_only

    def statistic(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        lost = _restricted_loss(table, ratio)
        return _standardised(right - ratio * left, n * (1 + ratio) * lost + hit * (ratio - 1))

    return _inverted(_log_ratio(left / n, right / n), statistic, "Nam-Blackwelder score interval of the paired ratio")


def _restricted_loss(table: PairedTable, ratio: float) -> float:
    """The share of tasks hit in the baseline alone that is most likely if the ratio is the true one."""
    n, hit = table.n, table.both + table.left_only + table.right_only
    left, right = table.both + table.left_only, table.both + table.right_only
    a = n * (1 + ratio)
    b = left * ratio * ratio - (right + 2 * table.left_only)
    c = table.left_only * (1 - ratio) * hit / n
    root = math.sqrt(max(0.0, b * b - 4 * a * c))
    return (root - b) / (2 * a)


def _standardised(difference: float, variance: float) -> float:
    """A difference in standard errors; without variance it is 0 or infinite."""
    if variance > 1e-300:
        return difference / math.sqrt(variance)
    return 0.0 if abs(difference) < 1e-12 else math.copysign(math.inf, difference)


def _log_ratio(left: float, right: float) -> float:
    """The point; infinite where one of the rates is zero."""
    if not left:
        return math.inf
    return math.log(right) - math.log(left) if right else -math.inf


def _inverted(estimate: float, statistic: Callable[[float], float], method: str) -> Evidence:
    """Evidence from a statistic that falls as the ratio rises."""

    def limits(z: float) -> Limits:
        inside = min(max(estimate, -_WIDEST), _WIDEST)
        low = _where(statistic, z, inside, -_WIDEST) if inside > -_WIDEST else -math.inf
        high = _where(statistic, -z, inside, _WIDEST) if inside < _WIDEST else math.inf
        return low, high

    return Score(estimate, limits, method)


def _where(statistic: Callable[[float], float], level: float, inside: float, outside: float) -> float:
    """The log ratio between two, at which the statistic reaches a level; infinite beyond the outer one."""
    upward = outside > inside

    def refused(log_ratio: float) -> bool:
        return statistic(log_ratio) < level if upward else statistic(log_ratio) > level

    if not refused(outside):
        return math.copysign(math.inf, outside)
    for _ in range(60):
        middle = (inside + outside) / 2
        if refused(middle):
            outside = middle
        else:
            inside = middle
    return outside
