"""Functions whose calls are measured: ``recorder.track``."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypedDict, TypeVar, cast

from benchmark_recorder.log import logger
from benchmark_recorder.recording.lineage import current
from benchmark_recorder.recording.measurement import RECORDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

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


# Work that is handed back before it is done --------------------------------------------------------------------------
#
# It is measured to its end, and parts of the run begin only in its own code.

Note: TypeAlias = "Callable[[Measurement, object], None]"
"""Takes a result, and sets what it says about the run."""

_FROM_GENERATORS = (contextlib._GeneratorContextManager, contextlib._AsyncGeneratorContextManager)  # noqa: SLF001 - no public names


def followed(run: Measurement, result: Any, note: Note) -> Any:  # noqa: ANN401, PLR0911 - one case a kind of work
    """A call's result; the run ends now if the work is done, or else when it is.

    Of context managers only those that are made of a generator are work to be done: other ones, such as an open file,
    are results.
    """
    if inspect.isgenerator(result):
        return streams(lambda: (run, result), note)()
    if inspect.isasyncgen(result):
        return async_streams(lambda: (run, result))()
    if inspect.iscoroutine(result):
        return awaited(run, result, note)
    if isinstance(result, _FROM_GENERATORS):
        body: Any = result.gen
        streaming: Any = async_streams if inspect.isasyncgen(body) else streams
        result.gen = streaming(lambda: (run, body), note, around=True)()
        return result
    if callable(getattr(result, "add_done_callback", None)):
        result.add_done_callback(lambda future: _end_with(run, future, note))
        return result
    if isinstance(result, Awaitable):
        return _Handle(run, result, note)
    note(run, result)
    run.end()
    return result


async def awaited(run: Measurement, work: Awaitable[Any], note: Note) -> Any:  # noqa: ANN401
    """What the work gives; the run ends with it."""
    try:
        with _inside(run):
            result = await work
    except BaseException as error:
        run.end(error)
        raise
    return followed(run, result, note)


def streams(
    start: Callable[..., tuple[Measurement, Generator[Any, Any, Any]]], note: Note, *, around: bool = False
) -> Callable[..., Generator[Any, Any, Any]]:
    """A generator function whose generators do what another one does, each measured to its end.

    Args:
        start: the run and the generator, from the arguments of a call, at the first step.
        note: see ``Note``; of what the generator returns.
        around: whether the consumer's code between two steps is inside the run, as in the block of a context manager.
    """

    def stream(*arguments: Any, **keywords: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        run, work = start(*arguments, **keywords)
        step: Callable[[Any], Any] = work.send
        given: Any = None
        try:
            while True:
                try:
                    with _inside(run):
                        item = step(given)
                except StopIteration as end:
                    note(run, end.value)
                    run.end()
                    return end.value
                try:
                    with _around(run, around):
                        given = yield item
                    step = work.send
                except GeneratorExit:
                    with _inside(run):
                        work.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to handle
                    step, given = work.throw, error
        except BaseException as error:
            run.end(error)
            raise

    return stream


def async_streams(
    start: Callable[..., tuple[Measurement, AsyncGenerator[Any, Any]]],
    _note: Note | None = None,
    *,
    around: bool = False,
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """The same for asynchronous generators, which return nothing."""

    async def stream(*arguments: Any, **keywords: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401
        run, work = start(*arguments, **keywords)
        step: Callable[[Any], Awaitable[Any]] = work.asend
        given: Any = None
        try:
            while True:
                try:
                    with _inside(run):
                        item = await step(given)
                except StopAsyncIteration:
                    run.end()
                    return
                try:
                    with _around(run, around):
                        given = yield item
                    step = work.asend
                except GeneratorExit:
                    with _inside(run):
                        await work.aclose()
                    raise
                except BaseException as error:  # noqa: BLE001 - the generator's to handle
                    step, given = work.athrow, error
                    if not around and type(error).__name__ == "CancelledError":
                        run.end()  # its consumer has left, and the loop, which would close it, ends as well
        except BaseException as error:
            run.end(error)
            raise

    return stream


@contextlib.contextmanager
def _inside(run: Measurement) -> Iterator[None]:
    """One step of the work: what begins in it is a part of the run."""
    token = current.set(run.lineage)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # it was closed in another context
            current.reset(token)


@contextlib.contextmanager
def _around(run: Measurement, around: bool) -> Iterator[None]:  # noqa: FBT001
    """The consumer's code between two steps."""
    if around:
        run.lineage.enter()
    try:
        yield
    finally:
        if around:
            run.lineage.leave()


def _end_with(run: Measurement, future: Any, note: Note) -> None:  # noqa: ANN401 - asyncio's, or one of a pool
    try:
        result = future.result()
    except BaseException as error:  # noqa: BLE001 - also that it was cancelled; whoever awaits it gets it as well
        run.end(error)
    else:
        note(run, result)
        run.end()


class _Handle:
    """Work to be awaited, or entered with ``async with``, that is neither a coroutine nor a task."""

    def __init__(self, run: Measurement, work: Any, note: Note) -> None:  # noqa: ANN401
        self._run = run
        self._work = work
        self._note = note

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._work, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        return awaited(self._run, self._work, self._note).__await__()

    async def __aenter__(self) -> Any:  # noqa: ANN401
        try:
            with _inside(self._run):
                entered = await self._work.__aenter__()
        except BaseException as error:
            self._run.end(error)
            raise
        self._run.lineage.enter()
        return entered

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:  # noqa: ANN401
        self._run.lineage.leave()
        try:
            handled = await self._work.__aexit__(kind, error, trace)
        except BaseException as other:
            self._run.end(other)
            raise
        self._run.end(None if handled else error)
        return handled
