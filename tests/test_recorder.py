from __future__ import annotations

import asyncio
import dataclasses
import json
import math
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_recorder import (
    BenchmarkMetric,
    BenchmarkRecorder,
    ConfigurationError,
    InvalidRecordError,
    StoreError,
    StoreUnavailableError,
)
from benchmark_recorder.queries import Query
from benchmark_recorder.records import task_id_of
from benchmark_recorder.stores.memory import MemoryStore


@pytest.fixture
def recorder(tmp_path: Path) -> BenchmarkRecorder:
    return BenchmarkRecorder(storage_path=tmp_path / "benchmarks" / "metrics.json")


def stored(recorder: BenchmarkRecorder) -> list[dict[str, Any]]:
    metrics: list[dict[str, Any]] = json.loads(recorder.storage_path.read_text())["metrics"]
    return metrics


def fill(recorder: BenchmarkRecorder, version: str, durations: list[float], **more: Any) -> None:
    for duration in durations:
        recorder.record_execution("Create landing page", duration, True, version, **more)


# In


def test_the_first_eight_arguments_go_by_position(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution("Fix CSS", 3.456, True, "v2.0", "builder_agent", 0.00012, 0.2, {"git_commit": "abc123"})
    (record,) = stored(recorder)
    assert record["task_description"] == "Fix CSS"
    assert record["task_id"] == task_id_of("Fix CSS")
    assert record["execution_time"] == 3.456
    assert record["success"] is True
    assert record["version"] == "v2.0"
    assert record["agent_selected"] == "builder_agent"
    assert record["cost_estimated"] == 0.00012
    assert record["difficulty"] == 0.2
    assert record["metadata"] == {"git_commit": "abc123"}


def test_a_record_says_when_and_where_by_itself(recorder: BenchmarkRecorder) -> None:
    before = datetime.now(UTC)
    fill(recorder, "v1", [1.0])
    (record,) = stored(recorder)
    assert before <= datetime.fromisoformat(record["timestamp"]) <= datetime.now(UTC)
    assert len(record["record_id"]) == 32
    assert record["host"]
    assert record["git_commit"] is None or len(record["git_commit"]) == 40


def test_fields_that_are_absent_are_left_out_of_the_file(recorder: BenchmarkRecorder) -> None:
    fill(recorder, "v1", [1.0])
    recorder.record_execution(
        "Create landing page",
        1.0,
        False,
        "v1",
        task_id="t-1",
        expected_agent="a",
        error_type="Timeout",
        model="m",
        input_tokens=1,
        output_tokens=0,
        timestamp="2026-01-01T00:00:00Z",
    )
    bare, full = stored(recorder)
    assert {"expected_agent", "error_type", "model", "input_tokens", "output_tokens", "cost_known"}.isdisjoint(bare)
    assert (full["task_id"], full["expected_agent"], full["error_type"], full["model"]) == ("t-1", "a", "Timeout", "m")
    assert (full["input_tokens"], full["output_tokens"]) == (1, 0)
    assert full["timestamp"] == "2026-01-01T00:00:00.000000+00:00"


def test_a_free_execution_and_one_of_unknown_cost_are_told_apart(recorder: BenchmarkRecorder) -> None:
    for cost in (None, 0, 0.5):
        fill(recorder, "v1", [1.0], cost=cost)
    assert [(r["cost_estimated"], r.get("cost_known")) for r in stored(recorder)] == [
        (0.0, None),
        (0.0, True),
        (0.5, None),
    ]
    summary = recorder.get_historical_metrics("v1")
    assert (summary.total_cost, summary.mean_cost) == (0.5, 0.25)


def test_wrong_arguments_are_errors_in_the_callers_words_and_nothing_is_written(recorder: BenchmarkRecorder) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "duration": {"duration": -1.0},
        "task": {"task": 7},
        "success": {"success": "no"},
        "version": {"version": ""},
        "cost": {"cost": math.inf},
        "difficulty": {"difficulty": 2},
        "metadata.a": {"metadata": {"a": {1}}},
        "timestamp": {"timestamp": "now"},
        "input_tokens": {"input_tokens": -5},
        "agent_selected": {"agent_selected": 3},
    }
    good: dict[str, Any] = {"task": "a", "duration": 1.0, "success": True, "version": "v1"}
    for field, arguments in wrong.items():
        with pytest.raises(InvalidRecordError, match=f"^{field}: ") as caught:
            recorder.record_execution(**{**good, **arguments})
        assert caught.value.field == field
    assert not recorder.storage_path.exists()


