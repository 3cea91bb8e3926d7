"""Continuous monitoring: record every task that an orchestrator does in production, and watch the trend.

``measure`` times with a monotonic clock, records an exception as a failure with its class and lets it propagate, and
never raises an error of its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run by its path

from benchmark_recorder import BenchmarkRecorder, get_benchmark_recorder
from benchmark_recorder.harness import BenchmarkTasks, Orchestrator, Task
from examples.simulation.orchestrator import orchestrator_v2


async def orchestrate_with_monitoring(recorder: BenchmarkRecorder, orchestrator: Orchestrator, task: Task) -> Any:  # noqa: ANN401
    """Do a task, and record how it went."""
    async with recorder.measure(task["description"], orchestrator.version, difficulty=task.get("complexity")) as run:
        result = await orchestrator.execute_task(task)
        run.success, run.agent_selected, run.cost = result.success, result.agent_selected, result.cost
    return result


async def main() -> None:
    """Three tasks in production, and a look at the last 30 days."""
    recorder, orchestrator = get_benchmark_recorder(), orchestrator_v2()
    for task in BenchmarkTasks.SIMPLE_TASKS[:3]:
        await orchestrate_with_monitoring(recorder, orchestrator, task)
    metrics = recorder.get_historical_metrics(version=orchestrator.version, last_days=30)
    print(f"{metrics.count} tasks in 30 days: mean {metrics.mean:.2f} s, success rate {metrics.success_rate:.0%}")
    if metrics.mean > 10:
        print("mean above 10 s: worth a look")


if __name__ == "__main__":
    asyncio.run(main())
