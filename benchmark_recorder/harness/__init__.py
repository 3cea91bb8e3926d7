"""Runs orchestrators through tasks and records what they do.

- ``runner``: ``BenchmarkHarness``, the order of a run, its records; ``tasks``: the suite of tasks.
- ``execution``: one execution, its clock (real or virtual) and its timeout.
- ``orchestrators``: a function or a command line as an orchestrator.
- ``load``: runs that begin when they are due, however many are under way; ``arrivals``: when that is;
  ``load_settings``. ``progress``: what shows how far a run is.
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
    from benchmark_recorder.harness.load import run_load, run_load_async
    from benchmark_recorder.harness.load_settings import LoadSettings

__all__ = [
    "GUIDE_CLAIMS",
    "BenchmarkHarness",
    "BenchmarkTasks",
    "Clock",
    "CommandError",
    "CommandOrchestrator",
    "Execution",
    "FunctionOrchestrator",
    "LoadSettings",
    "Orchestrator",
    "RealClock",
    "RunResult",
    "Task",
    "VersionCount",
    "VirtualClock",
    "run_load",
    "run_load_async",
]

__getattr__ = lazy_names(  # these need numpy, and a run does not
    __name__, {"GUIDE_CLAIMS": "claims", "LoadSettings": "load_settings", "run_load": "load", "run_load_async": "load"}
)
