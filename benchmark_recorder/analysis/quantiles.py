"""Quantiles of two versions, with each task as frequent as any other.

A quantile's interval holds the values that a test of "this share of the runs lies below" does not refuse, with the
variance of that share within the tasks (Woodruff 1952, by strata). The ratio of two quantiles takes its interval from
both of theirs (Zou & Donner 2008). Resampling would come to the same, at the cost of sorting a thousand times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from benchmark_recorder.analysis.evidence import Point, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.analysis.evidence import Evidence, Limits
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.analysis.single_runs import SingleRuns, Values


@dataclass(frozen=True, slots=True)
class Mix:
    """The values of one version's runs, with each task as frequent as any other.

    Attributes:
        value: in rising order, at least one.
        task: the number of each one's task.
        share: the share of the runs below each, from 0 to 1; with as many runs of each task, that of type 7.
        runs: of each task, none without.
        recorded: runs per task, those that do not count included.
    """

    value: NDArray[np.float64]
    task: NDArray[np.intp]
    share: NDArray[np.float64]
    runs: NDArray[np.intp]
    recorded: float

    @classmethod
    def of(cls, side: Values, tasks: int) -> Self:
        """Values of numbered tasks, in any order."""
        order = np.argsort(side.value)
        value, task = side.value[order], side.task[order]
        runs = np.bincount(task, minlength=tasks)
        weight = 1 / runs[task]
        below = np.cumsum(weight) - weight
        return cls(value, task, below / (below[-1] or 1.0), runs, len(side.plain) / tasks)

    def quantile(self, share: float) -> float:
        """Interpolated between two runs; infinite beyond all, and 0 below."""
        if not 0 <= share <= 1:
            return math.inf if share > 1 else 0.0
        return float(np.interp(share, self.share, self.value))

    def error(self, share: float) -> float:
        """The standard error of the share of the runs below the quantile, from the runs within tasks."""
        last = np.searchsorted(self.value, self.quantile(share), "right")
        below = np.bincount(self.task[:last], minlength=len(self.runs)) / self.runs
        # A single run may be on either side.
        parts = np.where(self.runs > 1, below * (1 - below) / np.maximum(1, self.runs - 1), 0.25)
        return math.sqrt(parts.sum()) / len(self.runs)


def quantile_ratio(left: Mix, right: Mix, metric: Metric) -> Evidence | None:
    """The logarithm of candidate's quantile over baseline's, with the metric's share; ``None`` where one is zero."""
    before, after = left.quantile(metric.share), right.quantile(metric.share)
    if not (before > 0 and after > 0):
        return None
    estimate = math.log(after) - math.log(before)
    if min(left.recorded, right.recorded) < metric.fewest:
        return Point(estimate, f"an interval needs {metric.fewest} runs a task")
    errors = left.error(metric.share), right.error(metric.share)
    if not all(errors):
        return Point(estimate, "runs that do not vary at the quantile")

    def limits(z: float) -> Limits:
        below, above = (
            [
                abs(_log(side.quantile(metric.share + sign * z * error)) - _log(value))
                for side, error, value in zip((left, right), errors, (before, after), strict=True)
            ]
            for sign in (-1, 1)
        )
        return estimate - math.hypot(below[1], above[0]), estimate + math.hypot(above[1], below[0])

    return Score(estimate, limits, "ratio of quantiles, Woodruff's intervals within tasks")


def mixes(runs: SingleRuns, *, matched: bool) -> tuple[Mix, Mix] | None:
    """Both versions' values of the tasks that both ran, or all as if of one task; ``None`` where a side is empty."""
    if not (len(runs.left.value) and len(runs.right.value)):
        return None
    if matched:
        left, right, tasks = runs.common()
        return Mix.of(left, tasks), Mix.of(right, tasks)
    return Mix.of(runs.left.as_one(), 1), Mix.of(runs.right.as_one(), 1)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
