"""Runs of the harness: versions interleaved, so that whatever changes over time affects all of them alike."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.errors import ConfigurationError
from benchmark_recorder.harness.execution import GRACE, Clock, Orchestrator, RealClock, Timing, execute
from benchmark_recorder.harness.progress import progress_bar
from benchmark_recorder.harness.result import Execution, RunResult
from benchmark_recorder.harness.tasks import BenchmarkTasks, CheckedTask, checked_tasks
from benchmark_recorder.recording.checkout import dirt_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from benchmark_recorder.recorder import BenchmarkRecorder
    from benchmark_recorder.recording.measurement import Measurement


class Job(NamedTuple):
    """One execution to come.

    Attributes:
        task: what to do.
        side: the index of the orchestrator.
        repeat: 1 for the first.
    """

    task: CheckedTask
    side: int
    repeat: int


def interleave(tasks: Sequence[CheckedTask], sides: int, repeats: int, seed: int) -> list[Job]:
    """Every task for every side in every repeat.

    All sides do a task one after the other. The order of the tasks differs by repeat. The side that goes first
    rotates from repeat to repeat, starting at random for each task: no side always goes first.
    """
    chance = random.Random(seed)  # noqa: S311
    first = {task.id: chance.randrange(sides) for task in tasks}
    jobs = []
    for repeat in range(1, repeats + 1):
        for task in chance.sample(tasks, len(tasks)):
            jobs += [Job(task, (first[task.id] + repeat + turn) % sides, repeat) for turn in range(sides)]
    return jobs


DEFAULT_TIMEOUT: Final = 300.0
"""Seconds; over three times the expected duration of the suite's longest task."""


