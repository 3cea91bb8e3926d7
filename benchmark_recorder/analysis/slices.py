"""Two versions compared slice by slice, by model or region for instance, and all slices pooled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.comparison import Comparison, conclude
from benchmark_recorder.analysis.evidence import (
    Point,
    benjamini_hochberg,
    normal_quantile,
    normal_tail,
    student_quantile,
    student_tail,
)
from benchmark_recorder.analysis.measured import measure
from benchmark_recorder.analysis.metrics import check_margin, check_scope, metric_named
from benchmark_recorder.analysis.results import Caveat, Interval, Result, finite, interval_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.cells import Cells

FEW_SLICES: Final = 5
"""Below this many slices the variance between them cannot be estimated well enough for random effects."""

DIFFERS: Final = 0.10
"""Where the slices' own test of having one common effect has a smaller p-value, no pooled verdict is given."""


@dataclass(frozen=True, slots=True)
class Slice(Result):
    """One slice.

    Attributes:
        group: its label; ``None`` for the runs that say nothing.
        comparison: of its runs.
        q_value: its p-value adjusted for the number of slices (Benjamini & Hochberg 1995); ``None`` without a test.
    """

    group: str | None
    comparison: Comparison
    q_value: float | None


@dataclass(frozen=True, slots=True)
class Pooled(Result):
    """The effect over all slices, weighted by the inverse of their variances.

    Attributes:
        effect: as in ``Comparison``.
        interval: 95 % confidence, of ``effect``.
        p_value: two-sided, of no change; ``None`` where the interval has no error.
        verdict: ``"differs"``: the slices do not share one effect (``q_p_value`` < 0.10), so look at each; otherwise
            ``"improved"``, ``"regressed"`` or ``"inconclusive"``.
        method: ``"fixed effect"``; from five slices on ``"random effects, Hartung-Knapp"``.
        q: Cochran's Q.
        q_p_value: of Q: that all slices share one effect.
        i2: the share of the variance that is between slices (Higgins & Thompson 2002).
        slices: that are pooled: those with an effect and its error.
    """

    effect: float | None
    interval: Interval | None
    p_value: float | None
    verdict: Literal["improved", "regressed", "inconclusive", "differs"]
    method: str
    q: float
    q_p_value: float
    i2: float
    slices: int


@dataclass(frozen=True, slots=True)
class SlicedComparison(Result):
    """Two versions on one metric, slice by slice.

    Attributes:
        metric: what was compared.
        v1: the baseline's version.
        v2: the candidate's.
        by: the key that slices.
        slices: those with runs of both versions, by label.
        pooled: all of them together; ``None`` below two with an effect and its error.
        only_v1: labels of slices that only the baseline has runs in.
        only_v2: of those that only the candidate has.
        warnings: caveats that are about all slices.
    """

    metric: str
    v1: str
    v2: str
    by: str
    slices: tuple[Slice, ...]
    pooled: Pooled | None
    only_v1: tuple[str | None, ...]
    only_v2: tuple[str | None, ...]
    warnings: tuple[Caveat, ...]

    def of(self, group: str | None) -> Comparison:
        """One slice's comparison.

        Raises:
            KeyError: no slice with runs of both versions has this label.
        """
        for one in self.slices:
            if one.group == group:
                return one.comparison
        raise KeyError(group)


def compare_slices(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str,
    metric: str = "execution_time",
    *,
    by: str,
    scope: str = "suite",
    margin: float | None = None,
) -> SlicedComparison:
    """Compare two versions in each group of their runs, by cells that are grouped by ``by``; see ``compare``."""
    spec = metric_named(metric)
    check_scope(scope)
    reach = check_margin(margin, spec)
    there = {group[0]: cells.within(group) for group in cells.groups}
    both = {label: found for label, found in there.items() if {v1, v2} <= {*found.versions}}
    measured = {label: measure(found, v1, v2, spec, scope) for label, found in both.items()}
    compared = {label: conclude(one, both[label], reach) for label, one in measured.items()}
    q_values = benjamini_hochberg([one.p_value for one in compared.values()])
    return SlicedComparison(
        metric=spec.name,
        v1=v1,
        v2=v2,
        by=by,
        slices=tuple(Slice(label, one, q) for (label, one), q in zip(compared.items(), q_values, strict=True)),
        pooled=_pooled(list(measured.values())),
        only_v1=tuple(label for label, found in there.items() if v2 not in found.versions and v1 in found.versions),
        only_v2=tuple(label for label, found in there.items() if v1 not in found.versions and v2 in found.versions),
        warnings=tuple(Caveat(*note) for note in cells.caveats),
    )


def _pooled(measured: Sequence[Measured]) -> Pooled | None:
    """All slices together.

    The variance between slices is that of DerSimonian & Laird (1986), the interval that of Hartung & Knapp (2001), as
    IntHout, Ioannidis & Borm (2014) advise.
    """
    known = [
        (one.change.estimate, one.change.error)
        for one in measured
        if one.change is not None and not isinstance(one.change, Point) and one.change.error > 0
    ]
    if len(known) < 2:
        return None
    from scipy import special

    freedom = len(known) - 1
    weights = [1 / error**2 for _, error in known]
    centre = _mean(known, weights)
    q = sum(w * (x - centre) ** 2 for (x, _), w in zip(known, weights, strict=True))
    q_p_value = float(special.chdtrc(freedom, q))
    if len(known) < FEW_SLICES:
        method, error = "fixed effect", 1 / math.sqrt(sum(weights))
        reach, p_value = normal_quantile(0.975) * error, 2 * normal_tail(-abs(centre) / error)
    else:
        method = "random effects, Hartung-Knapp"
        between = max(0.0, (q - freedom) / (sum(weights) - sum(w * w for w in weights) / sum(weights)))
        weights = [1 / (error**2 + between) for _, error in known]
        centre = _mean(known, weights)
        spread = sum(w * (x - centre) ** 2 for (x, _), w in zip(known, weights, strict=True)) / freedom
        error = math.sqrt(spread / sum(weights))
        reach = student_quantile(freedom, 0.975) * error
        p_value = 2 * student_tail(freedom, -abs(centre) / error) if error else (1.0 if centre == 0 else 0.0)
    effect: Callable[[float], float] = measured[0].effect
    low, high = sorted((effect(centre - reach), effect(centre + reach)))
    return Pooled(
        effect=finite(effect(centre)),
        interval=interval_of(low, high),
        p_value=p_value,
        verdict=_verdict(effect(centre), p_value, q_p_value),
        method=method,
        q=q,
        q_p_value=q_p_value,
        i2=max(0.0, (q - freedom) / q) if q else 0.0,
        slices=len(known),
    )


def _mean(known: Sequence[tuple[float, float]], weights: Sequence[float]) -> float:
    return sum(w * x for (x, _), w in zip(known, weights, strict=True)) / sum(weights)


def _verdict(
    effect: float, p_value: float, q_p_value: float
) -> Literal["improved", "regressed", "inconclusive", "differs"]:
    if q_p_value < DIFFERS:
        return "differs"
    if p_value >= 0.05:
        return "inconclusive"
    return "improved" if effect > 0 else "regressed"
