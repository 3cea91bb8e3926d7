"""A plan of further runs for a gate, a verdict or a claim at an effect that someone names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from benchmark_recorder.analysis.caveats import store_caveats, unknown_version
from benchmark_recorder.analysis.guardrails import check_margins
from benchmark_recorder.analysis.measured import measure
from benchmark_recorder.analysis.metrics import Metric, check_margin, check_scope, metric_named
from benchmark_recorder.analysis.planning import (
    POWER,
    Aim,
    Needed,
    block_aim,
    claim_aim,
    further,
    pass_aim,
    verdict_aim,
    worse,
)
from benchmark_recorder.analysis.results import Caveat, Result
from benchmark_recorder.analysis.spread import spread_of
from benchmark_recorder.errors import InvalidQueryError, one_of, preview

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.cells import Cells

Decision = Literal["gate", "verdict", "claim"]

DECISIONS: Final = get_args(Decision)


@dataclass(frozen=True, slots=True)
class RunPlan(Result):
    """How many further runs a decision takes.

    Attributes:
        v1: the baseline.
        v2: the candidate; ``None`` where it has not run yet, and varies as the baseline does.
        metric: that is decided on.
        decision: ``"gate"``, ``"verdict"`` or ``"claim"``.
        effect: the true change that is planned for: a fraction, or points as a fraction.
        power: how often the decision is to be reached.
        scope: see ``compare``.
        margin: of the gate or of the verdict, in the same unit as ``effect``; ``None`` for a claim.
        present: how often the runs that there are reach it; ``None`` where they cannot be judged.
        enough: whether that is often enough.
        needed: further runs; ``None`` where there are enough, or where neither runs nor tasks are known to help.
        sentence: all this for people; empty until ``reporting.views`` words it.
        warnings: caveats that the reader must know.
    """

    v1: str
    v2: str | None
    metric: str
    decision: Decision
    effect: float
    power: float
    scope: str
    margin: float | None
    present: float | None
    enough: bool
    needed: Needed | None
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


def plan_runs(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str | None = None,
    metric: str = "execution_time",
    *,
    effect: float,
    power: float = POWER,
    decision: str = "gate",
    scope: str = "suite",
    margin: float | None = None,
    margins: object = None,
) -> RunPlan:
    """Plan further runs by the cells of the versions; see ``History.plan_runs``.

    A gate's decision is adjusted for its guardrails (Holm); ``margins`` are all limits of the gate, where they differ
    from the usual ones. A verdict is any but "inconclusive".

    Raises:
        InvalidQueryError: an argument is unknown or out of range, or no number of runs decides at that effect.
    """
    spec = metric_named(metric)
    if spec.compared == "quantiles":
        raise InvalidQueryError(f"metric: what {spec.name} takes is not known from its spread; plan for {spec.figure}")
    check_scope(scope)
    one_of("decision", decision, DECISIONS)
    if not _is_number(power) or not 0.05 < power < 1:
        raise InvalidQueryError(f"power: expected a number above 0.05 and below 1 (0.8 is 80%), got {preview(power)}")
    limits = check_margins(margins)
    if margin is not None:
        limits |= {spec.name: check_margin(margin, spec)}
    _check_effect(effect, spec, decision)
    aim, limit = _aim(spec, effect, decision, margin, limits)
    new = v2 is None or not cells.of(v2)
    if new and scope == "tasks":
        raise InvalidQueryError("scope: how much tasks differ shows only in the runs of two versions; name v2")
    measured = measure(cells, v1, v1 if v2 is None or new else v2, spec, scope)
    spread = spread_of(measured, ratio=aim.ratio)
    if new and spread is not None:
        spread = replace(spread, runs=np.array([spread.runs[0], np.zeros(spread.tasks)]))
    noise = spread.noise(worse(spec, aim.change)) if spread else None
    present = aim.chance(noise) if noise else None
    enough = present is not None and present >= power
    missing = tuple(unknown_version(name) for name in (v1, v2) if name is not None and not cells.of(name))
    return RunPlan(
        v1,
        v2,
        spec.name,
        "gate" if decision == "gate" else "verdict" if decision == "verdict" else "claim",
        float(effect),
        float(power),
        scope,
        limit,
        present,
        enough,
        None if enough else further(measured, aim, power, spread),
        (*missing, *store_caveats(cells)),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_effect(effect: object, metric: Metric, decision: str) -> None:
    most = math.inf if metric.kind == "ratio" and decision == "gate" else 1.0
    least = 0.0 if decision != "claim" else math.nextafter(0.0, 1.0)
    if not isinstance(effect, int | float) or not _is_number(effect) or not least <= effect < most:
        ends = "at least 0" if not least else "above 0"
        ends += "" if math.isinf(most) else " and below 1"
        raise InvalidQueryError(f"effect: expected a fraction {ends} (0.1 is 10%, or 10 points), got {preview(effect)}")


def _aim(
    metric: Metric, effect: float, decision: str, margin: float | None, limits: Mapping[str, float]
) -> tuple[Aim, float | None]:
    if decision == "claim":
        return claim_aim(_log_ratio(metric, effect)), None
    if decision == "verdict":
        margin = check_margin(margin, metric)
        return verdict_aim(metric, margin, effect), margin
    if metric.name not in limits:
        raise InvalidQueryError(f"margin: the gate has no limit for {metric.name}; give one")
    limit = limits[metric.name]
    if math.isclose(effect, limit):
        raise InvalidQueryError(
            f"effect: {effect:g} is the gate's limit, at which it neither blocks nor passes; "
            "plan for more (to block it) or less (to pass it)"
        )
    if effect > limit:
        return block_aim(metric, limit, effect, len(limits)), limit
    return pass_aim(metric, limit, effect), limit


def _log_ratio(metric: Metric, improvement: float) -> float:
    """How far a claimed improvement is from none, on logarithms of the ratio."""
    return abs(math.log1p(metric.better * improvement))
