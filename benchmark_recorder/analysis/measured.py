"""One metric of two versions, measured: plain values, and the evidence by the method that fits the runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark_recorder.analysis import means, metrics, rates
from benchmark_recorder.analysis.anytime import FEWEST, at_any_look
from benchmark_recorder.analysis.blocks import by_blocks
from benchmark_recorder.analysis.evidence import Extra, Student, widened
from benchmark_recorder.analysis.metrics import COMMON
from benchmark_recorder.analysis.ranks import Ranked, rank_shift, ranks_see_more
from benchmark_recorder.analysis.rate_ratios import rate_ratio
from benchmark_recorder.analysis.results import Estimate, Interval, finite, interval_of, ratio_of
from benchmark_recorder.analysis.run_order import run_order
from benchmark_recorder.analysis.single_runs import are_at_hand, mixes, quantile_ratio, read_runs
from benchmark_recorder.analysis.survivorship import survivorship
from benchmark_recorder.cells import total
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.blocks import Between
    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.metrics import Counts, Metric, Pair, Strata
    from benchmark_recorder.analysis.run_order import Dependence, RunOrder
    from benchmark_recorder.analysis.survivorship import Survivorship
    from benchmark_recorder.cells import Cell, Cells, Moments


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of two versions, before any verdict.

    Attributes:
        metric: which.
        wholes: all runs of the baseline and of the candidate; ``None`` where there are none.
        v1: the baseline.
        v2: the candidate.
        scope: ``"suite"`` or ``"tasks"``.
        left: plain value and count of the baseline.
        right: of the candidate.
        levels: the two values that the change lies between, see ``metrics.Levels``; NaN where there are none.
        change: evidence on the change: of logarithms for a ratio, of rates for points; ``None`` where undefined.
        ratio: evidence on the logarithm of v2 over v1.
        moments: what a mean was made from.
        counts: what a rate was made from.
        unpaired: whether the versions ran different suites, so that nothing can be said of the change.
        unseen: whether the method was to be chosen by single runs, and these are not at hand.
        survivorship: the failures beside a time, which is that of successful runs; ``None`` for other metrics.
        between: what blocks add to the variance of the change, if anything.
        order: both versions' runs in their order; ``None`` where they are not at hand.
        sequential: whether the evidence may be looked at again and again.
    """

    metric: Metric
    wholes: tuple[Cell | None, Cell | None]
    v1: str
    v2: str
    scope: str
    left: tuple[float, int]
    right: tuple[float, int]
    levels: metrics.Levels
    change: Evidence | None
    ratio: Evidence | None
    moments: Strata[Moments] | None = None
    counts: Strata[Counts] | None = None
    unpaired: bool = False
    unseen: bool = False
    survivorship: Survivorship | None = None
    order: RunOrder | None = None
    between: Between | None = None
    sequential: bool = False

    @property
    def improvement(self) -> float:
        """Relative change of the plain value; NaN where undefined."""
        v1, v2 = self.left[0], self.right[0]
        with_sign = self.metric.better * (v2 - v1)
        found = with_sign / v1 if v1 else math.nan
        return found if math.isfinite(100 * found) else math.nan

    @property
    def strata(self) -> Strata[Moments] | Strata[Counts]:
        """The runs by task, whatever they hold."""
        found = self.counts if self.moments is None else self.moments
        assert found is not None
        return found

    @property
    def matched_tasks(self) -> int:
        """Tasks that were compared with themselves."""
        return len(self.strata.pairs) - len(self.left_out) if self.strata.matched else 0

    @property
    def left_out(self) -> tuple[Pair[Moments], ...]:
        """Common tasks that the verdict leaves out: they ran once in a version, and are too few to be judged."""
        if self.moments is None or self.metric.compared == "quantiles" or isinstance(self.change, Ranked):
            return ()
        return means.singles_left_out(self.moments, self.scope)

    @property
    def withheld(self) -> bool:
        """Whether an improvement must not be claimed: failures rose, and all runs together do not confirm it."""
        return self.survivorship is not None and self.survivorship.doubtful

    @property
    def recorded_twice(self) -> bool:
        """Whether so many runs were stored twice that nothing can rest on them."""
        return self.order is not None and bool(self.order.twice)

    @property
    def too_early(self) -> bool:
        """Whether there are too few runs to look at them again and again."""
        there = self.strata
        return self.sequential and not there.matched and min(there.left.n, there.right.n) < FEWEST

    @property
    def undecidable(self) -> bool:
        """Whether no verdict can be given at all, whatever the interval."""
        return self.unpaired or self.recorded_twice

    @property
    def dependence(self) -> Dependence | None:
        """How runs depend on those before them, where that widens the interval."""
        return self.order.dependence if self.order and self.metric.of_successes else None

    def looked_at(self, evidence: Evidence | None, strata: Strata[Any], *, sums: bool) -> Evidence | None:
        """Some evidence from runs of the two versions, as it holds at this look."""
        return at_any_look(evidence, strata, sums=sums) if self.sequential else evidence

    def effect(self, change: float) -> float:
        """A change on the evidence's scale as an effect: positive where the candidate is better."""
        if self.metric.kind == "points":
            return self.metric.better * change
        return self.relative(change)

    def relative(self, log_ratio: float) -> float:
        """A logarithm of v2 over v1 as a fraction of v1: positive where the candidate is better."""
        return self.metric.better * (ratio_of(log_ratio) - 1)

    def interval(self, confidence: float) -> Interval | None:
        """Of the effect."""
        return interval_on(self.change, self.effect, confidence)

    def estimate(self, change: Evidence, n: int) -> Estimate:
        """Some evidence on a change, as an effect with its 95% interval."""
        return Estimate(finite(self.effect(change.estimate)), interval_on(change, self.effect), n, change.method)


