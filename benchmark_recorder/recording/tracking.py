"""Functions whose calls are measured: ``recorder.track``."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, cast

from benchmark_recorder.log import logger
from benchmark_recorder.recording.measurement import RECORDED
from benchmark_recorder.recording.streams import async_streams, awaited, followed, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.recording.measurement import Measurement

P = ParamSpec("P")
R = TypeVar("R")


def tracked(  # noqa: C901 - its functions share what they measure
    function: Callable[P, R],
    measure: Callable[[str], Measurement],
    task: str | Callable[..., str] | None,
    outcome: Callable[[Any], Mapping[str, Any]] | None,
) -> Callable[P, R]:
    """The function, with each call measured to the end of its work.

    Args:
        function: a plain one, an ``async def``, or a generator of either kind.
        measure: a new measurement for a task's text.
        task: the task's text, or a function of the call's arguments that makes it; the function's name unless given.
        outcome: a function from the result to attributes of ``Measurement``.
    """
    name = getattr(function, "__qualname__", type(function).__qualname__)  # a partial function has none

    def begin(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Measurement:
        text: Any = name if task is None else task
        if callable(task):
            try:
                text = task(*arguments, **keywords)
            except Exception:
                logger.exception("the task function of the tracked %s() failed", name)
                text = name
        run = measure(text)
        run.begin()
        return run

    def note(run: Measurement, result: object) -> None:
        if outcome is not None:
            _note(run, outcome, result, name)

    # What kind of function it is stays visible: frameworks ask, and treat generators and coroutines in their own ways.
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):

        def start(*arguments: P.args, **keywords: P.kwargs) -> tuple[Measurement, Any]:
            return begin(arguments, keywords), function(*arguments, **keywords)

        stream = async_streams(start) if inspect.isasyncgenfunction(function) else streams(start, note)
        return cast("Callable[P, R]", wraps(function)(stream))

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def call_async(*arguments: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
            return await awaited(begin(arguments, keywords), function(*arguments, **keywords), note)

        return cast("Callable[P, R]", call_async)

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        run = begin(arguments, keywords)
        run.lineage.enter()
        try:
            result = function(*arguments, **keywords)
        except BaseException as error:
            run.lineage.leave()
            run.end(error)
            raise
        run.lineage.leave()
        return cast("R", followed(run, result, note))

    return call


def _note(run: Measurement, outcome: Callable[[Any], Mapping[str, Any]], result: object, name: str) -> None:
    """Set what an outcome function says; where it fails, or says something unknown, the run did not succeed."""
    try:
        said = dict(outcome(result))
    except Exception:  # recording must not hurt the program, whose result is good
        logger.exception("the outcome function of the tracked %s() failed", name)
        said, wrong = {}, ["outcome"]
    else:
        wrong = [f"outcome.{key}"[:200] for key in said if key not in RECORDED]
    for attribute in said:
        if attribute in RECORDED:
            setattr(run, attribute, said[attribute])
    if wrong:
        from benchmark_recorder.recording.salvage import INVALID_RESULT, say_dropped

        run.success = False
        run.error_type = run.error_type or INVALID_RESULT
        run.dropped.extend(wrong)
        say_dropped(wrong, f"the outcome of the tracked {name}() has no such name, or raised")


class Known(TypedDict, total=False):
    """Fields that may be known before an execution ends."""

    agent_selected: str | None
    cost: float | None
    difficulty: float | None
    metadata: dict[str, Any]
    task_id: str | None
    expected_agent: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    idempotency_key: str | None
