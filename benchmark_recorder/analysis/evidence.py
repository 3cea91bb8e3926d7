"""What the runs say about one number: its estimate, limits at any confidence, and one-sided tests at any bound.

The number is a difference: of logarithms (``log(v2 / v1)``) or of rates (``rate2 - rate1``). Every method of comparison
ends in one of these, so verdicts, claims and gates ask all of them the same questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Limits = tuple[float, float]

NO_SPREAD = 1e-10
"""A relative standard error below this is rounding, not spread."""

OVER_TASKS = "t over the tasks' differences"
"""The method where the tasks are the sample."""

FALSE_DISCOVERY_RATE = 0.10
"""Of the tasks that stand out, at most about this share does so by chance."""


class Evidence(Protocol):
    """What a method found."""

    @property
    def estimate(self) -> float:
        """The point."""

    @property
    def method(self) -> str:
        """How it was found, in a few words."""

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""

    @property
    def error(self) -> float:
        """The standard error, or an equivalent; 0 where none is known."""

    def limits(self, confidence: float) -> Limits | None:
        """A two-sided interval; ``None`` where no honest one exists."""

    def above(self, bound: float) -> float:
        """One-sided p of "the number is at most ``bound``": small where it is surely above."""

    def below(self, bound: float) -> float:
        """One-sided p of "the number is at least ``bound``"."""


@dataclass(frozen=True, slots=True)
class Student:
    """An estimate whose error is known with some degrees of freedom.

    Attributes:
        estimate: the point.
        error: its standard error, above zero.
        freedom: degrees of freedom, above zero.
        method: how it was found.
    """

    estimate: float
    error: float
    freedom: float
    method: str

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        return min(1.0, 2 * student_tail(self.freedom, -abs(self.estimate) / self.error))

    def limits(self, confidence: float) -> Limits:
        """Estimate plus and minus the quantile times the error."""
        reach = student_quantile(self.freedom, 0.5 + confidence / 2) * self.error
        return self.estimate - reach, self.estimate + reach

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        return student_tail(self.freedom, (bound - self.estimate) / self.error)

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        return student_tail(self.freedom, (self.estimate - bound) / self.error)


@dataclass(frozen=True, slots=True)
class Score:
    """An interval that is made for each normal quantile anew; tests are its inversion.

    Attributes:
        estimate: the point.
        limits_at: the interval that belongs to a normal quantile above zero; it widens with the quantile.
        method: how it was found.
        null: one-sided p-values (above zero, below zero) of no difference by a test of its own; ``None`` to invert.
        pairs: of pairs of single runs, those that hit in the baseline alone and in the candidate alone.
    """

    estimate: float
    limits_at: Callable[[float], Limits]
    method: str
    null: tuple[float, float] | None = None
    pairs: tuple[int, int] | None = None

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: twice the smaller one-sided."""
        return min(1.0, 2 * min(self.above(0.0), self.below(0.0)))

    @property
    def error(self) -> float:
        """A standard error that would make the 90% interval as wide."""
        low, high = self.limits(0.9)
        return (high - low) / (2 * normal_quantile(0.95))

    def limits(self, confidence: float) -> Limits:
        """See ``Evidence.limits``."""
        return self.limits_at(normal_quantile(0.5 + confidence / 2))

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        if bound == 0 and self.null:
            return self.null[0]
        return self._tail(bound, 0) if bound < self.estimate else 1 - self._tail(bound, 1)

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        if bound == 0 and self.null:
            return self.null[1]
        return self._tail(bound, 1) if bound > self.estimate else 1 - self._tail(bound, 0)

    def _tail(self, bound: float, end: int) -> float:
        """The normal tail at which the interval's end reaches the bound."""
        inside, outside = 0.0, _FAR
        if not self._beyond(bound, end, outside):
            return normal_tail(-_FAR)
        for _ in range(50):
            middle = (inside + outside) / 2
            if self._beyond(bound, end, middle):
                outside = middle
            else:
                inside = middle
        return normal_tail(-outside)

    def _beyond(self, bound: float, end: int, quantile: float) -> bool:
        reached = self.limits_at(quantile)[end] if quantile else self.estimate
        return reached <= bound if end == 0 else reached >= bound


_FAR = 38.0
"""Normal quantile whose tail is about the smallest number that a float can hold."""