def test_wrong_arguments_can_be_logged_and_counted_instead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = BenchmarkRecorder(storage_path=tmp_path / "m.json", on_invalid="log")
    fill(recorder, "v1", [-1.0, 1.0])
    assert recorder.health().invalid == 1
    assert recorder.get_historical_metrics("v1").count == 1
    assert "duration: expected" in caplog.text


def test_task_texts_can_be_kept_out_of_the_store(tmp_path: Path) -> None:
    recorder = BenchmarkRecorder(storage_path=tmp_path / "m.json", store_task_text=False)
    recorder.record_execution("a secret prompt", 1.0, True, "v1")
    assert "secret" not in recorder.storage_path.read_text()
    assert recorder.get_historical_metrics(task="a secret prompt").count == 1


def test_a_metric_is_recorded_with_its_own_time_and_commit(recorder: BenchmarkRecorder) -> None:
    metric = BenchmarkMetric(
        timestamp="2026-01-01T00:00:00+00:00",
        version="v1",
        git_commit="abc1234",
        task_id="a",
        task_description="A",
        execution_time=1.0,
        success=False,
        agent_selected=None,
        cost_estimated=0.1,
        metadata=None,
    )
    recorder.record(metric)
    recorder.record(metric)
    first, second = recorder.get_all_metrics()
    assert (first.git_commit, first.timestamp, first.metadata) == ("abc1234", "2026-01-01T00:00:00.000000+00:00", {})
    assert first.record_id != second.record_id
    recorder.record(first)
    assert len(recorder.get_all_metrics()) == 2


def test_a_metric_that_is_wrong_is_an_error_in_its_own_words(recorder: BenchmarkRecorder) -> None:
    fill(recorder, "v1", [1.0])
    (metric,) = recorder.get_all_metrics()
    import dataclasses

    with pytest.raises(InvalidRecordError, match="^execution_time: expected"):
        recorder.record(dataclasses.replace(metric, execution_time=-1.0))
    with pytest.raises(InvalidRecordError, match="^timestamp: expected"):
        recorder.record(dataclasses.replace(metric, timestamp="long ago"))


def test_storage_trouble_stays_out_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").write_text("a file where the folder should be")
    recorder = BenchmarkRecorder(storage_path=tmp_path / "benchmarks" / "metrics.json")
    fill(recorder, "v1", [1.0, 2.0])
    health = recorder.health()
    assert health.waiting == 2
    assert str(tmp_path / "benchmarks") in (health.last_error or "")
    (tmp_path / "benchmarks").unlink()
    fill(recorder, "v1", [3.0])
    assert recorder.get_historical_metrics("v1").count == 3
    assert recorder.health().waiting == 0


