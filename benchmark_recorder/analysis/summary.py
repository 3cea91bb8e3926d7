"""One version: how long, how often, how much, each figure with its interval."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from benchmark_recorder.analysis.caveats import store_caveats, unknown_version, version_caveats
from benchmark_recorder.analysis.evidence import NO_SPREAD, normal_quantile, student_quantile, wilson
from benchmark_recorder.analysis.metrics import check_scope
from benchmark_recorder.analysis.percentiles import percentile, percentile_in
from benchmark_recorder.analysis.results import (
    Caveat,
    Estimate,
    Result,
    deferred,
    defers,
    finite,
    interval_of,
    ratio_of,
)
from benchmark_recorder.analysis.run_order import recorded_twice
from benchmark_recorder.cells import total
from benchmark_recorder.columns import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmark_recorder.analysis.percentiles import HistogramPercentile, Percentile
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.columns import Durations
    from benchmark_recorder.histogram import Histogram

PERCENTILES = (50, 90, 95, 99)
MOST_REPEATS = 10
"""Up to so many runs in a row are asked whether all, or any, succeed."""


@dataclass(frozen=True, slots=True)
class Repeats(Result):
    """What to expect of ``k`` runs of one task, the mean over the tasks with at least ``k`` runs.

    Attributes:
        k: runs.
        all_succeed: pass^k, C(c, k) / C(n, k) of a task with c successes in n runs.
        any_succeeds: pass@k, 1 - C(n - c, k) / C(n, k).
        tasks: tasks that have at least ``k`` runs.
    """

    k: int
    all_succeed: float
    any_succeeds: float
    tasks: int


@defers("estimates")
@dataclass(frozen=True, slots=True)
class Summary(Result):
    """One version's runs. Times in seconds, costs in USD; plain figures are NaN where undefined.

    Attributes:
        version: whose.
        count: runs.
        mean: duration.
        p50: percentiles by linear interpolation (type 7 of Hyndman & Fan 1996).
        p90: see ``p50``.
        p95: see ``p50``.
        p99: see ``p50``.
        min: shortest.
        max: longest.
        std: sample standard deviation.
        success_rate: successes per run.
        total_cost: of the runs whose cost is known.
        mean_cost: the same, per run.
        estimates: the figures above and more, with their 95% intervals: ``mean``, ``geometric_mean``, ``p50`` ...
            ``p99``, ``success_rate``, ``mean_cost``, ``cost_per_success``, ``seconds_per_success``,
            ``routing_accuracy``.
        repeats: reliability over several runs of a task; empty where tasks do not repeat.
        tasks: different tasks (an upper bound where they are too many to count one by one).
        first: microseconds since 1970 of the earliest run; ``None`` where there is none.
        last: of the latest.
        warnings: caveats that the reader must know.
    """

    version: str
    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    min: float
    max: float
    std: float
    success_rate: float
    total_cost: float
    mean_cost: float
    estimates: dict[str, Estimate]
    repeats: tuple[Repeats, ...]
    tasks: int
    first: int | None
    last: int | None
    warnings: tuple[Caveat, ...]


def summarize_version(
    version: str,
    cells: Cells,
    durations: Durations | None = None,
    histogram: Histogram | None = None,
    *,
    scope: str = "suite",
) -> Summary:
    """Summarise one version.

    Args:
        version: what to call these runs: a version's name.
        cells: exactly these runs, of one version or, under a common name, of several.
        durations: of exactly these runs.
        histogram: of the durations instead, where they are too many; without either, percentiles and the minimum are
            NaN.
        scope: of the intervals of means and rates: ``"suite"`` (these tasks are all that matters) or ``"tasks"`` (they
            represent others).

    Raises:
        InvalidQueryError: an unknown scope.
    """
    check_scope(scope)
    own = cells.cells
    whole = total(own)
    if whole is None:
        return _nothing(version, cells)
    ordered = np.empty(0) if durations is None else durations.ordered
    percentiles: dict[str, Percentile | HistogramPercentile] = {
        f"p{p}": percentile(ordered, p / 100) if histogram is None else percentile_in(histogram, p / 100)
        for p in PERCENTILES
        if len(ordered) or histogram is not None
    }
    least = histogram.quantile(0.0) if histogram is not None else None
    plain = {f"p{p}": math.nan for p in PERCENTILES} | {name: _plain(p.value) for name, p in percentiles.items()}
    succeeded = sum(cell.n for cell in own if cell.success)
    variance = whole.time.variance
    return Summary(
        version=version,
        count=whole.n,
        mean=_plain(whole.time.mean if whole.time.n else None),
        **plain,
        min=float(ordered[0]) if len(ordered) else math.nan if least is None else least.value,
        max=whole.max_time if whole.time.n else math.nan,
        std=_plain(None if variance is None else math.sqrt(variance)),
        success_rate=succeeded / whole.n,
        total_cost=_plain(whole.cost.total if whole.cost.n else None),
        mean_cost=_plain(whole.cost.mean if whole.cost.n else None),
        estimates=deferred(
            lambda: version_estimates(own, scope) | {name: p.estimate for name, p in percentiles.items()}
        ),
        repeats=_repeats(own),
        tasks=_count_tasks(own),
        first=whole.first,
        last=whole.last,
        warnings=(
            *store_caveats(cells),
            *_caveats(version, whole, len(ordered)),
            *(recorded_twice(version, durations) if durations is not None else ()),
            *(() if histogram is None else (_from_histogram(version, histogram),)),
        ),
    )


def _from_histogram(version: str, histogram: Histogram) -> Caveat:
    figures = {"version": version, "runs": histogram.count, "error": histogram.error}
    return Caveat("percentiles_from_histogram", figures=figures)


def _plain(value: float | None) -> float:
    """One of the guide's figures: NaN where it is undefined, or beyond what a float can hold."""
    return math.nan if value is None or not math.isfinite(value) else value


