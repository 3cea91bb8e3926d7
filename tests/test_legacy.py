from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import BenchmarkMetric, BenchmarkRecorder

LEGACY = Path(__file__).parent / "data" / "legacy-metrics.json"
OLD_FIELDS = [field.name for field in dataclasses.fields(BenchmarkMetric)][:11]


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(LEGACY, tmp_path / "metrics.json"))


@pytest.fixture
def recorder(old_file: Path) -> BenchmarkRecorder:
    return BenchmarkRecorder(storage_path=str(old_file))


@pytest.fixture
def empty(tmp_path: Path) -> BenchmarkRecorder:
    return BenchmarkRecorder(storage_path=tmp_path / "none.json")


def old_records() -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(LEGACY.read_text())["metrics"]
    return records


def old_recorder_adds(path: Path, record: dict[str, Any]) -> None:
    """What the recorder before this one does: read the whole document, rewrite it in place."""
    document = json.loads(path.read_text())
    document["metrics"].append(record)
    with path.open("w") as file:
        json.dump(document, file, indent=2)


def test_an_old_file_is_read_without_being_changed(recorder: BenchmarkRecorder, old_file: Path) -> None:
    metrics = recorder.get_all_metrics()
    assert [{name: getattr(metric, name) for name in OLD_FIELDS} for metric in metrics] == old_records()
    assert old_file.read_bytes() == LEGACY.read_bytes()


def test_an_old_file_is_added_to_and_keeps_its_records(recorder: BenchmarkRecorder, old_file: Path) -> None:
    recorder.record_execution("Create landing page", 3.0, True, "v2.0")
    after = json.loads(old_file.read_text())["metrics"]
    assert [{name: record[name] for name in OLD_FIELDS} for record in after[:-1]] == old_records()
    assert after[-1]["execution_time"] == 3.0


def test_the_figures_of_an_old_file_are_those_of_its_records(recorder: BenchmarkRecorder) -> None:
    times = [record["execution_time"] for record in old_records() if record["version"] == "v2.0"]
    metrics = recorder.get_historical_metrics("v2.0")
    assert metrics.count == len(times)
    assert metrics.mean == pytest.approx(sum(times) / len(times))


def test_old_and_new_code_take_turns_on_one_file_and_nothing_is_lost(
    recorder: BenchmarkRecorder, old_file: Path
) -> None:
    for number in range(4):
        recorder.record_execution(f"new {number}", 1.0, True, "v3", expected_agent="a", cost=0, metadata={"n": number})
        old_recorder_adds(old_file, {**old_records()[0], "task_description": f"old {number}"})
        assert recorder.get_historical_metrics().count == 24 + 2 * (number + 1)
    texts = [metric.task_description for metric in recorder.get_all_metrics()[24:]]
    assert texts == [f"{who} {number}" for number in range(4) for who in ("new", "old")]
    ours = [metric for metric in recorder.get_all_metrics() if metric.version == "v3"]
    assert all(metric.expected_agent == "a" and metric.cost_known for metric in ours)
    ids = [metric.record_id for metric in recorder.get_all_metrics()]
    assert len(set(ids)) == len(ids) == 32


def test_the_old_code_reads_what_we_write(empty: BenchmarkRecorder) -> None:
    empty.record_execution("a", 1.5, True, "v1")
    (record,) = json.loads(empty.storage_path.read_text())["metrics"]
    for name in ("timestamp", "version", "task_id", "task_description", "execution_time", "success", "cost_estimated"):
        assert record[name] is not None
    assert isinstance(record["cost_estimated"], float)


def test_records_are_found_by_version_and_by_agent(recorder: BenchmarkRecorder) -> None:
    assert len(recorder.get_metrics_by_version("v1.0")) == 12
    by_agent = recorder.get_metrics_by_agent("builder_agent")
    assert len(by_agent) == sum(record["agent_selected"] == "builder_agent" for record in old_records())
    assert recorder.get_metrics_by_agent("nobody") == []


def test_the_latest_records_come_first(recorder: BenchmarkRecorder) -> None:
    latest = recorder.get_recent_metrics(limit=3)
    assert [metric.timestamp for metric in latest] == [record["timestamp"] for record in old_records()[:-4:-1]]
    assert len(recorder.get_recent_metrics()) == 10
    assert recorder.get_recent_metrics(0) == []


def test_aggregates_are_of_one_version_or_of_all(recorder: BenchmarkRecorder) -> None:
    records = old_records()
    v1 = [record for record in records if record["version"] == "v1.0"]
    assert recorder.get_success_rate() == pytest.approx(sum(r["success"] for r in records) / len(records))
    assert recorder.get_success_rate("v1.0") == pytest.approx(sum(r["success"] for r in v1) / len(v1))
    assert recorder.get_average_execution_time("v1.0") == pytest.approx(sum(r["execution_time"] for r in v1) / len(v1))
    assert recorder.get_total_cost() == pytest.approx(sum(r["cost_estimated"] for r in records))
    assert recorder.get_total_cost("v1.0") == pytest.approx(sum(r["cost_estimated"] for r in v1))


