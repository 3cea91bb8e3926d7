"""Both simulated orchestrators under rising load, in virtual time: ``python examples/load_test.py``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run by its path

import asyncio
from typing import TYPE_CHECKING, Any

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.harness import BenchmarkTasks, VirtualClock, run_load
from benchmark_recorder.stores.memory import MemoryStore
from examples.simulation.orchestrator import orchestrator_v1, orchestrator_v2

if TYPE_CHECKING:
    from benchmark_recorder.harness import Orchestrator

PLACES = 40
"""Runs that the simulated provider works on at once."""


class Limited:
    """An orchestrator whose provider has only so many places."""

    def __init__(self, inner: Orchestrator) -> None:
        self.version = inner.version
        self._inner = inner
        self._places = asyncio.Semaphore(PLACES)

    async def execute_task(self, task: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever it returns
        """Do it in one of the places."""
        async with self._places:
            return await self._inner.execute_task(task)


def main(seconds: float = 120) -> None:
    """Load both for so long at each rate, and report on what was recorded."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    result = run_load(
        [Limited(orchestrator_v1()), Limited(orchestrator_v2())],
        BenchmarkTasks.SIMPLE_TASKS,
        recorder=recorder,
        steps=[5, 10, 20],
        duration=seconds,
        clock=VirtualClock(),
    )
    print(result)
    print()
    print(recorder.compare_versions("v1.0", "v2.0", **result.query_at(10)))
    print()
    print(recorder.generate_report(["v1.0", "v2.0"], **result.query))


if __name__ == "__main__":
    main()