def _nothing(version: str, cells: Cells) -> Summary:
    return Summary(
        version,
        0,
        *(math.nan,) * 11,
        estimates={},
        repeats=(),
        tasks=0,
        first=None,
        last=None,
        warnings=(*store_caveats(cells), unknown_version(version)),
    )


def _count_tasks(own: Sequence[Cell]) -> int:
    named = {cell.task_id for cell in own if cell.task_id is not None}
    return len(named) + sum(cell.tasks for cell in own if cell.task_id is None)


def _caveats(version: str, whole: Cell, timed: int) -> tuple[Caveat, ...]:
    found = list(version_caveats(version, whole))
    if 0 < timed <= 20:
        # Type 7 interpolates towards the maximum from 95% of the way between the first run and the last.
        found.append(Caveat("p95_is_the_maximum", figures={"version": version, "runs": timed, "needed": 21}))
    return tuple(found)


def _repeats(own: Sequence[Cell]) -> tuple[Repeats, ...]:
    by_task: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for cell in own:
        if cell.task_id is not None:
            by_task[cell.version, cell.task_id][0] += cell.n
            by_task[cell.version, cell.task_id][1] += cell.n if cell.success else 0
    counts = list(by_task.values())
    found = []
    for k in range(2, MOST_REPEATS + 1):
        enough = [(n, good) for n, good in counts if n >= k]
        if not enough:
            break
        every = math.fsum(_share(good, n, k) for n, good in enough) / len(enough)
        none = math.fsum(_share(n - good, n, k) for n, good in enough) / len(enough)
        found.append(Repeats(k, every, 1 - none, len(enough)))
    return tuple(found)


def _share(hits: int, n: int, k: int) -> float:
    """C(hits, k) / C(n, k)."""
    return math.prod((hits - i) / (n - i) for i in range(k)) if hits >= k else 0.0


# Means and rates -----------------------------------------------------------------------------------------------------
#
# In scope ``suite`` these tasks are all that matters, and the uncertainty is the runs' within each task; in scope
# ``tasks`` they represent others, and the runs of a task are one cluster: Bell & McCaffrey (2002), advised for
# evaluations of language models by Miller (2024, arXiv 2411.00640).


class Error(NamedTuple):
    """A variance with its degrees of freedom."""

    variance: float
    freedom: float


def version_estimates(cells: Sequence[Cell], scope: str) -> dict[str, Estimate]:
    """All figures but the percentiles, of one version or of several under a common name."""
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
    """The mean over all runs of what ``read`` takes from a cell, or (``logs``) the geometric mean of logarithms."""
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
    """The rate over all runs; ``read`` takes hits and runs from a cell."""

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