def interval_on(
    evidence: Evidence | None, scale: Callable[[float], float], confidence: float = 0.95
) -> Interval | None:
    """The evidence's interval on another scale; ``None`` where none can be given."""
    limits = evidence.limits(confidence) if evidence else None
    if limits is None:
        return None
    low, high = sorted(map(scale, limits))
    return interval_of(low, high, confidence)


def measure(  # noqa: PLR0913
    cells: Cells, v1: str, v2: str, metric: Metric, scope: str, *, method: str = "log", sequential: bool = False
) -> Measured:
    """The plain values, and the evidence by the method that fits; for times, that of the runs that succeeded.

    Raises:
        InvalidQueryError: the metric or the method needs the values of single runs, and they are not at hand, or the
            runs are to be looked at again and again; or a quantile is asked about other tasks.
    """
    if not sequential:
        return _at_one_look(cells, v1, v2, metric, scope, method)
    if metric.counts is None and metric.moments is None:
        raise InvalidQueryError(
            f"sequential: {metric.name} needs the values of single runs; omit it, or ask for time, success, failures, "
            "cost or routing"
        )
    if method == "rank":
        raise InvalidQueryError('method: "rank" holds at one look only; omit either it or sequential')
    found = replace(_at_one_look(cells, v1, v2, metric, scope, "log"), sequential=True)
    sums = metric.compared == "sums"
    return replace(
        found,
        change=found.looked_at(found.change, found.strata, sums=sums),
        ratio=found.looked_at(found.ratio, found.strata, sums=sums),
        unseen=method == "auto" and metric.compared == "geometric means",
    )


