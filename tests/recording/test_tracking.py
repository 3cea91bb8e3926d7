from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import BenchmarkMetric
from benchmark_recorder.stores.memory import MemoryStore

SHORT = 0.02
"""Seconds that work takes; a shorter time was not the work's."""


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore(), version="v1")


def only(recorder: BenchmarkRecorder) -> BenchmarkMetric:
    (metric,) = recorder.get_all_metrics()
    return metric


def test_a_tracked_function_is_recorded_by_its_name_and_stays_what_it_is(recorder: BenchmarkRecorder) -> None:
    @recorder.track(version="v1", agent_selected="calculator")
    def add(left: int, right: int = 2) -> int:
        """Add."""
        return left + right

    assert add(1) == 3
    assert add.__doc__ == "Add."
    assert list(inspect.signature(add).parameters) == ["left", "right"]
    assert only(recorder).task_description.endswith("add")
    assert only(recorder).agent_selected == "calculator"


def test_a_tracked_coroutine_function_is_recorded_when_it_ends(recorder: BenchmarkRecorder) -> None:
    @recorder.track(version="v1", task=lambda task: task["description"], outcome=lambda result: {"cost": result})
    async def execute(task: dict[str, str]) -> float:
        await asyncio.sleep(0)
        return 0.5

    assert inspect.iscoroutinefunction(execute)
    assert asyncio.run(execute({"description": "Write a blog post"})) == 0.5
    assert only(recorder).task_description == "Write a blog post"
    assert only(recorder).cost_estimated == 0.5


