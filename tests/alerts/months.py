"""Recorded months: runs by the hour, up to a moment that never changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.alerts.rules import AlertSettings, alert_settings
from benchmark_recorder.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmark_recorder.stores.base import Store

NOW = 24 * 20_000
"""In hours since 1970."""


def record_hours(
    store: Store,
    hours: Iterable[int],
    *,
    version: str = "v1",
    factor: Callable[[int], float] = lambda _: 1.0,
    failing: Callable[[int], float] = lambda _: 0.0,
    tasks: tuple[str, ...] = ("short", "long"),
) -> None:
    """Six runs in each hour, counted back from ``NOW``: hour -1 is the last one."""
    rng = random.Random(7)
    with BenchmarkRecorder(store=store) as recorder:
        for hour in hours:
            for number in range(6):
                task = tasks[number % len(tasks)]
                recorder.record_execution(
                    task,
                    factor(hour) * rng.lognormvariate(2.0 * (number % len(tasks)), 0.3),
                    rng.random() >= failing(hour),
                    version,
                    cost=factor(hour) * 0.01,
                    timestamp=datetime.fromtimestamp((NOW + hour) * 3600 + 60 * number, UTC),
                )


def month(**how: Any) -> MemoryStore:
    """Twenty days of one version."""
    store = MemoryStore()
    record_hours(store, range(-20 * 24, 0), **how)
    return store


def slower_since(hours: int, by: float = 1.5) -> Callable[[int], float]:
    return lambda hour: by if hour >= -hours else 1.0


def rules(*changes: dict[str, Any], **table: Any) -> AlertSettings:
    """Rules on the version ``v1`` against its own past."""
    usual = {"name": "slow", "version": "v1", "baseline_days": 14}
    return alert_settings({"rules": [{**usual, **change} for change in (changes or ({},))], **table})


def seconds(hour: float) -> float:
    """A moment counted from ``NOW``, in seconds since 1970."""
    return (NOW + hour) * 3600.0


def iso(hour: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=NOW + hour)).strftime("%Y-%m-%dT%H:00+00:00")
