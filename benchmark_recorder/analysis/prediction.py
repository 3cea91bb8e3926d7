"""What the next runs will take: per task, and of all together, from the runs that there are.

A task's times are log-normal, with a variance that borrows from the other tasks where it has few runs itself (see
``moderation``); from 19 runs on, order statistics need no distribution. How often such intervals held is counted on the
runs themselves, each predicted from those before it; where they held too seldom, they are widened by what would have
been enough (split conformal: Lei et al. 2018).
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import student_quantile
from benchmark_recorder.analysis.moderation import CONFIDENCE, ORDERED, TaskValues, ordered_ends
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TESTED: Final = 400
"""The newest runs that are predicted from those before them."""

FEWEST_TESTED: Final = 20
"""Below this many, the test says nothing."""

DRAWS: Final = 1000
"""Of all runs together, each with times, costs and outcomes by chance."""

MOST_DRAWN: Final = 2_000_000
"""Runs over all draws."""


@dataclass(frozen=True, slots=True)
class TaskForecast(Result):
    """One task's next run.

    Attributes:
        task_id: which.
        runs: that it rests on.
        time: the median duration in seconds with its 90% interval; a ``value`` is ``None`` where nothing is known.
        cost: the same in USD.
        failure_rate: expected, with a 90% interval of the rate.
        basis: ``"own runs"``, ``"own and other tasks' runs"`` (the variance), ``"other tasks"`` (it never ran) or
            ``"nothing"``.
    """

    task_id: str
    runs: int
    time: Estimate
    cost: Estimate
    failure_rate: Estimate
    basis: Literal["own runs", "own and other tasks' runs", "other tasks", "nothing"]


@dataclass(frozen=True, slots=True)
class Backtest(Result):
    """How earlier runs would have been predicted, each from those before it.

    Attributes:
        runs: that were predicted, the newest ones.
        within: the part of them that fell into the 90% interval of their time.
        widened: the factor that intervals are widened by because of it, on logarithms; 1.0 where they are not.
    """

    runs: int
    within: float
    widened: float


@dataclass(frozen=True, slots=True)
class Forecast(Result):
    """What further runs of some tasks will take.

    Attributes:
        version: whose.
        repeats: of each task.
        concurrency: runs at once.
        since: only runs from then on are used, as something changed there (microseconds since 1970); or ``None``.
        tasks: in the order that was asked for.
        total_time: of all runs at this concurrency (s): median and 90% interval, as the next two.
        total_cost: of all runs (USD).
        failures: how many.
        backtest: ``None`` below ``FEWEST_TESTED`` runs.
        warnings: caveats.
    """

    version: str
    repeats: int
    concurrency: int
    since: int | None
    tasks: tuple[TaskForecast, ...]
    total_time: Estimate
    total_cost: Estimate
    failures: Estimate
    backtest: Backtest | None
    warnings: tuple[Caveat, ...]


class Past(NamedTuple):
    """Some runs in the order in which they began.

    Attributes:
        task: of each, a number.
        time: of each in seconds.
        cost: of each in USD; NaN where unknown.
        success: of each.
    """

    task: NDArray[np.int64]
    time: Floats
    cost: Floats
    success: NDArray[np.bool_]


def forecast(  # noqa: PLR0913
    past: Past,
    names: Sequence[str],
    tasks: Sequence[str],
    *,
    version: str,
    repeats: int = 1,
    concurrency: int = 1,
    since: int | None = None,
    warnings: Sequence[Caveat] = (),
) -> Forecast:
    """What further runs will take.

    Args:
        past: the runs to go by.
        names: of the tasks by their numbers.
        tasks: ids of those that are to run.
        version: whose runs they are.
        repeats: of each task.
        concurrency: runs at once.
        since: see ``Forecast``.
        warnings: caveats that are known already.
    """
    number = {name: n for n, name in enumerate(names)}
    asked = np.array([number.get(task, -1) for task in tasks], np.int64)
    test = backtest(past, len(names))
    wider = test.widened if test else 1.0
    times, costs = (TaskValues.of(past.task, values, len(names)) for values in (past.time, past.cost))
    found = tuple(
        _task(task, int(n), past, (times, costs), wider) for task, n in zip(tasks, asked.tolist(), strict=True)
    )
    caveats = list(warnings)
    unknown = [one.task_id for one in found if one.basis == "nothing"]
    new = [one.task_id for one in found if one.basis == "other tasks"]
    if new:
        caveats.append(Caveat("new_tasks", figures={"tasks": len(new), "first": new[0]}))
    free = sum(one.cost.value is None for one in found) if not unknown else 0
    if free:
        caveats.append(Caveat("costs_not_known", figures={"tasks": free}))
    if not len(past.time):
        caveats.append(Caveat("unknown_version", figures={"version": version}))
    elif test is None:
        caveats.append(Caveat("not_backtested", figures={"needed": FEWEST_TESTED}))
    nothing = Estimate(None, None, 0, "none: no runs")
    total_time = total_cost = failures = nothing
    if found and not unknown:
        chance = np.random.default_rng(0)
        runs = np.repeat(asked, repeats)
        draws = max(100, min(DRAWS, MOST_DRAWN // len(runs)))
        n = len(past.time)
        total_time = _total(_makespan(times.drawn(runs, draws, chance, wider), concurrency), n)
        total_cost = nothing if free else _total(costs.drawn(runs, draws, chance, wider).sum(axis=1), n)
        failures = _total(_failed(past, runs, draws, chance), n)
    return Forecast(version, repeats, concurrency, since, found, total_time, total_cost, failures, test, tuple(caveats))


def _total(draws: Floats, n: int) -> Estimate:
    low, middle, high = np.quantile(draws, [0.5 - CONFIDENCE / 2, 0.5, 0.5 + CONFIDENCE / 2]).tolist()
    return Estimate(middle, Interval(low, high, CONFIDENCE), n, "draws")


def _task(task: str, number: int, past: Past, values: tuple[TaskValues, TaskValues], wider: float) -> TaskForecast:
    times, costs = values
    own = past.task == number
    runs, failed = int(own.sum()), int((own & ~past.success).sum())
    basis: Literal["own runs", "own and other tasks' runs", "other tasks", "nothing"]
    if not len(past.time):
        basis = "nothing"
    elif not runs:
        basis = "other tasks"
    else:
        basis = "own runs" if runs >= ORDERED or math.isinf(times.prior.freedom) else "own and other tasks' runs"
    n, hits = (runs, failed) if runs else (len(past.success), int((~past.success).sum()))
    return TaskForecast(
        task,
        runs,
        times.next_of(number, past.time[own], wider),
        costs.next_of(number, past.cost[own], wider),
        _rate(hits, n),
        basis,
    )


def _rate(hits: int, n: int) -> Estimate:
    """Of failures, with Jeffreys' interval."""
    if not n:
        return Estimate(None, None, 0, "none: no runs")
    from scipy.special import betaincinv

    low, high = (float(betaincinv(hits + 0.5, n - hits + 0.5, q)) for q in (0.05, 0.95))
    return Estimate((hits + 0.5) / (n + 1), Interval(low, high, CONFIDENCE), n, "beta-binomial")


