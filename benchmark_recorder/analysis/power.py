"""How many further runs would decide: from their variance alone, never from the observed effect.

Source: Hoenig & Heisey (2001) on why the observed effect must stay out of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from benchmark_recorder.analysis import metrics
from benchmark_recorder.analysis.evidence import Both, Evidence, Student, student_quantile
from benchmark_recorder.analysis.fieller import Fieller
from benchmark_recorder.analysis.measured import is_significant
from benchmark_recorder.analysis.results import Result, finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.metrics import Counts, Pair, Strata
    from benchmark_recorder.cells import Moments

MOST = 10_000_000
"""Runs beyond which the answer is "more than anyone would run"."""


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
    """Of the 95% interval."""
    return student_quantile(freedom, 0.975) * error


def detectable(evidence: Evidence, margin: float, alpha: float, power: float = 0.8) -> float | None:
    """The smallest true worsening that a gate finds with this power: significant, and beyond its margin.

    Args:
        evidence: on the change.
        margin: on the evidence's scale.
        alpha: of the one-sided test, each guardrail's share of it.
        power: how often it is to be found.

    Returns:
        On the evidence's scale; ``None`` where the error is unknown.
    """
    if not (evidence.error > 0 and math.isfinite(evidence.error)):
        return None
    first = evidence.first if isinstance(evidence, Both) else evidence
    freedom = first.freedom if isinstance(first, Student | Fieller) else math.inf
    least = max(margin, student_quantile(freedom, 1 - alpha) * evidence.error)
    return least + student_quantile(freedom, power) * evidence.error


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


@dataclass(frozen=True, slots=True)
class Needed(Result):
    """What would shrink the half-width of the 95% interval to the margin.

    Attributes:
        runs: further runs in all, over both versions; ``None`` where no number of repeats does it.
        runs_per_task: runs that each task then has in each version; ``None`` where tasks are not matched.
        tasks: further tasks, each run as often as now, that would do it too, where tasks represent others.
        cost: USD for the further runs at the mean known cost per run; ``None`` where unknown.
        seconds: that they would take one after the other.
        sentence: all this for people; empty until ``reporting.views`` words it.
    """

    runs: int | None
    runs_per_task: int | None
    tasks: int | None
    cost: float | None
    seconds: float | None
    sentence: str = field(default="", compare=False)


def what_would_decide(measured: Measured, reach: float) -> Needed | None:
    """What shrinks the half-width of the 95% interval of the change to ``reach``.

    Args:
        measured: the comparison.
        reach: on the scale of the change: a logarithm, or a difference of rates.

    Returns:
        ``None`` where the variance is unknown, or the interval is narrow enough.
    """
    if not (measured.left[1] and measured.right[1]) or _runs_cannot_decide(measured):
        return None
    by_tasks = measured.matched_tasks > 1 and (measured.scope == "tasks" or _repeats_say_nothing_new(measured))
    per_task, runs = _by_repeats(measured, reach, by_tasks=by_tasks)
    tasks = _by_tasks(measured, reach) if by_tasks or (runs is None and measured.matched_tasks > 1) else None
    if runs is None and tasks is None:
        return None
    cost, seconds = _price(measured, runs) if runs else (None, None)
    return Needed(runs, per_task, tasks, cost, seconds)


def _runs_cannot_decide(measured: Measured) -> bool:
    """Whether the runs decide nothing, or the change is known and no improvement is claimed because failures rose.

    What a quantile needs is not known from sums, and more runs of the same blocks do not show how blocks differ.
    """
    change = measured.change
    return (
        measured.undecidable
        or measured.between is not None
        or measured.metric.compared == "quantiles"
        or (change is not None and is_significant(change.p_value, measured.interval(0.95)) and measured.withheld)
    )


def reach_of(measured: Measured, margin: float) -> float:
    """A margin on the scale of the change."""
    return math.log1p(margin) if measured.metric.kind == "ratio" else margin


def _by_repeats(measured: Measured, reach: float, *, by_tasks: bool) -> tuple[int | None, int | None]:
    """Runs that each task then has, and further runs in all."""
    there = measured.strata
    if by_tasks and not _repeats_help(measured, reach):
        return None, None
    pairs = there.pairs if there.matched else ()
    each = _runs_of_a_version(measured, reach)
    if each is None:
        return None, None
    per_task = math.ceil(each / len(pairs)) if pairs else None
    if per_task is not None:
        further = sum(max(0, per_task - side.n) for pair in pairs for side in (pair.left, pair.right))
    else:
        further = sum(max(0, each - side.n) for side in (there.left, there.right))
    # An interval as narrow as that may still straddle a bound: more runs of the same number would not be promised.
    return per_task, further or None


def _runs_of_a_version(measured: Measured, reach: float) -> int | None:
    """Runs of each version in all."""
    if measured.counts is not None:
        return repeats_for_rates(measured.counts, reach)
    assert measured.moments is not None
    each = repeats_for_means(measured.moments, reach, relative=measured.metric.compared == "sums")
    return each * max(1, measured.matched_tasks) if each else None


def _repeats_say_nothing_new(measured: Measured) -> bool:
    """Whether all runs of each task end alike, in a metric where these count once: a deterministic router."""
    if measured.counts is None or not measured.metric.once:
        return False
    sides = [side for _, *pair in measured.counts.pairs for side in pair]
    return all(side.hits in {0, side.n} for side in sides) and any(side.n > 1 for side in sides)


def _repeats_help(measured: Measured, reach: float) -> bool:
    """Whether tasks that differ among themselves leave room for repeats to decide."""
    between = _between(measured)
    if between is None:
        return False
    k = measured.matched_tasks
    return half_width(math.sqrt(between / k), k - 1) < 0.9 * reach


def _between(measured: Measured) -> float | None:
    """The variance of the tasks' true differences; ``None`` where tasks do not repeat."""
    differences = _differences(measured)
    noise = _noise(measured) if len(differences) >= 2 else None
    if noise is None:
        return None
    return max(0.0, stdev(differences) ** 2 - noise)


