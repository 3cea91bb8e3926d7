"""Runs of two versions, always the same ones, for tests of what is said about them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

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
                recorder.record_execution(
                    **{
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
                )
