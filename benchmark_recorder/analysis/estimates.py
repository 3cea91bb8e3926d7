"""One version's means and rates, with intervals that know of its tasks.

In scope ``suite`` these tasks are all that matters, and the uncertainty is the runs' within each task; in scope
``tasks`` they represent others, and the runs of a task are one cluster: Bell & McCaffrey (2002), advised for
evaluations of language models by Miller (2024, arXiv 2411.00640).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from benchmark_recorder.analysis.evidence import NO_SPREAD, normal_quantile, student_quantile, wilson
from benchmark_recorder.analysis.results import Estimate, finite, interval_of, ratio_of
from benchmark_recorder.columns import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmark_recorder.cells import Cell


class Error(NamedTuple):
    """A variance with its degrees of freedom."""

    variance: float
    freedom: float


def version_estimates(cells: Sequence[Cell], scope: str) -> dict[str, Estimate]:
    """All figures but the percentiles.

    Args:
        cells: of one version, or of several under a common name.
        scope: ``"suite"`` or ``"tasks"``.
    """
    return {
        "mean": mean_estimate(cells, lambda cell: cell.time, scope),
        "geometric_mean": mean_estimate(cells, lambda cell: cell.log_time, scope, logs=True),
        "success_rate": rate_estimate(cells, lambda cell: (cell.n if cell.success else 0, cell.n), scope),
        "mean_cost": mean_estimate(cells, lambda cell: cell.cost, scope),
        "cost_per_success": _per_success(*_sides((cell.cost, cell.success) for cell in cells)),
        "seconds_per_success": _per_success(*_sides((cell.time, cell.success) for cell in cells)),
        "routing_accuracy": rate_estimate(cells, lambda cell: (cell.routed_right, cell.routed), scope),
    }


def mean_estimate(
    cells: Sequence[Cell], read: Callable[[Cell], Moments], scope: str, *, logs: bool = False
) -> Estimate:
    """The mean over all runs, or the geometric mean of logarithms.

    Args:
        cells: see ``version_estimates``.
        read: what to take from a cell.
        scope: see ``version_estimates``.
        logs: whether these are logarithms.
    """
    tasks, singles = _by_task(cells, read)
    whole = Moments.together([*tasks, singles])
    noun = "geometric mean" if logs else "mean"
    method = f"{noun}, t over tasks as clusters" if scope == "tasks" else f"{noun}, t within tasks"
    if not whole.n:
        return Estimate(None, None, 0, method)
    error = _between(tasks, singles, whole) if scope == "tasks" else _within(tasks, singles, whole)
    value = ratio_of(whole.mean) if logs else whole.mean
    reach = None if error is None else student_quantile(error.freedom, 0.975) * math.sqrt(error.variance)
    if reach is None or not reach > NO_SPREAD * (1.0 if logs else abs(whole.mean)) or not math.isfinite(reach):
        return Estimate(finite(value), None, whole.n, method)
    low, high = whole.mean - reach, whole.mean + reach
    ends = (ratio_of(low), ratio_of(high)) if logs else (max(0.0, low), high)
    return Estimate(finite(value), interval_of(*ends), whole.n, method)


def rate_estimate(cells: Sequence[Cell], read: Callable[[Cell], tuple[int, int]], scope: str) -> Estimate:
    """The rate over all runs.

    Args:
        cells: see ``version_estimates``.
        read: hits and runs of a cell.
        scope: see ``version_estimates``.
    """

    def moments(cell: Cell) -> Moments:
        hits, n = read(cell)
        return Moments(n, hits / n, hits * (n - hits) / n) if n else Moments()

    tasks, singles = _by_task(cells, moments)
    whole = Moments.together([*tasks, singles])
    method = "t over tasks as clusters" if scope == "tasks" else "Wilson, within tasks"
    if not whole.n:
        return Estimate(None, None, 0, method)
    rate, n = min(1.0, max(0.0, whole.mean)), float(whole.n)
    if scope == "tasks":
        error = _between(tasks, singles, whole)
        if error is not None:
            reach = student_quantile(error.freedom, 0.975) * math.sqrt(error.variance)
            return Estimate(rate, interval_of(max(0.0, rate - reach), min(1.0, rate + reach)), whole.n, method)
        n = float(len(tasks) + singles.n)
    else:
        # A task that seldom ran, and always ended alike, may yet end otherwise: it borrows two runs from all.
        shrunk = [(task.n, (task.n * task.mean + 2 * rate) / (task.n + 2)) for task in (*tasks, singles)]
        variance = math.fsum(runs * p * (1 - p) for runs, p in shrunk)
        if 0 < rate < 1 and variance > 0:
            n *= max(1.0, n * rate * (1 - rate) / variance)
    return Estimate(rate, interval_of(*wilson(rate * n, n, normal_quantile(0.975))), whole.n, method)


def _by_task(cells: Sequence[Cell], read: Callable[[Cell], Moments]) -> tuple[list[Moments], Moments]:
    """Each task that has several runs, and all runs of those that have one, whose tasks need not be known."""
    found: dict[str, list[Moments]] = {}
    singles: list[Moments] = []
    for cell in cells:
        if cell.task_id is None:
            singles.append(read(cell))
        else:
            found.setdefault(cell.task_id, []).append(read(cell))
    tasks = [Moments.together(parts) for parts in found.values()]
    once = Moments.together([*singles, *(task for task in tasks if task.n == 1)])
    return [task for task in tasks if task.n > 1], once


def _within(tasks: Sequence[Moments], singles: Moments, whole: Moments) -> Error | None:
    """Of the mean of all runs, from their variance within tasks; tasks with one run count as repeats of one task."""
    n = whole.n
    parts = [Error(m.m2 / (m.n - 1) * m.n / n / n, m.n - 1) for m in (*tasks, singles) if m.n > 1]
    if singles.n == 1 and n > 1:  # alone of its kind, it varies as all runs do
        parts.append(Error(whole.m2 / (n - 1) / n / n, n - 1))
    variance = math.fsum(part.variance for part in parts)
    if not variance > 0 or not math.isfinite(variance):
        return None
    return Error(variance, 1 / math.fsum((part.variance / variance) ** 2 / part.freedom for part in parts))


def _between(tasks: Sequence[Moments], singles: Moments, whole: Moments) -> Error | None:
    """Of the mean of all runs, with each task's as one cluster, free of bias and with Bell & McCaffrey's freedom."""
    n = whole.n
    sizes = [task.n / n for task in tasks] + [1 / n] * singles.n
    if len(sizes) < 2:
        return None
    squares = [((task.mean - whole.mean) * task.n / n) ** 2 / (1 - task.n / n) for task in tasks]
    if singles.n:
        squares.append((singles.m2 + singles.n * (singles.mean - whole.mean) ** 2) / n / n / (1 - 1 / n))
    variance = math.fsum(squares)
    if not variance > 0 or not math.isfinite(variance):
        return None
    shares = [(w / (1 - w)) * w for w in sizes]
    cross = math.fsum(shares) ** 2 - math.fsum(share**2 for share in shares)
    return Error(variance, 1 / (math.fsum(w * w for w in sizes) + cross))


Sides: TypeAlias = tuple[Moments, Moments]
"""Of the runs that succeeded, and of all."""


def _sides(parts: Iterable[tuple[Moments, bool]]) -> Sides:
    """The moments of the runs that succeeded, and of all."""
    good = every = Moments()
    for moments, success in parts:
        every = every.merge(moments)
        if success:
            good = good.merge(moments)
    return good, every


def _per_success(good: Moments, every: Moments) -> Estimate:
    """A sum over all runs for each run that succeeded: a ratio of means, delta method on its logarithm."""
    method = "ratio of sums, delta method on logarithms"
    if not (good.n and every.mean > 0):
        return Estimate(None, None, every.n, method)
    share, value = good.n / every.n, every.total / good.n
    if every.n < 2 or not math.isfinite(value):
        return Estimate(finite(value), None, every.n, method)
    relative = every.m2 / (every.n - 1) / every.mean / every.mean
    relative += (1 - share) / share * every.n / (every.n - 1)
    relative -= 2 * (good.mean / every.mean - 1) * every.n / (every.n - 1)
    reach = student_quantile(every.n - 1, 0.975) * math.sqrt(max(0.0, relative) / every.n)
    spread = math.exp(min(reach, 700.0))
    return Estimate(value, interval_of(value / spread, value * spread), every.n, method)