def _differences(measured: Measured) -> list[float]:
    """Each task's difference on the evidence's scale, costs as parts of the sums."""
    if measured.counts is not None:
        return [pair.right.rate - pair.left.rate for pair in measured.counts.pairs]
    assert measured.moments is not None
    pairs = measured.moments.pairs
    if measured.metric.compared != "sums":
        return [pair.right.mean - pair.left.mean for pair in pairs]
    left, right = sum(p.left.mean for p in pairs) / len(pairs), sum(p.right.mean for p in pairs) / len(pairs)
    if not (left > 0 and right > 0):
        return []
    return [pair.right.mean / right - pair.left.mean / left for pair in pairs]


def _noise(measured: Measured) -> float | None:
    """The mean variance of a task's difference that comes from its runs."""
    if measured.counts is not None:
        parts = [_rate_noise(pair) for pair in measured.counts.pairs]
    else:
        assert measured.moments is not None
        pairs = measured.moments.pairs
        scales = (1.0, 1.0)
        if measured.metric.compared == "sums":
            scales = (sum(p.left.mean for p in pairs) / len(pairs), sum(p.right.mean for p in pairs) / len(pairs))
        parts = [
            math.fsum(m.m2 / (m.n - 1) / m.n / scale / scale for m, scale in zip(pair[1:], scales, strict=True))
            if pair.left.n > 1 and pair.right.n > 1
            else None
            for pair in pairs
        ]
    known = [part for part in parts if part is not None]
    return fmean(known) if known else None


def _rate_noise(pair: Pair[Counts]) -> float | None:
    if pair.left.n < 2 or pair.right.n < 2:
        return None
    return math.fsum(side.rate * (1 - side.rate) / (side.n - 1) for side in (pair.left, pair.right))


def _by_tasks(measured: Measured, reach: float) -> int | None:
    """Further tasks that would do it at the present number of repeats."""
    differences = _differences(measured)
    if len(differences) < 2:
        return None
    spread = stdev(differences)
    needed = tasks_for(spread, reach, len(differences)) if spread else None
    return None if needed is None else (needed - len(differences) or None)


def _price(measured: Measured, runs: int) -> tuple[float | None, float | None]:
    """USD and seconds of so many further runs, half of them in each version."""
    prices = []
    for read in (metrics.cost, metrics.time):
        sides = [read(whole) for whole in measured.wholes if whole is not None]
        prices.append(
            finite(sum(side.mean for side in sides) / len(sides) * runs) if all(side.n for side in sides) else None
        )
    return prices[0], prices[1]
