"""An experiment's state by its units: go on, a winner, no difference that matters, or broken; at any number of looks.

Source: Lindon & Malek (2022) for the ratio of the samples.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis import means, rates
from benchmark_recorder.analysis.anytime import FEWEST, Anytime, Mixture, at_any_look, chance_of, coin_log_odds
from benchmark_recorder.analysis.caveats import store_caveats
from benchmark_recorder.analysis.comparison import Verdict, verdict_of
from benchmark_recorder.analysis.evidence import Both
from benchmark_recorder.analysis.guardrails import holm
from benchmark_recorder.analysis.joint import JOINT_METRICS
from benchmark_recorder.analysis.measured import Measured, is_significant
from benchmark_recorder.analysis.metrics import METRICS, Counts, Strata, check_margin, metric_named
from benchmark_recorder.analysis.results import Caveat, Interval, Result, finite, ratio_of
from benchmark_recorder.analysis.spread import fewest
from benchmark_recorder.cells import total
from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cell, Cells, Moments

State = Literal["continue", "treatment_wins", "control_wins", "no_difference", "broken", "no_data"]

ALPHA: Final = 0.05
BROKEN: Final = 0.01
"""The chance that an experiment whose units are split as planned is ever called broken."""

SHARED: Final = 0.01
"""Part of the units in both arms from which on the arms are not what they seem."""

LATE: Final = 3_600_000_000
"""Microseconds by which an arm may begin after the other."""


@dataclass(frozen=True, slots=True)
class ExperimentMetric(Result):
    """One metric of both arms: each unit counts once, by the mean over its runs.

    Attributes:
        metric: its name.
        v1_value: the control's: geometric mean of the units' times (s), mean cost (USD) or rate; ``None`` where none.
        v2_value: the treatment's.
        v1_count: units of the control that count.
        v2_count: of the treatment.
        effect: as in ``Comparison``: positive where the treatment is better.
        interval: 95%, at any number of looks; ``None`` where none can be given yet.
        e_value: the odds of a change, at least 1; 20 or more at any look by a chance of 5% at most.
        p_adjusted: two-sided, adjusted for the number of metrics; ``None`` where there is no test yet.
        verdict: see ``Comparison``; adjusted alike.
        margin: a smaller change does not matter.
    """

    metric: str
    v1_value: float | None
    v2_value: float | None
    v1_count: int
    v2_count: int
    effect: float | None
    interval: Interval | None
    e_value: float
    p_adjusted: float | None
    verdict: Verdict
    margin: float


@dataclass(frozen=True, slots=True)
class ExperimentResult(Result):
    """How an experiment is doing.

    Attributes:
        name: of the experiment.
        control: its version; empty where no run is recorded.
        treatment: its version.
        weight: the part of the units that is to get the treatment.
        state: ``"treatment_wins"``: something is better, and nothing worse; ``"control_wins"``: something is worse;
            ``"no_difference"``: no change is as large as its margin; ``"broken"``: the units are not split as planned;
            ``"continue"``; ``"no_data"``.
        control_units: different units that got it.
        treatment_units: the same.
        control_runs: of these units.
        treatment_runs: the same.
        sample_ratio_e_value: the odds that units are not split by the weight; broken from 100 on.
        metrics: those that have values in both arms.
        runs_to_go: further runs after which a decision is as likely as not, if the change is the one that is seen;
            ``None`` where that is unknown, there is a decision, or more than 10 million would be needed.
        sentence: all this for people; empty until ``reporting.views`` words it.
        warnings: caveats that the reader must know.
    """

    name: str
    control: str
    treatment: str
    weight: float | None
    state: State
    control_units: int
    treatment_units: int
    control_runs: int
    treatment_runs: int
    sample_ratio_e_value: float | None
    metrics: tuple[ExperimentMetric, ...]
    runs_to_go: int | None
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True)
class ExperimentPlan(Result):
    """What the runs of an experiment say of it.

    Attributes:
        name: of the experiment.
        control: its version.
        treatment: its version.
        weight: the part of the units that is to get the treatment.
        runs: that say so.
        last: microseconds since 1970 of the latest.
    """

    name: str
    control: str
    treatment: str
    weight: float
    runs: int
    last: int


@dataclass(frozen=True, slots=True)
class ExperimentList(Result):
    """The experiments that runs name.

    Attributes:
        experiments: one for each plan, the newest first.
        warnings: caveats that the reader must know.
    """

    experiments: tuple[ExperimentPlan, ...]
    warnings: tuple[Caveat, ...]


def plan_of(label: str | None) -> tuple[str, str, float] | None:
    """The arms and the weight that a record's plan says; ``None`` where it is none."""
    try:
        control, treatment, weight = json.loads(label or "")
    except (ValueError, TypeError):
        return None
    texts = isinstance(control, str) and isinstance(treatment, str) and control != treatment
    return (control, treatment, float(weight)) if texts and isinstance(weight, float) and 0 < weight < 1 else None


