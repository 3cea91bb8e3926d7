from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Coroutine, Iterator

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import BenchmarkMetric
from benchmark_recorder.stores.memory import MemoryStore


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


def only(recorder: BenchmarkRecorder) -> BenchmarkMetric:
    (metric,) = recorder.get_all_metrics()
    return metric


def test_a_measured_block_is_recorded_with_what_was_set_in_it(recorder: BenchmarkRecorder) -> None:
    with recorder.measure(task="Fix CSS", version="v2.0", expected_agent="builder") as run:
        run.agent_selected = "builder"
        run.cost = 0.001
        run.difficulty = 0.2
        run.metadata["repeat"] = 1
        run.model, run.input_tokens, run.output_tokens = "m", 10, 20
    metric = only(recorder)
    assert (metric.task_description, metric.version, metric.success) == ("Fix CSS", "v2.0", True)
    assert (metric.agent_selected, metric.expected_agent, metric.cost_estimated) == ("builder", "builder", 0.001)
    assert (metric.model, metric.input_tokens, metric.output_tokens) == ("m", 10, 20)
    assert metric.metadata == {"repeat": 1}


def test_the_duration_is_that_of_the_block_by_a_clock_that_cannot_run_backwards(recorder: BenchmarkRecorder) -> None:
    before = time.perf_counter()
    with recorder.measure(task="a", version="v1"):
        inside = time.perf_counter()
        while time.perf_counter() - inside < 0.01:
            pass
    assert 0.01 <= only(recorder).execution_time <= time.perf_counter() - before


def test_a_result_can_be_wrong_without_an_exception(recorder: BenchmarkRecorder) -> None:
    with recorder.measure(task="a", version="v1") as run:
        run.success = False
        run.error_type = "WrongResult"
    assert (only(recorder).success, only(recorder).error_type) == (False, "WrongResult")


def test_an_exception_is_a_failure_with_its_class_and_passes_on(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(ZeroDivisionError), recorder.measure(task="a", version="v1"):
        _ = 1 / 0
    assert (only(recorder).success, only(recorder).error_type) == (False, "ZeroDivisionError")


def test_an_async_block_is_measured_with_async_with_and_with_plain_with(recorder: BenchmarkRecorder) -> None:
    async def work() -> None:
        async with recorder.measure(task="a", version="v1") as run:
            await asyncio.sleep(0)
            run.cost = 1.0
        with recorder.measure(task="b", version="v1"):
            await asyncio.sleep(0)

    asyncio.run(work())
    assert [metric.task_description for metric in recorder.get_all_metrics()] == ["a", "b"]


def test_a_cancelled_task_is_a_failure(recorder: BenchmarkRecorder) -> None:
    async def work() -> None:
        async with recorder.measure(task="a", version="v1"):
            await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert only(recorder).error_type == "CancelledError"


def test_blocks_may_overlap(recorder: BenchmarkRecorder) -> None:
    async def work(task: str) -> None:
        with recorder.measure(task=task, version="v1") as run:
            await asyncio.sleep(0)
            run.agent_selected = task

    async def both() -> None:
        await asyncio.gather(*(work(f"task {number}") for number in range(10)))

    asyncio.run(both())
    metrics = recorder.get_all_metrics()
    assert len(metrics) == 10
    assert all(metric.agent_selected == metric.task_description for metric in metrics)


def test_measuring_never_raises_an_error_of_its_own(recorder: BenchmarkRecorder) -> None:
    with recorder.measure(task="a", version="v1") as run:
        run.cost = -1.0
    with recorder.measure(task=None, version=""):  # type: ignore[arg-type]
        pass
    assert recorder.get_all_metrics() == []
    assert recorder.health().invalid == 2


def test_a_strict_recorders_storage_trouble_does_not_reach_what_is_measured() -> None:
    class Full(MemoryStore):
        def append(self, documents: object, *, fresh: bool = False) -> int:
            raise OSError(28, "No space left on device")

    recorder = BenchmarkRecorder(store=Full(), strict=True)
    with recorder.measure(task="a", version="v1"):
        pass
    assert recorder.health().lost == 1
    assert "No space left" in (recorder.health().last_error or "")


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
    assert only(recorder).success
    assert [record.getMessage().rpartition(" tracked ")[0] for record in caplog.records] == [
        "the task function of the",
        "the outcome function of the",
    ]


def test_a_generator_cannot_be_tracked_and_the_error_says_what_to_do(recorder: BenchmarkRecorder) -> None:
    def stream() -> Iterator[int]:
        yield 1

    async def stream_async() -> AsyncIterator[int]:
        yield 1

    for function in (stream, stream_async):
        with pytest.raises(TypeError, match=r"with recorder\.measure"):
            recorder.track(version="v1")(function)


def test_a_partial_function_can_be_tracked(recorder: BenchmarkRecorder) -> None:
    assert recorder.track(version="v")(functools.partial(int, "7"))() == 7
    assert [metric.task_description for metric in recorder.get_all_metrics()] == ["partial"]


def test_a_wrong_name_fails_where_a_function_is_decorated_not_where_it_is_called(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(TypeError, match="agent"):
        recorder.track(version="v", agent="builder")  # type: ignore[call-arg]


def test_what_one_run_adds_to_its_metadata_is_not_the_next_ones(recorder: BenchmarkRecorder) -> None:
    common = {"suite": "nightly"}
    for number in range(2):
        with recorder.measure("t", "v", metadata=common) as run:
            run.metadata[str(number)] = number
    assert common == {"suite": "nightly"}
    assert [metric.metadata for metric in recorder.get_all_metrics()] == [
        {"suite": "nightly", "0": 0},
        {"suite": "nightly", "1": 1},
    ]
