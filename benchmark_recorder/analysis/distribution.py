"""How execution times are spread: percentiles and counts, all that a plot needs, whatever the number of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from benchmark_recorder.analysis.result import Result

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
            to ``n``.
        scale: how the edges are spaced, and how an axis shows them best: ``"log"`` where the longest run of all
            versions takes more than ten times the shortest, else ``"linear"``.
    """

    version: str
    n: int
    percentiles: tuple[float, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    scale: Literal["log", "linear"]