def _at_one_look(  # noqa: PLR0913, PLR0917
    cells: Cells, v1: str, v2: str, metric: Metric, scope: str, method: str
) -> Measured:
    wholes = total(cells.of(v1)), total(cells.of(v2))
    order = run_order(cells, v1, v2)
    if metric.counts is not None:
        counts = metrics.align(cells, v1, v2, metric.counts, metrics.NO_COUNTS)
        return Measured(
            metric,
            wholes,
            v1,
            v2,
            scope,
            _rate(counts.left),
            _rate(counts.right),
            rates.levels_of_rates(counts, scope),
            rates.rate_difference(counts, scope, once=metric.once),
            rate_ratio(counts, scope, once=metric.once),
            counts=counts,
            order=order,
            unpaired=_suites_differ(cells, counts, v1, v2),
        )
    if metric.moments is None:
        moments, left, right, levels, change = _by_single_runs(cells, v1, v2, metric, scope, order)
    else:
        moments = metrics.align(cells, v1, v2, metric.moments, metrics.NO_MOMENTS)
        read = metrics.cost if metric.figure == "cost" else metrics.time
        left, right = (_mean(read(whole)) if whole else (math.nan, 0) for whole in wholes)
        change = means.sums(moments, scope) if metric.compared == "sums" else means.geometric(moments, scope)
        levels = means.levels_of_means(moments, scope, logs=metric.compared == "geometric means")
        if metric.compared == "geometric means" and _asks_ranks(cells, v1, v2, moments, scope, method):
            ranked = _by_ranks(cells, v1, v2, metric, order, auto=method == "auto")
            if ranked is not None:
                change, levels = ranked, (levels[0], levels[0] * ratio_of(ranked.estimate))
    between = None
    if metric.of_successes:
        rows, change, between = _by_blocks(cells, v1, v2, metric, scope, moments, _dependent(change, order), order)
        if rows is not moments:
            moments, levels = rows, means.levels_of_means(rows, scope, logs=True)
    return Measured(
        metric,
        wholes,
        v1,
        v2,
        scope,
        left,
        right,
        levels,
        change,
        change,
        moments=moments,
        unpaired=_suites_differ(cells, moments, v1, v2),
        survivorship=survivorship(cells, v1, v2) if metric.of_successes else None,
        order=order,
        between=between,
        unseen=method == "auto" and metric.compared == "geometric means" and not are_at_hand(cells, v1, v2),
    )


def _by_blocks(  # noqa: PLR0913, PLR0917
    cells: Cells,
    v1: str,
    v2: str,
    metric: Metric,
    scope: str,
    moments: Strata[Moments],
    change: Evidence | None,
    order: RunOrder | None,
) -> tuple[Strata[Moments], Evidence | None, Between | None]:
    """The runs by task and the change, with what blocks add to its variance: of all runs, or of shared blocks alone.

    What has the smaller error counts: it does not depend on the change.
    """
    found: list[tuple[Strata[Moments], Evidence | None, Between | None]] = []
    for compared in by_blocks(cells, v1, v2):
        own, there = change, moments
        if compared.cells is not cells:
            if metric.moments is None or isinstance(change, Ranked):
                break  # ranks and single runs are not at hand by block
            there = metrics.align(compared.cells, v1, v2, metric.moments, metrics.NO_MOMENTS)
            own = _dependent(means.geometric(there, scope), order)
        if own is not None and compared.between:
            own = widened(own, compared.between.extra)
        found.append((there, own, compared.between))
    return min(found, key=lambda one: (one[1] and one[1].error) or math.inf)


def _asks_ranks(  # noqa: PLR0913, PLR0917
    cells: Cells, v1: str, v2: str, moments: Strata[Moments], scope: str, method: str
) -> bool:
    """Whether ranks are asked for, or may be called for: not where tasks that ran once must be left out."""
    if method != "auto" or scope == "tasks":
        return method == "rank"
    return are_at_hand(cells, v1, v2) and not means.singles_left_out(moments, scope)


def _by_ranks(  # noqa: PLR0913
    cells: Cells, v1: str, v2: str, metric: Metric, order: RunOrder | None, *, auto: bool
) -> Evidence | None:
    """The shift by ranks; ``None`` where there is none, or, with ``auto``, where ranks would hardly see more."""
    runs = read_runs(cells, v1, v2, metric, order.columns if order else None).above_zero()
    matched = runs.strata().matched
    left, right, tasks = runs.common() if matched else (runs.left.as_one(), runs.right.as_one(), 1)
    if not (len(left.value) and len(right.value)) or (auto and not ranks_see_more(left, right)):
        return None
    return rank_shift(left, right, tasks)


