"""Differences of logarithms: durations by their geometric means, costs by the ratio of their sums.

Sources: Welch (1947) and Satterthwaite (1946) for variances that differ; Fieller (1954) for the ratio of sums; Bell &
McCaffrey (2002) where tasks are the sample.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.analysis.evidence import NO_SPREAD, OVER_TASKS, Both, Evidence, Fixed, Point, Student
from benchmark_recorder.analysis.fieller import Fieller, Quadratic, Within
from benchmark_recorder.analysis.metrics import NO_LEVELS, Pair
from benchmark_recorder.analysis.results import ratio_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis.metrics import Levels, Strata
    from benchmark_recorder.cells import Moments


ENOUGH_SINGLES: Final = 4
"""Tasks with one run on a side from which on their differences show how much such tasks vary."""

FEW_FREEDOM: Final = 4
"""Degrees of freedom of a side below which its variance may be small by chance."""


class Part(NamedTuple):
    """A part of the variance of an estimate.

    Attributes:
        variance: its share.
        freedom: with so many degrees of freedom.
        alike: what it would be in proportion to if all runs varied alike.
    """

    variance: float
    freedom: float
    alike: float


def geometric(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of geometric means, by task where tasks are matched; ``None`` where a side is empty."""
    return geometric_by_task(strata, scope) if strata.matched else geometric_of_all(strata)


def sums(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of what is paid, by task where tasks are matched; ``None`` where a side is empty or free."""
    return sums_by_task(strata, scope) if strata.matched else sums_of_all(strata)


def once(pair: Pair[Moments]) -> bool:
    """Whether a task ran once in a version, so that its runs do not show how much they vary."""
    return pair.left.n == 1 or pair.right.n == 1


def singles_left_out(strata: Strata[Moments], scope: str) -> tuple[Pair[Moments], ...]:
    """Tasks that ran once in a version, and are too few to show how much such tasks vary.

    None where all tasks did, where the tasks are the sample, or where all runs are compared whatever their task.
    """
    singles = tuple(pair for pair in strata.pairs if once(pair))
    few = 0 < len(singles) < min(ENOUGH_SINGLES, len(strata.pairs))
    return singles if few and scope == "suite" and strata.matched else ()


def judged(strata: Strata[Moments], scope: str) -> Sequence[Pair[Moments]]:
    """The common tasks that the verdict is about."""
    return [pair for pair in strata.pairs if not once(pair)] if singles_left_out(strata, scope) else strata.pairs


def geometric_by_task(strata: Strata[Moments], scope: str) -> Evidence:
    """The geometric mean of the tasks' ratios, each task with the same weight.

    Args:
        strata: logarithms; at least one pair.
        scope: ``"suite"``: these tasks are all that matters, so the uncertainty is the runs': stratified Welch, and for
            tasks that ran once in a version the spread of their differences; ``"tasks"``: they represent others, so
            the uncertainty is the tasks' (t over their differences).
    """
    pairs = judged(strata, scope)
    differences = [pair.right.mean - pair.left.mean for pair in pairs]
    within, over = _within(pairs), over_tasks(differences)
    # Where the method of the scope has nothing to go by, the other one may; one task represents no others.
    first, second = (within, over) if scope == "suite" else (over, within if len(pairs) > 1 else None)
    return first or second or _without_error(fmean(differences), _samples(pairs), logs=True)


def _within(pairs: Sequence[Pair[Moments]]) -> Evidence | None:
    """Welch's t with the variances within the tasks; ``None`` where no task repeats, or nothing varies."""
    repeated = [pair for pair in pairs if not once(pair)]
    singles = [pair.right.mean - pair.left.mean for pair in pairs if once(pair)]
    if not repeated or len(singles) in range(1, ENOUGH_SINGLES):
        return None
    estimate = fmean(pair.right.mean - pair.left.mean for pair in pairs)
    scale = len(pairs) ** 2
    sides = [[_part(m, scale) for m in side] for side in _sides(repeated)]
    if not singles:
        return _satterthwaite(estimate, sides, [], "stratified Welch's t within tasks")
    mean = fmean(singles)
    spread = math.fsum((d - mean) ** 2 for d in singles) * len(singles) / (len(singles) - 1) / scale
    method = "stratified Welch's t within tasks, t over the differences of tasks with one run"
    return _satterthwaite(estimate, sides, [Part(spread, len(singles) - 1, 0.0)], method)


def _part(m: Moments, scale: float = 1.0) -> Part:
    return Part(m.m2 / (m.n - 1) / m.n / scale, m.n - 1, 1 / m.n)


def geometric_of_all(strata: Strata[Moments]) -> Evidence | None:
    """The ratio of the geometric means of all runs, whatever the tasks: Welch on logarithms."""
    left, right = strata.left, strata.right
    if not (left.n and right.n):
        return None
    estimate, found = right.mean - left.mean, None
    if left.n > 1 and right.n > 1:
        found = _satterthwaite(estimate, [[_part(left)], [_part(right)]], [], "Welch's t on logarithms")
    return found or _without_error(estimate, [(left, right)], logs=True)


def _satterthwaite(
    estimate: float, sides: Sequence[Sequence[Part]], others: Sequence[Part], method: str
) -> Evidence | None:
    """Student's t with the sum of all variances.

    Where a side has few degrees of freedom, its variance may be small by chance, and the estimated freedom is then that
    of the other side. It is at most what it would be if all runs varied alike.
    """
    parts = [part for side in sides for part in side]
    variance = math.fsum(part.variance for part in (*parts, *others))
    error = math.sqrt(variance)
    if not error > NO_SPREAD or not math.isfinite(error):
        return None
    freedom = 1 / math.fsum((part.variance / variance) ** 2 / part.freedom for part in (*parts, *others))
    if not others and any(sum(part.freedom for part in side) < FEW_FREEDOM for side in sides):
        alike = math.fsum(part.alike for part in parts)
        freedom = min(freedom, alike**2 / math.fsum(part.alike**2 / part.freedom for part in parts))
    return Student(estimate, error, freedom, method)


def over_tasks(differences: Sequence[float]) -> Evidence | None:
    """Student's t over the tasks' differences; ``None`` below two tasks or where all differ by the same."""
    k = len(differences)
    if k < 2:
        return None
    mean = fmean(differences)
    error = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (k - 1) / k)
    if not error > NO_SPREAD * max(1.0, abs(mean)):
        return None
    return Student(mean, error, k - 1, OVER_TASKS)