def test_a_plain_function_that_returns_a_coroutine_is_measured_until_that_ends(recorder: BenchmarkRecorder) -> None:
    async def work(answer: float) -> float:
        await asyncio.sleep(0.01)
        return 1 / answer

    @recorder.track(version="v1", task="work", outcome=lambda result: {"cost": result})
    def start(answer: float) -> Coroutine[None, None, float]:
        return work(answer)

    assert asyncio.run(start(2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        asyncio.run(start(0))
    good, bad = recorder.get_all_metrics()
    assert good.execution_time >= 0.01
    assert good.cost_estimated == 0.5
    assert bad.error_type == "ZeroDivisionError"


def test_a_tracked_functions_exception_passes_on(recorder: BenchmarkRecorder) -> None:
    @recorder.track(version="v1", task="divide")
    def divide() -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        divide()
    assert only(recorder).error_type == "ZeroDivisionError"


def test_a_broken_outcome_or_task_function_is_logged_and_hurts_nobody(
    recorder: BenchmarkRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    @recorder.track(version="v1", task=lambda: str(1 / 0), outcome=lambda result: result.cost)
    def work() -> str:
        return "done"

    assert work() == "done"
    assert (only(recorder).success, only(recorder).error_type) == (False, "InvalidResult")
    assert only(recorder).dropped == ["outcome"]
    assert [record.getMessage().rpartition(" tracked ")[0] for record in caplog.records[:2]] == [
        "the task function of the",
        "the outcome function of the",
    ]


def test_a_partial_function_can_be_tracked(recorder: BenchmarkRecorder) -> None:
    assert recorder.track(version="v")(functools.partial(int, "7"))() == 7
    assert [metric.task_description for metric in recorder.get_all_metrics()] == ["partial"]


def test_a_wrong_name_fails_where_a_function_is_decorated_not_where_it_is_called(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(TypeError, match="agent"):
        recorder.track(version="v", agent="builder")  # type: ignore[call-overload]


@pytest.mark.parametrize("said", [{"sucess": False}, {"success": True, "usd": 3}, None, 3, {1: 2}], ids=repr)
def test_an_outcome_that_cannot_be_told_is_never_a_success(recorder: BenchmarkRecorder, said: Any) -> None:
    assert recorder.track(task="t", outcome=lambda _: said)(lambda: "done")() == "done"
    assert (only(recorder).success, only(recorder).error_type) == (False, "InvalidResult")


def test_what_an_outcome_says_rightly_is_kept_beside_what_it_says_wrongly(recorder: BenchmarkRecorder) -> None:
    said = {"usd": 1, "cost": 0.5, "success": False, "error_type": "Refused"}
    recorder.track(task="t", outcome=lambda _: said)(lambda: None)()
    assert (only(recorder).cost_estimated, only(recorder).error_type) == (0.5, "Refused")
    assert only(recorder).dropped == ["outcome.usd"]


def test_a_bare_decorator_takes_the_recorders_version(recorder: BenchmarkRecorder) -> None:
    @recorder.track
    def work() -> int:
        return 3

    assert work() == 3
    assert (only(recorder).version, only(recorder).task_description.rpartition(".")[2]) == ("v1", "work")


# Unfinished work


def handed(work: Callable[[], Any]) -> Callable[[], Any]:
    """A plain function that hands its work back."""

    def hand() -> Any:
        return work()

    return hand


def stream(count: int = 3) -> Iterator[int]:
    for number in range(count):
        time.sleep(SHORT / 3)
        yield number


async def stream_async(count: int = 3) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(SHORT / 3)
        yield number


def failing() -> Iterator[int]:
    yield 1
    raise ValueError


async def failing_async() -> AsyncIterator[int]:
    yield 1
    raise ValueError


async def collected(items: Any) -> list[int]:
    return [item async for item in items]


def test_a_generator_is_timed_to_its_end_and_stays_one(recorder: BenchmarkRecorder) -> None:
    tracked = recorder.track(stream)
    assert inspect.isgeneratorfunction(tracked)
    assert list(tracked()) == [0, 1, 2]
    assert list(recorder.track(handed(stream))()) == [0, 1, 2]
    assert all(metric.success and metric.execution_time >= SHORT for metric in recorder.get_all_metrics())


def test_an_asynchronous_generator_is_timed_to_its_end_and_stays_one(recorder: BenchmarkRecorder) -> None:
    tracked = recorder.track(stream_async)
    assert inspect.isasyncgenfunction(tracked)
    assert asyncio.run(collected(tracked())) == [0, 1, 2]
    assert asyncio.run(collected(recorder.track(handed(stream_async))())) == [0, 1, 2]
    assert all(metric.success and metric.execution_time >= SHORT for metric in recorder.get_all_metrics())


def test_a_stream_that_fails_later_is_a_failure(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        list(recorder.track(failing)())
    with pytest.raises(ValueError):  # noqa: PT011
        asyncio.run(collected(recorder.track(failing_async)()))
    assert [metric.error_type for metric in recorder.get_all_metrics()] == ["ValueError", "ValueError"]


def test_a_consumer_that_leaves_early_ends_the_stream_and_that_is_no_failure(recorder: BenchmarkRecorder) -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    for item in recorder.track(source)():
        if item == 3:
            break
    gc.collect()

    async def leave() -> None:
        items = recorder.track(stream_async)()
        await anext(items)
        await items.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    assert closed == [True]
    assert [(m.success, m.error_type) for m in recorder.get_all_metrics()] == [(True, None)] * 2


def test_a_stream_that_nobody_begins_is_no_run(recorder: BenchmarkRecorder) -> None:
    recorder.track(stream)()
    recorder.track(handed(stream))()
    gc.collect()
    assert recorder.get_all_metrics() == []


def test_a_generator_gets_what_is_sent_and_thrown_and_gives_what_it_returns(recorder: BenchmarkRecorder) -> None:
    def echo() -> Generator[Any, Any, str]:
        heard = yield "ready"
        try:
            yield heard
        except KeyError:
            yield "caught"
        return "end"

    tracked = recorder.track(task="t", outcome=lambda result: {"agent_selected": result})(echo)()
    assert (next(tracked), tracked.send("hello"), tracked.throw(KeyError())) == ("ready", "hello", "caught")
    with pytest.raises(StopIteration) as end:
        next(tracked)
    assert end.value.value == only(recorder).agent_selected == "end"


def test_an_asynchronous_generator_gets_what_is_sent_and_thrown(recorder: BenchmarkRecorder) -> None:
    async def echo() -> Any:
        heard = yield "ready"
        try:
            yield heard
        except KeyError:
            yield "caught"

    async def converse() -> list[Any]:
        tracked = recorder.track(echo)()
        return [await anext(tracked), await tracked.asend("hello"), await tracked.athrow(KeyError())]

    assert asyncio.run(converse()) == ["ready", "hello", "caught"]
    assert only(recorder).success


def test_a_stream_may_be_closed_in_another_context(recorder: BenchmarkRecorder) -> None:
    items = contextvars.copy_context().run(recorder.track(stream))
    contextvars.copy_context().run(next, items)
    contextvars.copy_context().run(items.close)  # type: ignore[attr-defined]

    async def elsewhere() -> None:
        stream = recorder.track(stream_async)()
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]

    asyncio.run(elsewhere())
    with recorder.measure("after"):
        pass
    assert [m.parent_id for m in recorder.get_all_metrics()] == [None] * 3


def managed(recorder: BenchmarkRecorder) -> Callable[[], contextlib.AbstractContextManager[int]]:
    @recorder.track
    @contextlib.contextmanager
    def work() -> Iterator[int]:
        time.sleep(SHORT)
        yield 3

    return work


def test_a_context_manager_is_timed_to_its_end_and_its_block_is_inside(recorder: BenchmarkRecorder) -> None:
    with managed(recorder)() as value:
        assert value == 3
        with recorder.measure("inside"):
            pass
    inside, outside = recorder.get_all_metrics()
    assert outside.execution_time >= SHORT
    assert inside.parent_id == outside.record_id
    with recorder.measure("after"):
        pass
    assert recorder.get_all_metrics()[-1].parent_id is None


def test_an_exception_in_a_context_managers_block_is_a_failure(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(ZeroDivisionError), managed(recorder)():
        _ = 1 / 0
    assert only(recorder).error_type == "ZeroDivisionError"


def test_an_asynchronous_context_manager_is_timed_to_its_end(recorder: BenchmarkRecorder) -> None:
    @recorder.track
    @contextlib.asynccontextmanager
    async def work() -> AsyncIterator[int]:
        await asyncio.sleep(SHORT)
        yield 3

    async def use() -> None:
        async with work() as value:
            assert value == 3
            async with recorder.measure("inside"):
                pass

    asyncio.run(use())
    inside, outside = recorder.get_all_metrics()
    assert outside.execution_time >= SHORT
    assert inside.parent_id == outside.record_id


def test_an_open_file_is_a_result_and_no_unfinished_work(recorder: BenchmarkRecorder) -> None:
    with recorder.track(open)(__file__) as file:
        assert only(recorder).success
        assert file.readline()


def test_a_task_and_a_future_of_a_pool_are_timed_to_their_end(recorder: BenchmarkRecorder) -> None:
    async def work(fails: bool) -> int:
        await asyncio.sleep(SHORT)
        return 1 // (not fails)

    async def run() -> None:
        start = recorder.track(lambda fails: asyncio.create_task(work(fails)))
        task = start(False)
        assert isinstance(task, asyncio.Task)
        assert await task == 1
        with pytest.raises(ZeroDivisionError):
            await start(True)
        cancelled = start(False)
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.sleep(0)

    asyncio.run(run())
    with ThreadPoolExecutor() as pool:
        future: Future[None] = recorder.track(pool.submit)(time.sleep, SHORT)
        future.result()
    metrics = recorder.get_all_metrics()
    assert [m.error_type for m in metrics] == [None, "ZeroDivisionError", "Cancelled", None]
    assert all(m.execution_time >= SHORT * 0.9 for m in (*metrics[:2], metrics[3]))


class Request:
    """Awaitable, and to be entered, as in aiohttp."""

    url = "http://example"

    def __await__(self) -> Generator[Any, Any, int]:
        yield from asyncio.sleep(SHORT).__await__()
        return 200

    async def __aenter__(self) -> int:
        return await self

    async def __aexit__(self, *_: object) -> None:
        pass


def test_an_awaitable_of_any_kind_is_timed_to_its_end(recorder: BenchmarkRecorder) -> None:
    get: Callable[[], Any] = recorder.track(task="t", outcome=lambda status: {"success": status == 200})(Request)
    assert get().url == "http://example"

    async def both() -> None:
        assert await get() == 200
        async with get() as status:
            assert status == 200
        with pytest.raises(KeyError):
            async with get():
                raise KeyError

    asyncio.run(both())
    metrics = recorder.get_all_metrics()
    assert [m.error_type for m in metrics] == [None, None, "KeyError"]
    assert all(m.execution_time >= SHORT * 0.9 for m in metrics)


def test_a_coroutine_function_that_returns_a_stream_is_timed_to_the_streams_end(recorder: BenchmarkRecorder) -> None:
    async def start() -> AsyncIterator[int]:
        return stream_async()

    async def use() -> list[int]:
        return await collected(await recorder.track(start)())

    assert asyncio.run(use()) == [0, 1, 2]
    assert only(recorder).execution_time >= SHORT


def test_a_stream_is_the_parent_only_while_its_own_code_runs(recorder: BenchmarkRecorder) -> None:
    @recorder.track
    def outer() -> Iterator[int]:
        for _ in range(2):
            with recorder.measure("its own"):
                pass
            yield 1

    for _ in outer():
        with recorder.measure("the consumer's"):
            pass
    parents = {m.task_description.rpartition(".")[2]: m.parent_id for m in recorder.get_all_metrics()}
    ids = {m.task_description.rpartition(".")[2]: m.record_id for m in recorder.get_all_metrics()}
    assert parents == {"its own": ids["outer"], "the consumer's": None, "outer": None}


def test_an_asynchronous_stream_is_the_parent_only_while_its_own_code_runs(recorder: BenchmarkRecorder) -> None:
    @recorder.track
    async def outer() -> AsyncIterator[int]:
        for _ in range(2):
            async with recorder.measure("its own"):
                await asyncio.sleep(0)
            yield 1

    async def consume() -> None:
        async for _ in outer():
            async with recorder.measure("the consumer's"):
                pass

    asyncio.run(consume())
    roots = [m.task_description.rpartition(".")[2] for m in recorder.get_all_metrics() if m.parent_id is None]
    assert roots == ["the consumer's", "the consumer's", "outer"]
