"""How often a test decides at a true change: with its error, and how well that error is known.

An estimate is normal around the true change; the error that its test goes by varies as chi does with its degrees of
freedom. Both together give the exact power of Student's t, of the two one-sided tests of equivalence, and of a gate
that also asks for a point beyond a limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.evidence import student_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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
