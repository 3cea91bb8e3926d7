from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import JSONFileStore
from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import BenchmarkMetric, stamp
from benchmark_recorder.stores.memory import MemoryStore


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore(), version="v1")


def by_task(recorder: BenchmarkRecorder) -> dict[str, BenchmarkMetric]:
    return {metric.task_description: metric for metric in recorder.get_all_metrics()}


def parents(recorder: BenchmarkRecorder) -> dict[str, str | None]:
    """The task of each task's parent."""
    found = by_task(recorder)
    names = {metric.record_id: task for task, metric in found.items()}
    return {task: metric.parent_id and names.get(metric.parent_id, "unknown") for task, metric in found.items()}


def sums(recorder: BenchmarkRecorder) -> tuple[Any, ...]:
    root = by_task(recorder)["root"]
    return root.cost_estimated, root.cost_known, root.input_tokens, root.output_tokens


def test_a_run_inside_another_is_a_part_of_the_outermost(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root"), recorder.measure("part"):
        recorder.track(task="part of a part")(len)("")
    with recorder.measure("another"):
        pass
    assert parents(recorder) == {"part of a part": "root", "part": "root", "root": None, "another": None}


def test_a_question_is_about_roots_unless_it_says_otherwise(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root") as run:
        run.cost = 0.2
        for _ in range(3):
            with recorder.measure("part") as part:
                part.cost = 0.1
    assert recorder.get_historical_metrics("v1").count == 1
    assert recorder.get_historical_metrics("v1", runs="children").count == 3
    assert recorder.get_historical_metrics("v1", runs="all").count == 4
    assert recorder.get_historical_metrics("v1").total_cost == 0.2


def test_a_root_that_says_so_is_one_even_inside_another(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("outer"), recorder.measure("own", root=True), recorder.measure("part"):
        pass
    with recorder.measure("after"):
        pass
    assert parents(recorder) == {"part": "own", "own": None, "outer": None, "after": None}


def test_an_execution_that_was_timed_elsewhere_is_a_root_unless_it_names_its_parent(
    recorder: BenchmarkRecorder,
) -> None:
    with recorder.measure("root") as run:
        recorder.record_execution("alone", 1.0, success=True)
        recorder.record_execution("part", 1.0, success=True, cost=0.5, parent=run)
    assert parents(recorder) == {"alone": None, "part": "root", "root": None}
    assert by_task(recorder)["root"].cost_estimated == 0.5
    other = BenchmarkRecorder(store=MemoryStore(), version="v1")
    for parent, got in ((run, "a run of another store"), ("root", "'root'")):
        with pytest.raises(InvalidRecordError, match=f"parent: expected .* got {got}"):
            other.record_execution("part", 1.0, success=True, parent=parent)  # type: ignore[arg-type]


def test_only_runs_of_the_same_store_have_to_do_with_each_other(tmp_path: Path) -> None:
    one = BenchmarkRecorder(tmp_path / "one.json", version="v1")
    same = BenchmarkRecorder(store=JSONFileStore(tmp_path / "one.json"), version="v1", strict=True)
    other = BenchmarkRecorder(tmp_path / "other.json", version="v1")
    memory = BenchmarkRecorder(store=MemoryStore(), version="v1")
    with one.measure("root"), memory.measure("in memory"), other.measure("elsewhere"), same.measure("part"):
        pass
    assert parents(one) == {"part": "root", "root": None}
    assert parents(other) == {"elsewhere": None}
    assert parents(memory) == {"in memory": None}


def test_a_root_that_says_nothing_costs_what_its_parts_cost(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root") as root:
        for number in (1, 2):
            with recorder.measure("part") as part:
                part.cost, part.input_tokens = Decimal("0.25"), number  # type: ignore[assignment]
        root.output_tokens = 7
    assert sums(recorder) == (0.5, None, 3, 7)


def test_a_part_of_a_part_is_not_counted_twice(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root"), recorder.measure("part") as part:
        part.cost = 0.5
        with recorder.measure("its part") as inner:
            inner.cost = 0.25
    assert sums(recorder)[0] == 0.5


def test_a_part_that_says_nothing_stands_for_its_own_parts(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root"), recorder.measure("part"), recorder.measure("its part") as inner:
        inner.cost = 0.25
    assert sums(recorder)[0] == 0.25
    assert by_task(recorder)["part"].cost_estimated == 0.0


@pytest.mark.parametrize("wrong", [None, -1.0, "0.1", float("nan"), True, b""], ids=repr)
def test_one_unknown_part_makes_the_sum_unknown(recorder: BenchmarkRecorder, wrong: Any) -> None:
    with recorder.measure("root"):
        with recorder.measure("known") as part:
            part.cost = 0.5
        with recorder.measure("unknown") as part:
            part.cost = wrong
    assert sums(recorder)[:2] == (0.0, None)


def test_free_parts_make_a_free_root(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root"), recorder.measure("part") as part:
        part.cost = 0
    assert sums(recorder)[:2] == (0.0, True)


def test_a_discarded_part_is_not_in_the_sum(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root"):
        with recorder.measure("part") as part:
            part.cost = 0.5
        with recorder.measure("discarded") as part:
            part.discard()
    assert sums(recorder)[0] == 0.5


def test_a_part_that_ends_after_its_root_is_a_part_but_not_in_the_sum(recorder: BenchmarkRecorder) -> None:
    async def late(go: asyncio.Event) -> None:
        async with recorder.measure("late") as part:
            part.cost = 0.5
            await go.wait()

    async def work() -> None:
        go = asyncio.Event()
        async with recorder.measure("root"):
            with recorder.measure("in time") as part:
                part.cost = 0.25
            task = asyncio.create_task(late(go))
            await asyncio.sleep(0)
        go.set()
        await task

    asyncio.run(work())
    assert parents(recorder) == {"in time": "root", "root": None, "late": "root"}
    assert sums(recorder)[0] == 0.25


def test_a_run_that_begins_after_its_parent_has_ended_is_a_root(recorder: BenchmarkRecorder) -> None:
    async def late(ended: asyncio.Event) -> None:
        await ended.wait()
        for task in ("first", "second"):
            async with recorder.measure(task), recorder.measure(f"part of the {task}"):
                pass

    async def work() -> None:
        ended = asyncio.Event()
        async with recorder.measure("root"):
            task = asyncio.create_task(late(ended))
            await asyncio.sleep(0)
        ended.set()
        await task

    asyncio.run(work())
    roots = dict.fromkeys(("root", "first", "second"))
    assert parents(recorder) == {**roots, "part of the first": "first", "part of the second": "second"}


def test_concurrent_tasks_have_roots_of_their_own(recorder: BenchmarkRecorder) -> None:
    async def work(name: str) -> None:
        async with recorder.measure(name):
            await asyncio.sleep(0)
            async with recorder.measure(f"part of {name}"):
                await asyncio.sleep(0)

    async def together() -> None:
        await asyncio.gather(*(work(name) for name in "abc"))

    asyncio.run(together())
    assert parents(recorder) == {**dict.fromkeys("abc"), **{f"part of {name}": name for name in "abc"}}


def test_a_thread_joins_by_a_copy_of_the_context(recorder: BenchmarkRecorder) -> None:
    def work(task: str) -> None:
        with recorder.measure(task) as run:
            run.cost = 1.0

    with ThreadPoolExecutor(4) as pool, recorder.measure("root"):
        joined = [pool.submit(contextvars.copy_context().run, work, f"part {n}") for n in range(20)]
        pool.submit(work, "alone").result()
        for future in joined:
            future.result()
    assert parents(recorder) == {**{f"part {n}": "root" for n in range(20)}, "alone": None, "root": None}
    assert sums(recorder)[0] == 20.0


def test_threads_that_come_at_once_find_one_root(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root") as run:
        barrier, found = threading.Barrier(8), []

        def look() -> None:
            barrier.wait()
            found.append(run.lineage.settle(stamp()[0]))

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(found) == {by_task(recorder)["root"].record_id}


def test_blocks_that_end_in_the_order_in_which_they_began_leave_nothing_behind(recorder: BenchmarkRecorder) -> None:
    first, second = recorder.measure("first"), recorder.measure("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    with recorder.measure("after"):
        pass
    assert parents(recorder) == {"first": None, "second": "first", "after": None}


def test_a_run_that_ends_twice_is_recorded_once(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root") as run:
        run.end()
    assert len(recorder.get_all_metrics()) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_nothing_in_a_forked_child_is_a_part_of_its_parents_run(tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(tmp_path / "metrics.json", version="v1")
    with recorder.measure("root"):
        child = os.fork()
        if child == 0:
            with recorder.measure("in the child"):
                pass
            os._exit(0)
        os.waitpid(child, 0)
    assert parents(recorder) == {"in the child": None, "root": None}


def test_ids_of_runs_without_parts_rise_with_the_time_of_recording(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("first"):
        recorder.record_execution("alone", 1.0, success=True)
    ids = [str(metric.record_id) for metric in recorder.get_all_metrics()]
    assert ids == sorted(ids)


def test_an_execution_may_name_a_parent_that_has_ended(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("root") as run:
        pass
    recorder.record_execution("part", 1.0, success=True, cost=0.5, parent=run)
    assert parents(recorder) == {"root": None, "part": "root"}
    assert sums(recorder)[0] == 0.0


def test_a_root_with_a_key_keeps_the_id_that_its_parts_know(recorder: BenchmarkRecorder) -> None:
    for _ in range(2):
        with recorder.measure("root", idempotency_key="monday"), recorder.measure("part"):
            pass
    assert [m.task_description for m in recorder.get_all_metrics()] == ["part", "root", "part"]
    assert set(parents(recorder).values()) == {None, "root"}