@dataclass(frozen=True, slots=True)
class Both:
    """Two methods that must agree: a test refuses only what both refuse, so the interval reaches as far as either's.

    Attributes:
        first: its estimate is the point.
        second: must agree.
        method: how both were found.
    """

    first: Evidence
    second: Evidence
    method: str

    @property
    def estimate(self) -> float:
        """The first one's."""
        return self.first.estimate

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: twice the smaller one-sided."""
        return min(1.0, 2 * min(self.above(0.0), self.below(0.0)))

    @property
    def error(self) -> float:
        """The larger one."""
        return max(self.first.error, self.second.error)

    def limits(self, confidence: float) -> Limits | None:
        """From the lower of the lower limits to the higher of the higher ones."""
        first, second = self.first.limits(confidence), self.second.limits(confidence)
        if first is None or second is None:
            return None
        return min(first[0], second[0]), max(first[1], second[1])

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        return max(self.first.above(bound), self.second.above(bound))

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        return max(self.first.below(bound), self.second.below(bound))


@dataclass(frozen=True, slots=True)
class Point:
    """An estimate from so few runs that nothing is known of its error.

    Attributes:
        estimate: the point.
        method: how it was found.
    """

    estimate: float
    method: str

    @property
    def p_value(self) -> float:
        """Nothing is refused."""
        return 1.0

    @property
    def error(self) -> float:
        """None is known."""
        return 0.0

    def limits(self, confidence: float) -> Limits | None:  # noqa: ARG002 - the contract's
        """None can be given."""
        return None

    def above(self, bound: float) -> float:  # noqa: ARG002 - the contract's
        """Nothing is refused."""
        return 1.0

    def below(self, bound: float) -> float:  # noqa: ARG002 - the contract's
        """Nothing is refused."""
        return 1.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """Runs that do not vary at all within a task, and differ by the same on every task: a permutation test.

    If versions made no difference, all ways to split a task's runs among them would be equally likely; only one way
    puts all runs of one kind on one side. There is no interval: one of width 0 would hide that the runs are few.

    Attributes:
        estimate: the point.
        chance: the probability of such a split on all tasks.
        method: how it was found.
    """

    estimate: float
    chance: float
    method: str

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        return min(1.0, 2 * self.chance) if self.estimate else 1.0

    @property
    def error(self) -> float:
        """None is known."""
        return 0.0

    def limits(self, confidence: float) -> Limits | None:  # noqa: ARG002 - the contract's
        """None can be given."""
        return None

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        return self.chance if self.estimate > bound else 1.0

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        return self.chance if self.estimate < bound else 1.0


class Extra(NamedTuple):
    """A variance beyond that of independent runs.

    Attributes:
        variance: on the evidence's scale.
        freedom: degrees of freedom; infinite where the variance is taken as known.
    """

    variance: float
    freedom: float


def widened(evidence: Evidence, extra: Extra) -> Evidence:
    """The same evidence with a larger error; the degrees of freedom are Satterthwaite's (1946)."""
    if isinstance(evidence, Point) or not extra.variance > 0 or not math.isfinite(evidence.estimate):
        return evidence
    own = evidence.freedom if isinstance(evidence, Student) else math.inf
    variance = evidence.error**2 + extra.variance
    doubt = evidence.error**4 / own + extra.variance**2 / extra.freedom
    found = Student(evidence.estimate, math.sqrt(variance), variance**2 / doubt if doubt else math.inf, evidence.method)
    return found if isinstance(evidence, Student | Fixed) else Both(evidence, found, evidence.method)


def normal_quantile(probability: float) -> float:
    """The standard normal's."""
    from scipy import special

    return float(special.ndtri(probability))


def normal_tail(z: float) -> float:
    """The probability below ``z``."""
    from scipy import special

    return float(special.ndtr(z))


def student_quantile(freedom: float, probability: float) -> float:
    """Student's t's; the normal's for infinitely many degrees of freedom."""
    if math.isinf(freedom):
        return normal_quantile(probability)
    from scipy import special

    return float(special.stdtrit(freedom, probability))


def student_tail(freedom: float, t: float) -> float:
    """The probability below ``t``."""
    if math.isinf(freedom):
        return normal_tail(t)
    from scipy import special

    return float(special.stdtr(freedom, t))


def binomial_tail(hits: int, n: int, share: float) -> float:
    """The probability of at most so many hits in ``n``."""
    from scipy import special

    return float(special.bdtr(hits, n, share))


def wilson(hits: float, n: float, quantile: float) -> Limits:
    """Wilson's score interval of a rate; never without width, always within 0 and 1."""
    z2 = quantile * quantile
    centre = (hits + z2 / 2) / (n + z2)
    reach = quantile / (n + z2) * math.sqrt(hits * (n - hits) / n + z2 / 4)
    low = 0.0 if hits <= 0 else max(0.0, centre - reach)
    high = 1.0 if hits >= n else min(1.0, centre + reach)
    return low, high


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values: those at most q hold a share of false ones of about q; ``None`` stays ``None``."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank in range(len(order), 0, -1):
        p, i = order[rank - 1]
        least = min(least, p * len(order) / rank)
        adjusted[i] = least
    return adjusted
