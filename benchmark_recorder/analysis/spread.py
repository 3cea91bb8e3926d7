"""How much the runs of two versions vary, task by task, the error that so many leave, and how often a test decides."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.evidence import student_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        if not 0 < error < math.inf:
            return None
        share = parts / error  # whose square is above 0, however small the variances are
        freedom = math.inf if self.rates else 1 / float((share * share / (self.runs - 1)).sum())
        return Noise(math.sqrt(error), math.sqrt(error + extra), freedom)

    def _weights(self) -> NDArray[np.float64]:
        """Of the tasks; those of rates are Mantel & Haenszel's."""
        if not self.rates or self.between is not None:
            return np.full(self.tasks, 1 / self.tasks)
        weight = self.runs[0] * self.runs[1] / self.runs.sum(0)
        found: NDArray[np.float64] = weight / weight.sum()
        return found


def spread_of(measured: Measured, *, ratio: bool = False) -> Spread | None:
    """What the runs of a comparison vary by, on its scale or (``ratio``) that of the logarithm of a ratio of rates.

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

    With ``relative``, on the scale of the ratio of both rates.
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
    """Of means of logarithms, or of costs with deviations that are ``relative`` to the mean over all tasks.

    A task with one run varies as the others of its version do on average.
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


# How often a test decides --------------------------------------------------------------------------------------------
#
# At a true change: with the error, and how well that error is known. An estimate is normal around the true change; the
# error that its test goes by varies as chi does with its degrees of freedom. Both together give the exact power of
# Student's t, of the two one-sided tests of equivalence, and of a gate that also asks for a point beyond a limit.

MOST: Final = 10_000_000
"""Runs beyond which the answer is "more than anyone would run"."""

_POINTS: Final = (np.arange(200) + 0.5) / 200
"""Quantiles at which an error is taken, each as likely as the others."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What an estimate varies by.

    Attributes:
        error: standard error of the estimate.
        tested: the one that its test goes by, on average.
        freedom: degrees of freedom of that; infinite for rates.
    """

    error: float
    tested: float
    freedom: float = math.inf

    def tested_errors(self) -> NDArray[np.float64]:
        """Those that the test may go by, each as likely as the others."""
        if math.isinf(self.freedom):
            return np.array([self.tested])
        from scipy import special

        errors: NDArray[np.float64] = self.tested * np.sqrt(special.chdtri(self.freedom, _POINTS) / self.freedom)
        return errors


def _below(limit: NDArray[np.float64], change: float, noise: Noise) -> NDArray[np.float64]:
    """The chance that the estimate is below each limit."""
    from scipy import special

    found: NDArray[np.float64] = special.ndtr((limit - change) / noise.error)
    return found


def shown_beyond(noise: Noise, change: float, bound: float, alpha: float, least: float = -math.inf) -> float:
    """The chance that a one-sided test shows a true change to be beyond a bound, and its point beyond ``least``."""
    reach = student_quantile(noise.freedom, 1 - alpha) * noise.tested_errors()
    return float(1 - _below(np.maximum(least, bound + reach), change, noise).mean())


def shown_within(noise: Noise, change: float, low: float, high: float) -> float:
    """The chance that two one-sided tests at 5% show a true change to be within two bounds."""
    reach = student_quantile(noise.freedom, 0.95) * noise.tested_errors()
    inside = _below(high - reach, change, noise) - _below(low + reach, change, noise)
    return float(np.maximum(0.0, inside).mean())


def decided(noise: Noise, change: float, low: float, high: float) -> float:
    """The chance of a verdict other than "inconclusive": a two-sided test at 5%, or equivalence within two bounds."""
    errors = noise.tested_errors()
    open_to = student_quantile(noise.freedom, 0.975) * errors
    reach = student_quantile(noise.freedom, 0.95) * errors
    neither = _below(open_to, change, noise) - _below(-open_to, change, noise)
    ends = np.minimum(high - reach, open_to), np.maximum(low + reach, -open_to)
    equivalent = np.maximum(0.0, _below(ends[0], change, noise) - _below(ends[1], change, noise))
    return float(1 - (neither - equivalent).mean())


def fewest(enough: Callable[[int], bool], start: int) -> int | None:
    """The least whole number from ``start`` on that is enough, where larger ones are too; ``None`` above ``MOST``."""
    high = max(1, start)
    if enough(high):
        return high
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def smallest(found: Callable[[float], bool], least: float, step: float) -> float | None:
    """The smallest size above ``least`` that is found, where larger ones are too; ``None`` where none is."""
    low, high = least, least + step
    for _ in range(60):
        if found(high):
            break
        low, high = high, high + 2 * (high - low)
    else:
        return None
    while high - low > 1e-6 * max(step, high):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high
