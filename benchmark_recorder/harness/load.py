"""Load tests: runs that begin when they are due, however many are under way, so that a version's queues can be seen."""

from __future__ import annotations

import asyncio
import math
import resource
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, Unpack

from benchmark_recorder.analysis.load import load_result
from benchmark_recorder.analysis.load_results import RATE_LIMITED, Turn
from benchmark_recorder.comparing import LOADED
from benchmark_recorder.harness.arrivals import arrivals, slots
from benchmark_recorder.harness.execution import GRACE, RealClock, Timing, attempt, timing_of
from benchmark_recorder.harness.load_settings import checked_settings
from benchmark_recorder.harness.progress import first_interrupt, live_line
from benchmark_recorder.harness.result import TIMEOUT, Outcome
from benchmark_recorder.harness.runner import (
    begin_run,
    checked_orchestrators,
    clock_of,
    close_loop,
    end_run,
    new_run_id,
)
from benchmark_recorder.harness.tasks import BenchmarkTasks, checked_tasks
from benchmark_recorder.recording.checkout import dirt_of
from benchmark_recorder.reporting.load_pages import LoadResultView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmark_recorder.harness.arrivals import Arrival, Slot
    from benchmark_recorder.harness.execution import Clock, Orchestrator
    from benchmark_recorder.harness.load_settings import LoadSettings
    from benchmark_recorder.harness.tasks import CheckedTask
    from benchmark_recorder.recorder import BenchmarkRecorder
    from benchmark_recorder.recording.measurement import Measurement


def run_load(
    orchestrators: Iterable[Orchestrator],
    tasks: Iterable[Mapping[str, Any]] | None = None,
    *,
    recorder: BenchmarkRecorder | None = None,
    **settings: Unpack[LoadSettings],
) -> LoadResultView:
    """Put orchestrators under load, and record every run; inside a running event loop, use ``run_load_async``.

    Runs begin when they are due, whether or not others have ended. Versions take turns, with the same arrivals. Each
    run is recorded with its service time, and ``{"load": …, "load_rate": …, "load_turn": …}`` as metadata. Ctrl-C ends
    the load, and what ran is in the result; pressed again, it is raised.

    Args:
        orchestrators: each with a ``version`` of its own and ``async execute_task(task)``.
        tasks: default: those of ``BenchmarkTasks.get_all_tasks()``.
        recorder: where runs are recorded; by default that of ``get_benchmark_recorder()``.
        **settings: see ``LoadSettings``.

    Raises:
        ConfigurationError: an argument, an orchestrator or a task cannot be used; nothing has run.
        RuntimeError: an event loop is running in this thread.
        StoreError: a record could not be stored (only with a strict recorder).
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("run_load() cannot wait inside a running event loop; use: await run_load_async(…)")
    load = _Load(orchestrators, tasks, recorder, settings)
    loop = load.clock.new_loop()
    try:
        with first_interrupt(lambda: loop.call_soon_threadsafe(load.interrupt)):
            return loop.run_until_complete(load.run())
    finally:
        close_loop(loop)


async def run_load_async(
    orchestrators: Iterable[Orchestrator],
    tasks: Iterable[Mapping[str, Any]] | None = None,
    *,
    recorder: BenchmarkRecorder | None = None,
    **settings: Unpack[LoadSettings],
) -> LoadResultView:
    """``run_load`` inside an event loop; with a virtual clock, the loop must be the clock's."""
    return await _Load(orchestrators, tasks, recorder, settings).run()


TICK: Final = 0.01
"""Seconds between two looks at whether the loop is held up."""

TICKS_SHOWN: Final = 25
"""Ticks between two updates of the live line."""

SOON: Final = 1e-6
"""Seconds: an event loop does not wait for less."""

BURST: Final = 50
"""Runs that begin at once before others get to do something."""


class _Waiting(NamedTuple):
    """A run that is due.

    Attributes:
        task: what to do.
        due: by the clock.
        counts: whether it is after the warm-up.
        late: by how many seconds the generator was late to look at it; ``None`` where it begins at once.
    """

    task: CheckedTask
    due: float
    counts: bool
    late: float | None


class _Run(NamedTuple):
    """A run under way.

    Attributes:
        waiting: what was due.
        begun: by the clock.
        measurement: its record to be.
    """

    waiting: _Waiting
    begun: float
    measurement: Measurement


_Call: TypeAlias = "asyncio.Task[Timing]"


@dataclass(slots=True)
class _Turn:
    """A turn while it runs.

    Attributes:
        slot: which.
        log: what the analysis gets.
        start: by the clock.
        metadata: of each record.
        queue: runs that wait for others to end.
        active: runs under way, in the order in which they began.
        late: runs that were stopped at their timeout, with the seconds that they had taken.
        recent: responses of the last runs, for the live line.
    """

    slot: Slot
    log: Turn
    start: float
    metadata: dict[str, Any]
    queue: deque[_Waiting] = field(default_factory=deque)
    active: dict[_Call, _Run] = field(default_factory=dict)
    late: dict[_Call, float] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=1000))