def _failed(past: Past, runs: NDArray[np.int64], draws: int, chance: np.random.Generator) -> Floats:
    """How many of some runs fail, in each draw."""
    tasks, repeats = np.unique(runs, return_counts=True)
    whole = np.zeros(draws)
    for task, times in zip(tasks.tolist(), repeats.tolist(), strict=True):
        own = past.success[past.task == task] if task >= 0 else past.success
        failed = int((~own).sum())
        whole = whole + chance.binomial(times, chance.beta(failed + 0.5, len(own) - failed + 0.5, draws))
    return whole


def _makespan(times: Floats, concurrency: int) -> Floats:
    """When the last run ends, in each draw: each begins where a place is free first."""
    draws, runs = times.shape
    if concurrency == 1:
        whole: Floats = times.sum(axis=1)
        return whole
    ends, rows = np.zeros((draws, min(concurrency, runs))), np.arange(draws)
    for run in range(runs):
        ends[rows, ends.argmin(axis=1)] += times[:, run]
    last: Floats = ends.max(axis=1)
    return last


def backtest(past: Past, tasks: int) -> Backtest | None:
    """How the newest runs would have been predicted, each from all before it; ``None`` where they are too few."""
    known = past.time > 0
    task, logs = past.task[known].tolist(), np.log(past.time[known]).tolist()
    n, mean, squares = np.zeros(tasks), np.zeros(tasks), np.zeros(tasks)
    seen: list[list[float]] = [[] for _ in range(tasks)]
    scores = []
    first = len(logs) - TESTED
    for place, (own, log) in enumerate(zip(task, logs, strict=True)):
        if place >= first and n[own] and (ends := _ends(own, n, mean, squares, seen[own])):
            low, high = ends
            scores.append(abs(log - (low + high) / 2) / ((high - low) / 2))
        insort(seen[own], log)
        n[own] += 1
        apart = log - mean[own]
        mean[own] += apart / n[own]
        squares[own] += apart * (log - mean[own])
    if len(scores) < FEWEST_TESTED:
        return None
    runs, within = len(scores), sum(score <= 1 for score in scores)
    enough = sorted(scores)[min(runs, math.ceil((runs + 1) * CONFIDENCE)) - 1]
    return Backtest(runs, within / runs, max(1.0, enough) if _too_few(within, runs) else 1.0)


def _ends(task: int, n: Floats, mean: Floats, squares: Floats, seen: Sequence[float]) -> tuple[float, float] | None:
    if len(seen) >= ORDERED:
        low, high = ordered_ends(seen)
    else:
        found = TaskValues.moderated(n, mean, squares).place(task)
        if found is None:
            return None
        middle, sd, freedom = found
        reach = student_quantile(freedom, 0.5 + CONFIDENCE / 2) * sd
        low, high = middle - reach, middle + reach
    return (low, high) if high > low else None


def _too_few(within: int, runs: int) -> bool:
    """Whether so few would lie within by chance in one history of forty."""
    from scipy.special import bdtr

    return bool(bdtr(within, runs, CONFIDENCE) < 0.025)
