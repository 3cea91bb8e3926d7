"""Tasks that borrow their variance from each other: log-normal values, a few of each task, and what comes next.

Source: Smyth (2004), Linear models and empirical Bayes methods, for the prior and the moderated t.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import student_quantile
from benchmark_recorder.analysis.results import Estimate, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.9
"""Of every interval."""

ORDERED: Final = 19
"""Runs of a task from which on the order statistics have an interval at this confidence."""


FEWEST_RESIDUALS: Final = 10
MOST_RESIDUALS: Final = 1000
"""Residuals that single runs are drawn from; with fewer, they are normal."""


class Prior(NamedTuple):
    """What tasks' variances have in common: a scaled inverse chi-squared distribution.

    Attributes:
        freedom: infinite where they do not differ; 0 where nothing is known.
        variance: its scale.
    """

    freedom: float
    variance: float


def prior_of(variances: Floats, freedom: Floats) -> Prior:
    """Fitted to some variances with their degrees of freedom (Smyth 2004, section 6.2)."""
    from scipy.special import digamma, polygamma

    known = (freedom > 0) & (variances > 0)
    own, half = variances[known], freedom[known] / 2
    if len(own) < 2:
        return Prior(0.0, float(own.sum()))
    logs = np.log(own) - digamma(half) + np.log(half)
    mean = float(logs.mean())
    spread = float(((logs - mean) ** 2).sum() / (len(own) - 1) - polygamma(1, half).mean())
    if spread <= 0:
        return Prior(math.inf, math.exp(mean))
    half0 = _inverse_trigamma(spread)
    return Prior(2 * half0, math.exp(mean + float(digamma(half0)) - math.log(half0)))


def _inverse_trigamma(value: float) -> float:
    """Newton's method on the reciprocal, which is nearly straight (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    found = 0.5 + 1 / value
    for _ in range(50):
        first = float(polygamma(1, found))
        step = first * (1 - first / value) / float(polygamma(2, found))
        found += step
        if -step / found < 1e-8:
            break
    return found


