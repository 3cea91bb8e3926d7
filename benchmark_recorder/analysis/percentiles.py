"""Percentiles, each with the interval between two order statistics."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis.probabilities import binomial_tail
from benchmark_recorder.analysis.result import Estimate, Interval, interval_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TAIL: Final = 0.025
"""The most that may lie beyond either end of an interval."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile, and as many of the runs around it as its interval may reach.

    Attributes:
        share: 0.95 for the 95th.
        n: runs.
        value: by linear interpolation (type 7); ``None`` without runs.
        first: the rank of the first of ``around`` among all runs.
        around: values in rising order.
    """

    share: float
    n: int
    value: float | None
    first: int
    around: NDArray[np.float64]

    @property
    def estimate(self) -> Estimate:
        """With its interval.

        The interval holds the true percentile with at least 95 % whatever the distribution; it exists from so many
        runs on that both ends are runs. Below, ``method`` says how many those are.
        """
        if self.value is None:
            return Estimate(None, None, 0, "type 7")
        ranks = self._ranks()
        if ranks is None:
            method = f"type 7; an interval needs n >= {runs_for_percentile(self.share)}"
            return Estimate(self.value, None, self.n, method)
        return Estimate(self.value, self._between(*ranks), self.n, "type 7, interval of order statistics")

    def _ranks(self) -> tuple[int, int] | None:
        """Of both ends among all runs; ``None`` where one is no run."""

        def below(rank: int) -> float:
            """The probability that at most so many runs lie below the true percentile."""
            return binomial_tail(rank, self.n, self.share)

        possible = range(self.first, self.first + len(self.around))
        low = self.first + bisect_right(possible, TAIL, key=below) - 1
        high = self.first + bisect_left(possible, 1 - TAIL, key=below)
        return None if low < 0 or high > self.n - 1 else (low, high)

    def _between(self, low: int, high: int) -> Interval | None:
        return interval_of(float(self.around[low - self.first]), float(self.around[high - self.first]))


def percentile(ordered: NDArray[np.float64], share: float) -> Percentile:
    """One percentile.

    Args:
        ordered: values in rising order.
        share: 0.95 for the 95th.
    """
    n = len(ordered)
    if not n:
        return Percentile(share, 0, None, 0, ordered)
    # Hoeffding (1963): beyond so many runs from the percentile, the binomial tail is below any end's.
    reach = math.sqrt(n * math.log(1 / TAIL) / 2)
    first, last = max(0, math.floor(n * share - reach)), min(n - 1, math.ceil(n * share + reach))
    return Percentile(share, n, _quantile(ordered, share), first, ordered[first : last + 1].copy())


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """What ``np.quantile`` gives, which would sort again."""
    rank = (len(ordered) - 1) * share
    below = int(rank)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = rank - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def runs_for_percentile(share: float) -> int:
    """The fewest runs whose extremes enclose the percentile with 2.5 % beyond either end."""
    return math.ceil(math.log(TAIL) / math.log(max(share, 1 - share)))