class BenchmarkHarness:
    """Runs orchestrators through tasks under the same conditions, and records every execution.

    Versions are interleaved and the order is seeded. A record has the task's id, its expected agent (of several, the
    lead), its complexity as the difficulty, and ``{"run": …, "repeat": …}`` as metadata; in virtual time also
    ``"clock": "virtual"``, so that it is not compared with a real one by accident.

    Args:
        orchestrators: each with a ``version`` of its own and ``async execute_task(task)``.
        recorder: where executions are recorded; by default that of ``get_benchmark_recorder()``.
        repeats: how often each version does each task; a comparison needs at least two.
        concurrency: executions at a time. Above 1, orchestrators that compute rather than wait disturb each other's
            times.
        timeout: seconds that an execution may take; ``None``: no limit.
        seed: of the order.
        baseline: the version that the others are to be compared with; by default the first orchestrator's.
        progress: whether to show a progress bar on stderr; by default if that is a terminal.
        clock: real time unless a ``VirtualClock`` is given.

    Attributes:
        versions: in the order of the orchestrators.

    Raises:
        ConfigurationError: an argument, or an orchestrator, cannot be used; nothing has run.
    """

    def __init__(  # noqa: PLR0913
        self,
        orchestrators: Iterable[Orchestrator],
        *,
        recorder: BenchmarkRecorder | None = None,
        repeats: int = 3,
        concurrency: int = 1,
        timeout: float | None = DEFAULT_TIMEOUT,
        seed: int = 0,
        baseline: str | None = None,
        progress: bool | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._orchestrators = checked_orchestrators(orchestrators)
        self.versions = tuple(orchestrator.version for orchestrator in self._orchestrators)
        self._recorder = recorder
        self._repeats = at_least_one("repeats", repeats)
        self._concurrency = at_least_one("concurrency", concurrency)
        self._timeout = seconds_of("timeout", timeout)
        self._seed = seed
        self._baseline = baseline
        self._progress = progress
        self._clock: Clock = clock or RealClock()

    def run(self, tasks: Iterable[Mapping[str, Any]] | None = None) -> RunResult:
        """Run all tasks through all orchestrators; inside a running event loop, use ``run_async``.

        Args:
            tasks: default: those of ``BenchmarkTasks.get_all_tasks()``.

        Raises:
            ConfigurationError: a task cannot be run; nothing has run.
            RuntimeError: an event loop is running in this thread.
            StoreError: a record could not be stored (only with a strict recorder).
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise RuntimeError("run() cannot wait inside a running event loop; use: await harness.run_async(…)")
        loop = self._clock.new_loop()
        try:
            return loop.run_until_complete(self.run_async(tasks))
        finally:
            close_loop(loop)

    async def run_async(self, tasks: Iterable[Mapping[str, Any]] | None = None) -> RunResult:
        """``run`` inside an event loop; with a virtual clock, the loop must be the clock's."""
        checked = checked_tasks(BenchmarkTasks.get_all_tasks() if tasks is None else tasks)
        recorder = self._recorder
        if recorder is None:
            from benchmark_recorder.config import get_benchmark_recorder

            recorder = get_benchmark_recorder()
        warnings = self._caveats(recorder, checked)
        jobs = interleave(checked, len(self._orchestrators), self._repeats, self._seed)
        log = _Log(recorder, self._clock)
        started = self._clock.now()
        with progress_bar(len(jobs), shown=self._progress) as advance:

            async def do(job: Job) -> None:
                run = log.begin(job, self.versions[job.side])
                try:
                    timing = await execute(self._orchestrators[job.side], job.task.copy(), self._timeout, self._clock)
                finally:
                    run.lineage.leave()
                log.end(job, run, timing)
                advance(1)

            await _work_off(jobs, do, self._concurrency)
        return RunResult(
            run_id=log.run_id,
            versions=self.versions,
            executions=tuple(log.executions),
            warnings=warnings + log.warnings(),
            seconds=self._clock.now() - started,
        )

    def _caveats(self, recorder: BenchmarkRecorder, tasks: Sequence[CheckedTask]) -> tuple[str, ...]:
        """Caveats of the comparison that this run is for."""
        baseline = self._baseline
        if baseline in self.versions or (baseline is None and len(self.versions) > 1):
            return ()
        ran = ", ".join(self.versions)
        if baseline is None:
            caveat = f"only {ran} ran, and no baseline is named: run one as well, or name one that was recorded earlier"
            return (caveat,)
        ids = [task.id for task in tasks]
        earlier = recorder.get_historical_metrics(version=baseline, task_id=ids, metadata=clock_of(self._clock))
        if not earlier["count"]:
            return (f"{baseline} has no records of these tasks to compare {ran} with: run it first",)
        caveat = f"{baseline} was recorded earlier: anything that changed since then counts as a difference from {ran}"
        return (caveat,)


class _Log:
    """Records executions as they end, and keeps them for the result."""

    def __init__(self, recorder: BenchmarkRecorder, clock: Clock) -> None:
        self.run_id = new_run_id()
        self.executions: list[Execution] = []
        self._recorder = recorder
        self._clock = clock
        self._left_running: Counter[str] = Counter()
        self._metadata = {"run": self.run_id, **clock_of(clock), **dirt_of(Path.cwd())}

    def begin(self, job: Job, version: str) -> Measurement:
        return begin_run(self._recorder, job.task, version, {**self._metadata, "repeat": job.repeat})

    def end(self, job: Job, run: Measurement, timing: Timing) -> None:
        outcome, task, version = timing.outcome, job.task, run.version
        duration = end_run(run, timing)
        self._left_running[version] += timing.left_running
        self.executions.append(
            Execution(
                task_id=task.id,
                version=version,
                repeat=job.repeat,
                duration=duration,
                success=outcome.success,
                agent_selected=outcome.agent_selected,
                expected_agent=task.expected_agent,
                cost=outcome.cost,
                error_type=outcome.error_type,
                raised=outcome.raised,
            )
        )

    def warnings(self) -> tuple[str, ...]:
        slowed = (
            f"{version} kept running after its timeout ({count} times): this may have slowed later executions"
            for version, count in sorted(self._left_running.items())
            if count
        )
        return *slowed, *self._all_failed()

    def _all_failed(self) -> Iterator[str]:
        """Versions that never succeeded: more likely a mistake in the set-up than a result."""
        for version in sorted({execution.version for execution in self.executions}):
            mine = [execution for execution in self.executions if execution.version == version]
            if not any(execution.success for execution in mine):
                why = ", ".join(sorted({execution.error_type or "WrongResult" for execution in mine}))
                yield (
                    f"all {len(mine)} executions of {version} failed ({why}): "
                    'the log "benchmark_recorder" has the tracebacks at level INFO'
                )


def new_run_id() -> str:
    """The name of a run of the harness: when it began, and chance."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def begin_run(recorder: BenchmarkRecorder, task: CheckedTask, version: str, metadata: dict[str, Any]) -> Measurement:
    """A root: what its orchestrator records in the same store while it works is a part of it."""
    run = recorder.new_run(
        task.description,
        version,
        root=True,
        difficulty=task.complexity,
        metadata=metadata,
        task_id=task.id,
        expected_agent=task.expected_agent,
    )
    run.begin()
    run.lineage.enter()
    return run


def end_run(run: Measurement, timing: Timing) -> float:
    """Record how it went; its duration."""
    # To the nanosecond, so that virtual time does not depend on what else ran before it.
    run.duration = duration = round(timing.duration, 9)
    for name, value in timing.outcome.said().items():
        setattr(run, name, value)
    run.end()
    return duration


def clock_of(clock: Clock) -> dict[str, Any]:
    """Metadata that sets records of other than real time apart."""
    return {} if clock.name == RealClock.name else {"clock": clock.name}


async def _work_off(jobs: Sequence[Job], do: Callable[[Job], Awaitable[None]], concurrency: int) -> None:
    """Do all jobs, started in order, at most ``concurrency`` at a time; the first error ends all."""
    rest = iter(jobs)

    async def work() -> None:
        for job in rest:
            await do(job)

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(jobs)))]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Stop what still runs and close the loop, without waiting for tasks that ignore their cancellation."""
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    rest.add(loop.create_task(loop.shutdown_asyncgens()))
    for _ in range(len(rest)):
        try:
            loop.run_until_complete(asyncio.wait(rest, timeout=GRACE))
        except (KeyboardInterrupt, SystemExit):
            # The exception that ended the run is raised again by each task that awaited the interrupted one.
            continue
        break
    # What is left is left on purpose: no warning when it is garbage-collected.
    loop.set_exception_handler(lambda _loop, _context: None)
    loop.close()


def checked_orchestrators(orchestrators: object) -> tuple[Orchestrator, ...]:
    """The orchestrators, if they can be run; else a ``ConfigurationError`` says which one and why."""
    if not isinstance(orchestrators, Iterable):
        raise ConfigurationError("orchestrators: expected a list of them")
    checked = tuple(orchestrators)
    if not checked:
        raise ConfigurationError("orchestrators: none given")
    seen: set[str] = set()
    for place, orchestrator in enumerate(checked):
        version = getattr(orchestrator, "version", None)
        kind = type(orchestrator).__name__
        if not isinstance(version, str) or not version:
            raise ConfigurationError(
                f"orchestrators[{place}]: a {kind} without a 'version'; give it a string, such as 'v2.0'"
            )
        if not callable(getattr(orchestrator, "execute_task", None)):
            raise ConfigurationError(f"orchestrators[{place}]: a {kind} without a method execute_task(task)")
        if version in seen:
            raise ConfigurationError(f"orchestrators[{place}]: an earlier one also has the version {version!a}")
        seen.add(version)
    return checked


def at_least_one(name: str, value: object) -> int:
    """A whole number above 0, or a ``ConfigurationError``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}: expected a whole number, 1 or more")
    return value


def seconds_of(name: str, value: object) -> float | None:
    """A time above 0, ``None``, or a ``ConfigurationError``."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ConfigurationError(f"{name}: expected a number of seconds above 0, or None")
    return value
