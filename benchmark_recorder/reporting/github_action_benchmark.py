"""A version's figures for github-action-benchmark, which draws them over the commits and warns of changes.

It takes one direction a file: its ``tool`` is ``customSmallerIsBetter`` or ``customBiggerIsBetter``. A figure's name
never tells the version, so that its line goes on from one to the next; an undefined figure is left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmark_recorder.reporting.encoders import visible

if TYPE_CHECKING:
    from benchmark_recorder.analysis import Estimate, Summary


def smaller_is_better(summary: Summary) -> list[dict[str, Any]]:
    """Time, failures and cost."""
    found = summary.estimates
    return _entries(
        summary,
        ("Execution time, mean", "s", summary.mean, found.get("mean"), 1.0),
        ("Execution time, 95th percentile", "s", summary.p95, found.get("p95"), 1.0),
        ("Failure rate", "%", 1 - summary.success_rate, found.get("success_rate"), 100.0),
        ("Cost of a run, mean", "USD", summary.mean_cost, found.get("mean_cost"), 1.0),
    )


def bigger_is_better(summary: Summary) -> list[dict[str, Any]]:
    """Successes and right routings."""
    found = summary.estimates
    routing = found.get("routing_accuracy")
    accuracy = math.nan if routing is None or routing.value is None else routing.value
    return _entries(
        summary,
        ("Success rate", "%", summary.success_rate, found.get("success_rate"), 100.0),
        ("Routing accuracy", "%", accuracy, routing, 100.0),
    )


def _entries(summary: Summary, *figures: tuple[str, str, float, Estimate | None, float]) -> list[dict[str, Any]]:
    extra = visible(f"{summary.version}: {summary.count:,} runs of {summary.tasks:,} tasks")
    return [
        {"name": name, "unit": unit, "value": scale * value, **_range(estimate, scale), "extra": extra}
        for name, unit, value, estimate, scale in figures
        if math.isfinite(value)
    ]


def _range(estimate: Estimate | None, scale: float) -> dict[str, str]:
    """Half the width of the 95 % interval, as the action shows it: ``± 0.12``."""
    interval = estimate.interval if estimate else None
    if interval is None or interval.low is None or interval.high is None:
        return {}
    return {"range": f"\u00b1 {scale * (interval.high - interval.low) / 2:.3g}"}
