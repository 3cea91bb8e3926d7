"""Block, warn, pass, or inconclusive: what CI does with a candidate.

The guide's gates compare point estimates, and block an unchanged version in most runs. The default policy blocks on
evidence and size: a guardrail's one-sided p-value, adjusted for their number (Holm 1979), and the point beyond its
margin. The literal thresholds are computed beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.caveats import comparison_caveats
from benchmark_recorder.analysis.measured import Measured, measure
from benchmark_recorder.analysis.metrics import METRICS, check_scope
from benchmark_recorder.analysis.power import detectable
from benchmark_recorder.analysis.results import Caveat, Result, deferred, defers, finite, ratio_of
from benchmark_recorder.errors import InvalidQueryError, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cells

State = Literal["pass", "warn", "inconclusive", "block", "no_data"]

ALPHA: Final = 0.05
"""Chance to block an unchanged version, for the whole gate."""

GUARDRAILS: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.02, "cost": 0.05}
"""What may not get worse, and by how much it may: 10% slower, 2 points more failures, 5% more expensive."""

SCHEMA_VERSION: Final = 1
"""Of ``GateResult.to_dict()``: 1 is the first."""

LITERAL: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.0, "cost": 0.05}
"""The guide's thresholds on point estimates; any increase of failures blocks."""

LEAST_IMPROVEMENT: Final = 20.0
"""The guide's alert on speed, in percent."""

LEAST_COVERAGE: Final = 90.0
"""The guide's alert on test coverage, in percent."""


@defers("p_margin")
@dataclass(frozen=True, slots=True)
class GateCheck(Result):
    """One guardrail under the default policy.

    Attributes:
        metric: execution_time, failure_rate or cost.
        state: ``"block"``, ``"inconclusive"``, ``"missing"`` (no values on a side) or ``"pass"``.
        v1_value: the baseline's plain value; NaN where there is none.
        v2_value: the candidate's.
        worsening: the point: a fraction (0.12 is 12% slower or more expensive) or a difference of rates; negative
            where the candidate is better; ``None`` where undefined.
        bound: the worst that the one-sided 95% bound allows, on the same scale; ``None`` where there is none.
        margin: the limit, on the same scale.
        p_value: one-sided, of "not worse".
        p_adjusted: after Holm, over the guardrails that have values.
        detectable: the smallest true worsening found with 80% power; ``None`` where unknown.
        p_margin: one-sided, of "worse by the margin or more": small where that is excluded.
        sentence: the finding in words; empty until ``reporting.views`` words it.
    """

    metric: str
    state: Literal["pass", "inconclusive", "block", "missing"]
    v1_value: float
    v2_value: float
    worsening: float | None
    bound: float | None
    margin: float
    p_value: float | None
    p_adjusted: float | None
    detectable: float | None
    p_margin: float | None
    sentence: str = field(default="", compare=False)


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


