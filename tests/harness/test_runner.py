from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import BenchmarkRecorder, ConfigurationError
from benchmark_recorder.harness import BenchmarkHarness, BenchmarkTasks, FunctionOrchestrator, RunResult, VirtualClock
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TASK = {"id": "t-1", "description": "Do it", "expected_agents": ["lead", "other"], "complexity": 0.5}


@dataclass
class Result:
    success: bool = True
    agent_selected: str | None = "lead"
    cost: float | None = 0.25


class Steady:
    """Takes one virtual second for each task; keeps what it was given."""

    def __init__(self, version: str = "v1.0", seconds: float = 1.0) -> None:
        self.version = version
        self.seconds = seconds
        self.seen: list[dict[str, Any]] = []

    async def execute_task(self, task: dict[str, Any]) -> Result:
        self.seen.append(task)
        await asyncio.sleep(self.seconds)
        return Result()


def recorded(recorder: BenchmarkRecorder) -> list[dict[str, Any]]:
    store = recorder.store
    assert isinstance(store, MemoryStore)
    return list(store.read(None, 10**6).documents)


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


def run_one(recorder: BenchmarkRecorder, function: Callable[[Any], Any], **settings: Any) -> RunResult:
    settings = {"repeats": 1, "clock": VirtualClock(), **settings}
    harness = BenchmarkHarness([FunctionOrchestrator("v1.0", function)], recorder=recorder, baseline="v1.0", **settings)
    return harness.run([TASK])


# What is recorded ---------------------------------------------------------------------------------------------------


def test_every_execution_is_recorded_with_all_that_is_known_of_it(recorder: BenchmarkRecorder) -> None:
    result = BenchmarkHarness([Steady()], recorder=recorder, repeats=2, clock=VirtualClock(), baseline="v1.0").run(
        [TASK]
    )
    first, second = recorded(recorder)
    expected = {
        "version": "v1.0",
        "task_id": "t-1",
        "task_description": "Do it",
        "execution_time": 1.0,
        "success": True,
        "agent_selected": "lead",
        "expected_agent": "lead",
        "cost_estimated": 0.25,
        "difficulty": 0.5,
    }
    assert expected.items() <= first.items()
    assert first["metadata"] | {"git_dirty": True} == {
        "run": result.run_id,
        "repeat": 1,
        "clock": "virtual",
        "git_dirty": True,
    }
    assert second["metadata"]["repeat"] == 2
    assert "error_type" not in first


