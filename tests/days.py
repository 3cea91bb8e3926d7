"""Runs on one day after the other, for tests of what changes over time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import BenchmarkMetric
from benchmark_recorder.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START = datetime(2026, 9, 1, 12, tzinfo=UTC)


def record_days(
    recorder: BenchmarkRecorder,
    version: str,
    levels: Sequence[float],
    *,
    failing: Callable[[int], float] = lambda _: 0.0,
    about: Callable[[int], dict[str, Any]] = lambda _: {},
    tasks: Sequence[str] = ("a", "b", "c"),
    repeats: int = 3,
    seed: int = 1,
    unit: float = 1.0,
) -> None:
    """Record runs.

    Args:
        recorder: takes them.
        version: of the runs.
        levels: for each day, how long a run takes in relation to others of its task; 0 for a day without runs.
        failing: the chance that a run fails on a day.
        about: further fields of a day's records.
        tasks: ids; each takes longer than the one before.
        repeats: of each on each day.
        seed: of what differs by chance.
        unit: of the times, in seconds.
    """
    chance = random.Random(seed)
    for day, level in enumerate(levels):
        for task, name in enumerate(tasks if level else ()):
            for repeat in range(repeats):
                recorder.record(
                    BenchmarkMetric(
                        timestamp=(START + timedelta(days=day, minutes=10 * task + repeat)).isoformat(),
                        version=version,
                        task_id=name,
                        task_description=name,
                        execution_time=unit * level * (task + 1) * chance.lognormvariate(0, 0.1),
                        success=chance.random() >= failing(day),
                        agent_selected="a",
                        cost_estimated=0.001 * level,
                        **{"git_commit": None, **about(day)},
                    )
                )


def followed(version: str, levels: Sequence[float], **more: Any) -> BenchmarkRecorder:
    """A recorder with the runs of one version; see ``record_days``."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_days(recorder, version, levels, **more)
    return recorder
