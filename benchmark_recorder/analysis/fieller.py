"""The ratio of two sums, by whether the one differs from a multiple of the other (Fieller 1954).

The logarithm of a sum of costs is far from normal where a few runs cost most, and its standard error is small where
those happen to be missing. The difference does not suffer from either: both sums are skewed alike, so it is not. Its
variance depends on the ratio, so the interval has a shape of its own, and is open where a sum is not surely above zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmark_recorder.analysis.evidence import student_quantile, student_tail

if TYPE_CHECKING:
    from benchmark_recorder.analysis.evidence import Limits


class Quadratic(NamedTuple):
    """The variance of ``right - r * left`` for a ratio ``r``, both sums being in units of themselves."""

    right: float = 0.0
    cross: float = 0.0
    left: float = 0.0

    def at(self, ratio: float) -> float:
        """The variance."""
        return self.right - 2 * ratio * self.cross + ratio * ratio * self.left

    def root(self, quantile: float, direction: int) -> float:
        """Where ``|1 - r|`` is ``quantile`` standard errors, below 1 or above; 0 or infinite where nowhere."""
        square = quantile * quantile
        a, b, c = 1 - square * self.left, 1 - square * self.cross, 1 - square * self.right
        if (a if direction > 0 else c) <= 0:
            return math.inf if direction > 0 else 0.0
        root = math.sqrt(max(0.0, b * b - a * c))
        return (b + root) / a if direction > 0 else c / (b + root)


class Within(NamedTuple):
    """What the runs within tasks add to the variance, and how much it is to be trusted.

    Attributes:
        variance: the sum of the tasks' parts.
        squares: of the parts' squares, each divided by its degrees of freedom: the right parts', the products', the
            left parts'.
    """

    variance: Quadratic = Quadratic()
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Fieller:
    """Evidence on the logarithm of a ratio of two sums.

    Attributes:
        estimate: the logarithm of the ratio.
        within: the variance from runs within tasks.
        spread: the variance from the tasks' differences.
        freedom_of_spread: its degrees of freedom.
        method: how it was found.
    """

    estimate: float
    within: Within
    spread: Quadratic
    freedom_of_spread: float
    method: str

    @property
    def error(self) -> float:
        """The standard error of the logarithm, by the delta method."""
        return math.sqrt(self._variance(1.0))

    @property
    def freedom(self) -> float:
        """Degrees of freedom at the estimate."""
        return self._freedom(1.0)

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: twice the smaller one-sided."""
        return min(1.0, 2 * min(self.above(0.0), self.below(0.0)))

    def limits(self, confidence: float) -> Limits | None:
        """All ratios that are not refused; an end is infinite where none is refused that far.

        Returns:
            ``None`` where both ends are.
        """
        low, high = (self._limit(0.5 + confidence / 2, direction) for direction in (-1, 1))
        return None if math.isinf(low) and math.isinf(high) else (self.estimate + low, self.estimate + high)

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        return self._tail(bound - self.estimate, 1)

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        return self._tail(bound - self.estimate, -1)

    def _tail(self, distance: float, sign: int) -> float:
        ratio = math.exp(min(_FAR, distance))
        error = math.sqrt(self._variance(ratio))
        if not error:  # one side does not vary, and the ratio leaves nothing of the other
            return 0.0 if sign * (ratio - 1) < 0 else 1.0
        found = student_tail(self._freedom(ratio), sign * (ratio - 1) / error)
        return 1.0 if math.isnan(found) else found  # costs beyond what a float's square can hold refuse nothing

    def _limit(self, probability: float, direction: int) -> float:
        """The logarithm of the limit over the estimate: from far outside to the first ratio that is not refused."""
        outside = direction * _FAR
        if self._tail(outside, -direction) >= 1 - probability:
            return direction * math.inf
        for _ in range(20):
            ratio = math.exp(outside)
            quantile = student_quantile(self._freedom(ratio), probability)
            found = self._variance_as_sum().root(quantile, direction)
            if not 0 < found < math.inf:
                break
            inside = math.log(found)
            if abs(inside - outside) <= 1e-12 * max(1.0, abs(outside)):
                return inside
            outside = inside
        return self._bisected(probability, direction)

    def _bisected(self, probability: float, direction: int) -> float:
        """The same, slowly: where the degrees of freedom depend much on the ratio."""
        inside, outside = 0.0, direction * _FAR
        for _ in range(60):
            middle = (inside + outside) / 2
            if self._tail(middle, -direction) < 1 - probability:
                outside = middle
            else:
                inside = middle
        return outside

    def _variance_as_sum(self) -> Quadratic:
        return Quadratic(*(a + b for a, b in zip(self.within.variance, self.spread, strict=True)))

    def _variance(self, ratio: float) -> float:
        return self._variance_as_sum().at(ratio)

    def _freedom(self, ratio: float) -> float:
        """Satterthwaite's."""
        within, spread = self.within.variance.at(ratio), self.spread.at(ratio)
        right, both, left = self.within.squares
        square = ratio * ratio
        parts = right + 2 * square * both + square * square * left + spread * spread / self.freedom_of_spread
        return (within + spread) ** 2 / parts if parts > 0 else math.inf


_FAR = 60.0
"""Logarithm beyond which a ratio of sums is called unbounded."""