class TaskValues(NamedTuple):
    """Log-normal values of tasks, by number: how many, mean and variance of the logarithms, with the prior.

    ``spread`` is the variance of the tasks' means, and ``centre`` the mean of these. ``residuals`` are how far runs lie
    from the mean of their task, in its standard deviations: a long run of one task may come in any other.
    """

    n: Floats
    mean: Floats
    variance: Floats
    freedom: Floats
    prior: Prior
    centre: float
    spread: float
    residuals: Floats

    @classmethod
    def of(cls, task: NDArray[np.int64], values: Floats, tasks: int) -> TaskValues:
        """Those of some values; what is not above zero is left out."""
        known = values > 0
        own, logs = task[known], np.log(values[known])
        n = np.bincount(own, minlength=tasks).astype(float)
        mean = np.bincount(own, logs, tasks) / np.maximum(n, 1)
        squares = np.bincount(own, (logs - mean[own]) ** 2, tasks).astype(float)
        found = cls.moderated(n, mean, squares)
        several = n[own] > 1
        own, apart = own[several], (logs - mean[own])[several]
        scale = np.sqrt(found.variance[own] * (1 - 1 / n[own]))
        return found._replace(residuals=apart[scale > 0] / scale[scale > 0])

    @classmethod
    def moderated(cls, n: Floats, mean: Floats, squares: Floats) -> TaskValues:
        """Those of numbers, means and squared distances by task."""
        degrees = np.maximum(n - 1, 0)
        prior = prior_of(squares / np.maximum(degrees, 1), degrees)
        if math.isinf(prior.freedom):
            variance, freedom = np.full(len(n), prior.variance), np.full(len(n), math.inf)
        else:
            freedom = prior.freedom + degrees
            variance = (prior.freedom * prior.variance + squares) / np.maximum(freedom, 1e-9)
        there = mean[n > 0]
        centre = float(there.mean()) if len(there) else math.nan
        spread = float(there.var(ddof=1)) if len(there) > 1 else math.nan
        return cls(n, mean, variance, freedom, prior, centre, spread, np.empty(0))

    def place(self, task: int) -> tuple[float, float, float] | None:
        """Centre, standard deviation and freedom of a task's next logarithm; ``None`` if nothing is known."""
        if task >= 0 and self.n[task]:
            if not self.freedom[task] > 0:
                return None
            widening = 1 + 1 / float(self.n[task])
            return float(self.mean[task]), math.sqrt(float(self.variance[task]) * widening), float(self.freedom[task])
        there = int((self.n > 0).sum())
        if math.isnan(self.spread):
            return None
        return self.centre, math.sqrt(self.spread * (1 + 1 / there) + self.prior.variance), there - 1.0

    def next_of(self, task: int, own: Floats, wider: float) -> Estimate:
        """A task's next value."""
        known = own[own > 0]
        if len(own) and not len(known) and not np.isnan(own).all():
            return Estimate(0.0, None, len(own), "all are zero")
        if len(known) >= ORDERED:
            low, high = ordered_ends(np.sort(np.log(known)))
            middle, method = float(np.median(np.log(known))), "order statistics"
        elif (found := self.place(task)) is None:
            value = math.exp(float(self.mean[task])) if task >= 0 and self.n[task] else None
            return Estimate(value, None, len(known), "none: nothing shows how much it varies")
        else:
            middle, sd, freedom = found
            reach = student_quantile(freedom, 0.5 + CONFIDENCE / 2) * sd
            low, high = middle - reach, middle + reach
            method = "moderated t on logarithms" if len(known) else "t over other tasks"
        centre, half = (low + high) / 2, wider * (high - low) / 2
        ends = [math.exp(min(end, 700.0)) for end in (centre - half, centre + half)]
        interval = Interval(ends[0], ends[1], CONFIDENCE) if half else None
        return Estimate(math.exp(middle), interval, len(known), method)

    def _noise(self, draws: int, runs: int, chance: np.random.Generator) -> Floats:
        """How far single runs lie from their task's mean; each draw has its own mixture of the residuals."""
        pool = self.residuals
        if len(pool) < FEWEST_RESIDUALS:
            return chance.standard_normal((draws, runs))
        if len(pool) > MOST_RESIDUALS:
            pool = chance.choice(pool, MOST_RESIDUALS, replace=False)
        weights = chance.standard_exponential((draws, len(pool))).cumsum(axis=1)
        picks = chance.random((draws, runs)) * weights[:, -1:]
        found = [np.searchsorted(own, pick) for own, pick in zip(weights, picks, strict=True)]
        drawn: Floats = pool[np.minimum(found, len(pool) - 1)]
        return drawn

    def drawn(self, runs: NDArray[np.int64], draws: int, chance: np.random.Generator, wider: float) -> Floats:
        """Values of some runs, a row for each draw: a task's mean is the same in all its runs."""
        values, apart = np.zeros((draws, len(runs))), self._noise(draws, len(runs), chance)
        for task in np.unique(runs).tolist():
            own = np.flatnonzero(runs == task)
            found = self.place(task)
            if found is None:
                if task >= 0 and self.n[task]:
                    values[:, own] = math.exp(float(self.mean[task]))
                continue
            middle, sd, freedom = found
            n = float(self.n[task]) if task >= 0 and self.n[task] else 0.0
            scale = np.ones((draws, 1))
            if math.isfinite(freedom):
                scale = np.sqrt(freedom / chance.chisquare(freedom, (draws, 1)))
            within = sd / math.sqrt(1 + 1 / n) if n else math.sqrt(self.prior.variance)
            shared = within / math.sqrt(n) if n else math.sqrt(max(sd**2 - within**2, 0.0))
            shift = wider * scale * shared * chance.standard_normal((draws, 1))
            noise = wider * within * apart[:, own]
            values[:, own] = np.exp(np.minimum(middle + shift + noise, 700.0))
        return values


def ordered_ends(logs: Sequence[float] | Floats) -> tuple[float, float]:
    """The order statistics between which the next value lies with the confidence at least."""
    k = math.floor((1 - CONFIDENCE) / 2 * (len(logs) + 1) + 1e-9)
    return float(logs[k - 1]), float(logs[len(logs) - k])
