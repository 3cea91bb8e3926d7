"""The cell of a single run: what ``tabulate`` makes of one, without the cost of arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmark_recorder.cells import Cell, Moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.cells import Range


def cell_of_run(run: Mapping[str, Any]) -> Cell:
    """One run's cell.

    Args:
        run: a value for each of ``CELL_FIELDS``, texts as such.
    """
    time, cost = run["execution_time"], run["cost"]
    selected, expected = run["agent_selected"], run["expected_agent"]
    routed = selected is not None and expected is not None
    return Cell(
        version=run["version"],
        task_id=run["task_id"],
        success=run["success"],
        n=1,
        time=_one(time),
        log_time=_log(time),
        max_time=max(0.0, time) if math.isfinite(time) else 0.0,
        cost=_one(cost),
        log_cost=_log(cost),
        max_cost=max(0.0, cost) if math.isfinite(cost) else 0.0,
        routed=int(routed),
        routed_right=int(routed and selected == expected),
        git_commit=_range(run["git_commit"]),
        host=_range(run["host"]),
        first=run["time"],
        last=run["time"],
    )


def _one(value: float) -> Moments:
    return Moments(1, value, 0.0) if math.isfinite(value) else Moments()


def _log(value: float) -> Moments:
    return Moments(1, math.log(value), 0.0) if math.isfinite(value) and value > 0 else Moments()


def _range(text: str | None) -> Range:
    return None if text is None else (text, text)