def _dependent(change: Evidence | None, order: RunOrder | None) -> Evidence | None:
    """The evidence with the interval that it has where runs depend on those before them."""
    if change is None or order is None or order.dependence is None:
        return change
    inflation = order.dependence.inflation
    # So many runs are worth as many independent ones as there are, divided by the inflation.
    freedom = max(1.0, change.freedom / inflation) if isinstance(change, Student) else math.inf
    return widened(change, Extra(change.error**2 * (inflation - 1), freedom))


REPEATED: Final = 1.5
"""Runs per task from which on tasks are those of a suite, and not texts that come as they come."""


def _suites_differ(cells: Cells, strata: Strata[Moments] | Strata[Counts], v1: str, v2: str) -> bool:
    """Whether most runs are of tasks that the other version lacks, and tasks are chosen and repeated."""
    if strata.matched or v1 == v2:
        return False
    tasks = {one.version: one.tasks for one in cells.unmatched}
    sides = ((v1, strata.left.n), (v2, strata.right.n))
    repeated = any(n >= REPEATED * tasks[version] for version, n in sides if version in tasks)
    return repeated or strata.common >= COMMON


def _by_single_runs(  # noqa: PLR0913, PLR0917
    cells: Cells, v1: str, v2: str, metric: Metric, scope: str, order: RunOrder | None
) -> tuple[Strata[Moments], tuple[float, int], tuple[float, int], metrics.Levels, Evidence | None]:
    """Runs by task, both plain values, the values that the change lies between, and the change."""
    if metric.compared == "quantiles" and scope == "tasks":
        raise InvalidQueryError(f'scope: {metric.name} is compared on these tasks alone; omit scope="tasks"')
    runs = read_runs(cells, v1, v2, metric, order.columns if order else None)
    moments = runs.strata()
    if metric.compared == "quantiles":
        left, right = (_quantile(side.plain, metric.share) for side in (runs.left, runs.right))
        sides = mixes(runs, matched=moments.matched)
        levels = (
            metrics.NO_LEVELS if sides is None else (sides[0].quantile(metric.share), sides[1].quantile(metric.share))
        )
        return moments, left, right, levels, None if sides is None else quantile_ratio(*sides, metric)
    left, right = (_average(side.plain) for side in (runs.left, runs.right))
    return moments, left, right, means.levels_of_means(moments, scope, logs=False), means.sums(moments, scope)


def _quantile(values: NDArray[np.float64], share: float) -> tuple[float, int]:
    return (float(np.quantile(values, share)) if len(values) else math.nan), len(values)


def _average(values: NDArray[np.float64]) -> tuple[float, int]:
    with np.errstate(over="ignore"):
        mean = float(values.mean()) if len(values) else math.nan
    return mean if math.isfinite(mean) else math.nan, len(values)


def _rate(counts: Counts) -> tuple[float, int]:
    return (counts.rate, counts.n) if counts.n else (math.nan, 0)


def _mean(moments: Moments) -> tuple[float, int]:
    return (moments.mean if math.isfinite(moments.mean) else math.nan, moments.n) if moments.n else (math.nan, 0)


def is_significant(p_value: float | None, interval: Interval | None) -> bool:
    """Whether no change is refused at the 5% level, by the test and by the 95% interval where there is one."""
    return p_value is not None and p_value < 0.05 and not _holds_zero(interval)


def _holds_zero(interval: Interval | None) -> bool:
    if interval is None:
        return False
    low, high = interval.low, interval.high
    return (low is None or low <= 0) and (high is None or high >= 0)


def ratio_estimate(evidence: Evidence | None, n: int) -> Estimate | None:
    """A logarithm's evidence as a ratio."""
    if evidence is None:
        return None
    return Estimate(finite(ratio_of(evidence.estimate)), interval_on(evidence, ratio_of), n, evidence.method)
