"""How many further runs reach a decision with a stated power: from their variance alone, never the observed effect.

Sources: Hoenig & Heisey (2001) on why the observed effect must stay out of it; Kalibera & Jones (2013) on repeats that
cannot help where tasks differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from benchmark_recorder.analysis import metrics
from benchmark_recorder.analysis.evidence import Both, Student
from benchmark_recorder.analysis.fieller import Fieller
from benchmark_recorder.analysis.guardrails import ALPHA, GUARDRAILS, on_scale
from benchmark_recorder.analysis.measured import Measured, is_significant
from benchmark_recorder.analysis.results import Result, finite, ratio_of
from benchmark_recorder.analysis.spread import (
    Noise,
    Spread,
    decided,
    differences_of,
    fewest,
    shown_beyond,
    shown_within,
    smallest,
    spread_of,
)

if TYPE_CHECKING:
    from benchmark_recorder.analysis.metrics import Metric

POWER: Final = 0.8
"""How often a decision is to be reached, unless it is said."""

Chance: TypeAlias = Callable[[Noise], float]
"""How often a decision is reached with such an error."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A decision that runs are wanted for.

    Attributes:
        change: the true change, on the scale of the evidence; positive where it is worse.
        chance: of the decision at that change.
        ratio: whether a rate's change is on the scale of the logarithm of a ratio.
    """

    change: float
    chance: Chance
    ratio: bool = False


@dataclass(frozen=True, slots=True)
class Needed(Result):
    """Further runs with which the decision that was asked for is reached with a stated power.

    Attributes:
        runs: further runs in all, over both versions; ``None`` where no number of repeats does it.
        runs_per_task: runs that each task then has in each version; ``None`` where tasks are not matched.
        tasks: further tasks, each run as often as now, that would do it too, where tasks represent others.
        cost: USD for the further runs at the mean known cost per run; ``None`` where unknown.
        seconds: that they would take one after the other.
        power: how often the decision is then reached.
        sentence: all this for people; empty until ``reporting.views`` words it.
    """

    runs: int | None
    runs_per_task: int | None
    tasks: int | None
    cost: float | None
    seconds: float | None
    power: float = POWER
    sentence: str = field(default="", compare=False)


# What is asked for ---------------------------------------------------------------------------------------------------


def verdict_aim(metric: Metric, margin: float, effect: float) -> Aim:
    """A verdict that is not "inconclusive"."""
    low, high = (math.log1p(-margin), math.log1p(margin)) if metric.kind == "ratio" else (-margin, margin)
    change = on_scale(metric, effect)
    return Aim(change, lambda noise: decided(noise, change, low, high))


def block_aim(metric: Metric, limit: float, effect: float, guardrails: int) -> Aim:
    """A gate that blocks: surely worse after Holm, and beyond the limit."""
    change, least = on_scale(metric, effect), on_scale(metric, limit)
    return Aim(change, lambda noise: shown_beyond(noise, change, 0.0, ALPHA / guardrails, least))


def pass_aim(metric: Metric, limit: float, effect: float = 0.0) -> Aim:
    """A gate that passes: the worst that its bound allows is within the limit."""
    change, most = on_scale(metric, effect), on_scale(metric, limit)
    return Aim(change, lambda noise: shown_beyond(noise, -change, -most, ALPHA))


def claim_aim(distance: float) -> Aim:
    """A claim that is told from what would refute it, so far away on logarithms of the ratio."""
    return Aim(distance, lambda noise: shown_beyond(noise, distance, 0.0, 0.025), ratio=True)


def within_aim(share: float) -> Aim:
    """A claim that nothing changes by more than this, where nothing does."""
    return Aim(0.0, lambda noise: shown_within(noise, 0.0, math.log1p(-share), math.log1p(share)), ratio=True)


# How many runs -------------------------------------------------------------------------------------------------------


def what_would_decide(measured: Measured, aim: Aim) -> Needed | None:
    """Further runs for a decision that is open; ``None`` where the variance is unknown, or there should be enough."""
    if not (measured.left[1] and measured.right[1]) or _runs_cannot_decide(measured):
        return None
    return further(measured, aim, POWER, spread_of(measured, ratio=aim.ratio))


def _runs_cannot_decide(measured: Measured) -> bool:
    """Whether the runs decide nothing, or the change is known and no improvement is claimed because failures rose."""
    change = measured.change
    return (
        measured.undecidable
        or measured.sequential
        or measured.between is not None
        or (change is not None and is_significant(change.p_value, measured.interval(0.95)) and measured.withheld)
    )


def further(measured: Measured, aim: Aim, power: float, spread: Spread | None) -> Needed | None:
    """Runs, or tasks, or both; ``None`` where neither is known to help, or there are enough."""
    alike = _repeats_say_nothing_new(measured)
    each, runs = (None, None) if spread is None or alike else _repeats(measured, aim, power, spread)
    if runs == 0:
        return None
    tasks = _tasks(measured, aim, power) if runs is None or measured.scope == "tasks" else None
    if runs is None and tasks is None:
        return None
    cost, seconds = _price(measured, runs) if runs else (None, None)
    return Needed(runs, each if measured.strata.matched else None, tasks, cost, seconds, power)


def _counted(measured: Measured) -> float:
    """The share of runs that give a value: a time is that of a run that succeeded."""
    there = measured.strata
    wholes = [whole.n for whole in measured.wholes if whole is not None]
    return min(1.0, (there.left.n + there.right.n) / sum(wholes)) if wholes else 1.0


def _repeats(measured: Measured, aim: Aim, power: float, spread: Spread) -> tuple[int | None, int | None]:
    """Runs that each task then has in each version, and further runs in all."""
    share = _counted(measured)

    def enough(each: int) -> bool:
        noise = spread.with_runs(each * share).noise(worse(measured.metric, aim.change))
        return noise is not None and aim.chance(noise) >= power

    each = fewest(enough, 1 if spread.rates else 2)
    if each is None:
        return None, None
    return each, math.ceil(float(np.maximum(0.0, each * share - spread.runs).sum()) / share)


def _tasks(measured: Measured, aim: Aim, power: float) -> int | None:
    """Further tasks that would do it at the present number of repeats."""
    differences = differences_of(measured, ratio=aim.ratio) if measured.matched_tasks > 1 else []
    if len(differences) < 2:
        return None
    spread = float(np.std(differences, ddof=1))
    if not spread:
        return None

    def enough(tasks: int) -> bool:
        error = spread / math.sqrt(tasks)
        return aim.chance(Noise(error, error, tasks - 1)) >= power

    needed = fewest(enough, len(differences))
    return None if needed is None else (needed - len(differences) or None)


def _repeats_say_nothing_new(measured: Measured) -> bool:
    """Whether all runs of each task end alike, in a metric where these count once: as with a router without chance.

    One run of each task looks the same, so that no number of repeats can be promised.
    """
    if measured.counts is None or not measured.metric.once or measured.matched_tasks < 2:
        return False
    return all(side.hits in {0, side.n} for _, *pair in measured.counts.pairs for side in pair)


def _price(measured: Measured, runs: int) -> tuple[float | None, float | None]:
    """USD and seconds of so many further runs, half of them in each version."""
    prices = []
    for read in (metrics.cost, metrics.time):
        sides = [read(whole) for whole in measured.wholes if whole is not None]
        prices.append(
            finite(sum(side.mean for side in sides) / len(sides) * runs) if all(side.n for side in sides) else None
        )
    return prices[0], prices[1]


# What a gate finds ---------------------------------------------------------------------------------------------------


def detectable(measured: Measured, limit: float, guardrails: int = len(GUARDRAILS)) -> float | None:
    """The smallest true worsening that a gate with these guardrails blocks four times in five with these runs.

    In the unit of the limit; ``None`` where the error is unknown, or the runs are looked at again and again.
    """
    if measured.sequential:
        return None
    spread = spread_of(measured)
    if spread is not None and spread.noise() is not None:
        return blocked_from(measured.metric, spread, limit, guardrails)
    noise = _noise_of(measured)
    return None if noise is None else _blocked_from(measured.metric, lambda _: noise, limit, guardrails)


def _noise_of(measured: Measured) -> Noise | None:
    """As the evidence has it, where some task ran once, and of a quantile."""
    found = measured.change.first if isinstance(measured.change, Both) else measured.change
    if found is None or not found.error > 0:
        return None
    return Noise(found.error, found.error, found.freedom if isinstance(found, Student | Fieller) else math.inf)


def blocked_from(metric: Metric, spread: Spread, limit: float, guardrails: int = len(GUARDRAILS)) -> float | None:
    """See ``detectable``; for runs that vary by so much."""
    return _blocked_from(metric, lambda size: spread.noise(worse(metric, size)), limit, guardrails)


def worse(metric: Metric, size: float) -> float:
    """A worsening with the sign of the change."""
    return -metric.better * size


def _blocked_from(
    metric: Metric, noise_at: Callable[[float], Noise | None], limit: float, guardrails: int
) -> float | None:
    least = on_scale(metric, limit)
    first = noise_at(0.0)
    if first is None or not math.isfinite(first.error):
        return None

    def found(size: float) -> bool:
        noise = noise_at(size)
        return noise is None or shown_beyond(noise, size, 0.0, ALPHA / guardrails, least) >= POWER

    size = smallest(found, least, first.error)
    if size is None:
        return None
    if metric.kind == "points":
        return size if size < 1 else None
    return finite(ratio_of(size) - 1)
