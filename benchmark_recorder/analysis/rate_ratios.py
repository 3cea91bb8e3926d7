"""Ratios of two rates, on the scale of their logarithm: what "50% fewer failures" is about.

Sources: Mantel-Haenszel with the variance of Greenland & Robins (1985); Koopman (1984) for independent rates;
Nam & Blackwelder (2002), in the form of Tang, Tang & Chan (2003), for pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark_recorder.analysis.evidence import NO_SPREAD, Evidence, Limits, Score, Student
from benchmark_recorder.analysis.means import over_tasks
from benchmark_recorder.analysis.rates import PairedTable, Weighted, as_one_task, paired_table, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmark_recorder.analysis.metrics import Counts, Pair, Strata

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
    left, right = as_one_task(strata)
    if not left.hits + right.hits:
        return None
    if all(s.left.n == 1 and s.right.n == 1 for s in weighted):
        return nam_blackwelder(paired_table([(s.left, s.right) for s in weighted]))
    found = _ratio_over_tasks(strata.pairs) if scope == "tasks" else greenland_robins(weighted)
    return found or koopman(left, right)


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
