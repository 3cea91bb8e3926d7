"""Runs orchestrators through tasks and records what they do.

::

    from benchmark_recorder.harness import BenchmarkHarness, BenchmarkTasks

    harness = BenchmarkHarness([baseline, candidate], repeats=5)
    result = harness.run(tasks=BenchmarkTasks.SIMPLE_TASKS)
"""

from benchmark_recorder.harness.execution import Clock, Orchestrator, RealClock, VirtualClock
from benchmark_recorder.harness.orchestrators import CommandError, CommandOrchestrator, FunctionOrchestrator
from benchmark_recorder.harness.result import Execution, RunResult, VersionCount
from benchmark_recorder.harness.runner import BenchmarkHarness
from benchmark_recorder.harness.tasks import BenchmarkTasks, Task

__all__ = [
    "BenchmarkHarness",
    "BenchmarkTasks",
    "Clock",
    "CommandError",
    "CommandOrchestrator",
    "Execution",
    "FunctionOrchestrator",
    "Orchestrator",
    "RealClock",
    "RunResult",
    "Task",
    "VersionCount",
    "VirtualClock",
]
