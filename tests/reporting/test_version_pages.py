from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.reporting.version_pages import list_table, version_table
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark_recorder.reporting.page import Page


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


@pytest.mark.parametrize("render", [render_text, render_markdown])
def test_blanks_at_the_ends_of_a_name_are_shown(render: Callable[[Page], str]) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version in ("v1", "v1 ", " v 1"):
        recorder.record_execution("a task", 1.0, success=True, version=version)
    shown = render((list_table(list(recorder.versions().values())),))
    assert [name for name in ("v1\\x20", "\\x20v 1") if name in shown] == ["v1\\x20", "\\x20v 1"]
