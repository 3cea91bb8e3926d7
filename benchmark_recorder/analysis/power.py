"""What would decide: how many further runs, from their variance alone, never from the effect that was seen.

Source: Hoenig & Heisey (2001) on why the observed effect must stay out of it.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from benchmark_recorder.analysis.evidence import Evidence, Student
from benchmark_recorder.analysis.probabilities import student_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark_recorder.analysis.strata import Counts, Strata
    from benchmark_recorder.cells import Moments

MOST = 10_000_000
"""Runs beyond which the answer is "no number that anyone would run"."""


def fewest(enough: Callable[[int], bool], start: int) -> int | None:
    """The least whole number from ``start`` on that is enough, where larger ones are too; ``None`` above ``MOST``."""
    high = max(1, start)
    if enough(high):
        return high
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def half_width(error: float, freedom: float) -> float:
    """Of the 95 % interval."""
    return student_quantile(freedom, 0.975) * error


def detectable(evidence: Evidence, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """The smallest true change, on the evidence's own scale, that a one-sided test finds with this power.

    ``None`` where the error is unknown.
    """
    if not (evidence.error > 0 and math.isfinite(evidence.error)):
        return None
    freedom = evidence.freedom if isinstance(evidence, Student) else math.inf
    return (student_quantile(freedom, 1 - alpha) + student_quantile(freedom, power)) * evidence.error


def repeats_for_means(strata: Strata[Moments], reach: float, *, relative: bool) -> int | None:
    """Runs a task and version (or a version, where unmatched) that bring the half-width to ``reach``.

    Args:
        strata: logarithms, or costs with ``relative``.
        reach: on the logarithmic scale.
        relative: whether deviations are relative to the sums.

    Returns:
        ``None`` where the variance is unknown or no number is enough.
    """
    pairs = [(p.left, p.right) for p in strata.pairs] if strata.matched else [(strata.left, strata.right)]
    variance, freedom = 0.0, 0
    for side in zip(*pairs, strict=True):
        known = [m for m in side if m.n > 1]
        whole = math.fsum(m.mean for m in side) if relative else float(len(side))
        if not known or not whole > 0:
            return None
        # Tasks with one run vary as the others do on the mean.
        variance += fmean(m.m2 / (m.n - 1) for m in known) * len(side) / whole / whole
        freedom += len(side)
    return fewest(lambda r: half_width(math.sqrt(variance / r), freedom * (r - 1)) <= reach, 2)


def repeats_for_rates(strata: Strata[Counts], reach: float) -> int | None:
    """Runs of each version in all that bring the half-width of a difference of rates to ``reach``.

    The rates are those of Wilson's centre, so that "no failure yet" is not "no variance".
    """
    z = 1.959963984540054
    variance = 0.0
    for side in (strata.left, strata.right):
        rate = (side.hits + z * z / 2) / (side.n + z * z)
        variance += rate * (1 - rate)
    needed = z * z * variance / reach / reach
    return math.ceil(needed) if needed <= MOST else None


def tasks_for(spread: float, reach: float, start: int) -> int | None:
    """Tasks that bring the half-width to ``reach`` if their differences have this standard deviation."""
    return fewest(lambda k: half_width(spread / math.sqrt(k), k - 1) <= reach, max(2, start))
