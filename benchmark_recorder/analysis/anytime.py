"""Evidence that holds however often it is looked at: a test that may be repeated after each run, and stopped at any.

The odds of the runs under a mixture of effects, over those under no effect, exceed 1 / alpha at any look with a chance
of at most alpha. For Student's t they have a closed form in t, its degrees of freedom and how many runs the error is
worth, so that cells are enough: nothing is kept from one look to the next.

Sources: Lindon, Ham, Tingley & Bojinov (2022), Anytime-Valid Linear Models; Perez-Ortiz, Lardy, de Heide & Gruenwald
(2024) on why the unknown variance does no harm; Howard, Ramdas, McAuliffe & Sekhon (2021) for the normal mixture;
Robbins (1970) for that of a coin; Lindon & Malek (2022) for the ratio of two samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.analysis.evidence import (
    OVER_TASKS,
    Both,
    Point,
    Score,
    Student,
    student_quantile,
    student_tail,
)
from benchmark_recorder.analysis.fieller import Fieller
from benchmark_recorder.analysis.metrics import Counts

if TYPE_CHECKING:
    from benchmark_recorder.analysis.evidence import Evidence, Limits
    from benchmark_recorder.analysis.metrics import Strata
    from benchmark_recorder.cells import Moments

EFFECT: Final = 0.3
"""Standard deviation of the mixture of effects on means, in standard deviations of one run."""

POINTS: Final = 0.1
"""The same on rates: 10 points."""

FEWEST: Final = 60
"""Runs of the smaller version from which on versions are told apart whose tasks are not matched: skewed values in
samples of different sizes do not cancel before."""


class Mixture(NamedTuple):
    """Against which effects "none" is tested.

    Attributes:
        share: of the variance of the estimate under the mixture, the part that is its error.
        freedom: degrees of freedom of the error.
    """

    share: float
    freedom: float

    def log_odds(self, t: float) -> float:
        """The logarithm of the odds of the mixture at an estimate of so many standard errors."""
        square = t * t
        if math.isinf(self.freedom):
            grown = (1 - self.share) * square / 2
        else:
            grown = math.log1p(square / self.freedom) - math.log1p(self.share * square / self.freedom)
            grown *= (self.freedom + 1) / 2
        return grown + math.log(self.share) / 2

    def reach(self, alpha: float) -> float:
        """The standard errors at which the odds are 1 / alpha; infinite where they never are."""
        needed = -math.log(alpha) - math.log(self.share) / 2
        if math.isinf(self.freedom):
            return math.sqrt(2 * needed / (1 - self.share)) if self.share < 1 else math.inf
        grown = math.expm1(2 * needed / (self.freedom + 1)) if 2 * needed < 700 * (self.freedom + 1) else math.inf
        room = 1 - self.share - self.share * grown
        return math.sqrt(self.freedom * grown / room) if room > 0 else math.inf


def coin_log_odds(left: float, right: float, share: float = 0.5, prior: float = 0.5) -> float:
    """The logarithm of the odds that a coin does not fall to the left with the chance ``share``.

    Args:
        left: how often it fell there.
        right: how often it did not.
        share: the chance that is tested.
        prior: both parameters of the beta distribution that the chance has otherwise.
    """
    found = math.lgamma(left + prior) + math.lgamma(right + prior) - math.lgamma(left + right + 2 * prior)
    found -= 2 * math.lgamma(prior) - math.lgamma(2 * prior)
    return found - left * math.log(share) - right * math.log1p(-share)


def chance_of(log_odds: float) -> float:
    """The p-value that such odds are, at any look."""
    return math.exp(-log_odds) if log_odds > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Anytime:
    """Some evidence, to be looked at as often as one likes.

    Attributes:
        found: by a method for one look.
        mixture: of effects.
        pairs: where tasks ran once a version, those that hit in the baseline alone and in the candidate alone.
    """

    found: Student | Score | Fieller
    mixture: Mixture
    pairs: tuple[int, int] | None = None

    @property
    def estimate(self) -> float:
        """The point."""
        return self.found.estimate

    @property
    def error(self) -> float:
        """Its standard error, as at one look."""
        return self.found.error

    @property
    def method(self) -> str:
        """Also that it may be looked at again."""
        return f"{self.found.method}, at any number of looks"

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference: at most alpha at any look with a chance of at most alpha."""
        return min(1.0, 2 * min(self.above(0.0), self.below(0.0)))

    def limits(self, confidence: float) -> Limits | None:
        """A two-sided interval that holds the truth at all looks; ``None`` where none does yet."""
        reach = self.mixture.reach(1 - confidence)
        if math.isinf(reach):
            return None
        if isinstance(self.found, Student):
            return self.found.estimate - reach * self.found.error, self.found.estimate + reach * self.found.error
        if isinstance(self.found, Score):
            return self.found.limits_at(reach)
        return self.found.limits(1 - 2 * student_tail(self.mixture.freedom, -reach))

    def above(self, bound: float) -> float:
        """See ``Evidence.above``."""
        if bound == 0 and self.pairs is not None:
            return self._of_pairs(self.pairs[1] > self.pairs[0])
        return self._one_sided(self.found.above(bound))

    def below(self, bound: float) -> float:
        """See ``Evidence.below``."""
        if bound == 0 and self.pairs is not None:
            return self._of_pairs(self.pairs[0] > self.pairs[1])
        return self._one_sided(self.found.below(bound))

    def _one_sided(self, p_value: float) -> float:
        if p_value >= 0.5:
            return 1.0
        return chance_of(self.mixture.log_odds(student_quantile(self.mixture.freedom, p_value))) / 2

    def _of_pairs(self, there: bool) -> float:  # noqa: FBT001 - a value, not a switch
        assert self.pairs is not None
        return chance_of(coin_log_odds(*self.pairs)) / 2 if there else 1.0