def check_experiment(
    cells: Cells, name: str, *, metric: str | None = None, margins: Mapping[str, float] | None = None
) -> ExperimentResult:
    """The state of an experiment.

    Args:
        cells: of its units, by plan.
        name: of the experiment.
        metric: the one that decides; time, failures, cost and routing together unless given.
        margins: in place of the metrics' own, by name.

    Raises:
        InvalidQueryError: a metric is unknown, or a margin is not a fraction.
    """
    names = JOINT_METRICS if metric is None else (metric_named(metric).name,)
    if extra := set(names) - set(JOINT_METRICS) - {"success_rate"}:
        raise InvalidQueryError(f"metric: units have no {extra.pop()}; ask for time, failures, cost or routing")
    if margins is not None and not isinstance(margins, dict):
        raise InvalidQueryError(f'margins: expected fractions by metric, {{"time": 0.05}}, got {preview(margins)}')
    given = {metric_named(key, "margins").name: value for key, value in (margins or {}).items()}
    limits = {one: check_margin(given.get(one), METRICS[one]) for one in names}
    caveats = [*store_caveats(cells)]
    plans = {label: plan for (label,) in cells.groups if (plan := plan_of(label))}
    if not plans:
        return ExperimentResult(name, "", "", None, "no_data", 0, 0, 0, 0, None, (), None, warnings=tuple(caveats))
    newest = max(plans, key=lambda label: max(cell.last for cell in cells.cells if cell.group == (label,)))
    control, treatment, weight = plans[newest]
    if len(plans) > 1:
        caveats.append(Caveat("changed_midway", figures={"plans": len(plans)}))
    there = cells.within((newest,))
    left, right = total(there.of(control)), total(there.of(treatment))
    ratio, broken = _split(left, right, weight)
    caveats += _arms(control, treatment, left, right)
    found = _metrics(left, right, control, treatment, limits) if left and right else ()
    state: State = "broken" if broken else _state([one for one, _ in found])
    sides = left.n if left else 0, right.n if right else 0
    runs = _runs_of(left), _runs_of(right)
    to_go = _runs_to_go(found, sides, sum(runs)) if state == "continue" else None
    metrics = tuple(one for one, _ in found)
    return ExperimentResult(
        name=name,
        control=control,
        treatment=treatment,
        weight=weight,
        state=state,
        control_units=sides[0],
        treatment_units=sides[1],
        control_runs=runs[0],
        treatment_runs=runs[1],
        sample_ratio_e_value=finite(ratio),
        metrics=metrics,
        runs_to_go=to_go,
        warnings=tuple(caveats),
    )


def list_experiments(cells: Cells) -> ExperimentList:
    """The plans that some runs name, the newest first."""
    found = {}
    for name, label in cells.groups:
        if name is not None and (plan := plan_of(label)):
            own = [cell for cell in cells.cells if cell.group == (name, label)]
            runs, last = sum(cell.n for cell in own), max(cell.last for cell in own)
            found[name, label] = ExperimentPlan(name, *plan, runs, last)
    listed = sorted(found.values(), key=lambda one: (-one.last, one.name))
    return ExperimentList(tuple(listed), tuple(store_caveats(cells)))


def _runs_of(side: Cell | None) -> int:
    return side.units.runs if side and side.units else 0


def _split(left: Cell | None, right: Cell | None, weight: float) -> tuple[float, bool]:
    """The odds that units are not split by the weight, and whether the arms are broken."""
    n = (left.n if left else 0, right.n if right else 0)
    odds = coin_log_odds(n[1], n[0], weight, prior=1.0)
    shared = max(side.units.shared if side and side.units else 0 for side in (left, right))
    return ratio_of(odds), chance_of(odds) <= BROKEN or shared > SHARED * sum(n)


def _arms(control: str, treatment: str, left: Cell | None, right: Cell | None) -> Iterator[Caveat]:
    for version, side in ((control, left), (treatment, right)):
        if side is None:
            yield Caveat("unknown_version", figures={"version": version})
    if left is None or right is None:
        return
    if min(left.n, right.n) < FEWEST:
        yield Caveat("too_few_units", figures={"units": min(left.n, right.n), "needed": FEWEST})
    shared = max(side.units.shared if side.units else 0 for side in (left, right))
    if shared:
        yield Caveat("units_in_both_arms", figures={"units": shared, "all": left.n + right.n})
    if abs(left.first - right.first) > LATE:
        late = treatment if right.first > left.first else control
        yield Caveat("late_arm", figures={"version": late, "v1_first": left.first, "v2_first": right.first})


# What the units say ---------------------------------------------------------------------------------------------------


