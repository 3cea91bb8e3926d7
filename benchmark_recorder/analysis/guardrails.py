"""The rule of the gate's default policy: limits, evidence, states; and the guide's literal thresholds beside it.

With d the worsening, U its one-sided 95% upper bound and m the limit of a guardrail:

- block: d is beyond m, and the one-sided p of "not worse", adjusted for the guardrails (Holm 1979), is below 0.05;
- warn: the same with p below 0.10;
- pass: U is within m, so the candidate is shown to be no worse than that (non-inferiority, CONSORT 2012);
- inconclusive: anything else.

The gate blocks or warns if any guardrail does, and passes if each required one passes. The others may stay
inconclusive: few failures take many runs to bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from benchmark_recorder.analysis.metrics import METRICS, metric_named
from benchmark_recorder.analysis.results import Caveat, Result, finite, ratio_of
from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.metrics import Metric

K = TypeVar("K")

State = Literal["pass", "warn", "inconclusive", "block", "no_data"]
CheckState = Literal["pass", "warn", "inconclusive", "block", "missing"]

ALPHA: Final = 0.05
"""Chance to block an unchanged version, for the whole gate."""

WARN_ALPHA: Final = 0.10
"""Chance to block it or to warn of it."""

GUARDRAILS: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.02, "cost": 0.05}
"""What may not get worse, and by how much it may: 10% slower, 2 points more failures, 5% more expensive."""

REQUIRED: Final = ("execution_time",)
"""What must be shown to be within its limit for a pass."""


def check_margins(margins: object) -> dict[str, float]:
    """The limit of each guardrail, in the order of the metrics.

    Raises:
        InvalidQueryError: they are not fractions by the names of metrics.
    """
    given = {} if margins is None else margins
    if not isinstance(given, dict):
        raise InvalidQueryError(f'margins: expected fractions by metric, {{"time": 0.05}}, got {preview(margins)}')
    limits = dict(GUARDRAILS)
    for name, margin in given.items():
        metric = metric_named(name, "margins")
        if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 <= margin < 1:
            raise InvalidQueryError(
                f"margins: {metric.name}: expected a fraction of at least 0 and below 1 (0.05 is 5%, or 5 points), "
                f"got {preview(margin)}"
            )
        limits[metric.name] = float(margin)
    return {name: limits[name] for name in METRICS if name in limits}


def check_required(require: object, limits: Mapping[str, float]) -> tuple[str, ...]:
    """The guardrails that must pass.

    Raises:
        InvalidQueryError: they are not guardrails' names.
    """
    if require is None:
        return REQUIRED
    if isinstance(require, str) or not isinstance(require, list | tuple | set | frozenset):
        raise InvalidQueryError(f'require: expected metrics, ["time", "failures"], got {preview(require)}')
    names = {metric_named(name, "require").name for name in require}
    if unknown := sorted(names - limits.keys()):
        raise InvalidQueryError(f"require: {unknown[0]} has no limit; give it one in margins")
    return tuple(name for name in limits if name in names)


@dataclass(frozen=True, slots=True)
class Ruling:
    """One guardrail under the default policy, on the scale of ``GateCheck.worsening``."""

    state: CheckState
    worsening: float | None = None
    bound: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


def rule(evidence: Mapping[str, Evidence | None], limits: Mapping[str, float] = GUARDRAILS) -> dict[str, Ruling]:
    """Apply the default policy to the evidence on each guardrail's change from baseline to candidate."""
    p_values = {name: _worse(METRICS[name], found, 0.0) for name, found in evidence.items() if found is not None}
    adjusted = holm(p_values)
    return {
        name: _rule(METRICS[name], found, limits[name], p_values[name], adjusted[name])
        if found is not None
        else Ruling("missing")
        for name, found in evidence.items()
    }


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """P-values adjusted so that the chance of any false one below alpha is at most alpha (Holm 1979)."""
    adjusted: dict[K, float] = {}
    greatest = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        greatest = max(greatest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = greatest
    return adjusted


def _rule(metric: Metric, evidence: Evidence, margin: float, p: float, p_adjusted: float) -> Ruling:
    point = _worsening(metric, -metric.better * evidence.estimate)
    ends = evidence.limits(1 - 2 * ALPHA)
    bound = _worsening(metric, max(-metric.better * end for end in ends)) if ends else None
    state: CheckState = "inconclusive"
    if p_adjusted < WARN_ALPHA and point > margin:
        state = "block" if p_adjusted < ALPHA else "warn"
    elif bound <= margin if bound is not None else within_p(metric, evidence, margin) <= ALPHA:
        state = "pass"
    return Ruling(state, finite(point), None if bound is None else finite(bound), p, p_adjusted)


def _worse(metric: Metric, evidence: Evidence, bound: float) -> float:
    """One-sided p of "not worse than this", on the evidence's scale."""
    return evidence.above(bound) if metric.better < 0 else evidence.below(-bound)


def within_p(metric: Metric, evidence: Evidence, margin: float) -> float:
    """One-sided p of "worse by the margin or more"."""
    bound = on_scale(metric, margin)
    return evidence.below(bound) if metric.better < 0 else evidence.above(-bound)


def _worsening(metric: Metric, change: float) -> float:
    return ratio_of(change) - 1 if metric.kind == "ratio" else change


def on_scale(metric: Metric, size: float) -> float:
    """A fraction or points on the evidence's scale."""
    return math.log1p(size) if metric.kind == "ratio" else size


def overall(states: Mapping[str, str], required: Collection[str], *, alerted: bool, whole: bool = True) -> State:
    """The gate's state from its guardrails': the worst one decides, and a pass takes each required one.

    Args:
        states: by metric.
        required: what must pass.
        alerted: whether there is an alert, which makes a warning of a pass.
        whole: whether the candidate ran all tasks of the baseline: otherwise nothing passes.
    """
    found = set(states.values())
    if "block" in found:
        return "block"
    if "warn" in found:
        return "warn"
    if not whole or any(states[name] != "pass" for name in required):
        return "inconclusive"
    return "warn" if alerted else "pass"


# The guide's thresholds ----------------------------------------------------------------------------------------------
#
# On point estimates, and alerts on speed and test coverage. On its own this rule blocks an unchanged version in most
# runs; it is computed beside the default policy, and counts where ``policy="guide"`` asks for it.

THRESHOLDS: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.0, "cost": 0.05}
"""By metric; any increase of failures blocks."""