def test_a_strict_recorder_raises_storage_trouble(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").write_text("a file where the folder should be")
    recorder = BenchmarkRecorder(storage_path=tmp_path / "benchmarks" / "metrics.json", strict=True)
    with pytest.raises(StoreUnavailableError):
        fill(recorder, "v1", [1.0])


def test_threads_and_tasks_share_one_recorder(recorder: BenchmarkRecorder) -> None:
    async def many() -> None:
        async def one(number: int) -> None:
            await asyncio.sleep(0)
            recorder.record_execution(f"task {number}", 1.0, True, "async")

        await asyncio.gather(*(one(number) for number in range(100)))

    threads = [threading.Thread(target=fill, args=(recorder, "threads", [1.0] * 100)) for _ in range(4)]
    for thread in threads:
        thread.start()
    asyncio.run(many())
    for thread in threads:
        thread.join()
    assert recorder.get_historical_metrics("threads").count == 400
    assert recorder.get_historical_metrics("async").count == 100


def test_an_answer_includes_what_was_recorded_a_moment_ago(recorder: BenchmarkRecorder) -> None:
    for count in range(1, 20):
        fill(recorder, "v1", [1.0])
        assert recorder.get_historical_metrics("v1").count == count


def test_a_store_of_ones_own_takes_the_files_place() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    fill(recorder, "v1", [1.0])
    assert recorder.get_historical_metrics("v1").count == 1
    with pytest.raises(StoreError, match="memory is not a JSON file"):
        _ = recorder.storage_path
    with pytest.raises(ConfigurationError, match="either storage_path or store"):
        BenchmarkRecorder("a.json", store=MemoryStore())
    with pytest.raises(ConfigurationError, match="^store: expected a Store, got 'a.json'; a path is storage_path"):
        BenchmarkRecorder(store="a.json")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="^durability: pass it to the store"):
        BenchmarkRecorder(store=MemoryStore(), durability="fsync")
    with pytest.raises(ConfigurationError, match="on_invalid"):
        BenchmarkRecorder(store=MemoryStore(), on_invalid="shrug")  # type: ignore[arg-type]


def test_a_recorder_is_a_context_manager_that_writes_what_waits(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("in the way")
    with BenchmarkRecorder(storage_path=tmp_path / "b" / "m.json") as recorder:
        fill(recorder, "v1", [1.0])
        (tmp_path / "b").unlink()
    assert len(stored(recorder)) == 1


@pytest.mark.parametrize(
    "arguments",
    [{"cost": np.array([1.0, 2.0])}, {"input_tokens": np.array([1, 2])}, {"duration": 10**5000}],
    ids=["cost", "tokens", "duration"],
)
def test_whatever_is_passed_as_an_argument_is_refused_as_one(tmp_path: Path, arguments: dict[str, Any]) -> None:
    recorder = BenchmarkRecorder(tmp_path / "m.json", on_invalid="log")
    usual: dict[str, Any] = {"task": "t", "duration": 1.0, "success": True, "version": "v"}
    recorder.record_execution(**usual | arguments)
    assert recorder.health().invalid == 1


@pytest.mark.parametrize("metric", [{"task": "t"}, None, 5])
def test_what_is_no_metric_is_refused_by_record(tmp_path: Path, metric: Any) -> None:
    with pytest.raises(InvalidRecordError, match="^metric: expected a BenchmarkMetric, got "):
        BenchmarkRecorder(tmp_path / "m.json").record(metric)
    logging_one = BenchmarkRecorder(tmp_path / "m.json", on_invalid="log")
    logging_one.record(metric)
    assert logging_one.health().invalid == 1


def test_a_metric_without_a_task_id_gets_the_one_made_from_its_text() -> None:
    store = MemoryStore()
    absent: Any = None
    metric = BenchmarkMetric("2026-01-01T00:00:00+00:00", "v1", None, absent, "x" * 5000, 1.0, True, None, 0.0)
    BenchmarkRecorder(store=store).record(metric)
    (document,) = store.documents(Query())
    assert document["task_id"] == task_id_of("x" * 5000)


def test_a_metric_of_the_older_class_without_a_known_cost_is_recorded(tmp_path: Path) -> None:
    names = [field.name for field in dataclasses.fields(BenchmarkMetric)[:11]]
    older = dataclasses.make_dataclass("BenchmarkMetric", names)
    recorder = BenchmarkRecorder(tmp_path / "m.json")
    recorder.record(older("2026-01-01T00:00:00+00:00", "v", None, "id", "t", 1.0, True, None, None, None, None))
    [metric] = recorder.get_all_metrics()
    assert (metric.version, metric.cost_estimated, metric.cost_known) == ("v", 0.0, None)