class _Load:
    """One load test."""

    def __init__(
        self,
        orchestrators: Iterable[Orchestrator],
        tasks: Iterable[Mapping[str, Any]] | None,
        recorder: BenchmarkRecorder | None,
        settings: LoadSettings,
    ) -> None:
        self._orchestrators = checked_orchestrators(orchestrators)
        self._versions = tuple(one.version for one in self._orchestrators)
        self._tasks = checked_tasks(BenchmarkTasks.get_all_tasks() if tasks is None else tasks)
        self._given = given = checked_settings(settings)
        self.clock: Clock = given.pop("clock")
        self._progress: bool | None = given.pop("progress")
        if recorder is None:
            from benchmark_recorder.config import get_benchmark_recorder

            recorder = get_benchmark_recorder()
        self._recorder = recorder
        self.run_id = new_run_id()
        self._length: float = given["duration"] / given["turns"]
        self._warm_up: float = self._length / 10 if given["warm_up"] is None else given["warm_up"]
        self._turns: list[Turn] = []
        self._cost, self._priced = 0.0, 0
        self._ended: Literal["completed", "interrupted", "max_cost"] = "completed"
        self._error: BaseException | None = None
        self._wake = asyncio.Event()

    def interrupt(self) -> None:
        """End it; what ran is kept."""
        self._ended = "interrupted"
        self._wake.set()

    async def run(self) -> LoadResultView:
        """Every turn, and what they show."""
        begun = self.clock.now()
        given = self._given
        common = {"load": self.run_id, LOADED[0]: LOADED[1], **clock_of(self.clock), **dirt_of(Path.cwd())}
        with live_line(shown=self._progress) as show:
            for slot in slots(given["rates"], given["turns"], len(self._orchestrators)):
                await self._take(slot, {**common, "load_rate": slot.rate, "load_turn": slot.number}, show)
                if self._ended != "completed":
                    break
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        result = load_result(
            [turn for turn in self._turns if turn.due],
            self._versions,
            run_id=self.run_id,
            settings={name: value for name, value in given.items() if name != "rates"} | {"steps": given["rates"]},
            ended=self._ended,
            seconds=self.clock.now() - begun,
            cost=self._cost,
            descriptors=None if soft == resource.RLIM_INFINITY else soft,
        )
        return LoadResultView.from_result(result)

    # A turn ----------------------------------------------------------------------------------------------------------

    async def _take(self, slot: Slot, metadata: dict[str, Any], show: Callable[[str], None]) -> None:
        log = Turn(self._versions[slot.side], slot.rate, slot.round, self._length, self._warm_up)
        turn = _Turn(slot, log, self.clock.now(), metadata)
        self._turns.append(log)
        cpu, watches = time.process_time(), [asyncio.create_task(self._stop_late(turn))]
        if self.clock.name == RealClock.name:  # virtual time stands still while something computes
            watches.append(asyncio.create_task(self._watch(turn, show)))
        try:
            await self._begin_all(turn)
            await self._drain(turn)
        finally:
            for task in (*turn.active, *watches):
                task.cancel()
        elapsed = self.clock.now() - turn.start
        log.busy = (time.process_time() - cpu) / elapsed if elapsed else 0.0
        if self._error is not None:
            raise self._error
        if self._ended != "completed":
            log.complete, log.seconds = False, min(self._length, elapsed)

    async def _begin_all(self, turn: _Turn) -> None:
        """Begin each run when it is due, to the precision of the event loop."""
        loop, even, burst = asyncio.get_running_loop(), self._given["pacing"] == "even", 0
        for arrival in arrivals(turn.slot, self._length, len(self._tasks), self._given["seed"], even=even):
            due, burst = turn.start + arrival.due, burst + 1
            while (wait := due - self.clock.now()) > SOON and not self._is_over(turn):
                burst = 0
                timer = loop.call_later(wait, self._wake.set)
                await self._wake.wait()
                timer.cancel()
                self._wake.clear()
            if burst % BURST == BURST - 1:
                await asyncio.sleep(0)
            if self._is_over(turn):
                return
            self._admit(turn, arrival)

    def _is_over(self, turn: _Turn) -> bool:
        """Whether no run may begin any more."""
        limit = self._given["max_cost"]
        if limit is not None and self._priced and self._ended == "completed":
            # What is under way will cost about as much as the runs before.
            likely = self._cost * (1 + len(turn.active) / self._priced)
            self._ended = "max_cost" if likely >= limit else "completed"
        return self._ended != "completed" or self._error is not None

    def _admit(self, turn: _Turn, arrival: Arrival) -> None:
        task, due = self._tasks[arrival.task], turn.start + arrival.due
        counts = arrival.due >= self._warm_up
        if len(turn.active) < self._given["max_concurrency"]:
            self._begin(turn, _Waiting(task, due, counts, None))
        elif len(turn.queue) < self._given["max_queue"]:
            turn.queue.append(_Waiting(task, due, counts, self.clock.now() - due))
            turn.log.queued += counts
        else:
            turn.log.dropped += counts

    def _begin(self, turn: _Turn, waiting: _Waiting) -> None:
        """Let a task do it, inside its measurement: what its orchestrator records is a part of it."""
        log, task = turn.log, waiting.task
        run = _Run(waiting, max(self.clock.now(), waiting.due), begin_run(self._recorder, task, log.version, {}))
        try:
            call = asyncio.create_task(attempt(self._orchestrators[turn.slot.side], task.copy(), self.clock))
        finally:
            run.measurement.lineage.leave()
        turn.active[call] = run
        log.most = max(log.most, len(turn.active))
        call.add_done_callback(lambda done: self._end(turn, done))

    def _end(self, turn: _Turn, call: _Call) -> None:
        """Record a run that has ended, or that is left running; then one of those that wait begins."""
        run = turn.active.pop(call, None)
        if run is None:
            return  # it was left running
        stopped = turn.late.pop(call, None)
        if stopped is not None:
            timing = Timing(Outcome(success=False, error_type=TIMEOUT), stopped, left_running=not call.done())
        elif call.cancelled() and self._ended == "interrupted":
            turn.log.unfinished += run.waiting.counts
            timing = None
        else:
            timing = timing_of(call, self.clock.now() - run.begun, self._given["timeout"])
        if timing is not None:
            try:
                self._keep(turn, run, timing)
            except Exception as error:  # noqa: BLE001 - raised again by the turn
                self._error = self._error or error
        if turn.queue and not self._is_over(turn):
            self._begin(turn, turn.queue.popleft())
        if not turn.active or self._error is not None:
            self._wake.set()

    def _keep(self, turn: _Turn, run: _Run, timing: Timing) -> None:
        log, waiting, outcome = turn.log, run.waiting, timing.outcome
        wait = run.begun - waiting.due
        run.measurement.metadata = turn.metadata | {"load_wait": round(wait, 3)}
        end_run(run.measurement, timing)
        log.left_running += timing.left_running
        if outcome.cost is not None:
            self._cost, self._priced = self._cost + outcome.cost, self._priced + 1
        if waiting.counts and not outcome.success:
            log.errors[RATE_LIMITED if outcome.rate_limited else str(outcome.error_type)] += 1
        begun = run.begun - turn.start
        log.due.append(waiting.due - turn.start)
        log.begun.append(begun)
        log.ended.append(begun + timing.duration)
        log.late.append(wait if waiting.late is None else waiting.late)
        log.cost.append(math.nan if outcome.cost is None else outcome.cost)
        turn.recent.append(wait + timing.duration)

    async def _drain(self, turn: _Turn) -> None:
        """Wait for what is under way; after an interruption, end it."""
        while turn.active:
            if self._ended == "interrupted" or self._error is not None:
                for call in turn.active:
                    call.cancel()
                await asyncio.wait(turn.active, timeout=GRACE)
                break
            await self._wake.wait()
            self._wake.clear()
        turn.log.unfinished += sum(waiting.counts for waiting in turn.queue)

    async def _stop_late(self, turn: _Turn) -> None:
        """Cancel runs at their timeout; those that go on regardless are left running after ``GRACE``."""
        limit: float | None = self._given["timeout"]
        loop = asyncio.get_running_loop()
        while limit is not None:
            now = self.clock.now()
            for call, run in [*turn.active.items()]:
                if now - run.begun < limit - SOON:
                    break
                if call not in turn.late:
                    turn.late[call] = now - run.begun
                    call.cancel()
                    loop.call_later(GRACE, self._end, turn, call)
            oldest = next((run.begun for call, run in turn.active.items() if call not in turn.late), now)
            await asyncio.sleep(max(oldest + limit - now, SOON))

    async def _watch(self, turn: _Turn, show: Callable[[str], None]) -> None:
        """Look how late the event loop is, and show how the turn goes."""
        ticks = 0
        while True:
            before = self.clock.now()
            await asyncio.sleep(TICK)
            now = self.clock.now()
            if now - turn.start >= self._warm_up:
                turn.log.lag = max(turn.log.lag, now - before - TICK)
            if (ticks := ticks + 1) % TICKS_SHOWN == 0:
                show(self._line(turn))

    def _line(self, turn: _Turn) -> str:
        """How a turn goes."""
        log, now, ended = turn.log, self.clock.now() - turn.start, len(turn.log.ended)
        responses = sorted(turn.recent)
        tail = f"{responses[int(0.95 * len(responses))]:.3g} s" if responses else "-"
        return (
            f"{log.version}  {now:.0f} of {log.seconds:.0f} s  offered {log.rate:g}/s  achieved {ended / now:.3g}/s  "
            f"in flight {len(turn.active) + len(turn.queue):,}  p95 {tail}  failures {sum(log.errors.values()):,}  "
            f"${self._cost:.2f}"
        )
