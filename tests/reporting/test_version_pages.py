from __future__ import annotations

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.reporting.version_pages import list_table, version_table
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs


def test_a_version_without_costs_and_routes_has_no_rows_for_them() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v": (1.0, 0.0)}, tasks=1, repeats=3, cost=None, expected_agent=None)
    text = render_text((version_table([recorder.get_historical_metrics("v")]),))
    assert "cost" not in text
    assert "routing accuracy" not in text
    assert "runs" in text


def test_a_version_without_a_success_has_no_cost_per_success() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v": (1.0, 1.0)}, tasks=1, repeats=3)
    lines = render_text((version_table([recorder.get_historical_metrics("v")]),)).splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("cost per success")] == ["-"]


def test_the_list_has_a_line_for_each_version() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    summaries = [recorder.get_historical_metrics(version) for version in ("v1.0", "v2.0")]
    lines = render_text((list_table(summaries),)).splitlines()
    assert [line.split()[0] for line in lines] == ["version", "v1.0", "v2.0"]
