"""The runs that changes over time are found in, by day or commit, and what else is known of them."""

from __future__ import annotations

from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING

from benchmark_recorder.analysis import Caveat
from benchmark_recorder.analysis.attribution import SURROUNDINGS, Surroundings, attributed
from benchmark_recorder.analysis.change_points import check_series, find_changes, followed_metric
from benchmark_recorder.cells import Cells
from benchmark_recorder.grouping import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis.change_points import ChangePoints
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.base import Store


def changes_of(store: Store, asked: Query, version: str, metrics: Sequence[str], by: str) -> tuple[ChangePoints, ...]:
    """Where each of some metrics moved, and why.

    Args:
        store: that is asked: once, and only where something moved for what else is known.
        asked: which executions.
        version: what they are called.
        metrics: which.
        by: ``"commit"`` or ``"day"``.

    Raises:
        InvalidQueryError: a metric or the key is unknown.
    """
    check_series(by)
    metrics = [followed_metric(metric).name for metric in metrics]
    grouped, cells, warnings = without_future(store, replace(asked, by=(by,)))
    found = tuple(find_changes(cells, version, metric, by=by, warnings=warnings) for metric in metrics)
    if not any(one.changes for one in found):
        return found
    keys = {key: store.summarize(replace(grouped, by=(by, key))) for key in ("commit", *SURROUNDINGS)}
    others = Cells()
    if asked.versions is not None:
        span = replace(
            grouped,
            versions=None,
            by=("day",),
            since=min(cell.first for cell in cells.cells),
            until=max(cell.last for cell in cells.cells) + 1,
        )
        others = Cells(tuple(c for c in store.summarize(span).cells if c.version not in asked.versions))
    return tuple(attributed(one, Surroundings(keys, others)) for one in found)


def without_future(store: Store, asked: Query) -> tuple[Query, Cells, tuple[Caveat, ...]]:
    """The question without runs that are dated later than tomorrow, its answer, and that there were some."""
    end = time_ns() // 1000 + DAY  # a clock may be ahead
    cells = store.summarize(asked)
    if all(cell.last < end for cell in cells.cells):
        return asked, cells, ()
    known, last = sum(cell.n for cell in cells.cells), max(cell.last for cell in cells.cells)
    asked = replace(asked, until=end)
    cells = store.summarize(asked)
    ahead = known - sum(cell.n for cell in cells.cells)
    return asked, cells, (Caveat("dated_ahead", figures={"runs": ahead, "last": last}),)
