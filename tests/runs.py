"""Runs of two versions, always the same ones, for tests of what is said about them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmark_recorder.queries import Query
from benchmark_recorder.records import BenchmarkMetric

if TYPE_CHECKING:
    from benchmark_recorder.recorder import BenchmarkRecorder


def record_runs(
    recorder: BenchmarkRecorder,
    versions: dict[str, tuple[float, float]] | None = None,
    *,
    tasks: int = 13,
    repeats: int = 5,
    **fields: Any,
) -> None:
    """Record runs.

    Args:
        recorder: takes them.
        versions: by name, how long a run takes in relation to the others, and the chance that it fails; by default a
            slow v1.0 and a fast v2.0.
        tasks: different ones.
        repeats: of each, in each version.
        fields: further arguments of ``record_execution``, the same for each.
    """
    chance = random.Random(7)
    for version, (factor, failing) in (versions or {"v1.0": (1.0, 0.12), "v2.0": (0.7, 0.02)}).items():
        for task in range(tasks):
            for _ in range(repeats):
                run = {
                    "task": f"Task number {task}",
                    "duration": 0.01 * (task + 1) * factor * chance.lognormvariate(0, 0.2),
                    "success": chance.random() >= failing,
                    "version": version,
                    "agent_selected": "builder" if chance.random() < 0.7 else "writer",
                    "cost": 0.0012 * chance.lognormvariate(0, 0.05),
                    "task_id": f"task-{task:02}",
                    "expected_agent": "builder",
                    **fields,
                }
                recorder.record_execution(**run | ({"error_type": None} if run["success"] else {}))


def record_hostile(recorder: BenchmarkRecorder, text: str) -> list[str]:
    """Record runs that have a text in every field that can hold one, so that every part of a report speaks of it.

    Two versions in two weeks: the newer one is faster, then slower by half; half of the runs of a task fail and take
    another agent than the expected one; the runs come from two hosts.

    Returns:
        The names of the versions, as they were stored.
    """
    names = [text, f"{text[:4000]}2"]
    for version, name in enumerate(names):
        for run in range(24):
            later, good = run % 2, run // 2 % 2 == 0
            factor = (1.0, 0.5 * (1 + later))[version]
            recorder.record(
                BenchmarkMetric(
                    timestamp=(datetime(2026, 11, 4, tzinfo=UTC) + timedelta(days=7 * later, minutes=run)).isoformat(),
                    version=name,
                    git_commit=text if good else f"{text[:4000]}3",
                    task_id=text,
                    task_description=text,
                    execution_time=factor * (1 + run / 1000),
                    success=good or version == 0,
                    agent_selected=text if good else f"{text[:4000]}4",
                    cost_estimated=0.001 * (1 + run / 1000),
                    metadata={text[:500]: text[:500]},
                    expected_agent=text,
                    error_type=None if good else text,
                    host=text if good else f"{text[:4000]}5",
                    model=text,
                )
            )
    return list(dict.fromkeys(recorder.store.scan(Query(), ("version",))["version"].tolist()))