@dataclass(frozen=True, slots=True)
class GateResult(Result):
    """What CI gets to know.

    Attributes:
        schema_version: of this result as a dict.
        baseline: its version.
        candidate: its version.
        policy: ``"default"`` or ``"literal"``: whose state counts.
        state: ``"block"``, ``"inconclusive"``, ``"warn"``, ``"pass"``; ``"no_data"`` where a side has no runs.
        exit_code: 0 pass or warn (and inconclusive unless asked to fail on it), 1 block, 3 inconclusive where asked to
            fail on it, 4 no data.
        default_state: under the default policy.
        literal_state: under the guide's literal thresholds.
        on_inconclusive: ``"warn"``, ``"fail"`` or ``"pass"``.
        checks: the guardrails.
        literal: the guide's thresholds.
        alerts: the guide's alerts that hold.
        sentence: the result in words; empty until ``reporting.views`` words it.
        difference: why the two policies differ; ``None`` where they agree, and until it is worded.
        warnings: caveats that the reader must know.
    """

    schema_version: int
    baseline: str
    candidate: str
    policy: Literal["default", "literal"]
    state: State
    exit_code: int
    default_state: State
    literal_state: State
    on_inconclusive: Literal["warn", "fail", "pass"]
    checks: tuple[GateCheck, ...]
    literal: tuple[LiteralCheck, ...]
    alerts: tuple[Caveat, ...]
    sentence: str = field(default="", compare=False, kw_only=True)
    difference: str | None = field(default=None, compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


def check_gate(  # noqa: PLR0913
    cells: Cells,
    baseline: str,
    candidate: str,
    *,
    policy: str = "default",
    on_inconclusive: str = "warn",
    coverage: float | None = None,
    scope: str = "suite",
    window: float | None = None,
    target: float | None = LEAST_IMPROVEMENT,
) -> GateResult:
    """Decide on a candidate.

    Args:
        cells: of both versions.
        baseline: its version.
        candidate: its version.
        policy: ``"default"`` (evidence and size) or ``"literal"`` (the guide's thresholds on points).
        on_inconclusive: what an inconclusive gate does: ``"warn"``, ``"fail"`` or ``"pass"``. A metric without
            values is at least a warning.
        coverage: test coverage in percent, where a report is at hand.
        scope: see ``compare``.
        window: days before the candidate's first run, where the baseline's runs were taken from these alone.
        target: percent of its time that the candidate must save to be let through without an alert; ``None`` for
            no alert.

    Raises:
        InvalidQueryError: an unknown policy, reaction or scope, a coverage outside of 0 to 100 or between 0 and 1, or a
            target that is not below 100.
    """
    known = one_of("policy", policy, ("default", "literal"))
    reaction = one_of("on_inconclusive", on_inconclusive, ("warn", "fail", "pass"))
    check_scope(scope)
    _check_coverage(coverage)
    _check_target(target)
    measured = {name: measure(cells, baseline, candidate, METRICS[name], scope) for name in GUARDRAILS}
    checks = _checks(measured)
    literal = tuple(_literal(one) for one in measured.values())
    alerts = _alerts(measured["execution_time"], coverage, target)
    empty = not (cells.of(baseline) and cells.of(candidate))
    by_default = _state([check.state for check in checks], alerts, empty=empty)
    by_literal = _state([literal_state(check) for check in literal], alerts, empty=empty)
    state = by_default if known == "default" else by_literal
    missing = any(check.state == "missing" for check in checks)
    state, exit_code = _react(state, reaction, alerted=missing or bool(alerts))
    return GateResult(
        schema_version=SCHEMA_VERSION,
        baseline=baseline,
        candidate=candidate,
        policy="default" if known == "default" else "literal",
        state=state,
        exit_code=exit_code,
        default_state=by_default,
        literal_state=by_literal,
        on_inconclusive="warn" if reaction == "warn" else "fail" if reaction == "fail" else "pass",
        checks=checks,
        literal=literal,
        alerts=alerts,
        warnings=_warnings(measured, cells, window),
    )


def _check_coverage(coverage: object) -> None:
    if coverage is None:
        return
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 <= coverage <= 100:
        raise InvalidQueryError("coverage: expected percent from 0 to 100")
    if 0 < coverage < 1:
        raise InvalidQueryError(f"coverage: expected percent; {coverage:g} looks like a part, give {100 * coverage:g}")


def _check_target(target: object) -> None:
    if target is None:
        return
    if isinstance(target, bool) or not isinstance(target, int | float) or not -math.inf < target < 100:
        raise InvalidQueryError("target: expected percent below 100, or None for no alert")


# The default policy ------------------------------------------------------------------------------------------------


def _checks(measured: Mapping[str, Measured]) -> tuple[GateCheck, ...]:
    rulings = rule({name: one.change for name, one in measured.items()})
    return tuple(
        GateCheck(
            metric=name,
            state=ruling.state,
            v1_value=measured[name].left[0],
            v2_value=measured[name].right[0],
            worsening=ruling.worsening,
            bound=ruling.bound,
            margin=GUARDRAILS[name],
            p_value=ruling.p_value,
            p_adjusted=ruling.p_adjusted,
            detectable=ruling.detectable,
            p_margin=None
            if change is None
            else deferred(partial(change.below, _on_scale(METRICS[name], GUARDRAILS[name]))),
        )
        for name, ruling in rulings.items()
        for change in (measured[name].change,)
    )


@dataclass(frozen=True, slots=True)
class Ruling:
    """One guardrail under the default policy, on the scale of ``GateCheck.worsening``."""

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
    """Whether the one-sided 95% bound lies beyond the margin."""
    if bound is not None:
        return bound > margin
    return evidence.below(_on_scale(metric, margin)) > ALPHA


def _on_scale(metric: Metric, margin: float) -> float:
    """A margin on the evidence's scale."""
    return math.log1p(margin) if metric.kind == "ratio" else margin


# The guide's thresholds --------------------------------------------------------------------------------------------


def _literal(measured: Measured) -> LiteralCheck:
    metric, threshold = measured.metric, LITERAL[measured.metric.name]
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


def _alerts(time: Measured, coverage: float | None, target: float | None) -> tuple[Caveat, ...]:
    found = []
    improvement = finite(time.effect(time.change.estimate)) if time.change else None
    if target is not None and improvement is not None and 100 * improvement < target:
        figures = {"improvement": improvement, "threshold": target / 100}
        found.append(Caveat("small_improvement", figures=figures))
    if coverage is not None and coverage < LEAST_COVERAGE:
        found.append(Caveat("low_coverage", figures={"coverage": coverage, "threshold": LEAST_COVERAGE}))
    return tuple(found)


# The whole gate ------------------------------------------------------------------------------------------------------


def _state(states: list[str], alerts: tuple[Caveat, ...], *, empty: bool) -> State:
    """The worst metric decides; a missing one is never a pass."""
    if empty:
        return "no_data"
    if "block" in states:
        return "block"
    if "inconclusive" in states or "missing" in states:
        return "inconclusive"
    return "warn" if alerts else "pass"


def _react(state: State, reaction: str, *, alerted: bool) -> tuple[State, int]:
    if state == "block":
        return state, 1
    if state == "no_data":
        return state, 4
    if state == "inconclusive":
        if reaction == "fail":
            return state, 3
        if reaction == "pass":
            return ("warn" if alerted else "pass"), 0
    return state, 0


def _warnings(measured: Mapping[str, Measured], cells: Cells, window: float | None) -> tuple[Caveat, ...]:
    """Of all guardrails; a baseline without runs in the window is said to have none there."""
    found = tuple(caveat for one in measured.values() for caveat in comparison_caveats(one, cells, {}))
    time = measured["execution_time"]
    if window is None or time.wholes[1] is None:
        return found
    return tuple(
        replace(caveat, figures={**caveat.figures, "days": window}) if caveat.code == "unknown_version" else caveat
        for caveat in found
    )
