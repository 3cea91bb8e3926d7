"""A recorder bound to one version and one task: what the pytest fixture hands to a test."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from benchmark_recorder.recording.measurement import RECORDED, Measurement
from benchmark_recorder.recording.tracking import tracked

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from benchmark_recorder.recorder import BenchmarkRecorder

P = ParamSpec("P")
R = TypeVar("R")


class BoundRecorder:
    """The value of the pytest fixture ``benchmark_recorder``.

    Unlike ``BenchmarkRecorder.measure``, it raises an error for an invalid record, which fails the test.

    Args:
        recorder: takes the records.
        version: of the orchestrator; the recorder's unless given.
        task: the task's text.
        known: any other attribute of ``Measurement`` that is the same in each record.
        ignored: exceptions that end a measured block without a record, as they say nothing about the execution.
        held: whether records wait for ``release``, which knows how the test ended.

    Attributes:
        recorder: takes the records, and answers questions about them.
        version: of the orchestrator.
        task: the task's text.
        count: how many records it made.

    Raises:
        TypeError: ``known`` has a name that is not a field of a record.
        InvalidRecordError: no version is known.
    """

    def __init__(  # noqa: PLR0913 - what is the same in each record
        self,
        recorder: BenchmarkRecorder,
        *,
        version: str | None,
        task: str,
        known: Mapping[str, Any] | None = None,
        ignored: tuple[type[BaseException], ...] = (),
        held: bool = False,
    ) -> None:
        self.recorder = recorder
        self.version = recorder.new_run(task, version).version
        self.task = task
        self.count = 0
        self._known = dict(known or {})
        self._ignored = ignored
        self._held: list[Callable[[str | None], None]] | None = [] if held else None
        self._coroutines: list[Coroutine[Any, Any, Any]] = []
        unknown = [name for name in self._known if name not in RECORDED]
        if unknown:
            raise TypeError(f"unknown {', '.join(unknown)}; known are {', '.join(RECORDED)}")

    def __call__(self, function: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call a function, plain or ``async def``, and record how it went; an exception is a failure, and propagates.

        Returns:
            What the function returned; for an ``async def``, an awaitable.
        """
        result = tracked(function, lambda _: self.measure(), None, None)(*arguments, **keywords)
        if inspect.iscoroutine(result):
            self._coroutines.append(result)
        return result

    @property
    def never_awaited(self) -> str:
        """The names of the ``async def`` that were called, and whose result nobody awaited."""
        return "(), ".join(
            str(getattr(coroutine, "__qualname__", coroutine))
            for coroutine in self._coroutines
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        )

    def release(self, failure: str | None) -> None:
        """Record what waits; if the test failed, with an exception of this class, nothing in it counts as a success."""
        for record in self._held or ():
            record(failure)
        for coroutine in self._coroutines:
            coroutine.close()

    def measure(self, task: str | None = None, **known: Any) -> Measurement:  # noqa: ANN401 - as Measurement has it
        """Time a block of code and record it: ``with benchmark_recorder.measure() as run:``; ``async with`` too.

        Args:
            task: the text of another task.
            **known: any other attribute of ``Measurement`` that is known beforehand.
        """
        said = {"version": self.version, **self._known, **known}
        return self.recorder.new_run(task or self.task, sink=self._take, _ignored=self._ignored, **said)

    def record(self, duration: float, success: bool = True, *, task: str | None = None, **known: Any) -> None:  # noqa: ANN401, FBT001, FBT002 - as record_execution has it
        """Record an execution that was timed elsewhere.

        Args:
            duration: seconds.
            success: whether it succeeded.
            task: the text of another task.
            **known: any other argument of ``record_execution``.

        Raises:
            InvalidRecordError: an argument is wrong.
            StoreError: the record could not be written.
        """
        arguments = {"version": self.version, "task": task or self.task, **self._known, **known}
        self._record(**arguments | {"duration": duration, "success": success})

    def _record(self, **arguments: Any) -> None:  # noqa: ANN401
        if self._held is None:
            self.recorder.record_execution(**arguments)
            self.count += 1
            return
        arguments.setdefault("timestamp", datetime.now(UTC))
        self.recorder.check_execution(**arguments)
        self.count += 1

        def record(failure: str | None) -> None:
            if failure is not None and arguments["success"]:
                arguments.update(success=False, error_type=failure)
            self.recorder.record_execution(**arguments)

        self._held.append(record)

    def _take(self, run: Measurement) -> None:
        if self._held is None:
            self.recorder.record_run(run)
            self.count += 1
            return
        self.recorder.check_execution(**run.arguments())
        self.count += 1

        def record(failure: str | None) -> None:
            if failure is not None and run.success:
                run.success, run.error_type = False, failure
            self.recorder.record_run(run)

        self._held.append(record)
