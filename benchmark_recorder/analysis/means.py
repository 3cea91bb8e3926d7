"""Differences of logarithms: durations by their geometric means, costs by the ratio of their sums.

Sources: Welch (1947) and Satterthwaite (1946) for variances that differ; the delta method for the logarithm of a sum.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from benchmark_recorder.analysis.evidence import NO_SPREAD, OVER_TASKS, Evidence, Fixed, Point, Student

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmark_recorder.analysis.metrics import Pair, Strata
    from benchmark_recorder.cells import Moments


class Term(NamedTuple):
    """One task's runs of one version, as a part of the variance of a sum.

    Attributes:
        n: runs.
        m2: their sum of squared deviations, scaled as the sum is.
        scale: what a deviation is relative to, in the same scale: 1 for logarithms, the mean for costs.
    """

    n: int
    m2: float
    scale: float


def geometric(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of geometric means, by task where tasks are matched; ``None`` where a side is empty."""
    return geometric_by_task(strata, scope) if strata.matched else geometric_of_all(strata)


def sums(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of what is paid, by task where tasks are matched; ``None`` where a side is empty or free."""
    return sums_by_task(strata, scope) if strata.matched else sums_of_all(strata)


def geometric_by_task(strata: Strata[Moments], scope: str) -> Evidence:
    """The geometric mean of the tasks' ratios, each task with the same weight.

    Args:
        strata: logarithms; at least one pair.
        scope: ``"suite"``: these tasks are all that matters, so the uncertainty is the runs' (stratified Welch);
            ``"tasks"``: they represent others, so the uncertainty is the tasks' (t over their differences).
    """
    differences = [pair.right.mean - pair.left.mean for pair in strata.pairs]
    weight = 1 / len(differences)
    terms = [[Term(m.n, m.m2 * weight**2, weight) for m in side] for side in _sides(strata.pairs)]
    within, over = stratified(fmean(differences), terms), over_tasks(differences)
    # Where the method of the scope has nothing to go by, the other one may; one task represents no others.
    first, second = (within, over) if scope == "suite" else (over, within if len(differences) > 1 else None)
    return first or second or _without_error(fmean(differences), _samples(strata.pairs), logs=True)


def geometric_of_all(strata: Strata[Moments]) -> Evidence | None:
    """The ratio of the geometric means of all runs, whatever the tasks: Welch on logarithms."""
    left, right = strata.left, strata.right
    if not (left.n and right.n):
        return None
    estimate = right.mean - left.mean
    found = welch(estimate, [[Term(left.n, left.m2, 1.0)], [Term(right.n, right.m2, 1.0)]])
    return found or _without_error(estimate, [(left, right)], logs=True)


def sums_by_task(strata: Strata[Moments], scope: str) -> Evidence | None:
    """The ratio of the sums over the tasks of the mean cost per run: what people pay for the suite.

    Args:
        strata: known costs in USD; at least one pair.
        scope: see ``geometric_by_task``.

    Returns:
        ``None`` where a sum is zero.
    """
    left, right = (sum(m.mean for m in side) for side in _sides(strata.pairs))
    if not (left > 0 and right > 0):
        return None
    estimate = math.log(right) - math.log(left)
    terms = [
        [Term(m.n, m.m2 / total / total, m.mean / total) for m in side]
        for side, total in zip(_sides(strata.pairs), (left, right), strict=True)
    ]
    within = stratified(estimate, terms)
    over = over_shares(estimate, [(p.left.mean / left, p.right.mean / right) for p in strata.pairs])
    first, second = (within, over) if scope == "suite" else (over, within if len(strata.pairs) > 1 else None)
    return first or second or _without_error(estimate, _samples(strata.pairs), logs=False)


def sums_of_all(strata: Strata[Moments]) -> Evidence | None:
    """The ratio of the mean costs of all runs, whatever the tasks; ``None`` where a mean is zero."""
    left, right = strata.left, strata.right
    if not (left.n and right.n and left.mean > 0 and right.mean > 0):
        return None
    estimate = math.log(right.mean) - math.log(left.mean)
    found = welch(estimate, [[Term(m.n, m.m2 / m.mean / m.mean, 1.0)] for m in (left, right)])
    return found or _without_error(estimate, [(left, right)], logs=False)


def _samples(pairs: Sequence[Pair[Moments]]) -> list[tuple[Moments, Moments]]:
    return [(pair.left, pair.right) for pair in pairs]


def _sides(pairs: Sequence[Pair[Moments]]) -> tuple[list[Moments], list[Moments]]:
    return [pair.left for pair in pairs], [pair.right for pair in pairs]


def welch(estimate: float, terms: Sequence[Sequence[Term]]) -> Evidence | None:
    """Two samples, each with its own variance; ``None`` below two runs per side or without spread."""
    if any(term.n < 2 for side in terms for term in side):
        return None
    return _satterthwaite(estimate, _components(terms[0]) + _components(terms[1]), "Welch's t on logarithms")


def stratified(estimate: float, terms: Sequence[Sequence[Term]]) -> Evidence | None:
    """Welch's t with the variances within the tasks.

    A task with one run on a side takes that side's pooled variance; where fewer than half of the tasks of a side
    repeat, that says too little.

    Returns:
        ``None`` where the runs within tasks show no variance.
    """
    for side in terms:
        if 2 * sum(term.n > 1 for term in side) < len(side):
            return None
    components = _components(terms[0]) + _components(terms[1])
    return _satterthwaite(estimate, components, "stratified Welch's t within tasks")


def _components(side: Sequence[Term]) -> list[tuple[float, int]]:
    """What each task that repeats adds to the variance of the sum, and its degrees of freedom."""
    singles = math.fsum(term.scale**2 for term in side if term.n == 1)
    freedom = sum(term.n - 1 for term in side)
    return [
        (
            term.m2 / (term.n - 1) / term.n
            + (singles * (term.m2 / term.scale / term.scale) / freedom if singles and term.scale else 0.0),
            term.n - 1,
        )
        for term in side
        if term.n > 1
    ]


def _satterthwaite(estimate: float, components: Iterable[tuple[float, int]], method: str) -> Evidence | None:
    parts = list(components)
    variance = math.fsum(part for part, _ in parts)
    error = math.sqrt(variance)
    if not error > NO_SPREAD or not math.isfinite(error):
        return None
    freedom = 1 / math.fsum((part / variance) ** 2 / df for part, df in parts)
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


def over_shares(estimate: float, shares: Sequence[tuple[float, float]]) -> Evidence | None:
    """The ratio of two sums with the tasks as the sample, where a few tasks make up much of the sums.

    A task's part of the error is in proportion to its weight, its mean share of both sums. The variance is the
    residuals' sum of squares, freed of its bias, and the degrees of freedom are Satterthwaite's (as Bell & McCaffrey
    2002 have them), for tasks whose relative differences vary alike. With equal weights both are those of the paired t.

    Args:
        estimate: the logarithm of the ratio.
        shares: of each task in both sums.

    Returns:
        ``None`` where one task is nearly everything, or all tasks differ by the same.
    """
    weights = [(left + right) / 2 for left, right in shares]
    w2, w3, w4, w5 = (sum(w**power for w in weights) for power in (2, 3, 4, 5))
    trace = w2 - 2 * w3 + w2**2
    squares = w4 - 4 * w5 + 2 * w3**2 + 4 * w2 * w4 + w2**4 - 4 * w2**2 * w3
    if not (trace > 1e-12 * w2 and squares > 0):
        return None
    error = math.sqrt(sum((right - left) ** 2 for left, right in shares) * w2 / trace)
    if not error > NO_SPREAD:
        return None
    return Student(estimate, error, min(trace**2 / squares, len(shares) - 1), OVER_TASKS)


def _without_error(estimate: float, pairs: Sequence[tuple[Moments, Moments]], *, logs: bool) -> Evidence:
    """Where no method finds a standard error: runs that never vary, or too few."""
    return fixed(estimate, pairs, logs=logs) or Point(estimate, "too few runs for an interval")


def fixed(estimate: float, pairs: Sequence[tuple[Moments, Moments]], *, logs: bool) -> Evidence | None:
    """Runs without any spread, and the same difference on every task.

    Args:
        estimate: that difference.
        pairs: both versions' runs of each task.
        logs: whether these are logarithms, whose spread is relative as it is.

    Returns:
        ``None`` where there is spread, or a single pair of runs leaves it open whether there is.
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