def test_statistics_have_the_keys_that_its_users_know(recorder: BenchmarkRecorder) -> None:
    statistics = recorder.get_statistics("v1.0")
    assert list(statistics) == [
        "total_tasks",
        "success_rate",
        "avg_execution_time",
        "median_execution_time",
        "p95_execution_time",
        "p99_execution_time",
        "total_cost",
        "avg_cost",
    ]
    assert statistics["total_tasks"] == 12
    assert statistics["avg_cost"] == pytest.approx(statistics["total_cost"] / 12)


def test_the_trend_compares_the_halves_in_time_not_in_the_files_order(empty: BenchmarkRecorder) -> None:
    for day, seconds in ((4, 1.0), (1, 4.0), (3, 1.0), (2, 2.0)):
        empty.record_execution("a", seconds, True, "v1", timestamp=datetime(2026, 1, day))  # noqa: DTZ001
    assert empty.get_execution_time_trend() == {
        "first_half_avg": 3.0,
        "second_half_avg": 1.0,
        "improvement": pytest.approx(2 / 3),
        "trend": "improving",
        "samples": 4,
    }
    assert empty.get_execution_time_trend("v2") is None


def test_a_trend_without_change_is_degrading_as_it_was(empty: BenchmarkRecorder) -> None:
    for _ in range(3):
        empty.record_execution("a", 1.0, True, "v1")
    trend = empty.get_execution_time_trend()
    assert trend is not None
    assert (trend["trend"], trend["improvement"]) == ("degrading", 0.0)


def test_an_empty_recorder_answers_with_zeros(empty: BenchmarkRecorder) -> None:
    assert empty.get_all_metrics() == []
    assert empty.get_recent_metrics() == []
    assert empty.get_success_rate() == empty.get_average_execution_time() == empty.get_total_cost() == 0.0
    assert set(empty.get_statistics().values()) == {0}
    assert empty.get_execution_time_trend() is None
    assert not empty.storage_path.exists()


def test_the_csv_has_the_old_columns_first_and_is_safe_in_a_spreadsheet(
    recorder: BenchmarkRecorder, tmp_path: Path
) -> None:
    recorder.record_execution("=cmd|' /C calc'!A0", 1.0, True, "v3", "-agent", metadata={"a": 'quote " and\nline'})
    recorder.export_to_csv(tmp_path / "new folder" / "metrics.csv")
    with (tmp_path / "new folder" / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:10] == OLD_FIELDS[:10]
    assert len(rows) == 25
    assert rows[-1]["task_description"] == "'=cmd|' /C calc'!A0"
    assert rows[-1]["agent_selected"] == "'-agent"
    assert float(rows[0]["execution_time"]) == old_records()[0]["execution_time"]
    assert json.loads(rows[-1]["metadata"]) == {"a": 'quote " and\nline'}


def test_clearing_keeps_a_backup_and_says_where(recorder: BenchmarkRecorder, old_file: Path) -> None:
    backup = recorder.clear()
    assert recorder.get_all_metrics() == []
    assert [{name: r[name] for name in OLD_FIELDS} for r in json.loads(backup.read_text())["metrics"]] == old_records()
    assert backup.parent == old_file.with_name("metrics.json.d")
    recorder.record_execution("a", 1.0, True, "v1")
    assert len(recorder.get_all_metrics()) == 1


def test_a_metric_goes_round_as_a_dict(recorder: BenchmarkRecorder, tmp_path: Path) -> None:
    other = BenchmarkRecorder(storage_path=tmp_path / "copy.json")
    for metric in recorder.get_all_metrics():
        other.record(BenchmarkMetric(**dataclasses.asdict(metric)))
    assert [m.execution_time for m in other.get_all_metrics()] == [r["execution_time"] for r in old_records()]


def test_a_run_without_a_time_in_an_older_file_counts_but_has_no_part_in_times(tmp_path: Path) -> None:
    runs = [
        {"timestamp": f"2025-01-0{day}T00:00:00", "version": "v", "execution_time": seconds, "success": True}
        for day, seconds in enumerate([4.0, None, 2.0], 1)
    ]
    (tmp_path / "metrics.json").write_text(json.dumps({"metrics": runs}))
    recorder = BenchmarkRecorder(tmp_path / "metrics.json")
    assert (recorder.get_statistics()["total_tasks"], recorder.get_average_execution_time()) == (3, 3.0)
    trend = recorder.get_execution_time_trend()
    assert trend is not None
    assert (trend["first_half_avg"], trend["second_half_avg"], trend["samples"]) == (4.0, 2.0, 2)
    assert [metric.execution_time for metric in recorder.get_recent_metrics(2)] == [2.0, None]
