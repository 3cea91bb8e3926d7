"""A batch that was recorded twice: the same durations, to the last digit, in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.result import Doubt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.durations import Durations

FEWEST: Final = 5
"""Runs in a row that repeat earlier ones before anyone is told; measured durations do not even repeat once."""


def recorded_twice(version: str, durations: Durations) -> Iterator[Doubt]:
    """A doubt if a stretch of runs repeats an earlier stretch exactly."""
    ordered = durations.ordered
    again = ordered[1:] == ordered[:-1]
    if np.count_nonzero(again) < FEWEST:  # nearly always, and far faster than what follows
        return
    times = durations.stored()
    if repeated := _repeated(times, np.unique(ordered[1:][again])):
        yield Doubt(
            "recorded_twice",
            f"{repeated:,} of {len(times):,} runs of {version} repeat the durations of earlier ones exactly and in the "
            "same order: a batch was recorded twice, or the durations are fixed. Either makes the runs look like more "
            "evidence than they are.",
            {"version": version, "repeated": repeated, "runs": len(times)},
        )


def _repeated(times: NDArray[np.float64], several: NDArray[np.float64]) -> int:
    """Runs in stretches of at least ``FEWEST``, with at least three different durations, that stood there before.

    Args:
        times: durations in the order in which they were stored.
        several: those that stand there more than once, in rising order.
    """
    places = np.minimum(several.searchsorted(times), len(several) - 1)
    rows = np.flatnonzero(several[places] == times)
    order = rows[np.argsort(times[rows], kind="stable")]
    equal = times[order[1:]] == times[order[:-1]]
    earlier, later = order[:-1][equal], order[1:][equal]
    if len(later) < FEWEST:
        return 0
    lag = later - earlier
    by_lag = np.lexsort((later, lag))
    later, lag = later[by_lag], lag[by_lag]
    starts = np.flatnonzero(np.r_[True, (np.diff(later) != 1) | (np.diff(lag) != 0)])
    stretches = np.split(later, starts[1:])
    return sum(len(stretch) for stretch in stretches if len(stretch) >= FEWEST and len(np.unique(times[stretch])) >= 3)
