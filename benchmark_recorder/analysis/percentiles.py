"""Percentiles, each with the interval between two order statistics."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import binomial_tail, normal_quantile
from benchmark_recorder.analysis.results import Estimate, Result, interval_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.histogram import Histogram

TAIL: Final = 0.025
"""The largest probability allowed beyond either end of an interval."""


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

        The interval holds the true percentile with a probability of at least 95% whatever the distribution. It needs
        enough runs for both ends to be runs; with fewer, ``method`` says how many.
        """
        if self.value is None:
            return Estimate(None, None, 0, "type 7")
        ranks = self._ranks()
        if ranks is None:
            method = f"type 7; an interval needs n >= {runs_for_percentile(self.share)}"
            return Estimate(self.value, None, self.n, method)
        interval = interval_of(*(float(self.around[rank - self.first]) for rank in ranks))
        return Estimate(self.value, interval, self.n, "type 7, interval of order statistics")

    def _ranks(self) -> tuple[int, int] | None:
        """Of both ends among all runs; ``None`` where one is beyond the runs."""

        def below(rank: int) -> float:
            """The probability that at most so many runs lie below the true percentile."""
            return binomial_tail(rank, self.n, self.share)

        possible = range(self.first, self.first + len(self.around))
        low = self.first + bisect_right(possible, TAIL, key=below) - 1
        high = self.first + bisect_left(possible, 1 - TAIL, key=below)
        return None if low < 0 or high > self.n - 1 else (low, high)


def percentile(ordered: NDArray[np.float64], share: float) -> Percentile:
    """One percentile (0.95: the 95th) of values in rising order."""
    n = len(ordered)
    if not n:
        return Percentile(share, 0, None, 0, ordered)
    # Hoeffding (1963): beyond so many runs from the percentile, the binomial tail is below any end's.
    reach = math.sqrt(n * math.log(1 / TAIL) / 2)
    first, last = max(0, math.floor(n * share - reach)), min(n - 1, math.ceil(n * share + reach))
    return Percentile(share, n, _quantile(ordered, share), first, ordered[first : last + 1].copy())


class HistogramPercentile(NamedTuple):
    """A percentile from a histogram.

    Attributes:
        value: within the histogram's error; ``None`` without runs.
        estimate: with an interval that holds the true percentile with a probability of about 95%.
    """

    value: float | None
    estimate: Estimate


def percentile_in(histogram: Histogram, share: float) -> HistogramPercentile:
    """One percentile (0.95: the 95th) of so many values that the normal approximation of the binomial holds."""
    n, found = histogram.count, histogram.quantile(share)
    method = f"from a histogram, error at most {histogram.error:.2%}"
    if found is None:
        return HistogramPercentile(None, Estimate(None, None, 0, method))
    reach = normal_quantile(1 - TAIL) * math.sqrt(share * (1 - share) / n)
    ends = [histogram.quantile(min(1.0, max(0.0, share + side * reach))) for side in (-1, 1)]
    assert ends[0] is not None
    assert ends[1] is not None
    return HistogramPercentile(found.value, Estimate(found.value, interval_of(ends[0].low, ends[1].high), n, method))


def _quantile(ordered: NDArray[np.float64], share: float) -> float:
    """What ``np.quantile`` gives, which would sort again."""
    rank = (len(ordered) - 1) * share
    below = int(rank)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = rank - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


def runs_for_percentile(share: float) -> int:
    """The fewest runs whose extremes enclose the percentile with 2.5% beyond either end."""
    return math.ceil(math.log(TAIL) / math.log(max(share, 1 - share)))


Scale = Literal["log", "linear"]

BINS: Final = 40
"""Of a histogram."""


@dataclass(frozen=True, slots=True)
class Distribution(Result):
    """The execution times of one version.

    Attributes:
        version: whose runs.
        n: runs with a duration.
        percentiles: 101 durations in seconds: the minimum, the 1st to the 99th percentile (type 7), the maximum; empty
            without runs. ``percentiles[50]`` is the median; against 0..100 they are the cumulative distribution.
        edges: of the histogram's bins, seconds, rising, one more than there are ``counts``; the same for all versions
            of a report, so that their histograms can be laid over each other; empty where no version has runs.
        counts: runs in each bin (the lower edge belongs to it, the upper to the next, but for the last); they add up
            to ``n``. On a logarithmic scale, runs that took no time at all are in the first bin.
        scale: how the edges are spaced, and how an axis shows them best: ``"log"`` where the longest run of all
            versions takes more than ten times the shortest above zero, else ``"linear"``.
    """

    version: str
    n: int
    percentiles: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    scale: Scale


def distributions_of(times: Mapping[str, NDArray[np.float64]]) -> dict[str, Distribution]:
    """How the execution times of some versions, in seconds, are spread over the same bins; only finite ones count."""
    known = {version: np.sort(values[np.isfinite(values)]) for version, values in times.items()}
    edges, scale = _edges([values for values in known.values() if len(values)])
    return {
        version: Distribution(
            version=version,
            n=len(values),
            percentiles=tuple(np.percentile(values, np.arange(101)).tolist()) if len(values) else (),
            edges=tuple(edges.tolist()),
            counts=_counts(values, edges),
            scale=scale,
        )
        for version, values in known.items()
    }


def _edges(ordered: list[NDArray[np.float64]]) -> tuple[NDArray[np.float64], Scale]:
    """Of bins that hold all values; ``ordered`` are sorted samples, none of them empty."""
    if not ordered:
        return np.empty(0), "linear"
    low, high = min(values[0] for values in ordered), max(values[-1] for values in ordered)
    above = [values[values > 0] for values in ordered]
    shortest = min((values[0] for values in above if len(values)), default=0.0)
    if shortest > 0 and high > 10 * shortest:
        edges = np.geomspace(shortest, high, BINS + 1)
        edges[0], edges[-1] = shortest, high  # rounding must leave no run outside
        return edges, "log"
    if high - low <= 1e-9 * high:  # one value: a bin around it
        low, high = 0.5 * low, 1.5 * high or 1.0
    return np.linspace(low, high, BINS + 1), "linear"


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[int, ...]:
    if not len(edges):
        return ()
    counts, _ = np.histogram(np.maximum(values, edges[0]), edges)
    return tuple(counts.tolist())
