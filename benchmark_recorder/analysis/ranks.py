"""Durations compared by their ranks within tasks, which a few runs that take many times as long hardly move.

The test is van Elteren's (1960): Wilcoxon's within each task, weighted by 1 / (runs + 1). The shift of logarithms is
that of Hodges & Lehmann (1963): the one after which the test sees no difference; its interval holds all shifts that the
test does not refuse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.evidence import normal_quantile, normal_tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.analysis.evidence import Evidence, Limits
    from benchmark_recorder.analysis.single_runs import Values

MORE: Final = 1.4
"""Relative efficiency from which on ranks are taken: of normal values it is 0.95, of one run in ten that takes ten
times as long above 3."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Evidence on the logarithm of candidate's time over baseline's.

    Attributes:
        estimate: the shift of logarithms.
        ranks: the test at any shift.
        method: how it was found.
    """

    estimate: float
    ranks: Ranks
    method: str = "van Elteren's rank test within tasks, Hodges-Lehmann shift of logarithms"

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        return 2 * normal_tail(-abs(self.ranks.statistic(0.0)))

    @property
    def error(self) -> float:
        """A standard error that would make the 90% interval as wide."""
        low, high = self.limits(0.9)
        return (high - low) / (2 * normal_quantile(0.95))

    def limits(self, confidence: float) -> Limits:
        """All shifts that the test does not refuse."""
        reach = normal_quantile(0.5 + confidence / 2)
        return self.ranks.shift_at(reach), self.ranks.shift_at(-reach)

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        return normal_tail(-self.ranks.statistic(bound))

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        return normal_tail(self.ranks.statistic(bound))


@dataclass(frozen=True, slots=True)
class Ranks:
    """Logarithms of two versions' durations, each task's by itself.

    Attributes:
        left: the baseline's, with an offset for each task that keeps tasks apart, in rising order.
        right: the candidate's, the same.
        middle: for each on the right the number of values on the left that are below it if nothing changed.
        weight: for each on the right that of its task, in standard deviations of the statistic.
        span: shifts beyond which all values of one version are above the other's.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    middle: NDArray[np.float64]
    weight: NDArray[np.float64]
    span: float

    def statistic(self, shift: float) -> float:
        """How far the candidate's ranks, moved back by a shift, are above the middle; normal if that is the change."""
        moved = self.right - shift
        below = np.searchsorted(self.left, moved, "left") + np.searchsorted(self.left, moved, "right")
        return float(self.weight @ (below / 2 - self.middle))

    def shift_at(self, level: float) -> float:
        """The shift at which the statistic, which falls as it rises, passes a level; infinite where it never does."""
        if not self.statistic(-self.span) > level:
            return -math.inf
        if not self.statistic(self.span) < level:
            return math.inf
        from scipy import optimize

        runs = len(self.left) + len(self.right)
        low = high = 0.0
        step = 1 / math.sqrt(runs)
        while low > -self.span and self.statistic(low) <= level:
            low, step = max(-self.span, low - step), 2 * step
        step = 1 / math.sqrt(runs)
        while high < self.span and self.statistic(high) >= level:
            high, step = min(self.span, high + step), 2 * step
        exact = 1e-10 if runs < MANY else 1e-4 / math.sqrt(runs)
        return float(optimize.brentq(lambda shift: self.statistic(shift) - level, low, high, xtol=exact))


MANY: Final = 100_000
"""Runs from which on a shift need not be found more exactly than a ten-thousandth of its error."""


def rank_shift(left: Values, right: Values, tasks: int) -> Evidence | None:
    """The shift of the logarithms of durations, all above zero, within numbered tasks that have runs on both sides.

    ``None`` where all durations of each task are equal.
    """
    x, y = np.log(left.value), np.log(right.value)
    least = min(x.min(), y.min())
    span = float(max(x.max(), y.max()) - least) + 1.0
    x, y = x - least + 2 * span * left.task, y - least + 2 * span * right.task
    x, order = np.sort(x), np.argsort(y)
    y, task = y[order], right.task[order]
    n1, n2 = np.bincount(left.task, minlength=tasks), np.bincount(task, minlength=tasks)
    n = n1 + n2
    weight = 1 / (n + 1)
    variance = n1 * n2 / 12 * (n + 1 - _ties(np.concatenate((x, y)), 2 * span, tasks) / np.maximum(1, n * (n - 1)))
    deviation = math.sqrt(float((weight**2 * variance).sum()))
    if not deviation > 0:
        return None
    middle = (np.cumsum(n1) - n1 + n1 / 2)[task]
    ranks = Ranks(x, y, middle, weight[task] / deviation, span)
    # Between the last shift at which the statistic is above zero, and the first at which it is below.
    least_step = float(ranks.weight.min()) / 4
    return Ranked((ranks.shift_at(least_step) + ranks.shift_at(-least_step)) / 2, ranks)


def _ties(values: NDArray[np.float64], apart: float, tasks: int) -> NDArray[np.float64]:
    """For each task the sum of t^3 - t over its groups of t equal values."""
    groups, sizes = np.unique(values, return_counts=True)
    tied = sizes > 1
    found = np.bincount((groups[tied] / apart).astype(np.intp), sizes[tied] ** 3.0 - sizes[tied], tasks)
    return found.astype(np.float64)


def ranks_see_more(left: Values, right: Values) -> bool:
    """Whether ranks would see a change with far fewer runs than means of logarithms, whatever the version.

    The relative efficiency is 12 s^2 (integral of f^2)^2 (Hodges & Lehmann 1956), with s^2 the variance of logarithms
    within task and version, and the integral the density at zero of the difference of two such runs.
    """
    squares, freedom, differences = 0.0, 0, []
    for side in (left, right):
        n = np.bincount(side.task)
        task = side.task[order := np.argsort(side.task, kind="stable")]
        place = np.arange(len(task)) - (np.cumsum(n) - n)[task]
        some = place % -(-n[task] // MOST_PAIRED) == 0  # evenly over a task's runs
        task, logs = task[some], np.log(side.value[order[some]])
        counts = np.bincount(task)
        squares += float(logs @ logs - (np.bincount(task, logs) ** 2 / np.maximum(1, counts)).sum())
        freedom += len(logs) - int(np.count_nonzero(counts))
        for lag in range(1, min(counts.max(initial=0), max(2, MANY_PAIRS // (len(logs) + 1)))):
            same = task[lag:] == task[:-lag]
            differences.append(np.abs(logs[lag:] - logs[:-lag])[same])
    near = float(np.quantile(np.concatenate(differences), QUARTER)) if freedom > 0 else 0.0
    return near > 0 and 12 * squares / freedom * (QUARTER / 2 / near) ** 2 > MORE


MOST_PAIRED: Final = 30
"""Runs of a task and version that are compared with each other."""

MANY_PAIRS: Final = 3_000_000
"""Pairs of runs that are as good as all."""

QUARTER: Final = 0.25
"""Share of the pairs that counts as close to zero."""
