"""Continuous monitoring: record every task that an orchestrator does in production, and watch the trend.

``measure`` times with a clock that cannot run backwards, records an exception as a failure with its class, lets it
pass on, and never raises an error of its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run by its path

from benchmark_recorder import BenchmarkRecorder, get_benchmark_recorder

if TYPE_CHECKING:
    from benchmark_recorder.harness import Orchestrator, Task


async def orchestrate_with_monitoring(recorder: BenchmarkRecorder, orchestrator: Orchestrator, task: Task) -> Any:  # noqa: ANN401
    """Do a task, and record how it went."""
    async with recorder.measure(
        task=task["description"], version=orchestrator.version, difficulty=task.get("complexity")
    ) as run:
        result = await orchestrator.execute_task(task)
        run.success = result.success
        run.agent_selected = result.agent_selected
        run.cost = result.cost
    return result


def print_trend(recorder: BenchmarkRecorder, version: str, slow: float) -> None:
    """Print the last 30 days; ``slow`` is the mean in seconds from which on it is worth a look."""
    metrics = recorder.get_historical_metrics(version=version, last_days=30)
    print(f"{version}: {metrics.count} tasks, mean {metrics.mean:.2f} s, p95 {metrics.p95:.2f} s")
    if metrics.mean > slow:
        print(f"mean above {slow} s: worth a look")


async def main() -> None:
    """Three tasks in production."""
    from benchmark_recorder.harness import BenchmarkTasks
    from examples.simulation.orchestrator import orchestrator_v2

    recorder, orchestrator = get_benchmark_recorder(), orchestrator_v2()
    for task in BenchmarkTasks.SIMPLE_TASKS[:3]:
        await orchestrate_with_monitoring(recorder, orchestrator, task)
    print_trend(recorder, orchestrator.version, slow=10.0)


if __name__ == "__main__":
    asyncio.run(main())
