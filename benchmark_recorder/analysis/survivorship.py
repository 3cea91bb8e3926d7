"""What failures and timeouts do to a verdict on time, which is about the runs that succeeded.

Runs that fail more often where they are slow leave fast ones behind. So where failures rose, an improvement must also
show in all runs, ranked by their time with the failed ones at the end.

Sources: Lachin (1999) on worst ranks; van Elteren (1960) on ranks within strata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark_recorder.analysis import metrics, rates
from benchmark_recorder.analysis.evidence import normal_tail
from benchmark_recorder.analysis.single_runs import MOST_ROWS
from benchmark_recorder.columns import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.cells import Cells, Runs

RISEN: Final = 0.10
"""One-sided p-value of the failures below which an improvement of the time must be confirmed."""

CONFIRMED: Final = 0.05
"""One-sided p-value of the worst ranks below which it is."""

RANKED: Final = ("version", "task_id", "success", "execution_time")
"""The columns that the ranks need."""

_TIMED_OUT: Final = ("timeout", "timedout", "timed out", "deadlineexceeded", "deadline exceeded")


@dataclass(frozen=True)
class Survivorship:
    """The failures beside a comparison of times.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        counts: runs and failures by task.
        runs: raw values; ``None`` where they are not at hand.
    """

    v1: str
    v2: str
    counts: metrics.Strata[metrics.Counts]
    runs: Runs | None

    @cached_property
    def risen(self) -> float:
        """See ``failures_rise``."""
        return failures_rise(self.counts)

    @cached_property
    def better(self) -> float | None:
        """One-sided p-value of "not better" by worst ranks; ``None`` where the raw values are not at hand."""
        if self.runs is None or self.counts.left.n + self.counts.right.n > MOST_ROWS:
            return None
        return worst_rank(self.runs(RANKED, None), self.v1, self.v2, by_task=self.counts.matched)

    @property
    def doubtful(self) -> bool:
        """Whether failures rose, and the runs as a whole do not confirm an improvement of the time."""
        return self.risen < RISEN and (self.better is None or self.better >= CONFIRMED)

    @cached_property
    def timeouts(self) -> tuple[int, int]:
        """Failed runs of each version that ran out of time; none where the raw values are not at hand."""
        failed = self.counts.left.hits + self.counts.right.hits
        if self.runs is None or not 0 < failed <= MOST_ROWS:
            return 0, 0
        columns = self.runs(("version", "error_type"), False)  # noqa: FBT003 - the outcome
        codes, kinds = encode(columns["error_type"])
        is_late = np.array([*map(is_timeout, kinds), False])  # the last one is that of an unknown error
        late = columns["version"][is_late[codes]].tolist()
        return late.count(self.v1), late.count(self.v2)


def survivorship(cells: Cells, v1: str, v2: str) -> Survivorship:
    """What is known of the failures of two versions."""
    return Survivorship(v1, v2, metrics.align(cells, v1, v2, metrics.failures, metrics.NO_COUNTS), cells.runs)


def failures_rise(counts: metrics.Strata[metrics.Counts]) -> float:
    """One-sided p-value of "failures did not rise", on these tasks; 1.0 where a side has no runs."""
    found = rates.rate_difference(counts, "suite", once=False)
    return 1.0 if found is None else found.above(0.0)


def is_timeout(error_type: str | None) -> bool:
    """Whether an error's name says that the time was up."""
    return error_type is not None and any(word in error_type.lower() for word in _TIMED_OUT)


def worst_rank(columns: Mapping[str, NDArray[Any]], v1: str, v2: str, *, by_task: bool) -> float:
    """One-sided p-value of "the candidate is not faster", with failures as the slowest runs of all.

    The ranks are those within each task, weighted by 1 / (runs + 1) as van Elteren has them, or of all runs together.
    With one task it is the rank test of Mann & Whitney, in its normal form with correction for ties and continuity.
    The columns are ``RANKED``.
    """
    version, task = columns["version"], columns["task_id"]
    time = np.where(columns["success"].astype(np.bool_), columns["execution_time"].astype(np.float64), math.inf)
    candidate = version == v2
    counted = (candidate | (version == v1)) & ~np.isnan(time)
    stratum = encode(task[counted]).codes + 1 if by_task else np.zeros(np.count_nonzero(counted), np.int64)
    return van_elteren(stratum, time[counted], candidate[counted])


def van_elteren(stratum: NDArray[Any], value: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """One-sided p-value of "the values on the right are not lower", within strata that are numbered."""
    order = np.lexsort((value, stratum))
    stratum, value, right = stratum[order], value[order], right[order]
    _, first, index, n = np.unique(stratum, return_index=True, return_inverse=True, return_counts=True)
    # Equal values of a stratum share the mean of their ranks.
    starts = np.flatnonzero(np.r_[True, (stratum[1:] != stratum[:-1]) | (value[1:] != value[:-1])])[: len(stratum)]
    ties = np.diff(np.r_[starts, len(stratum)])
    rank = np.repeat(starts + (ties + 1) / 2, ties) - first[index]
    tied = np.bincount(index[starts], ties**3.0 - ties, len(n))
    n2 = np.bincount(index, right, len(n))
    n1 = n - n2
    both = (n1 > 0) & (n2 > 0)
    excess = np.bincount(index, rank * right, len(n)) - n2 * (n + 1) / 2
    variance = n1 * n2 / 12 * (n + 1 - tied / np.maximum(1, n * (n - 1)))
    weight = np.where(both & (variance > 0), 1 / (n + 1), 0.0)
    if not weight.any():
        return 1.0
    continuity = weight[weight > 0].min() / 2
    return normal_tail(float(((weight * excess).sum() + continuity) / math.sqrt((weight**2 * variance).sum())))
