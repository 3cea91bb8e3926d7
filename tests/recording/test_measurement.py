from __future__ import annotations

import asyncio
import time

import pytest

from benchmark_recorder.errors import InvalidRecordError
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
    assert (only(recorder).success, only(recorder).error_type) == (False, "Cancelled")


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


def test_a_strict_recorders_storage_trouble_does_not_reach_what_is_measured() -> None:
    class Full(MemoryStore):
        def append(self, documents: object, *, fresh: bool = False) -> int:
            raise OSError(28, "No space left on device")

    recorder = BenchmarkRecorder(store=Full(), strict=True)
    with recorder.measure(task="a", version="v1"):
        pass
    assert recorder.health().lost == 1
    assert "No space left" in (recorder.health().last_error or "")


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


@pytest.mark.parametrize("ending", [SystemExit(0), SystemExit(False), SystemExit(), GeneratorExit()], ids=repr)
def test_what_ends_work_without_anything_having_gone_wrong_is_no_failure(
    recorder: BenchmarkRecorder, ending: BaseException
) -> None:
    with pytest.raises(type(ending)), recorder.measure("t", "v1"):
        raise ending
    assert (only(recorder).success, only(recorder).error_type) == (True, None)


@pytest.mark.parametrize("ending", [SystemExit(1), SystemExit("why"), KeyboardInterrupt()], ids=repr)
def test_any_other_end_of_the_program_is_a_failure(recorder: BenchmarkRecorder, ending: BaseException) -> None:
    with pytest.raises(type(ending)), recorder.measure("t", "v1"):
        raise ending
    assert (only(recorder).success, only(recorder).error_type) == (False, type(ending).__name__)


def test_a_failures_cause_is_in_its_metadata(recorder: BenchmarkRecorder) -> None:
    def fail(error: BaseException, cause: BaseException | None = None) -> None:
        with pytest.raises(type(error)), recorder.measure("t", "v1"):
            raise error from cause

    middle = ValueError()
    middle.__cause__ = TimeoutError()
    fail(RuntimeError(), middle)
    fail(ExceptionGroup("several", [KeyError(), ExceptionGroup("inner", [KeyError(), OSError()])]))
    fail(RuntimeError())
    assert [(m.error_type, m.metadata) for m in recorder.get_all_metrics()] == [
        ("RuntimeError", {"cause": "TimeoutError"}),
        ("ExceptionGroup", {"cause": "KeyError, OSError"}),
        ("RuntimeError", {}),
    ]


def test_causes_that_go_round_in_a_circle_end(recorder: BenchmarkRecorder) -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    with pytest.raises(ValueError), recorder.measure("t", "v1"):  # noqa: PT011
        raise one
    assert only(recorder).metadata == {"cause": "KeyError"}


def test_cancelled_work_can_be_left_out_and_so_can_any_run(recorder: BenchmarkRecorder) -> None:
    with pytest.raises(asyncio.CancelledError), recorder.measure("t", "v1", cancelled="discard"):
        raise asyncio.CancelledError
    with recorder.measure("t", "v1") as run:
        run.discard()
    with pytest.raises(ZeroDivisionError), recorder.measure("t", "v1", cancelled="discard"):
        _ = 1 / 0
    assert only(recorder).error_type == "ZeroDivisionError"
    with pytest.raises(InvalidRecordError, match="cancelled: expected"):
        recorder.measure("t", "v1", cancelled="ignore")  # type: ignore[arg-type]


def test_a_run_that_says_both_success_and_a_class_of_failure_is_a_failure(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("t", "v1") as run:
        run.error_type = "WrongAnswer"
    assert (only(recorder).success, only(recorder).error_type) == (False, "WrongAnswer")


def test_a_block_that_knows_its_duration_better_says_so(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("t", "v1") as run:
        run.duration = 12.5
    assert only(recorder).execution_time == 12.5


def test_without_a_version_the_block_fails_where_it_is_made(recorder: BenchmarkRecorder) -> None:
    for version in (None, "", "  ", 3):
        with pytest.raises(InvalidRecordError, match="version: give it in the call, or once"):
            recorder.measure("t", version)  # type: ignore[arg-type]
    with pytest.raises(InvalidRecordError, match="version"):
        recorder.track(len)