def test_records_of_a_dirty_checkout_say_so(
    recorder: BenchmarkRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    harness = BenchmarkHarness([Steady()], recorder=recorder, repeats=1, baseline="v1.0", clock=VirtualClock())
    harness.run([TASK])
    (tmp_path / "a").touch()
    subprocess.run(["git", "add", "a"], check=True)
    harness.run([TASK])
    assert [record["metadata"].get("git_dirty") for record in recorded(recorder)] == [None, True]


def test_a_run_in_real_time_measures_real_time_and_names_no_clock(recorder: BenchmarkRecorder) -> None:
    BenchmarkHarness([Steady(seconds=0.05)], recorder=recorder, repeats=1, baseline="v1.0").run([TASK])
    (record,) = recorded(recorder)
    assert record["execution_time"] >= 0.045
    assert record["metadata"].keys() - {"git_dirty"} == {"run", "repeat"}


def test_the_whole_suite_runs_unless_tasks_are_given(recorder: BenchmarkRecorder) -> None:
    harness = BenchmarkHarness([Steady("v1.0"), Steady("v2.0")], recorder=recorder, repeats=3, clock=VirtualClock())
    result = harness.run()
    assert len(recorded(recorder)) == len(result.executions) == 13 * 2 * 3
    assert result.by_version["v2.0"].successes == 39
    subset = harness.run(tasks=BenchmarkTasks.SIMPLE_TASKS)
    assert {execution.task_id for execution in subset.executions} == {t["id"] for t in BenchmarkTasks.SIMPLE_TASKS}


def test_a_custom_task_is_run_by_all_versions(recorder: BenchmarkRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BenchmarkTasks, "CUSTOM_TASKS", [TASK])
    harness = BenchmarkHarness([Steady("v1.0"), Steady("v2.0")], recorder=recorder, repeats=1, clock=VirtualClock())
    ran = Counter(execution.task_id for execution in harness.run().executions)
    assert ran["t-1"] == 2


def test_a_question_can_be_limited_to_a_run(recorder: BenchmarkRecorder) -> None:
    harness = BenchmarkHarness([Steady()], recorder=recorder, repeats=2, clock=VirtualClock(), baseline="v1.0")
    first, second = harness.run([TASK]), harness.run([TASK])
    assert first.run_id != second.run_id
    limited = Query.of(version="v1.0", **second.query)
    assert len(recorder.store.scan(limited, ["version"])["version"]) == 2
    assert len(recorded(recorder)) == 4


def test_a_task_that_an_orchestrator_changes_is_whole_for_the_next(recorder: BenchmarkRecorder) -> None:
    def spoil(task: dict[str, Any]) -> Result:
        task["expected_agents"].clear()
        task["id"] = "spoiled"
        return Result()

    async def spoil_quietly(task: dict[str, Any]) -> Result:
        return spoil(task)

    run_one(recorder, spoil_quietly, repeats=2)
    assert [r["task_id"] for r in recorded(recorder)] == ["t-1", "t-1"]
    assert TASK["expected_agents"] == ["lead", "other"]


def test_virtual_durations_do_not_depend_on_concurrency() -> None:
    def durations(concurrency: int) -> dict[tuple[str, str, int], float]:
        harness = BenchmarkHarness(
            [Steady("v1.0", 0.1), Steady("v2.0", 0.7)],
            recorder=BenchmarkRecorder(store=MemoryStore()),
            concurrency=concurrency,
            clock=VirtualClock(),
        )
        return {(e.task_id, e.version, e.repeat): e.duration for e in harness.run().executions}

    assert durations(1) == durations(7)
    assert set(durations(1).values()) == {0.1, 0.7}


# Failures -------------------------------------------------------------------------------------------------------------


def test_an_exception_is_a_failure_with_its_class(recorder: BenchmarkRecorder) -> None:
    async def fail(_: object) -> None:
        await asyncio.sleep(2)
        raise LookupError("secret: hunter2")

    counts = run_one(recorder, fail).by_version["v1.0"]
    (record,) = recorded(recorder)
    assert (record["success"], record["error_type"], record["execution_time"]) == (False, "LookupError", 2.0)
    assert "hunter2" not in json.dumps(record)
    assert (counts.exceptions, counts.failures, dict(counts.error_types)) == (1, 1, {"LookupError": 1})


def test_what_takes_too_long_is_cancelled_and_is_a_timeout(recorder: BenchmarkRecorder) -> None:
    cancelled = []

    async def hang(_: object) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    counts = run_one(recorder, hang, timeout=5.0).by_version["v1.0"]
    (record,) = recorded(recorder)
    assert (record["success"], record["error_type"], record["execution_time"]) == (False, "Timeout", 5.0)
    assert (counts.timeouts, counts.failures, cancelled) == (1, 1, [True])


def test_an_orchestrator_that_swallows_its_cancellation_is_left_behind(recorder: BenchmarkRecorder) -> None:
    async def cling(_: object) -> None:
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue

    result = run_one(recorder, cling, timeout=5.0, repeats=2)
    assert [r["error_type"] for r in recorded(recorder)] == ["Timeout", "Timeout"]
    assert [w for w in result.warnings if "v1.0 kept running after its timeout (2 times)" in w]


def test_a_result_that_comes_after_the_timeout_is_a_timeout(recorder: BenchmarkRecorder) -> None:
    async def late(_: object) -> Result:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            return Result()
        raise AssertionError

    run_one(recorder, late, timeout=5.0)
    assert [(r["success"], r["error_type"]) for r in recorded(recorder)] == [(False, "Timeout")]


def test_an_orchestrator_that_blocks_the_loop_is_over_time_once_it_lets_go(recorder: BenchmarkRecorder) -> None:
    async def block(_: object) -> Result:
        time.sleep(0.1)  # noqa: ASYNC251 - what is tested
        return Result()

    run_one(recorder, block, timeout=0.01, clock=None)
    (record,) = recorded(recorder)
    assert (record["success"], record["error_type"]) == (False, "Timeout")
    assert record["execution_time"] >= 0.1


def test_a_plain_function_that_never_returns_does_not_hang_the_run(recorder: BenchmarkRecorder) -> None:
    never = threading.Event()
    run_one(recorder, lambda _: never.wait(), timeout=0.05, clock=None)
    never.set()
    assert [r["error_type"] for r in recorded(recorder)] == ["Timeout"]


@pytest.mark.parametrize("nonsense", [None, "ok", 42, {"success": "yes"}, {"success": True, "cost": "cheap"}])
def test_anything_but_a_result_is_an_invalid_result(recorder: BenchmarkRecorder, nonsense: Any) -> None:
    async def answer(_: object) -> Any:
        return nonsense

    counts = run_one(recorder, answer).by_version["v1.0"]
    assert [(r["success"], r["error_type"]) for r in recorded(recorder)] == [(False, "InvalidResult")]
    assert (counts.invalid_results, counts.failures) == (1, 1)


def test_an_unsuccessful_result_is_a_wrong_one_and_keeps_its_cost_and_agent(recorder: BenchmarkRecorder) -> None:
    async def answer(_: object) -> Result:
        return Result(success=False, agent_selected="other", cost=0.5)

    counts = run_one(recorder, answer).by_version["v1.0"]
    (record,) = recorded(recorder)
    assert (record["error_type"], record["agent_selected"], record["cost_estimated"]) == ("WrongResult", "other", 0.5)
    assert (counts.wrong_results, counts.failures) == (1, 1)


def test_an_orchestrator_that_reports_no_agent_has_none(recorder: BenchmarkRecorder) -> None:
    async def answer(_: object) -> dict[str, bool]:
        return {"success": True}

    run_one(recorder, answer)
    (record,) = recorded(recorder)
    assert (record["success"], record["agent_selected"], record["expected_agent"]) == (True, None, "lead")
    assert "cost_known" not in record


def test_an_execute_task_that_is_not_async_is_measured_too(recorder: BenchmarkRecorder) -> None:
    class Plain:
        version = "v1.0"

        def execute_task(self, task: dict[str, Any]) -> Result:
            return Result()

    BenchmarkHarness([Plain()], recorder=recorder, baseline="v1.0").run([TASK])  # type: ignore[list-item]
    assert all(r["success"] for r in recorded(recorder))


def test_a_cancellation_that_the_orchestrator_let_escape_is_its_failure(recorder: BenchmarkRecorder) -> None:
    async def leak(_: object) -> None:
        raise asyncio.CancelledError

    counts = run_one(recorder, leak).by_version["v1.0"]
    assert [r["error_type"] for r in recorded(recorder)] == ["Cancelled"]
    assert counts.exceptions == 1


def test_the_ways_to_end_add_up(recorder: BenchmarkRecorder) -> None:
    endings = iter([Result(), ValueError(), Result(success=False), None, asyncio.Event().wait])

    async def answer(_: object) -> Any:
        ending = next(endings)
        if isinstance(ending, Exception):
            raise ending
        return await ending() if callable(ending) else ending

    counts = run_one(recorder, answer, repeats=5, timeout=1.0).by_version["v1.0"]
    assert (counts.successes, counts.exceptions, counts.wrong_results, counts.invalid_results, counts.timeouts) == (
        1,
        1,
        1,
        1,
        1,
    )
    assert (counts.executions, counts.failures) == (5, 4)


def test_hostile_text_from_an_orchestrator_is_recorded_and_ends_nothing(recorder: BenchmarkRecorder) -> None:
    async def answer(_: object) -> Result:
        return Result(agent_selected="\ud800\x1b[31m" + "x" * 10_000)

    assert run_one(recorder, answer).by_version["v1.0"].successes == 1
    assert len(recorded(recorder)) == 1


def test_a_version_that_never_succeeds_is_warned_of_and_its_traceback_is_logged(
    recorder: BenchmarkRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(task: dict[str, Any]) -> Result:
        raise KeyError(task["id"])

    with caplog.at_level("INFO", logger="benchmark_recorder"):
        result = run_one(recorder, fail, repeats=2)
    assert any(warning.startswith("all 2 executions of v1.0 failed (KeyError): ") for warning in result.warnings)
    assert "KeyError: 't-1'" in caplog.text


# What passes on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes_on_and_what_was_done_stays_recorded(
    recorder: BenchmarkRecorder, error: type[BaseException]
) -> None:
    calls = []

    async def interrupt(_: object) -> Result:
        calls.append(1)
        if len(calls) == 3:
            raise error
        return Result()

    with pytest.raises(error):
        run_one(recorder, interrupt, repeats=10)
    assert len(recorded(recorder)) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_one_execution_lets_those_beside_it_clean_up(
    recorder: BenchmarkRecorder, error: type[BaseException]
) -> None:
    begun, ended = [], []

    async def execute(_: object) -> Result:
        begun.append(1)
        try:
            await asyncio.sleep(0 if len(begun) == 4 else 3600)
            raise error
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    with pytest.raises(error):
        run_one(recorder, execute, repeats=10, concurrency=4)
    assert (len(begun), len(ended)) == (4, 4)


def test_cancelling_a_run_cancels_what_it_runs_and_passes_on(recorder: BenchmarkRecorder) -> None:
    begun, ended = asyncio.Event(), []

    async def hang(_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def cancel() -> None:
        harness = BenchmarkHarness([FunctionOrchestrator("v1.0", hang)], recorder=recorder, baseline="v1.0")
        run = asyncio.create_task(harness.run_async([TASK]))
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(cancel())
    assert ended == [True]
    assert recorded(recorder) == []


def test_with_a_strict_recorder_a_failing_store_ends_the_run_with_its_error() -> None:
    class Broken(MemoryStore):
        def append(self, documents: Any, *, fresh: bool = False) -> int:
            raise OSError("no space left")

    harness = BenchmarkHarness(
        [Steady()], recorder=BenchmarkRecorder(store=Broken(), strict=True), clock=VirtualClock()
    )
    with pytest.raises(Exception, match="no space left"):
        harness.run([TASK])


# Order and concurrency ------------------------------------------------------------------------------------------------


def test_no_more_than_the_allowed_number_run_at_one_time(recorder: BenchmarkRecorder) -> None:
    running, most = 0, []

    async def count(_: object) -> Result:
        nonlocal running
        running += 1
        most.append(running)
        await asyncio.sleep(1)
        running -= 1
        return Result()

    result = run_one(recorder, count, repeats=12, concurrency=4)
    assert max(most) == 4
    assert result.seconds == pytest.approx(3.0)


def test_versions_are_interleaved_and_the_order_follows_from_the_seed() -> None:
    def order(seed: int) -> list[tuple[str, str]]:
        harness = BenchmarkHarness(
            [Steady("v1.0"), Steady("v2.0")],
            recorder=BenchmarkRecorder(store=MemoryStore()),
            clock=VirtualClock(),
            seed=seed,
        )
        return [(e.task_id, e.version) for e in harness.run().executions]

    assert order(1) == order(1) != order(2)
    pairs = order(1)
    assert all({a[1], b[1]} == {"v1.0", "v2.0"} for a, b in zip(pairs[::2], pairs[1::2], strict=True))


def test_inside_a_running_loop_run_says_what_to_call(recorder: BenchmarkRecorder) -> None:
    harness = BenchmarkHarness([Steady(seconds=0)], recorder=recorder, repeats=1, baseline="v1.0")

    async def inside() -> RunResult:
        with pytest.raises(RuntimeError, match=r"await harness\.run_async"):
            harness.run([TASK])
        return await harness.run_async([TASK])

    assert asyncio.run(inside()).by_version["v1.0"].successes == 1


# Doubts ---------------------------------------------------------------------------------------------------------------


def test_a_candidate_without_a_baseline_says_so(recorder: BenchmarkRecorder) -> None:
    result = BenchmarkHarness([Steady("v2.0")], recorder=recorder, clock=VirtualClock()).run([TASK])
    assert [w for w in result.warnings if "only v2.0 ran, and no baseline is named" in w]


def test_the_baseline_itself_runs_without_a_warning(recorder: BenchmarkRecorder) -> None:
    result = BenchmarkHarness([Steady("v1.0")], recorder=recorder, clock=VirtualClock(), baseline="v1.0").run([TASK])
    assert result.warnings == ()


def test_versions_that_run_together_need_no_warning(recorder: BenchmarkRecorder) -> None:
    result = BenchmarkHarness([Steady("v1.0"), Steady("v2.0")], recorder=recorder, clock=VirtualClock()).run([TASK])
    assert result.warnings == ()


def test_a_named_baseline_must_have_been_recorded(recorder: BenchmarkRecorder) -> None:
    candidate = BenchmarkHarness([Steady("v2.0")], recorder=recorder, clock=VirtualClock(), baseline="v1.0")
    assert "v1.0 has no records of these tasks" in candidate.run([TASK]).warnings[0]
    BenchmarkHarness([Steady("v1.0")], recorder=recorder, clock=VirtualClock(), baseline="v1.0").run([TASK])
    assert "v1.0 was recorded earlier" in candidate.run([TASK]).warnings[0]


def test_a_baseline_in_real_time_is_none_for_a_run_in_virtual_time(recorder: BenchmarkRecorder) -> None:
    BenchmarkHarness([Steady("v1.0", 0)], recorder=recorder, baseline="v1.0").run([TASK])
    candidate = BenchmarkHarness([Steady("v2.0")], recorder=recorder, clock=VirtualClock(), baseline="v1.0")
    assert "v1.0 has no records of these tasks" in candidate.run([TASK]).warnings[0]


@pytest.mark.parametrize(
    ("orchestrators", "settings", "words"),
    [
        ([], {}, "none given"),
        (Steady(), {}, "expected a list"),
        ([object()], {}, r"orchestrators\[0\]: a object without a 'version'"),
        ([Steady("")], {}, "without a 'version'"),
        ([Steady(), Steady()], {}, r"orchestrators\[1\]: an earlier one also has the version 'v1.0'"),
        ([type("Mute", (), {"version": "v1"})()], {}, r"a Mute without a method execute_task"),
        ([Steady()], {"repeats": 0}, "repeats: expected a whole number"),
        ([Steady()], {"concurrency": 1.5}, "concurrency: expected a whole number"),
        ([Steady()], {"timeout": 0}, "timeout: expected a number of seconds above 0"),
        ([Steady()], {"timeout": "1s"}, "timeout: expected a number of seconds above 0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_before_anything_runs(
    orchestrators: Any, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        BenchmarkHarness(orchestrators, **settings)


def test_a_bad_task_is_refused_before_anything_runs(recorder: BenchmarkRecorder) -> None:
    steady = Steady()
    with pytest.raises(ConfigurationError, match=r"tasks\[1\]"):
        BenchmarkHarness([steady], recorder=recorder).run([TASK, {"id": "no description"}])
    assert steady.seen == recorded(recorder) == []


# The progress bar -----------------------------------------------------------------------------------------------------


def test_the_progress_bar_is_on_stderr_and_only_on_a_terminal_or_if_asked(
    recorder: BenchmarkRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    run_one(recorder, lambda _: Result(), clock=None)
    assert capsys.readouterr() == ("", "")
    run_one(recorder, lambda _: Result(), clock=None, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/1" in err


def test_importing_the_harness_imports_neither_rich_nor_numpy() -> None:
    program = (
        "import sys, benchmark_recorder.harness;"
        "print([m for m in ('rich', 'numpy', 'scipy', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_an_orchestrator_records_of_itself_is_a_part_of_the_harness_run() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())

    class Tracked:
        version = "v1"

        @recorder.track(version="v1", task="its own")
        async def execute_task(self, task: Any) -> dict[str, Any]:
            for _ in range(2):
                async with recorder.measure("a step", "v1") as step:
                    step.cost = 0.25
            return {"success": True}

    BenchmarkHarness([Tracked()], recorder=recorder, repeats=2, concurrency=2, progress=False).run([TASK])
    assert recorder.get_historical_metrics("v1").count == 2
    roots = [metric for metric in recorder.get_all_metrics() if metric.parent_id is None]
    assert [(root.task_id, root.cost_estimated) for root in roots] == [("t-1", 0.5)] * 2
    parts = [metric.parent_id for metric in recorder.get_all_metrics() if metric.parent_id is not None]
    assert sorted(parts) == sorted([str(root.record_id) for root in roots] * 3)
