"""The runs that changes over time are found in, by day or commit, and that further runs are predicted from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import Caveat
from benchmark_recorder.analysis.attribution import SURROUNDINGS, Surroundings, attributed
from benchmark_recorder.analysis.change_points import check_series, find_changes, followed_metric
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.grouping import DAY
from benchmark_recorder.records import task_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis import Forecast
    from benchmark_recorder.analysis.change_points import ChangePoints
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.base import Store


def changes_of(  # noqa: PLR0913
    store: Store, asked: Query, version: str, metrics: Sequence[str], by: str, *, causes: bool = True
) -> tuple[ChangePoints, ...]:
    """Where each of some metrics moved, and why.

    Args:
        store: that is asked: once, and only where something moved for what else is known.
        asked: which executions.
        version: what they are called.
        metrics: which.
        by: ``"commit"`` or ``"day"``.
        causes: whether to ask for these.

    Raises:
        InvalidQueryError: a metric or the key is unknown.
    """
    check_series(by)
    metrics = [followed_metric(metric).name for metric in metrics]
    grouped, cells, warnings = without_future(store, replace(asked, by=(by,)))
    found = tuple(find_changes(cells, version, metric, by=by, warnings=warnings) for metric in metrics)
    if not causes or not any(one.changes for one in found):
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


MOST_RUNS: Final = 100_000
"""Runs of each task and concurrency in a forecast, over all its tasks."""


def check_runs(tasks: object, repeats: object, concurrency: object) -> None:
    """Raise ``InvalidQueryError`` unless so many runs of these tasks can be predicted."""
    if tasks is not None and (
        isinstance(tasks, str) or not isinstance(tasks, Iterable) or not all(isinstance(one, str) for one in tasks)
    ):
        raise InvalidQueryError(f"tasks: expected ids or texts of tasks in a list, got {preview(tasks)}")
    for name, value in (("repeats", repeats), ("concurrency", concurrency)):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_RUNS:
            raise InvalidQueryError(f"{name}: expected a whole number from 1 to {MOST_RUNS:,}, got {preview(value)}")


def forecast_of(  # noqa: PLR0913
    store: Store, asked: Query, version: str, tasks: Sequence[str] | None, *, repeats: int, concurrency: int
) -> Forecast:
    """What further runs of one version will take; see ``analysis.prediction``."""
    import numpy as np

    from benchmark_recorder.analysis.prediction import Past, forecast
    from benchmark_recorder.columns import encode

    asked, _, warnings = without_future(store, asked)
    (changes,) = changes_of(store, asked, version, ["execution_time"], "day", causes=False)
    columns = store.scan(asked, ("task_id", "execution_time", "cost", "success", "time"))
    since = None
    if changes.changes:
        last = changes.changes[-1]
        if last.kind == "drift":
            warnings = (*warnings, Caveat("drifting"))
        else:
            since = last.time
            kept = columns["time"] >= since
            figures = {"time": since, "runs": int(kept.sum()), "all": len(kept)}
            warnings = (*warnings, Caveat("since_change", figures=figures))
            columns = {name: column[kept] for name, column in columns.items()}
    order = np.argsort(columns["time"], kind="stable")
    coded = encode(columns["task_id"][order])
    names = [*map(str, coded.vocabulary)]
    past = Past(
        coded.codes.astype(np.int64),
        columns["execution_time"][order],
        columns["cost"][order],
        columns["success"][order].astype(bool),
    )
    known = {*names}
    wanted = names if tasks is None else [task if task in known else task_id_of(task) for task in tasks]
    if tasks is not None:
        wanted = [own if own in known else task for own, task in zip(wanted, tasks, strict=True)]
    if repeats * len(wanted) > MOST_RUNS:
        raise InvalidQueryError(f"repeats: at most {MOST_RUNS:,} runs can be predicted, got {repeats * len(wanted):,}")
    return forecast(
        past,
        names,
        wanted,
        version=version,
        repeats=repeats,
        concurrency=concurrency,
        since=since,
        warnings=warnings,
    )