# Costs: what people pay ----------------------------------------------------------------------------------------------


def sums_by_task(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of the sums over the tasks of the mean known cost per run: what people pay for the suite.

    Scopes as in ``geometric_by_task``; at least one pair; ``None`` where a sum is zero.
    """
    pairs = judged(strata, scope)
    left, right = (sum(m.mean for m in side) for side in _sides(pairs))
    if not (left > 0 and right > 0):
        return None
    within, over = _ratio(pairs, left, right), _ratio(pairs, left, right, over=True)
    first, second = (within, over) if scope == "suite" else (over, within if len(pairs) > 1 else None)
    return first or second or _without_error(math.log(right) - math.log(left), _samples(pairs), logs=False)


def sums_of_all(strata: Strata[Moments]) -> Evidence | None:
    """The ratio of the mean costs of all runs, whatever the tasks; ``None`` where a mean is zero."""
    left, right = strata.left, strata.right
    if not (left.n and right.n and left.mean > 0 and right.mean > 0):
        return None
    found = _ratio([Pair("", left, right)], left.mean, right.mean)
    return found or _without_error(math.log(right.mean) - math.log(left.mean), [(left, right)], logs=False)


def _ratio(pairs: Sequence[Pair[Moments]], left: float, right: float, *, over: bool = False) -> Evidence | None:
    """The ratio of two sums of the pairs' means by Fieller's method; ``None`` where nothing varies, or no method fits.

    With ``over``, the tasks are the sample, however often they ran.
    """
    repeated = [] if over else [pair for pair in pairs if not once(pair)]
    singles = pairs if over else [pair for pair in pairs if once(pair)]
    if not (repeated or over) or (not over and len(singles) in range(1, ENOUGH_SINGLES)):
        return None
    spread, freedom = Quadratic(), math.inf
    if singles:
        known = spread_of_shares([(pair.left.mean / left, pair.right.mean / right) for pair in singles])
        if known is None:
            return None
        spread, freedom = known
    own, pooled = _costs_within(repeated, left, right)
    if not spread.at(1.0) + own.variance.at(1.0) > NO_SPREAD**2:
        return None
    method = "ratio of sums, Fieller's interval within tasks" if repeated else OVER_TASKS
    if repeated and singles:
        method += ", and over tasks with one run"
    estimate = math.log(right) - math.log(left)
    found = Fieller(estimate, own, spread, freedom, method)
    if all(pair.left.n == pair.right.n for pair in repeated):
        return found
    # The variance of few runs is small where the rare expensive ones are missing, and the other version has them.
    return Both(found, Fieller(estimate, pooled, spread, freedom, method), f"{method}, own or pooled variances")


def _costs_within(pairs: Sequence[Pair[Moments]], left: float, right: float) -> tuple[Within, Within]:
    """The variance of the sums by each version's own runs, and as if a task's runs varied alike in both versions."""
    own, pooled = [0.0] * 4, [0.0] * 5
    for pair in pairs:
        n1, n2 = pair.left.n, pair.right.n
        m1, m2 = pair.left.m2 / left / left, pair.right.m2 / right / right
        v1, v2 = m1 / (n1 - 1) / n1, m2 / (n2 - 1) / n2
        _add(own, (v1, v2, v2 * v2 / (n2 - 1), v1 * v1 / (n1 - 1)))
        freedom = n1 + n2 - 2
        v1, v2 = ((1 / n1 + 1 / n2) * m / freedom for m in (m1, m2))
        _add(pooled, (v1, v2, v2 * v2 / freedom, v1 * v2 / freedom, v1 * v1 / freedom))
    v1, v2, right_squares, left_squares = own
    return (
        Within(Quadratic(v2, 0.0, v1), (right_squares, 0.0, left_squares)),
        Within(Quadratic(pooled[1], 0.0, pooled[0]), (pooled[2], pooled[3], pooled[4])),
    )


def _add(sums: list[float], more: tuple[float, ...]) -> None:
    for i, value in enumerate(more):
        sums[i] += value


def spread_of_shares(shares: Sequence[tuple[float, float]]) -> tuple[Quadratic, float] | None:
    """The variance of the sums of some tasks' shares, with the tasks as the sample, and its degrees of freedom.

    A task's part of the error is in proportion to its weight, its mean share of both sums. The variance is the
    residuals' sum of squares, freed of its bias, and the degrees of freedom are Satterthwaite's (as Bell & McCaffrey
    2002 have them), for tasks whose relative differences vary alike. With equal weights both are those of the paired t.
    ``None`` where one task is nearly everything.
    """
    whole = math.fsum(left + right for left, right in shares)
    if not whole > 0:
        return None
    weights = [(left + right) / whole for left, right in shares]
    w2, w3, w4, w5 = (sum(w**power for w in weights) for power in (2, 3, 4, 5))
    trace = w2 - 2 * w3 + w2**2
    squares = w4 - 4 * w5 + 2 * w3**2 + 4 * w2 * w4 + w2**4 - 4 * w2**2 * w3
    if not (trace > 1e-12 * w2 and squares > 0):
        return None
    lefts, rights = (math.fsum(side) for side in zip(*shares, strict=True))
    a = [right - w * rights for (_, right), w in zip(shares, weights, strict=True)]
    b = [left - w * lefts for (left, _), w in zip(shares, weights, strict=True)]
    sizes = (math.fsum(x * y for x, y in zip(one, other, strict=True)) for one, other in ((a, a), (a, b), (b, b)))
    return Quadratic(*(size * w2 / trace for size in sizes)), min(trace**2 / squares, len(shares) - 1)


def _samples(pairs: Sequence[Pair[Moments]]) -> list[tuple[Moments, Moments]]:
    return [(pair.left, pair.right) for pair in pairs]


def _sides(pairs: Sequence[Pair[Moments]]) -> tuple[list[Moments], list[Moments]]:
    return [pair.left for pair in pairs], [pair.right for pair in pairs]


def _without_error(estimate: float, pairs: Sequence[tuple[Moments, Moments]], *, logs: bool) -> Evidence:
    """Where no method finds a standard error: runs that never vary, or too few."""
    return fixed(estimate, pairs, logs=logs) or Point(estimate, "too few runs for an interval")


def fixed(estimate: float, pairs: Sequence[tuple[Moments, Moments]], *, logs: bool) -> Evidence | None:
    """Runs without any spread, and the same difference, the estimate, on every task.

    ``None`` where there is spread, or a single pair of runs leaves it open whether there is. Logarithms (``logs``) have
    a relative spread as they are.
    """
    samples = [m for pair in pairs for m in pair]
    if sum(m.n for m in samples) < 3:
        return None
    if any(math.sqrt(m.m2 / m.n) > NO_SPREAD * (1.0 if logs else m.mean) for m in samples):
        return None
    chance = math.exp(-math.fsum(_log_splits(left.n, right.n) for left, right in pairs))
    return Fixed(0.0 if abs(estimate) < NO_SPREAD else estimate, chance, "permutation within tasks")


def _log_splits(left: int, right: int) -> float:
    """The logarithm of the number of ways to split a task's runs among the versions."""
    return math.lgamma(left + right + 1) - math.lgamma(left + 1) - math.lgamma(right + 1)


def levels_of_means(strata: Strata[Moments], scope: str, *, logs: bool) -> Levels:
    """The geometric mean of the tasks' geometric means, or the mean of the tasks' means."""
    if not (strata.left.n and strata.right.n):
        return NO_LEVELS
    sides = (
        zip(*((pair.left.mean, pair.right.mean) for pair in judged(strata, scope)), strict=True)
        if strata.matched
        else ((strata.left.mean,), (strata.right.mean,))
    )
    left, right = (ratio_of(fmean(means)) if logs else fmean(means) for means in sides)
    return left, right
