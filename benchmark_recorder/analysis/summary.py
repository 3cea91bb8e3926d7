"""One version: how long, how often, how much, each figure with its interval."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark_recorder.analysis.caveats import store_caveats, unknown_version, version_caveats
from benchmark_recorder.analysis.estimates import version_estimates
from benchmark_recorder.analysis.metrics import check_scope
from benchmark_recorder.analysis.percentiles import percentile, percentile_in
from benchmark_recorder.analysis.results import (
    Caveat,
    Estimate,
    Result,
    deferred,
    defers,
)
from benchmark_recorder.analysis.run_order import recorded_twice
from benchmark_recorder.cells import total

if TYPE_CHECKING:
    from collections.abc import Sequence

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
