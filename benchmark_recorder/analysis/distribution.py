"""How execution times are spread: percentiles and counts, all that a plot needs, whatever the number of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from benchmark_recorder.analysis.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

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
    """How the execution times of some versions are spread, over the same bins.

    Args:
        times: by version, durations in seconds in any order; what is not finite does not count.
    """
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
