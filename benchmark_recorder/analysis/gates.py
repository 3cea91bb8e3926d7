"""Block, warn, or say that the runs do not tell: what CI does with a candidate.

The guide's gates compare point estimates, and block an unchanged version in most runs. The default policy blocks on
evidence and size: a guardrail's one-sided p-value, adjusted for their number (Holm 1979), and the point beyond its
margin. The literal thresholds are computed beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.caveats import comparison_caveats, without_runs
from benchmark_recorder.analysis.guardrails import ALPHA, GUARDRAILS, Ruling, rule
from benchmark_recorder.analysis.measured import Measured, finite, measure
from benchmark_recorder.analysis.metrics import METRICS, check_scope
from benchmark_recorder.analysis.results import Caveat, Result
from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cells

State = Literal["pass", "warn", "inconclusive", "block", "no_data"]

SCHEMA_VERSION: Final = 1
"""Of ``GateResult.to_dict()``: 1 is the first."""

LITERAL: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.0, "cost": 0.05}
"""The guide's thresholds on point estimates; any increase of failures blocks."""

LEAST_IMPROVEMENT: Final = 20.0
"""The guide's alert on speed, in percent."""

LEAST_COVERAGE: Final = 90.0
"""The guide's alert on test coverage, in percent."""


@dataclass(frozen=True, slots=True)
class GateCheck(Result):
    """One guardrail under the default policy.

    Attributes:
        metric: execution_time, failure_rate or cost.
        state: ``"block"``, ``"inconclusive"``, ``"missing"`` (no values on a side) or ``"pass"``.
        v1_value: the baseline's plain value; NaN where there is none.
        v2_value: the candidate's.
        worsening: the point: a fraction (0.12 is 12 % slower or dearer) or a difference of rates; negative where the
            candidate is better; ``None`` where undefined.
        bound: the worst that the one-sided 95 % bound allows, on the same scale; ``None`` where there is none.
        margin: what is tolerated, on the same scale.
        p_value: one-sided, of "not worse".
        p_adjusted: after Holm, over the guardrails that have values.
        detectable: the smallest true worsening found with 80 % power; ``None`` where unknown.
        sentence: the finding in words.
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
    sentence: str


@dataclass(frozen=True, slots=True)
class LiteralCheck(Result):
    """One of the guide's thresholds on point estimates.

    Attributes:
        metric: execution_time, failure_rate or cost.
        blocks: whether the point is beyond the threshold; ``None`` where there is no point.
        worsening: relative change of the plain means, or difference of the plain rates; ``None`` where undefined.
        threshold: what is tolerated, on the same scale.
        sentence: the finding in words.
    """

    metric: str
    blocks: bool | None
    worsening: float | None
    threshold: float
    sentence: str


@dataclass(frozen=True, slots=True)
class GateResult(Result):
    """What CI is told.

    Attributes:
        schema_version: of this result as a dict.
        baseline: version.
        candidate: version.
        policy: ``"default"`` or ``"literal"``: whose state counts.
        state: ``"block"``, ``"inconclusive"``, ``"warn"``, ``"pass"``; ``"no_data"`` where a side has no runs.
        exit_code: 0 pass or warn (and inconclusive unless asked to fail on it), 1 block, 3 inconclusive where asked to
            fail on it, 4 no data.
        default_state: under the default policy.
        literal_state: under the guide's literal thresholds.
        on_inconclusive: ``"warn"``, ``"fail"`` or ``"pass"``.
        checks: the guardrails.
        literal: the guide's thresholds.
        alerts: the guide's alerts that hold, as sentences with their figures.
        sentence: the result in words.
        difference: why the two policies differ; ``None`` where they agree.
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
    sentence: str
    difference: str | None
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
        baseline: version.
        candidate: version.
        policy: ``"default"`` (evidence and size) or ``"literal"`` (the guide's thresholds on points).
        on_inconclusive: what a gate that cannot tell does: ``"warn"``, ``"fail"`` or ``"pass"``. A metric without
            values is at least a warning.
        coverage: test coverage in percent, where a report is at hand.
        scope: see ``compare``.
        window: days before the candidate's first run, where the baseline's runs were taken from these alone.
        target: percent of its time that the candidate must save to be let through without an alert; ``None`` for no
            such alert.

    Raises:
        InvalidQueryError: an unknown policy, reaction or scope, a coverage outside of 0 to 100 or between 0 and 1, or a
            target that is not below 100.
    """
    known = _one_of("policy", policy, ("default", "literal"))
    reaction = _one_of("on_inconclusive", on_inconclusive, ("warn", "fail", "pass"))
    check_scope(scope)
    _check_coverage(coverage)
    _check_target(target)
    measured = {name: measure(cells, baseline, candidate, METRICS[name], scope) for name in GUARDRAILS}
    checks = _checks(measured)
    literal = tuple(_literal(one) for one in measured.values())
    alerts = _alerts(measured["execution_time"], coverage, target)
    empty = not (cells.of(baseline) and cells.of(candidate))
    default_state = _state([check.state for check in checks], alerts, empty=empty)
    literal_state = _state([_literal_state(check) for check in literal], alerts, empty=empty)
    state = default_state if known == "default" else literal_state
    missing = any(check.state == "missing" for check in checks)
    state, exit_code = _react(state, reaction, doubtful=missing or bool(alerts))
    return GateResult(
        schema_version=SCHEMA_VERSION,
        baseline=baseline,
        candidate=candidate,
        policy="default" if known == "default" else "literal",
        state=state,
        exit_code=exit_code,
        default_state=default_state,
        literal_state=literal_state,
        on_inconclusive="warn" if reaction == "warn" else "fail" if reaction == "fail" else "pass",
        checks=checks,
        literal=literal,
        alerts=alerts,
        sentence=f"{candidate} against {baseline}: {_no_data(cells, baseline, candidate, window)}."
        if empty
        else _sentence(candidate, baseline, state, checks if known == "default" else literal, alerts),
        difference=_difference(default_state, literal_state, checks, literal),
        warnings=_warnings(measured, cells),
    )


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> str:
    if value in allowed:
        return str(value)
    raise InvalidQueryError(f"{name}: expected one of {', '.join(allowed)}, got {preview(value)}")


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
            sentence=_explain(METRICS[name], ruling, GUARDRAILS[name]),
        )
        for name, ruling in rulings.items()
    )


def _explain(metric: Metric, ruling: Ruling, margin: float) -> str:
    noun = metric.noun.capitalize()
    if ruling.state == "missing":
        return f"{noun} cannot be judged: there are too few values."
    point = _change(metric, ruling.worsening)
    bound = f", at worst {_change(metric, ruling.bound)}" if ruling.bound is not None else ""
    tail = {
        "block": f"beyond the {_size(metric, margin)} that are tolerated, and not by chance",
        "inconclusive": f"it may be beyond the {_size(metric, margin)} that are tolerated, and the runs are too few "
        "to tell",
        "pass": f"no evidence of more than the {_size(metric, margin)} that are tolerated",
    }[ruling.state]
    p = f" (p = {ruling.p_adjusted:.3g} after Holm)" if ruling.p_adjusted is not None else ""
    return f"{noun} {point}{bound}: {tail}{p}."


def _change(metric: Metric, worsening: float | None) -> str:
    if worsening is None:
        return "unbounded"
    return f"{100 * worsening:+.1f}{_unit(metric)}"


def _size(metric: Metric, margin: float) -> str:
    return f"{100 * margin:g}{_unit(metric)}"


def _unit(metric: Metric) -> str:
    return " %" if metric.kind == "ratio" else " points"


# The guide's thresholds --------------------------------------------------------------------------------------------


def _literal(measured: Measured) -> LiteralCheck:
    metric, threshold = measured.metric, LITERAL[measured.metric.name]
    if metric.kind == "ratio":
        worsening = finite(-measured.improvement)
    else:
        worsening = finite(measured.right[0] - measured.left[0])
    blocks = None if worsening is None else worsening > threshold
    noun = metric.noun.capitalize()
    if worsening is None:
        sentence = f"{noun} cannot be judged: there are too few values."
    else:
        verb = "is beyond" if blocks else "is not beyond"
        sentence = f"{noun} {_change(metric, worsening)} {verb} {_size(metric, threshold)}."
    return LiteralCheck(metric.name, blocks, worsening, threshold, sentence)


def _literal_state(check: LiteralCheck) -> Literal["pass", "block", "missing"]:
    if check.blocks is None:
        return "missing"
    return "block" if check.blocks else "pass"


def _alerts(time: Measured, coverage: float | None, target: float | None) -> tuple[Caveat, ...]:
    found = []
    improvement = finite(time.effect(time.change.estimate)) if time.change else None
    if target is not None and improvement is not None and 100 * improvement < target:
        how = "improved" if improvement >= 0 else "got worse"
        found.append(
            Caveat(
                "small_improvement",
                f"Execution time {how} by {100 * abs(improvement):.1f} %; the alert is below an improvement of "
                f"{target:g} %.",
                {"improvement": improvement, "threshold": target / 100},
            )
        )
    if coverage is not None and coverage < LEAST_COVERAGE:
        found.append(
            Caveat(
                "low_coverage",
                f"Test coverage is {coverage:g} %, below {LEAST_COVERAGE:g} %.",
                {"coverage": coverage, "threshold": LEAST_COVERAGE},
            )
        )
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


def _react(state: State, reaction: str, *, doubtful: bool) -> tuple[State, int]:
    if state == "block":
        return state, 1
    if state == "no_data":
        return state, 4
    if state == "inconclusive":
        if reaction == "fail":
            return state, 3
        if reaction == "pass":
            return ("warn" if doubtful else "pass"), 0
    return state, 0


def _sentence(
    candidate: str,
    baseline: str,
    state: State,
    checks: tuple[GateCheck, ...] | tuple[LiteralCheck, ...],
    alerts: tuple[Caveat, ...],
) -> str:
    word = {"block": "blocked", "inconclusive": "inconclusive", "warn": "warning", "pass": "passed"}[state]
    telling: dict[str, set[str | bool | None]] = {
        "block": {"block", True},
        "inconclusive": {"inconclusive", "missing", None},
        "warn": {"missing", None},
    }
    wanted = telling.get(state, set())
    reasons = [c.sentence for c in checks if (c.state if isinstance(c, GateCheck) else c.blocks) in wanted]
    if state == "warn":
        reasons += [alert.sentence for alert in alerts]
    return " ".join([f"{candidate} against {baseline}: {word}.", *reasons])


def _no_data(cells: Cells, baseline: str, candidate: str, window: float | None) -> str:
    """Which side has no runs, and where they were looked for."""
    if window is not None and cells.of(candidate):
        days = "day" if window == 1 else f"{window:g} days"
        missing = f"there are no runs of version {baseline} in the {days} before the first run of {candidate}"
    else:
        missing = without_runs(cells, baseline, candidate)
    return f"{missing}, so nothing can be judged"


def _difference(
    default: State, literal: State, checks: tuple[GateCheck, ...], thresholds: tuple[LiteralCheck, ...]
) -> str | None:
    if default == literal:
        return None
    parts = [f"The guide's literal thresholds say {literal}, the default policy says {default}."]
    for check, threshold in zip(checks, thresholds, strict=True):
        if threshold.blocks and check.state != "block":
            parts.append(f"{threshold.sentence} {_doubtful(check)}")
        elif check.state == "block" and not threshold.blocks:
            parts.append(f"Within the tasks, {check.sentence[0].lower()}{check.sentence[1:]}")
        elif check.state == "inconclusive":
            parts.append(check.sentence)
    return " ".join(parts)


def _doubtful(check: GateCheck) -> str:
    """Why a point beyond its literal threshold does not block."""
    if check.p_adjusted is None:
        return "There is no test of it."
    reasons = []
    if check.p_adjusted >= ALPHA:
        reasons.append(f"may well be chance (p = {check.p_adjusted:.2g} after Holm)")
    if check.worsening is not None and check.worsening <= check.margin:
        reasons.append(f"is within the {_size(METRICS[check.metric], check.margin)} that are tolerated")
    return f"That {' and '.join(reasons)}."


def _warnings(measured: Mapping[str, Measured], cells: Cells) -> tuple[Caveat, ...]:
    every = [caveat for one in measured.values() for caveat in comparison_caveats(one, cells, {})]
    return tuple({caveat.sentence: caveat for caveat in every}.values())
