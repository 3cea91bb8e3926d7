from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder.reporting.ci import MOST_SUMMARY_BYTES, append_summary, commands
from tests.runs import record_runs

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_recorder.analysis import GateResult


def gate(slower: float, **settings: float) -> GateResult:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v1": (1.0, 0.1), "v2": (slower, 0.05)})
    return recorder.check_gate("v1", "v2", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("slower", [0.5, 0.95, 1.0, 2.0])
def test_annotations_are_of_verdicts_alone_and_below_ten_of_a_kind(slower: float) -> None:
    result = gate(slower, coverage=10)
    told = [command.partition(" ")[0] for command in commands(result)]
    assert told.count("::error") == (1 if result.state == "block" else 0)
    assert told.count("::warning") == len(told) - told.count("::error") <= 1 + len(result.alerts) <= 3


def test_a_gate_that_passes_annotates_nothing() -> None:
    assert list(commands(gate(0.5))) == []


def test_a_summary_stays_below_what_github_takes_however_often_it_is_appended_to(tmp_path: Path) -> None:
    place = tmp_path / "summary.md"
    warned = gate(2.0, coverage=10)
    long = replace(warned, alerts=warned.alerts * 2000)
    for _ in range(40):
        append_summary(long, {"GITHUB_STEP_SUMMARY": str(place)})
    assert MOST_SUMMARY_BYTES < 1024 * 1024
    assert place.stat().st_size < MOST_SUMMARY_BYTES + 40 * 100
    assert place.read_text().endswith("did not fit here.\n")


def test_outside_of_github_there_is_no_summary(tmp_path: Path) -> None:
    append_summary(gate(2.0), {})
    assert list(tmp_path.iterdir()) == []
