"""How much the runs of two versions vary, task by task, and the error that so many of them would leave."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.power import Noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.metrics import Counts
    from benchmark_recorder.cells import Moments

_NO_HITS: Final = 1.92
"""Hits that Wilson's centre adds: "no failure yet" is not "no variance"."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What runs vary by, on the scale of the change.

    Attributes:
        runs: values by version and task, shape (2, tasks); one task where runs are compared whatever theirs.
        variance: of one run, in the same shape.
        between: variance of the tasks' true differences; ``None`` where these tasks are all that matters.
        rate: the mean rate of both versions, whose variance grows as a rate does; ``None`` for means and ratios.
        rates: whether these are rates, whose error needs no degrees of freedom.
    """

    runs: NDArray[np.float64]
    variance: NDArray[np.float64]
    between: float | None = None
    rate: float | None = None
    rates: bool = False

    @property
    def tasks(self) -> int:
        """How many are compared."""
        return len(self.runs[0])

    def with_runs(self, each: float) -> Spread:
        """The same with at least so many values of each task in each version."""
        return replace(self, runs=np.maximum(self.runs, each))

    def noise(self, change: float = 0.0) -> Noise | None:
        """The error that these runs leave if the candidate differs by so much.

        Returns:
            ``None`` where there is none: no run on a side, or one run of a task whose spread must be estimated.
        """
        fewest = 1 if self.rates or self.between is not None else 2
        if self.runs.min() < fewest or not self.variance.sum() > 0:
            return None
        grown = self.variance.copy()
        if self.rate is not None:
            # A rise by the same number of points on every task.
            grown[1] = np.maximum(0.0, grown[1] + change * (1 - 2 * self.rate) - change * change)
        weight = self._weights()
        parts = weight * weight * grown / self.runs
        error = float(parts.sum())
        # Under "no change" both versions have the same rates, and these vary a little more than two different ones.
        extra = 0.0 if self.rate is None else change * change * float((weight * weight / self.runs.mean(0)).sum())
        if self.between is not None:
            error += self.between / self.tasks
            return Noise(math.sqrt(error), math.sqrt(error + extra), self.tasks - 1) if self.tasks > 1 else None
        freedom = math.inf if self.rates else error**2 / float((parts * parts / (self.runs - 1)).sum())
        return Noise(math.sqrt(error), math.sqrt(error + extra), freedom)

    def _weights(self) -> NDArray[np.float64]:
        """Of the tasks; those of rates are Mantel & Haenszel's."""
        if not self.rates or self.between is not None:
            return np.full(self.tasks, 1 / self.tasks)
        weight = self.runs[0] * self.runs[1] / self.runs.sum(0)
        found: NDArray[np.float64] = weight / weight.sum()
        return found


def spread_of(measured: Measured, *, ratio: bool = False) -> Spread | None:
    """What the runs of a comparison vary by.

    Args:
        measured: the comparison.
        ratio: whether on the scale of the logarithm of a ratio of rates.

    Returns:
        ``None`` where no task was run twice, a sum is zero, or of quantiles, which no sums tell.
    """
    if measured.metric.compared == "quantiles":
        return None
    over_tasks = measured.scope == "tasks" and measured.matched_tasks > 1
    if measured.counts is not None:
        rates = measured.counts
        pairs = [(left, right) for _, left, right in rates.pairs] if rates.matched else [(rates.left, rates.right)]
        found = of_rates(pairs, relative=ratio)
    else:
        assert measured.moments is not None
        means = measured.moments
        sides = [(left, right) for _, left, right in means.pairs] if means.matched else [(means.left, means.right)]
        found = of_means(sides, relative=measured.metric.compared == "sums")
    if found is not None and measured.dependence is not None:
        found = replace(found, variance=found.variance * measured.dependence.inflation)
    if found is None or not over_tasks:
        return found
    differences = differences_of(measured, ratio=ratio)
    if len(differences) < 2:
        return None
    noise = float((found.variance / found.runs).sum(0).mean())
    return replace(found, between=max(0.0, float(np.var(differences, ddof=1)) - noise))


def of_rates(pairs: Sequence[tuple[Counts, Counts]], *, relative: bool = False) -> Spread | None:
    """Of rates: a task that ends alike each time has no variance, so the tasks' variances are what counts, on average.

    Args:
        pairs: both versions' runs of each task.
        relative: whether on the scale of the ratio of both rates.
    """
    samples = [sample for pair in pairs for sample in pair if sample.n]
    n, hits = sum(sample.n for sample in samples), sum(sample.hits for sample in samples)
    if not n:
        return None
    rate = hits / n
    known = [sample.hits * (1 - sample.rate) / (sample.n - 1) for sample in samples if sample.n > 1]
    none_yet = _NO_HITS / (n + 2 * _NO_HITS)
    variance = max(float(np.mean(known)) if known else rate * (1 - rate), none_yet * (1 - none_yet))
    runs = np.array([[left.n for left, _ in pairs], [right.n for _, right in pairs]], dtype=np.float64)
    if not relative:
        return Spread(runs, np.full(runs.shape, variance), rate=rate, rates=True)
    return Spread(runs, np.full(runs.shape, variance / max(rate, none_yet) ** 2), rates=True)


def of_means(pairs: Sequence[tuple[Moments, Moments]], *, relative: bool) -> Spread | None:
    """Of means; a task with one run varies as the others of its version do on average.

    Args:
        pairs: both versions' values of each task: logarithms, or costs with ``relative``.
        relative: whether deviations are relative to the mean over all tasks.
    """
    variance = []
    for side in zip(*pairs, strict=True):
        known = [m.m2 / (m.n - 1) for m in side if m.n > 1]
        scale = sum(m.mean for m in side) / len(side) if relative else 1.0
        if not known or not scale > 0:
            return None
        usual = float(np.mean(known))
        variance.append([(m.m2 / (m.n - 1) if m.n > 1 else usual) / scale / scale for m in side])
    runs = np.array([[m.n for m in side] for side in zip(*pairs, strict=True)], dtype=np.float64)
    return Spread(runs, np.array(variance))


def differences_of(measured: Measured, *, ratio: bool = False) -> list[float]:
    """Each task's difference on the scale of the change; of costs and ratios of rates, as parts of the sums."""
    if measured.counts is not None:
        rates = [(pair.left.rate, pair.right.rate) for pair in measured.counts.pairs]
        return _shares(rates) if ratio else [right - left for left, right in rates]
    assert measured.moments is not None
    means = [(pair.left.mean, pair.right.mean) for pair in measured.moments.pairs]
    return _shares(means) if measured.metric.compared == "sums" else [right - left for left, right in means]


def _shares(pairs: Sequence[tuple[float, float]]) -> list[float]:
    """Each task's part of the logarithm of the ratio of two sums; nothing where a sum is zero."""
    left, right = (math.fsum(side) for side in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    if not (left > 0 and right > 0):
        return []
    return [len(pairs) * (b / right - a / left) for a, b in pairs]
