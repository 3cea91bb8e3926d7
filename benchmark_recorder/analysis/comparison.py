"""A baseline against a candidate, on one metric, and task by task: effect, interval, verdict and caveats."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from benchmark_recorder._lazy import warn_renamed
from benchmark_recorder.analysis import means, metrics, rates
from benchmark_recorder.analysis.caveats import comparison_caveats
from benchmark_recorder.analysis.evidence import FALSE_DISCOVERY_RATE, Point, benjamini_hochberg, widened
from benchmark_recorder.analysis.measured import Measured, interval_on, is_significant, measure, ratio_estimate
from benchmark_recorder.analysis.metrics import (
    Counts,
    Pair,
    Strata,
    check_margin,
    check_method,
    check_scope,
    metric_named,
)
from benchmark_recorder.analysis.planning import verdict_aim, what_would_decide
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result, deferred, defers, finite, ratio_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.planning import Needed
    from benchmark_recorder.cells import Cells, Moments, UnmatchedTasks

Verdict = Literal["improved", "regressed", "equivalent", "inconclusive"]


@dataclass(frozen=True, slots=True)
class TaskRow(Result):
    """One task in both versions.

    Attributes:
        task_id: as recorded.
        v1_count: runs of the baseline that count for the metric.
        v2_count: of the candidate.
        v1_value: the baseline's plain value: geometric mean of the durations above zero (s), mean known cost (USD), or
            rate; ``None`` where a float cannot hold it.
        v2_value: the candidate's.
        effect: as ``Comparison.effect``, of this task alone; ``None`` where undefined.
        interval: 95%, of this task alone: among many tasks some miss by chance; ``None`` for too few runs.
        p_value: two-sided; ``None`` for too few runs.
        q_value: the p-value adjusted for looking at all tasks (Benjamini & Hochberg 1995).
        stands_out: whether ``q_value`` is at most 0.10, ``p_value`` below 0.05, and no change outside of ``interval``:
            a single task cannot stand out where the verdict is inconclusive. A reason to look, not a finding.
        turn: of success and failures only. ``"begins_to_fail"``: no run of the baseline failed, and the candidate's
            stand out as worse, or all of them failed and each side has at least two runs. ``"repaired"``: the other way
            round. ``None`` for any other task.
    """

    task_id: str
    v1_count: int
    v2_count: int
    v1_value: float | None
    v2_value: float | None
    effect: float | None
    interval: Interval | None
    p_value: float | None
    q_value: float | None
    stands_out: bool
    turn: Literal["begins_to_fail", "repaired"] | None


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
        v1_compared: the baseline's value that ``effect`` starts from, over the tasks that both versions ran, each with
            the same weight in both: geometric mean of the durations of successful runs (s), mean of the tasks' mean
            costs (USD), rate or quantile; ``None`` where undefined.
        v2_compared: the candidate's, where ``effect`` ends.
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
        alternatives: other views of the change, by name: ``"all_runs"``, ``"geometric_mean"``, ``"pooled"``.
        tasks: each task on its own. Exploratory: see ``TaskRow.q_value``.
        needed: what would decide; ``None`` unless inconclusive, or where the variance is unknown.
        unmatched: for each version that ran tasks that the other one did not: how many, and the first hundred by id.
        warnings: caveats that the reader must know.
        sequential: whether p-value, intervals and verdict hold however often one looks at the runs as they come in.
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
    alternatives: dict[str, Estimate] = field(metadata={"key": "beside"})
    tasks: tuple[TaskRow, ...]
    needed: Needed | None
    unmatched: tuple[UnmatchedTasks, ...] = field(default=(), kw_only=True)
    warnings: tuple[Caveat, ...]
    v1_compared: float | None = None
    v2_compared: float | None = None
    sequential: bool = False

    @property
    def beside(self) -> dict[str, Estimate]:
        """The old name of ``alternatives``, and still its key."""
        warn_renamed("Comparison.beside", "alternatives")
        return self.alternatives


def compare(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str,
    metric: str = "execution_time",
    *,
    scope: str = "suite",
    margin: float | None = None,
    method: str = "log",
    sequential: bool = False,
) -> Comparison:
    """Compare two versions.

    Args:
        cells: of both.
        v1: the baseline.
        v2: the candidate.
        metric: a name of ``metrics.METRICS``, or a short form.
        scope: ``"suite"`` (these tasks are all that matters) or ``"tasks"`` (they represent others).
        method: of times: ``"log"`` (means of logarithms), ``"rank"`` (van Elteren's test, which a few very long runs
            hardly move) or ``"auto"`` (ranks where at least 2% of the runs are far from their task's median).
        margin: a smaller change does not matter; by default 5% for time, 1% for cost, 2 points for rates.
        sequential: whether the runs are looked at again and again.

    Raises:
        InvalidQueryError: an unknown metric or scope, a margin that is not a fraction, or a metric that needs what is
            not at hand.
    """
    spec = metric_named(metric)
    check_scope(scope)
    return conclude(
        measure(cells, v1, v2, spec, scope, method=check_method(method, scope), sequential=sequential),
        cells,
        check_margin(margin, spec),
    )


def conclude(measured: Measured, cells: Cells, margin: float) -> Comparison:
    """The verdict, and everything around it."""
    metric, change = measured.metric, measured.change
    effect = finite(measured.effect(change.estimate)) if change else None
    interval, narrow = measured.interval(0.95), measured.interval(0.90)
    p_value = change.p_value if change and not isinstance(change, Point) else None
    significant = is_significant(p_value, interval)
    verdict = verdict_of(measured, margin, significant=significant)
    alternatives = _alternatives(measured, cells)
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
        alternatives=alternatives,
        tasks=deferred(lambda: task_rows(measured)),
        needed=what_would_decide(measured, verdict_aim(metric, margin, margin)) if verdict == "inconclusive" else None,
        unmatched=cells.unmatched,
        warnings=(
            *comparison_caveats(measured, cells, alternatives, may_be_faster=significant),
            *_unlisted_tasks(measured),
        ),
        v1_compared=finite(measured.levels[0]),
        v2_compared=finite(measured.levels[1]),
        sequential=measured.sequential,
    )


def verdict_of(measured: Measured, margin: float, *, significant: bool) -> Verdict:
    """What the evidence amounts to; equivalence wins: a change surely smaller than the margin does not matter."""
    change = measured.change
    if change is None or measured.undecidable:
        return "inconclusive"
    if _within(change, measured.metric.kind, margin):
        return "equivalent"
    better = measured.metric.better * change.estimate > 0
    withheld = not significant or (better and measured.withheld)
    return "inconclusive" if withheld else "improved" if better else "regressed"


def _within(change: Evidence, kind: str, margin: float) -> bool:
    """Two one-sided tests of "the change is as large as the margin", at 5% each (Schuirmann 1987)."""
    low, high = (math.log1p(-margin), math.log1p(margin)) if kind == "ratio" else (-margin, margin)
    limits = change.limits(0.90)
    if limits is None:
        return max(change.above(low), change.below(high)) < 0.05
    return low < limits[0] and limits[1] < high


def _alternatives(measured: Measured, cells: Cells) -> dict[str, Estimate]:
    """Other views of the change; all are effects, positive where the candidate is better."""
    views: dict[str, Evidence | None] = {"successful_runs": measured.change} if measured.survivorship else {}
    logs = {"execution_time": ("all_runs", metrics.log_time), "cost": ("geometric_mean", metrics.log_cost)}
    if measured.metric.name in logs:
        name, read = logs[measured.metric.name]
        strata = metrics.align(cells, measured.v1, measured.v2, read, metrics.NO_MOMENTS)
        views[name] = measured.looked_at(means.geometric(strata, measured.scope), strata, sums=False)
    if measured.matched_tasks and measured.metric.compared != "quantiles":
        views["pooled"] = _pooled(measured)
    n = measured.left[1] + measured.right[1]
    return {name: measured.estimate(view, n) for name, view in views.items() if view is not None}


def _pooled(measured: Measured) -> Evidence | None:
    """All runs together, whatever their task."""
    if measured.counts is not None:
        counts = measured.counts
        found = rates.independent(counts.left, counts.right)
        return measured.looked_at(found, replace(counts, pairs=()), sums=False)
    assert measured.moments is not None
    sums = measured.metric.compared == "sums"
    whole = (means.sums_of_all if sums else means.geometric_of_all)(measured.moments)
    return measured.looked_at(whole, replace(measured.moments, pairs=()), sums=sums)


# Each task on its own: where to look, not what to conclude ----------------------------------------------------------


def task_rows(measured: Measured) -> tuple[TaskRow, ...]:
    """A row for each matched task with a name, by id; empty for quantiles, or where none was compared with itself."""
    if not measured.matched_tasks or measured.metric.compared == "quantiles":
        return ()
    pairs: Sequence[Pair[Counts] | Pair[Moments]] = [pair for pair in measured.strata.pairs if pair.task_id is not None]
    found = [_evidence(measured, pair.left, pair.right) for pair in pairs]
    p_values = [evidence.p_value if evidence else None for evidence in found]
    q_values = benjamini_hochberg(p_values)
    intervals = [interval_on(evidence, measured.effect) for evidence in found]
    return tuple(
        _row(measured, pair, interval, p, q)
        for pair, interval, p, q in zip(pairs, intervals, p_values, q_values, strict=True)
    )


def _unlisted_tasks(measured: Measured) -> Iterator[Caveat]:
    """That not every matched task is listed by itself."""
    listed = sum(pair.task_id is not None for pair in measured.strata.pairs)
    if listed < measured.matched_tasks:
        yield Caveat("tasks_not_listed", figures={"listed": listed, "tasks": measured.matched_tasks})


def _row(
    measured: Measured,
    pair: Pair[Counts] | Pair[Moments],
    interval: Interval | None,
    p_value: float | None,
    q_value: float | None,
) -> TaskRow:
    assert pair.task_id is not None
    stands_out = q_value is not None and q_value <= FALSE_DISCOVERY_RATE and is_significant(p_value, interval)
    return TaskRow(
        task_id=pair.task_id,
        v1_count=pair.left.n,
        v2_count=pair.right.n,
        v1_value=_value(measured, pair.left),
        v2_value=_value(measured, pair.right),
        effect=_effect(measured, pair.left, pair.right),
        interval=interval,
        p_value=p_value,
        q_value=q_value,
        stands_out=stands_out,
        turn=_turn(measured, pair.left, pair.right, stands_out=stands_out),
    )


def _value(measured: Measured, side: Counts | Moments) -> float | None:
    if isinstance(side, Counts):
        return side.rate
    return finite(side.mean if measured.metric.compared == "sums" else ratio_of(side.mean))


def _turn(
    measured: Measured, left: Counts | Moments, right: Counts | Moments, *, stands_out: bool
) -> Literal["begins_to_fail", "repaired"] | None:
    """Whether the task begins to fail in the candidate, or no longer fails there."""
    if measured.metric.name not in {"success_rate", "failure_rate"}:
        return None
    assert isinstance(left, Counts)
    assert isinstance(right, Counts)
    never, always = (0, 1) if measured.metric.name == "failure_rate" else (1, 0)
    repeated = left.n > 1 and right.n > 1
    if left.rate == never != right.rate and (stands_out or (repeated and right.rate == always)):
        return "begins_to_fail"
    if right.rate == never != left.rate and (stands_out or (repeated and left.rate == always)):
        return "repaired"
    return None


def _evidence(measured: Measured, left: Counts | Moments, right: Counts | Moments) -> Evidence | None:
    if left.n < 2 or right.n < 2:
        return None
    if isinstance(left, Counts) and isinstance(right, Counts):
        counts = Strata((Pair("", left, right),), left, right)
        if measured.metric.once:
            left, right = rates.collapsed(left), rates.collapsed(right)
        return measured.looked_at(rates.independent(left, right), counts, sums=False)
    assert not isinstance(left, Counts)
    assert not isinstance(right, Counts)
    alone, sums = Strata((Pair("", left, right),), left, right), measured.metric.compared == "sums"
    found = means.sums_of_all(alone) if sums else means.geometric_of_all(alone)
    if found is None or isinstance(found, Point):
        return None
    found = widened(found, measured.between.extra) if measured.between else found
    return measured.looked_at(found, alone, sums=sums)


def _effect(measured: Measured, left: Counts | Moments, right: Counts | Moments) -> float | None:
    if isinstance(left, Counts) and isinstance(right, Counts):
        return measured.effect(right.rate - left.rate)
    assert not isinstance(left, Counts)
    assert not isinstance(right, Counts)
    if measured.metric.compared == "sums":
        return finite(measured.metric.better * (right.mean / left.mean - 1)) if left.mean > 0 else None
    return finite(measured.effect(right.mean - left.mean))
