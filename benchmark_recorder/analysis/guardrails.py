"""The default policy: what the evidence on each guardrail amounts to, before anyone puts it into words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.measured import finite, ratio_of
from benchmark_recorder.analysis.metrics import METRICS
from benchmark_recorder.analysis.power import detectable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.metrics import Metric

ALPHA: Final = 0.05
"""Chance to block an unchanged version, for the whole gate."""

GUARDRAILS: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.02, "cost": 0.05}
"""What may not get worse, and by how much it may: 10 % slower, 2 points more failures, 5 % dearer."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the default policy makes of one guardrail's evidence, all on the scale of ``GateCheck.worsening``."""

    state: Literal["pass", "inconclusive", "block", "missing"]
    worsening: float | None = None
    bound: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    detectable: float | None = None


def rule(evidence: Mapping[str, Evidence | None]) -> dict[str, Ruling]:
    """Apply the default policy to the evidence on each guardrail's change from baseline to candidate."""
    p_values = {name: found.above(0.0) for name, found in evidence.items() if found is not None}
    adjusted = holm(p_values)
    return {
        name: _rule(METRICS[name], found, GUARDRAILS[name], p_values[name], adjusted[name])
        if found is not None
        else Ruling("missing")
        for name, found in evidence.items()
    }


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values adjusted so that the chance of any false one below alpha is at most alpha (Holm 1979)."""
    adjusted, greatest = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        greatest = max(greatest, min(1.0, p * (len(p_values) - rank)))
        adjusted[name] = greatest
    return adjusted


def _rule(metric: Metric, evidence: Evidence, margin: float, p: float, p_adjusted: float) -> Ruling:
    point = _worsening(metric, evidence.estimate)
    limits = evidence.limits(1 - 2 * ALPHA)
    bound = _worsening(metric, limits[1]) if limits else None
    least = detectable(evidence, ALPHA)
    change = None if least is None else _worsening(metric, least)
    state: Literal["pass", "inconclusive", "block"] = "pass"
    if p_adjusted < ALPHA and point > margin:
        state = "block"
    elif _reaches(metric, evidence, margin, bound) and (
        change > 2 * margin if change is not None else evidence.above(-math.inf) > ALPHA
    ):
        state = "inconclusive"
    return Ruling(
        state,
        finite(point),
        finite(bound) if bound is not None else None,
        p,
        p_adjusted,
        finite(change) if change is not None else None,
    )


def _worsening(metric: Metric, change: float) -> float:
    return ratio_of(change) - 1 if metric.kind == "ratio" else change


def _reaches(metric: Metric, evidence: Evidence, margin: float, bound: float | None) -> bool:
    """Whether the one-sided 95 % bound lies beyond the margin."""
    if bound is not None:
        return bound > margin
    return evidence.below(math.log1p(margin) if metric.kind == "ratio" else margin) > ALPHA