TARGET: Final = 20.0
"""The guide's alert on speed, in percent."""

LEAST_COVERAGE: Final = 90.0
"""The guide's alert on test coverage, in percent."""


@dataclass(frozen=True, slots=True)
class LiteralCheck(Result):
    """One of the guide's thresholds on point estimates.

    Attributes:
        metric: execution_time, failure_rate or cost.
        blocks: whether the point is beyond the threshold; ``None`` where there is no point.
        worsening: relative change of the plain means, or difference of the plain rates; ``None`` where undefined.
        threshold: the limit, on the same scale.
        sentence: the finding in words; empty until ``reporting.views`` words it.
    """

    metric: str
    blocks: bool | None
    worsening: float | None
    threshold: float
    sentence: str = field(default="", compare=False)


def literal_check(measured: Measured) -> LiteralCheck:
    """Hold one metric's plain values to the guide's threshold."""
    metric, threshold = measured.metric, THRESHOLDS[measured.metric.name]
    if metric.kind == "ratio":
        worsening = finite(-measured.improvement)
    else:
        worsening = finite(measured.right[0] - measured.left[0])
    blocks = None if worsening is None else worsening > threshold
    return LiteralCheck(metric.name, blocks, worsening, threshold)


def literal_state(check: LiteralCheck) -> Literal["pass", "block", "missing"]:
    """What a threshold says, in the words of the default policy."""
    if check.blocks is None:
        return "missing"
    return "block" if check.blocks else "pass"


def alerts(time: Measured, coverage: float | None, target: float | None) -> tuple[Caveat, ...]:
    """The alerts that hold: less speed than the target asks for, less test coverage than the guide wants."""
    found = []
    improvement = finite(time.effect(time.change.estimate)) if time.change else None
    if target is not None and improvement is not None and 100 * improvement < target:
        figures = {"improvement": improvement, "threshold": target / 100}
        found.append(Caveat("small_improvement", figures=figures))
    if coverage is not None and coverage < LEAST_COVERAGE:
        found.append(Caveat("low_coverage", figures={"coverage": coverage, "threshold": LEAST_COVERAGE}))
    return tuple(found)


def check_coverage(coverage: object) -> None:
    """Raise ``InvalidQueryError`` unless it is ``None`` or a percentage."""
    if coverage is None:
        return
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 <= coverage <= 100:
        raise InvalidQueryError("coverage: expected percent from 0 to 100")
    if 0 < coverage < 1:
        raise InvalidQueryError(f"coverage: expected percent; {coverage:g} looks like a part, give {100 * coverage:g}")


def check_target(target: object) -> None:
    """Raise ``InvalidQueryError`` unless it is ``None`` or percent below 100."""
    if target is None:
        return
    if isinstance(target, bool) or not isinstance(target, int | float) or not -math.inf < target < 100:
        raise InvalidQueryError("target: expected percent below 100, or None for no alert")
