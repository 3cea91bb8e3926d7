"""A baseline against a candidate, on one metric: effect, interval, verdict and caveats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.analysis import means, rates, strata
from benchmark_recorder.analysis.caveats import comparison_caveats
from benchmark_recorder.analysis.evidence import Point
from benchmark_recorder.analysis.measured import Measured, is_significant, measure, ratio_estimate
from benchmark_recorder.analysis.metrics import check_margin, check_scope, metric_named
from benchmark_recorder.analysis.power import reach_of, what_would_decide
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result, deferred, defers, finite
from benchmark_recorder.analysis.task_rows import TaskRow, task_rows

if TYPE_CHECKING:
    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.power import Needed
    from benchmark_recorder.cells import Cells

Verdict = Literal["improved", "regressed", "equivalent", "inconclusive"]


@defers("tasks")
@dataclass(frozen=True, slots=True)
class Comparison(Result):
    """What the runs say about the change from ``v1`` to ``v2``.

    The guide's plain figures come first: anyone can check them by hand. ``effect`` and all that follows it come from
    the method that fits the runs; where the two disagree, a warning says why.

    Attributes:
        metric: what was compared.
        v1: the baseline's version.
        v2: the candidate's.
        v1_value: mean duration (s), mean known cost (USD) or rate of all of the baseline's runs; NaN where none.
        v2_value: of the candidate's.
        v1_count: runs behind ``v1_value``.
        v2_count: runs behind ``v2_value``.
        improvement: relative change of the plain value, as a fraction; positive where the candidate is better; NaN
            where undefined.
        improvement_percent: 100 times it.
        significant: whether no change is refused at the 5% level.
        scope: ``"suite"``: the verdict is about these tasks; ``"tasks"``: about tasks like these.
        kind: of ``effect``: ``"ratio"`` (1 - v2/v1 or, where more is better, v2/v1 - 1) or ``"points"`` (difference of
            rates; 0.02 is 2 points).
        effect: a fraction, positive where the candidate is better; ``None`` where undefined.
        interval: 95% confidence, of ``effect``; ``None`` where none can be given.
        equivalence_interval: 90%; ``equivalent`` where it lies within the margin.
        p_value: two-sided, of no change; ``None`` where there is no test.
        verdict: ``"equivalent"``: any change is smaller than the margin (it wins); ``"improved"`` or
            ``"regressed"``: there is a change; ``"inconclusive"``: the runs are not enough to say.
        margin: a smaller change does not matter: a fraction, or points as a fraction.
        method: of ``effect``, interval and p-value.
        ratio: v2 over v1 with its interval: of the means as ``effect`` has them, or of the two rates.
        matched_tasks: tasks compared with themselves; 0 where all runs were compared whatever their task.
        beside: other ways to see the same change, by name: ``"successful_runs"``, ``"geometric_mean"``, ``"pooled"``.
        tasks: each task on its own. Exploratory: see ``TaskRow.q_value``.
        needed: what would decide; ``None`` unless inconclusive, or where the variance is unknown.
        warnings: caveats that the reader must know.
    """

    metric: str
    v1: str
    v2: str
    v1_value: float
    v2_value: float
    v1_count: int
    v2_count: int
    improvement: float
    improvement_percent: float
    significant: bool
    scope: str
    kind: Literal["ratio", "points"]
    effect: float | None
    interval: Interval | None
    equivalence_interval: Interval | None
    p_value: float | None
    verdict: Verdict
    margin: float
    method: str
    ratio: Estimate | None
    matched_tasks: int
    beside: dict[str, Estimate]
    tasks: tuple[TaskRow, ...]
    needed: Needed | None
    warnings: tuple[Caveat, ...]


def compare(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str,
    metric: str = "execution_time",
    *,
    scope: str = "suite",
    margin: float | None = None,
) -> Comparison:
    """Compare two versions.

    Args:
        cells: of both.
        v1: the baseline.
        v2: the candidate.
        metric: execution_time, success_rate, failure_rate, cost or routing_accuracy.
        scope: ``"suite"`` (these tasks are all that matters) or ``"tasks"`` (they represent others).
        margin: a smaller change does not matter; by default 5% for time, 1% for cost, 2 points for rates.

    Raises:
        InvalidQueryError: an unknown metric or scope, or a margin that is not a fraction.
    """
    spec = metric_named(metric)
    check_scope(scope)
    return conclude(measure(cells, v1, v2, spec, scope), cells, check_margin(margin, spec))


def conclude(measured: Measured, cells: Cells, margin: float) -> Comparison:
    """The verdict, and everything around it."""
    metric, change = measured.metric, measured.change
    effect = finite(measured.effect(change.estimate)) if change else None
    interval, narrow = measured.interval(0.95), measured.interval(0.90)
    p_value = change.p_value if change and not isinstance(change, Point) else None
    significant = is_significant(p_value, interval)
    verdict = verdict_of(measured, margin, significant=significant)
    beside = _beside(measured, cells)
    return Comparison(
        metric=metric.name,
        v1=measured.v1,
        v2=measured.v2,
        v1_value=measured.left[0],
        v2_value=measured.right[0],
        v1_count=measured.left[1],
        v2_count=measured.right[1],
        improvement=measured.improvement,
        improvement_percent=100 * measured.improvement,
        significant=significant,
        scope=measured.scope,
        kind=metric.kind,
        effect=effect,
        interval=interval,
        equivalence_interval=narrow,
        p_value=p_value,
        verdict=verdict,
        margin=margin,
        method=change.method if change else "none: a value is missing on one side",
        ratio=ratio_estimate(measured.ratio, sum(n for _, n in (measured.left, measured.right))),
        matched_tasks=measured.matched_tasks,
        beside=beside,
        tasks=deferred(lambda: task_rows(measured)),
        needed=what_would_decide(measured, reach_of(measured, margin)) if verdict == "inconclusive" else None,
        warnings=comparison_caveats(measured, cells, beside),
    )


def verdict_of(measured: Measured, margin: float, *, significant: bool) -> Verdict:
    """What the evidence amounts to; equivalence wins: a change surely smaller than the margin does not matter."""
    change = measured.change
    if change is None:
        return "inconclusive"
    if _within(change, measured.metric.kind, margin):
        return "equivalent"
    if not significant:
        return "inconclusive"
    return "improved" if measured.metric.better * change.estimate > 0 else "regressed"


def _within(change: Evidence, kind: str, margin: float) -> bool:
    """Two one-sided tests of "the change is as large as the margin", at 5% each (Schuirmann 1987)."""
    low, high = (math.log1p(-margin), math.log1p(margin)) if kind == "ratio" else (-margin, margin)
    limits = change.limits(0.90)
    if limits is None:
        return max(change.above(low), change.below(high)) < 0.05
    return low < limits[0] and limits[1] < high


def _beside(measured: Measured, cells: Cells) -> dict[str, Estimate]:
    """Other views of the change; all are effects, positive where the candidate is better."""
    v1, v2, scope = measured.v1, measured.v2, measured.scope
    views: dict[str, Evidence | None] = {}
    if measured.metric.name == "execution_time":
        there = strata.align(cells, v1, v2, strata.log_time_of_successes, strata.NO_MOMENTS)
        views["successful_runs"] = means.geometric(there, scope)
    elif measured.metric.name == "cost":
        there = strata.align(cells, v1, v2, strata.log_cost, strata.NO_MOMENTS)
        views["geometric_mean"] = means.geometric(there, scope)
    if measured.matched_tasks:
        views["pooled"] = _pooled(measured)
    n = measured.left[1] + measured.right[1]
    return {name: measured.estimate(view, n) for name, view in views.items() if view is not None}


def _pooled(measured: Measured) -> Evidence | None:
    """All runs together, whatever their task."""
    if measured.counts is not None:
        return rates.independent(measured.counts.left, measured.counts.right)
    assert measured.moments is not None
    whole = means.sums_of_all if measured.metric.name == "cost" else means.geometric_of_all
    return whole(measured.moments)