def _metrics(
    left: Cell, right: Cell, control: str, treatment: str, margins: Mapping[str, float]
) -> tuple[tuple[ExperimentMetric, Evidence], ...]:
    measured = {name: _measured(METRICS[name], left, right, control, treatment) for name in margins}
    there = {name: one for name, one in measured.items() if one.change is not None}
    p_values = {name: one.change.p_value for name, one in there.items() if one.change}
    adjusted = holm(p_values)
    found = []
    for name, one in there.items():
        assert one.change is not None
        interval = one.interval(0.95)
        significant = adjusted[name] < ALPHA and is_significant(one.change.p_value, interval)
        metric = ExperimentMetric(
            metric=name,
            v1_value=finite(one.levels[0]),
            v2_value=finite(one.levels[1]),
            v1_count=one.left[1],
            v2_count=one.right[1],
            effect=finite(one.effect(one.change.estimate)),
            interval=interval,
            e_value=1 / max(one.change.p_value, 1e-300),
            p_adjusted=adjusted[name] if one.change.limits(0.95) is not None or p_values[name] < 1 else None,
            verdict=verdict_of(one, margins[name], significant=significant),
            margin=margins[name],
        )
        found.append((metric, one.change))
    return tuple(found)


def _measured(metric: Metric, left: Cell, right: Cell, control: str, treatment: str) -> Measured:
    if metric.counts is not None:
        return _rates(metric, left, right, control, treatment)
    cost = metric.figure == "cost"
    sides = (left.cost, right.cost) if cost else (left.log_time, right.log_time)
    strata: Strata[Moments] = Strata((), *sides)
    once = (means.sums_of_all if cost else means.geometric_of_all)(strata)
    levels = means.levels_of_means(strata, "suite", logs=not cost)
    return _of(metric, levels, (sides[0].n, sides[1].n), at_any_look(once, strata, sums=cost), control, treatment)


def _rates(metric: Metric, left: Cell, right: Cell, control: str, treatment: str) -> Measured:
    """Units whose runs differ are worth more runs than one, and those whose runs are alike one (Korn & Graubard)."""
    levels, worth, units = [], [], []
    for side in (left, right):
        assert side.units is not None
        routing = metric.name == "routing_accuracy"
        n, mean, m2 = side.units.routing_rate if routing else side.units.success_rate
        variance = m2 / (n - 1) if n > 1 else 0.0
        runs = max(n, side.routed if routing else side.units.runs)
        worth.append(min(runs, max(n, n * mean * (1 - mean) / variance)) if variance > 0 else n)
        levels.append(1 - mean if metric.name == "failure_rate" else mean)
        units.append(n)
    if not all(units):
        return _of(metric, (math.nan, math.nan), (units[0], units[1]), None, control, treatment)
    once = rates.of_mean_rates(levels[0], levels[1], (worth[0], worth[1]), "Newcombe's interval at the units' rates")
    counts = Strata((), Counts(units[0]), Counts(units[1]))
    change = at_any_look(once, counts, sums=False)
    return _of(metric, (levels[0], levels[1]), (units[0], units[1]), change, control, treatment)


def _of(  # noqa: PLR0913, PLR0917
    metric: Metric,
    levels: tuple[float, float],
    n: tuple[int, int],
    change: Evidence | None,
    control: str,
    treatment: str,
) -> Measured:
    left, right = (levels[0], n[0]), (levels[1], n[1])
    counts: Strata[Counts] = Strata((), Counts(n[0]), Counts(n[1]))
    wholes = (None, None)
    return Measured(
        metric, wholes, control, treatment, "suite", left, right, levels, change, None, counts=counts, sequential=True
    )


def _state(metrics: list[ExperimentMetric]) -> State:
    verdicts = {one.verdict for one in metrics}
    if "regressed" in verdicts:
        return "control_wins"
    if "improved" in verdicts:
        return "treatment_wins"
    return "no_difference" if verdicts == {"equivalent"} else "continue"


def _runs_to_go(found: tuple[tuple[ExperimentMetric, Evidence], ...], units: tuple[int, int], runs: int) -> int | None:
    """Further runs for the first decision, if the change is the one that is seen."""
    if min(units) == 0:
        return None
    now = sum(units)
    least = max(now, math.ceil(now * FEWEST / min(units)))
    needed = [n for one, change in found if (n := _units_needed(one, change, now, len(found))) is not None]
    if not needed and least > now:
        needed = [least]
    return math.ceil((max(least, min(needed)) - now) * runs / now) if needed else None


def _units_needed(one: ExperimentMetric, change: Evidence, now: int, metrics: int) -> int | None:
    change = change.first if isinstance(change, Both) else change
    if not isinstance(change, Anytime) or not change.error > 0:
        return None
    share, freedom = change.mixture
    margin = math.log1p(one.margin) if METRICS[one.metric].kind == "ratio" else one.margin
    size = abs(change.estimate)

    def enough(n: int) -> bool:
        times = n / now
        error = change.error / math.sqrt(times)
        mixture = Mixture(share / (share + (1 - share) * times), freedom * times)
        return size >= mixture.reach(ALPHA / metrics) * error or size + mixture.reach(2 * ALPHA) * error < margin

    return fewest(enough, now)
