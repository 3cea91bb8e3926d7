"""Runs orchestrators through tasks and records what they do.

- ``runner``: ``BenchmarkHarness``, the order of a run, its records and its progress bar; ``tasks``: the suite of tasks.
- ``execution``: one execution, its clock (real or virtual) and its timeout.
- ``orchestrators``: a function or a command line as an orchestrator.
- ``claims``: the guide's four claims.
- ``result``: what an orchestrator returned, and what a run did.

::

    from benchmark_recorder.harness import BenchmarkHarness, BenchmarkTasks

    harness = BenchmarkHarness([baseline, candidate], repeats=5)
    result = harness.run(tasks=BenchmarkTasks.SIMPLE_TASKS)
"""

from typing import TYPE_CHECKING

from benchmark_recorder._lazy import lazy_names
from benchmark_recorder.harness.execution import Clock, Orchestrator, RealClock, VirtualClock
from benchmark_recorder.harness.orchestrators import CommandError, CommandOrchestrator, FunctionOrchestrator
from benchmark_recorder.harness.result import Execution, RunResult, VersionCount
from benchmark_recorder.harness.runner import BenchmarkHarness
from benchmark_recorder.harness.tasks import BenchmarkTasks, Task

if TYPE_CHECKING:
    from benchmark_recorder.harness.claims import GUIDE_CLAIMS

__all__ = [
    "GUIDE_CLAIMS",
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

__getattr__ = lazy_names(__name__, {"GUIDE_CLAIMS": "claims"})  # claims need numpy, and a run does not
