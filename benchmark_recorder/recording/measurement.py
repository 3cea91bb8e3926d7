"""Timing a piece of work and recording how it went: ``recorder.measure`` and ``recorder.track``."""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar, cast

from benchmark_recorder.log import logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType


P = ParamSpec("P")
R = TypeVar("R")


class Sink(Protocol):
    """Takes the arguments of ``record_execution``, and never raises."""

    def __call__(self, **arguments: Any) -> None: ...  # noqa: ANN401, D102


@dataclass(slots=True)
class Measurement:
    """One execution while it runs; a context manager, plain and asynchronous.

    Attributes that are set inside the block are recorded when it ends. An exception makes it a failure with the
    exception's class in ``error_type``, and passes on.

    Attributes:
        task: the task's text.
        version: of the orchestrator.
        success: set it to ``False`` for a result that is wrong without an exception.
        agent_selected: the agent that the task was routed to.
        cost: USD.
        difficulty: 0 to 1.
        metadata: anything that is JSON.
        task_id: what makes runs of two versions comparable.
        expected_agent: the agent that would have been right.
        error_type: the class of the failure.
        model: the language model.
        input_tokens: read by the model.
        output_tokens: written by the model.
    """

    _sink: Sink
    task: str
    version: str
    success: bool = True
    agent_selected: str | None = None
    cost: float | None = None
    difficulty: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    task_id: str | None = None
    expected_agent: str | None = None
    error_type: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    _started: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.metadata, dict):
            self.metadata = dict(self.metadata)  # a run's additions must not reach the next one

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        duration = time.perf_counter() - self._started
        if kind is not None:
            self.success = False
            self.error_type = self.error_type or kind.__name__
        arguments = {name: getattr(self, name) for name in RECORDED}
        self._sink(duration=duration, **arguments)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


RECORDED = tuple(name for name in Measurement.__dataclass_fields__ if not name.startswith("_"))


def tracked(  # noqa: C901 - its functions share what they measure
    function: Callable[P, R],
    measure: Callable[[str], Measurement],
    task: str | Callable[..., str] | None,
    outcome: Callable[[Any], Mapping[str, Any]] | None,
) -> Callable[P, R]:
    """The function, with each call measured.

    Args:
        function: a plain or an ``async def`` one.
        measure: a new measurement for a task's text.
        task: the task's text, or a function of the call's arguments that makes it; the function's name unless given.
        outcome: a function from the result to attributes of ``Measurement``.

    Raises:
        TypeError: the function is a generator, whose call returns before its work begins.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(
            f"track cannot time the generator {function.__qualname__}(): its call returns before its work begins; "
            "use `with recorder.measure(...)` around the loop that consumes it"
        )
    name = getattr(function, "__qualname__", type(function).__qualname__)  # a partial function has none

    def begin(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Measurement:
        if not callable(task):
            return measure(name if task is None else task)
        try:
            text = task(*arguments, **keywords)
        except Exception:
            logger.exception("the task function of the tracked %s() failed", name)
            text = name
        return measure(text)

    def note(run: Measurement, result: object) -> None:
        if outcome is None:
            return
        try:
            for attribute, value in outcome(result).items():
                setattr(run, attribute, value)
        except Exception:
            # Recording must not hurt the program, whose result is good.
            logger.exception("the outcome function of the tracked %s() failed", name)

    async def finish(run: Measurement, work: Awaitable[Any]) -> Any:  # noqa: ANN401
        with run:
            result = await work
            note(run, result)
        return result

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def call_async(*arguments: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
            return await finish(begin(arguments, keywords), function(*arguments, **keywords))

        return cast("Callable[P, R]", call_async)

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        run = begin(arguments, keywords).__enter__()
        try:
            result = function(*arguments, **keywords)
        except BaseException as error:
            run.__exit__(type(error), error, error.__traceback__)
            raise
        if inspect.iscoroutine(result):  # a plain function around an async one: the work is yet to be done
            return cast("R", finish(run, result))
        note(run, result)
        run.__exit__(None, None, None)
        return result

    return call