def at_any_look(evidence: Evidence | None, strata: Strata[Moments] | Strata[Counts], *, sums: bool) -> Evidence | None:
    """The same evidence, to be looked at as often as one likes.

    Runs without any spread need nothing: what separates them now has done so at each look before.

    Args:
        evidence: by a method for one look.
        strata: the runs that it is from.
        sums: whether it is on the ratio of sums of these.
    """
    if not isinstance(evidence, Student | Score | Fieller | Both):
        return evidence
    if not strata.matched and min(strata.left.n, strata.right.n) < FEWEST:
        return Point(evidence.estimate, "too few runs to look at them again and again")
    if isinstance(evidence, Both):
        first, second = (at_any_look(one, strata, sums=sums) for one in (evidence.first, evidence.second))
        assert first is not None
        assert second is not None
        return Both(first, second, f"{evidence.method}, at any number of looks")
    assert isinstance(evidence, Student | Score | Fieller)
    variance = evidence.error**2
    if evidence.method.startswith(OVER_TASKS):
        assert not isinstance(evidence, Score)
        supposed = EFFECT**2 * variance * (evidence.freedom + 1)
    elif isinstance(strata.left, Counts):
        supposed = POINTS**2
    else:
        supposed = EFFECT**2 * _variance_of_a_run(strata, sums=sums)
        if isinstance(evidence, Student):
            evidence = replace(evidence, error=math.sqrt(variance + _hidden(strata)))
            variance = evidence.error**2
    freedom, pairs = (math.inf, evidence.pairs) if isinstance(evidence, Score) else (evidence.freedom, None)
    return Anytime(evidence, Mixture(variance / (variance + supposed), freedom), pairs)


def _sides(strata: Strata[Moments]) -> list[tuple[Moments, Moments]]:
    return [(left, right) for _, left, right in strata.pairs] if strata.matched else [(strata.left, strata.right)]


def _hidden(strata: Strata[Moments]) -> float:
    """What the variance of the difference lacks if a task's runs vary alike in both versions; 0 where it lacks nothing.

    Where values are skewed, few of them have a mean and a variance that are small together.
    """
    own = alike = 0.0
    pairs = _sides(strata)
    for left, right in pairs:
        if left.n > 1 and right.n > 1:
            own += left.m2 / (left.n - 1) / left.n + right.m2 / (right.n - 1) / right.n
            alike += (left.m2 + right.m2) / (left.n + right.n - 2) * (1 / left.n + 1 / right.n)
    return max(0.0, alike - own) / len(pairs) ** 2


def _variance_of_a_run(strata: Strata[Moments], *, sums: bool) -> float:
    """Pooled over tasks and versions, on logarithms or (``sums``) in units of the mean; 0 where nothing repeats."""
    squares = freedom = 0.0
    for side in zip(*_sides(strata), strict=True):
        scale = math.fsum(m.mean for m in side) / len(side) if sums else 1.0
        squares += math.fsum(m.m2 / scale / scale for m in side)
        freedom += sum(m.n - 1 for m in side)
    return squares / freedom if freedom else 0.0
