"""Made-up histories as cells, straight from columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_recorder.analysis import METRICS, SCOPES
from benchmark_recorder.cells import Cells, collect, tabulate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Columns = dict[str, Any]


def texts(values: Sequence[str | None]) -> NDArray[np.object_]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def runs(
    version: str,
    tasks: Sequence[str],
    *,
    time: ArrayLike | None = None,
    success: Sequence[bool] | None = None,
    cost: ArrayLike | None = None,
    routed: Sequence[bool | None] | None = None,
    tokens: ArrayLike | None = None,
    commit: str | None = None,
) -> Columns:
    """One version's runs as columns; what is left out is one second, success, and nothing that is not known."""
    n = len(tasks)
    routes = routed if routed is not None else [None] * n
    return {
        "version": texts([version] * n),
        "task_id": texts(list(tasks)),
        "success": np.array(success if success is not None else [True] * n, dtype=bool),
        "execution_time": np.array(time if time is not None else np.ones(n), dtype=np.float64),
        "cost": np.array(cost if cost is not None else np.full(n, np.nan), dtype=np.float64),
        **{
            name: np.array(tokens if tokens is not None else np.full(n, np.nan), dtype=np.float64)
            for name in ("input_tokens", "output_tokens")
        },
        "expected_agent": texts(["right" if route is not None else None for route in routes]),
        "agent_selected": texts([None if route is None else "right" if route else "wrong" for route in routes]),
        "git_commit": texts([commit] * n),
        "host": texts([None] * n),
        "time": np.arange(n, dtype=np.int64),
    }


def cells_of(*columns: Columns) -> Cells:
    """What a store would answer for these versions."""
    versions = tuple(str(c["version"][0]) for c in columns if len(c["version"]))
    return collect([cell for c in columns for cell in tabulate(c)], versions)


def known(*columns: Columns) -> Cells:
    """Cells with a way to look at single runs, as a store's are."""
    together = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}

    def read(fields: Collection[str], success: bool | None) -> Mapping[str, NDArray[Any]]:
        rows = slice(None) if success is None else together["success"] == success
        return {
            name: together[name][rows] if name in together else texts([None] * len(together["version"]))[rows]
            for name in fields
        }

    return replace(cells_of(*columns), runs=read)


ASKED = tuple(
    (name, scope)
    for name, metric in METRICS.items()
    for scope in SCOPES
    if (metric.compared, scope) != ("quantiles", "tasks")
)
"""Each metric in each scope that it can be asked in."""


def task_names(tasks: int, repeats: int) -> list[str]:
    """Each of so many tasks, so often."""
    return [f"task-{i:03}" for i in range(tasks) for _ in range(repeats)]
