"""Each task on its own: where to look, not what to conclude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.analysis import means, rates
from benchmark_recorder.analysis.evidence import Point
from benchmark_recorder.analysis.measured import interval_on, is_significant
from benchmark_recorder.analysis.results import Interval, Result, finite, ratio_of
from benchmark_recorder.analysis.strata import Counts, Strata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.strata import Pair
    from benchmark_recorder.cells import Moments

FALSE_DISCOVERY_RATE = 0.10
"""Of the tasks that stand out, at most about this share does so by chance."""


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


def task_rows(measured: Measured) -> tuple[TaskRow, ...]:
    """A row for each matched task, by id; empty where all runs were compared whatever their task."""
    if not measured.matched_tasks:
        return ()
    pairs: Sequence[Pair[Counts] | Pair[Moments]] = measured.strata.pairs
    found = [_evidence(measured, pair.left, pair.right) for pair in pairs]
    p_values = [evidence.p_value if evidence else None for evidence in found]
    q_values = benjamini_hochberg(p_values)
    intervals = [interval_on(evidence, measured.effect) for evidence in found]
    return tuple(
        _row(measured, pair, interval, p, q)
        for pair, interval, p, q in zip(pairs, intervals, p_values, q_values, strict=True)
    )


def _row(
    measured: Measured,
    pair: Pair[Counts] | Pair[Moments],
    interval: Interval | None,
    p_value: float | None,
    q_value: float | None,
) -> TaskRow:
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
    return finite(side.mean if measured.metric.name == "cost" else ratio_of(side.mean))


def _turn(
    measured: Measured, left: Counts | Moments, right: Counts | Moments, *, stands_out: bool
) -> Literal["begins_to_fail", "repaired"] | None:
    """Whether a task that never failed does now, or one that does not any more did."""
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
        if measured.metric.once:
            left, right = rates.collapsed(left), rates.collapsed(right)
        return rates.independent(left, right)
    assert not isinstance(left, Counts)
    assert not isinstance(right, Counts)
    alone = Strata((), left, right)
    found = means.sums_of_all(alone) if measured.metric.name == "cost" else means.geometric_of_all(alone)
    return None if isinstance(found, Point) else found


def _effect(measured: Measured, left: Counts | Moments, right: Counts | Moments) -> float | None:
    if isinstance(left, Counts) and isinstance(right, Counts):
        return measured.effect(right.rate - left.rate)
    assert not isinstance(left, Counts)
    assert not isinstance(right, Counts)
    if measured.metric.name == "cost":
        return finite(measured.metric.better * (right.mean / left.mean - 1)) if left.mean > 0 else None
    return finite(measured.effect(right.mean - left.mean))


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values: those at most q hold a share of false ones of about q; ``None`` stays ``None``."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank in range(len(order), 0, -1):
        p, i = order[rank - 1]
        least = min(least, p * len(order) / rank)
        adjusted[i] = least
    return adjusted
