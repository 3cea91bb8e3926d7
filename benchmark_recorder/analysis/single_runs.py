"""The values of single runs, where sums by task are not enough: for means, quantiles and ranks; and their quantiles."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from benchmark_recorder.analysis.evidence import Point, Score
from benchmark_recorder.analysis.metrics import NO_MOMENTS, Pair, Strata
from benchmark_recorder.columns import Moments, encode, moments_by
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.analysis.evidence import Evidence, Limits
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.records import Columns

MOST_ROWS: Final = 5_000_000
"""Runs beyond which no raw values are read."""


def are_at_hand(cells: Cells, v1: str, v2: str) -> bool:
    """Whether the values of these versions' single runs can be read, and are not too many."""
    return cells.runs is not None and sum(cell.n for cell in cells.cells if cell.version in {v1, v2}) <= MOST_ROWS


@dataclass(frozen=True, slots=True)
class Values:
    """A figure of one version's runs.

    Attributes:
        value: of each run that counts.
        task: its task, as a number that both versions share.
        plain: of all runs that have one, those that do not count included.
        plain_task: their tasks.
    """

    value: NDArray[np.float64]
    task: NDArray[np.intp]
    plain: NDArray[np.float64]
    plain_task: NDArray[np.intp]

    def within(self, tasks: NDArray[np.intp]) -> Self:
        """The runs of some tasks, numbered anew in this order."""
        place = np.full(int(max(tasks.max(initial=-1), self.plain_task.max(initial=-1))) + 1, -1, np.intp)
        place[tasks] = np.arange(len(tasks))
        own, every = place[self.task], place[self.plain_task]
        return type(self)(self.value[own >= 0], own[own >= 0], self.plain[every >= 0], every[every >= 0])

    def above_zero(self) -> Self:
        """The runs whose value has a logarithm."""
        rows = self.value > 0
        return replace(self, value=self.value[rows], task=self.task[rows])

    def as_one(self) -> Self:
        """All runs as if they were of one task."""
        return type(self)(self.value, np.zeros_like(self.task), self.plain, np.zeros_like(self.plain_task))


@dataclass(frozen=True, slots=True)
class SingleRuns:
    """A figure of two versions' runs.

    Attributes:
        left: the baseline's.
        right: the candidate's.
        names: of the tasks, by number.
    """

    left: Values
    right: Values
    names: tuple[str, ...]

    def strata(self) -> Strata[Moments]:
        """Moments by task."""
        sides = [_by_task(side, len(self.names)) for side in (self.left, self.right)]
        pairs = tuple(
            Pair(name, left, right)
            for name, left, right in sorted(zip(self.names, *sides, strict=True))
            if left.n and right.n
        )
        return Strata(pairs, *(Moments.together(side) for side in sides))

    def above_zero(self) -> SingleRuns:
        """The runs whose value has a logarithm."""
        return replace(self, left=self.left.above_zero(), right=self.right.above_zero())

    def common(self) -> tuple[Values, Values, int]:
        """The runs of the tasks that both versions ran, and how many these are."""
        both = np.intersect1d(self.left.task, self.right.task)
        return self.left.within(both), self.right.within(both), len(both)


def _by_task(side: Values, tasks: int) -> list[Moments]:
    if not len(side.value):
        return [NO_MOMENTS] * tasks
    return moments_by(side.task, side.value, np.ones(len(side.value), np.bool_), tasks)


def read_runs(cells: Cells, v1: str, v2: str, metric: Metric, known: Columns | None = None) -> SingleRuns:
    """The figure that a metric is about, of all runs of two versions; from ``known`` columns where they have it.

    Raises:
        InvalidQueryError: the values of single runs are not at hand, or too many.
    """
    if cells.runs is None:
        raise InvalidQueryError(
            f"metric: {metric.name} needs the values of single runs, which are not at hand by group, or with a "
            "baseline from a file or a window; ask without these, or for another metric"
        )
    if not are_at_hand(cells, v1, v2):
        raise InvalidQueryError(
            f"metric: {metric.name} needs the values of single runs, at most {MOST_ROWS:,}, and there are more; narrow "
            "the question (last_days=30), or ask for another metric"
        )
    columns = known or {}
    if metric.figure not in columns:
        columns = cells.runs(("version", "task_id", "success", metric.figure), None)
    value = columns[metric.figure].astype(np.float64)
    counts = columns["success"].astype(np.bool_) if metric.of_successes else np.ones(len(value), np.bool_)
    tasks = encode(columns["task_id"])
    task = tasks.codes.astype(np.intp)

    def side(version: str) -> Values:
        own = (columns["version"] == version) & np.isfinite(value)
        rows = own & counts
        return Values(value[rows], task[rows], value[own], task[own])

    return SingleRuns(side(v1), side(v2), tasks.vocabulary)


# Quantiles -----------------------------------------------------------------------------------------------------------
#
# Each task is as frequent as any other. A quantile's interval holds the values that a test of "this share of the runs
# lies below" does not refuse, with the variance of that share within the tasks (Woodruff 1952, by strata). The ratio of
# two quantiles takes its interval from both of theirs (Zou & Donner 2008). Resampling would come to the same, at the
# cost of sorting a thousand times.


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
