"""Block, warn, pass, or inconclusive: what CI does with a candidate.

The guide's gates compare point estimates, and block an unchanged version in most runs. The default policy asks for
evidence: ``guardrails`` has its rule, and the guide's, which is computed beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from benchmark_recorder.analysis import metrics
from benchmark_recorder.analysis.caveats import comparison_caveats, untried
from benchmark_recorder.analysis.evidence import Fixed, Point
from benchmark_recorder.analysis.guardrails import (
    GUARDRAILS,
    TARGET,
    CheckState,
    LiteralCheck,
    Ruling,
    State,
    alerts,
    check_coverage,
    check_margins,
    check_required,
    check_target,
    literal_check,
    literal_state,
    overall,
    rule,
    within_p,
)
from benchmark_recorder.analysis.measured import Measured, measure
from benchmark_recorder.analysis.metrics import METRICS, check_method, check_scope, metric_named
from benchmark_recorder.analysis.planning import Needed, detectable, pass_aim, what_would_decide
from benchmark_recorder.analysis.rates import rate_difference
from benchmark_recorder.analysis.results import Caveat, Result, deferred, defers, finite
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import one_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cells

REACTIONS: Final = ("warn", "fail", "pass")
"""What an inconclusive gate does."""

SCHEMA_VERSION: Final = 1
"""Of ``GateResult.to_dict()``: 1 is the first."""


@defers("p_margin", "detectable", "needed")
@dataclass(frozen=True, slots=True)
class GateCheck(Result):
    """One guardrail under the default policy.

    Attributes:
        metric: execution_time, failure_rate, cost, or another one that was given a margin; the mean in place of a
            quantile that the runs are too few for.
        state: ``"block"``, ``"warn"``, ``"inconclusive"``, ``"missing"`` (no values on a side) or ``"pass"``.
        v1_value: the baseline's plain value; NaN where there is none.
        v2_value: the candidate's.
        v1_compared: the baseline's value that ``worsening`` starts from; see ``Comparison``.
        v2_compared: the candidate's.
        v1_count: runs of the baseline that count.
        v2_count: the candidate's.
        worsening: the point: a fraction (0.12 is 12% slower or more expensive) or a difference of rates; negative
            where the candidate is better; ``None`` where undefined, as between free and paid.
        bound: the worst that the one-sided 95% bound allows, on the same scale; ``None`` where there is none.
        margin: the limit, on the same scale.
        p_value: one-sided, of "not worse".
        p_adjusted: after Holm, over the guardrails that have values.
        detectable: the smallest true worsening that blocks four times in five; ``None`` where unknown.
        p_margin: one-sided, of "worse by the margin or more": small where that is excluded.
        required: whether the gate passes only if this guardrail does.
        needed: with which an unchanged candidate passes four times in five; ``None`` unless inconclusive, or where the
            variance is unknown.
        recorded_twice: whether nothing can be concluded, because runs were recorded twice.
        sentence: the finding in words; empty until ``reporting.views`` words it.
    """

    metric: str
    state: CheckState
    v1_value: float
    v2_value: float
    worsening: float | None
    bound: float | None
    margin: float
    p_value: float | None
    p_adjusted: float | None
    detectable: float | None
    p_margin: float | None
    required: bool
    needed: Needed | None = field(default=None, kw_only=True)
    recorded_twice: bool = field(default=False, kw_only=True)
    sentence: str = field(default="", compare=False)
    v1_compared: float | None = None
    v2_compared: float | None = None
    v1_count: int = 0
    v2_count: int = 0


class GateSettings(TypedDict, total=False):
    """What a table of settings may say of a gate; ``None`` is not given. See ``check_gate``."""

    margins: Mapping[str, float] | None
    require: Collection[str] | None
    on_inconclusive: str | None
    coverage: float | None
    scope: str | None
    method: str | None
    blocks: str | None


TABLE: Final = "[tool.benchmark_recorder.gate]"


def settled(given: GateSettings, table: Mapping[str, object]) -> tuple[dict[str, Any], dict[str, str]]:
    """Each setting, and where it came from: a call's argument, the table of settings, or the default.

    Raises:
        InvalidQueryError: the table says something that cannot be a setting.
    """
    found: dict[str, Any] = {name: table.get(name) if value is None else value for name, value in given.items()}
    origins = {
        name: "argument" if value is not None else TABLE if name in table else "default"
        for name, value in given.items()
    }
    return found, origins


@dataclass(frozen=True, slots=True)
class GateResult(Result):
    """What CI gets to know.

    Attributes:
        schema_version: of this result as a dict.
        baseline: its version.
        candidate: its version.
        policy: ``"default"`` or ``"literal"`` (the guide's): whose state counts.
        state: ``"block"``, ``"inconclusive"``, ``"warn"``, ``"pass"``; ``"no_data"`` where a side has no runs.
        exit_code: 0 pass or warn (and inconclusive unless asked to fail on it), 1 block, 3 inconclusive where asked to
            fail on it, 4 no data.
        default_state: under the default policy.
        literal_state: under the guide's literal thresholds.
        on_inconclusive: ``"warn"``, ``"fail"`` or ``"pass"``.
        settings: where each setting came from: ``"argument"``, ``"default"`` or the name of the table.
        checks: the guardrails.
        literal: the guide's thresholds.
        alerts: the guide's alerts that hold.
        sentence: the result in words; empty until ``reporting.views`` words it.
        difference: why the two policies differ; ``None`` where they agree, and until it is worded.
        warnings: caveats that the reader must know.
        sequential: whether the result holds however often the gate is asked as runs come in.
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
    settings: Mapping[str, str]
    checks: tuple[GateCheck, ...]
    literal: tuple[LiteralCheck, ...]
    alerts: tuple[Caveat, ...]
    sentence: str = field(default="", compare=False, kw_only=True)
    difference: str | None = field(default=None, compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]
    sequential: bool = field(default=False, kw_only=True)


def check_gate(  # noqa: PLR0913
    cells: Cells,
    baseline: str,
    candidate: str,
    *,
    policy: str = "default",
    margins: Mapping[str, float] | None = None,
    require: Collection[str] | None = None,
    on_inconclusive: str | None = None,
    coverage: float | None = None,
    scope: str | None = None,
    method: str = "log",
    window: float | None = None,
    target: float | None = None,
    allow_partial: bool = False,
    sequential: bool = False,
    origins: Mapping[str, str] | None = None,
) -> GateResult:
    """Decide on a candidate by the cells of both versions; see ``History.check_gate``.

    Args:
        cells: of both versions.
        baseline: its version.
        candidate: its version.
        policy: ``"default"`` or ``"guide"`` (its old name is ``"literal"``).
        margins: in place of those of ``GUARDRAILS``; a metric that is not among these becomes a guardrail, too.
        require: ``REQUIRED`` unless given.
        on_inconclusive: ``"warn"`` unless given.
        coverage: in percent.
        scope: ``"suite"`` unless given.
        method: see ``compare``.
        window: days before the candidate's first run, where the baseline's runs were taken from these alone.
        target: in percent.
        allow_partial: see there.
        sequential: see ``compare``.
        origins: where the settings came from, for the result.

    Raises:
        InvalidQueryError: an unknown policy, metric, reaction or scope, a margin that is not a fraction, a coverage
            outside of 0 to 100 or between 0 and 1, or a target that is not below 100.
    """
    literal_counts = one_of("policy", policy, ("default", "guide", "literal")) != "default"
    reaction = one_of("on_inconclusive", "warn" if on_inconclusive is None else on_inconclusive, REACTIONS)
    scope = "suite" if scope is None else scope
    check_scope(scope)
    check_coverage(coverage)
    check_target(target)
    limits = check_margins(margins)
    required = check_required(require, limits)
    check_method(method, scope)
    measured = {
        name: _measured(cells, baseline, candidate, METRICS[name], scope, method, sequential=sequential)
        for name in limits
    }
    checks = _checks(cells, measured, limits, required)
    literal = tuple(literal_check(measured[name]) for name in GUARDRAILS)
    target = TARGET if literal_counts and target is None else target
    alerted = alerts(measured["execution_time"], coverage, target)
    empty = not (cells.of(baseline) and cells.of(candidate))
    states = {name: check.state for name, check in zip(limits, checks, strict=True)}
    gone = untried(cells, measured["execution_time"])
    states = dict.fromkeys(states, "inconclusive") if gone and gone[0].code == "no_common_task" else states
    by_default = "no_data" if empty else overall(states, required, alerted=bool(alerted), whole=not gone)
    points = {check.metric: literal_state(check) for check in literal}
    by_literal = "no_data" if empty else overall(points, GUARDRAILS, alerted=bool(alerted))
    if cells.is_partial and not allow_partial:
        by_default, by_literal = (
            state if state in {"block", "no_data"} else "inconclusive" for state in (by_default, by_literal)
        )
    if any(note.code == "mixed_load" for note in cells.caveats):
        by_default, by_literal = (state if state == "no_data" else "inconclusive" for state in (by_default, by_literal))
    state, exit_code = _react(by_literal if literal_counts else by_default, reaction, alerted=bool(alerted))
    return GateResult(
        schema_version=SCHEMA_VERSION,
        baseline=baseline,
        candidate=candidate,
        policy="literal" if literal_counts else "default",
        state=state,
        exit_code=int(exit_code),
        default_state=by_default,
        literal_state=by_literal,
        on_inconclusive="warn" if reaction == "warn" else "fail" if reaction == "fail" else "pass",
        settings=origins or {},
        checks=checks,
        literal=literal,
        alerts=alerted,
        warnings=(*gone, *_warnings(measured, cells, window)),
        sequential=sequential,
    )


# The default policy ------------------------------------------------------------------------------------------------


def _measured(  # noqa: PLR0913, PLR0917
    cells: Cells, baseline: str, candidate: str, metric: Metric, scope: str, method: str, *, sequential: bool
) -> Measured:
    """A guardrail's metric; for a quantile that the runs are too few for, the mean."""
    found = measure(cells, baseline, candidate, metric, scope, method=method, sequential=sequential)
    if metric.compared == "quantiles" and isinstance(found.change, Point):
        return measure(cells, baseline, candidate, metric_named(f"{metric.figure}.mean"), scope)
    return found


def _checks(
    cells: Cells, measured: Mapping[str, Measured], limits: Mapping[str, float], required: Collection[str]
) -> tuple[GateCheck, ...]:
    changes = {name: _change(cells, one) for name, one in measured.items()}
    rulings = rule(changes, limits)
    judged = sum(change is not None for change in changes.values())
    return tuple(
        GateCheck(
            metric=measured[name].metric.name,
            state=_state(ruling, measured[name]),
            v1_value=measured[name].left[0],
            v2_value=measured[name].right[0],
            worsening=ruling.worsening,
            bound=ruling.bound,
            margin=limits[name],
            p_value=ruling.p_value,
            p_adjusted=ruling.p_adjusted,
            detectable=None if change is None else deferred(partial(detectable, measured[name], limits[name], judged)),
            needed=deferred(partial(_needed, measured[name], limits[name])) if ruling.state == "inconclusive" else None,
            p_margin=None if change is None else deferred(partial(within_p, METRICS[name], change, limits[name])),
            required=name in required,
            v1_compared=finite(measured[name].levels[0]),
            v2_compared=finite(measured[name].levels[1]),
            v1_count=measured[name].left[1],
            v2_count=measured[name].right[1],
            recorded_twice=measured[name].recorded_twice,
        )
        for name, ruling in rulings.items()
        for change in (changes[name],)
    )


def _needed(measured: Measured, limit: float) -> Needed | None:
    return what_would_decide(measured, pass_aim(measured.metric, limit))


def _state(ruling: Ruling, measured: Measured) -> CheckState:
    """A guardrail's state; what the runs cannot say of a change, they say of none of its sizes."""
    if ruling.state == "missing":
        return ruling.state
    unknown = not measured.strata.matched or measured.recorded_twice or (ruling.state == "pass" and measured.withheld)
    return "inconclusive" if unknown else ruling.state


def _change(cells: Cells, measured: Measured) -> Evidence | None:
    """The evidence on a change; from nothing to something is a rise beyond any limit, tested by how many runs rose."""
    metric = measured.metric
    from_nothing = measured.left[0] == 0 and measured.right[0] > 0
    if measured.change is not None or metric.moments is None or not from_nothing:
        return measured.change
    above = metrics.paid if metric.figure == "cost" else metrics.timed
    counts = metrics.align(cells, measured.v1, measured.v2, above, metrics.NO_COUNTS)
    risen = rate_difference(counts, measured.scope, once=False)
    risen = measured.looked_at(risen, counts, sums=False)
    return None if risen is None else Fixed(math.inf, risen.above(0.0), "runs above zero")


# The whole gate ------------------------------------------------------------------------------------------------------


def _react(state: State, reaction: str, *, alerted: bool) -> tuple[State, Code]:
    if state == "block":
        return state, Code.BLOCKED
    if state == "no_data":
        return state, Code.NO_DATA
    if state == "inconclusive":
        if reaction == "fail":
            return state, Code.INCONCLUSIVE
        if reaction == "pass":
            return ("warn" if alerted else "pass"), Code.FINE
    return state, Code.FINE


def _by_the_mean(name: str, measured: Measured) -> tuple[Caveat, ...]:
    if measured.metric is METRICS[name]:
        return ()
    return (Caveat("mean_guards_tail", figures={"metric": name, "needed": METRICS[name].fewest}),)


def _warnings(measured: Mapping[str, Measured], cells: Cells, window: float | None) -> tuple[Caveat, ...]:
    """Of all guardrails; a baseline without runs in the window is said to have none there."""
    found = tuple(
        caveat
        for name, one in measured.items()
        for caveat in (*_by_the_mean(name, one), *comparison_caveats(one, cells, {}))
    )
    time = measured["execution_time"]
    if window is None or time.wholes[1] is None:
        return found
    return tuple(
        replace(caveat, figures={**caveat.figures, "days": window}) if caveat.code == "unknown_version" else caveat
        for caveat in found
    )
