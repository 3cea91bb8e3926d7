from __future__ import annotations

import logging
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from benchmark_recorder.fields import FIELDS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.recording import salvage
from benchmark_recorder.records import BenchmarkMetric
from benchmark_recorder.stores.memory import MemoryStore


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> BenchmarkRecorder:
    monkeypatch.setattr(salvage, "_said", salvage._Said())
    monkeypatch.setattr("atexit.register", lambda act: act)
    return BenchmarkRecorder(store=MemoryStore(), version="v1", strict=True)


def only(recorder: BenchmarkRecorder) -> BenchmarkMetric:
    (metric,) = recorder.get_all_metrics()
    return metric


OPTIONAL = [
    *(f.argument for f in FIELDS if f.argument is not None and f.absent != "never" and f.kind != "time"),
    "cost",
    "metadata",
    "idempotency_key",
]


@pytest.mark.parametrize("wrong", [object(), -1, [1], float("nan"), b"x"], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_wrong_optional_field_does_not_cost_the_run(recorder: BenchmarkRecorder, name: str, wrong: Any) -> None:
    with recorder.measure("a task") as run:
        setattr(run, name, wrong)
    assert (only(recorder).task_description, only(recorder).version, only(recorder).dropped) == ("a task", "v1", [name])
    assert recorder.health().lost == recorder.health().invalid == 0


def test_a_cost_that_was_dropped_is_unknown(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("a task") as run:
        run.cost = "0.1"  # type: ignore[assignment]
    assert (only(recorder).cost_estimated, only(recorder).cost_known) == (0.0, None)
    assert math.isnan(recorder.get_historical_metrics("v1").mean_cost)
    assert recorder.get_historical_metrics("v1", dropped="cost").count == 1
    assert recorder.get_historical_metrics("v1", dropped=["model"]).count == 0


@pytest.mark.parametrize(
    "wrong", ["no", None, 2, object(), np.array([True, False])], ids=lambda value: type(value).__name__
)
def test_a_success_that_cannot_be_told_is_none(recorder: BenchmarkRecorder, wrong: Any) -> None:
    with recorder.measure("a task") as run:
        run.success = wrong
    assert (only(recorder).success, only(recorder).error_type) == (False, "InvalidResult")
    assert only(recorder).dropped == ["success"]


def test_what_no_record_can_do_without_is_replaced(recorder: BenchmarkRecorder) -> None:
    with recorder.measure(["not", "a", "text"], "v2") as run:  # type: ignore[arg-type]
        run.version = ""
        run.duration = -1.0
    metric = only(recorder)
    assert (metric.task_description, metric.version) == ("(invalid task)", "v2")
    assert metric.execution_time >= 0
    assert sorted(metric.dropped or ()) == ["duration", "task", "version"]


def test_a_wrong_version_is_the_recorders(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("a task", 3):  # type: ignore[arg-type]
        pass
    assert (only(recorder).version, only(recorder).dropped) == ("v1", ["version"])


def test_of_metadata_only_what_is_wrong_is_left_out(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("a task") as run:
        run.metadata = {"usage": object(), "right": [1, {"deep": None}], "at": {"deep": {1, 2}}}
    assert only(recorder).metadata == {"right": [1, {"deep": None}]}
    assert only(recorder).dropped == ["metadata.usage", "metadata.at"]


def test_metadata_that_is_too_large_is_left_out(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("a task") as run:
        run.metadata = {str(number): "x" * 4000 for number in range(10)}
    assert (only(recorder).metadata, only(recorder).dropped) == ({}, ["metadata"])


def test_everything_wrong_at_once_is_still_a_run(recorder: BenchmarkRecorder) -> None:
    with recorder.measure("a task") as run:
        for name in (*OPTIONAL, "task", "version", "success", "duration"):
            setattr(run, name, object())
    assert (only(recorder).task_description, only(recorder).success) == ("(invalid task)", False)


def test_it_is_said_the_first_time_and_then_at_most_once_a_minute(
    recorder: BenchmarkRecorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(salvage, "monotonic", lambda: now)

    def wrong() -> None:
        with recorder.measure("a task") as run:
            run.cost = -1.0

    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            wrong()
        now += 61
        wrong()
    said = [line for line in caplog.messages if line.startswith("recorded without cost: cost: expected")]
    assert len(said) == 2
    assert recorder.health().normalised == 6


def test_a_program_without_logging_is_told_at_its_end() -> None:
    program = """
from benchmark_recorder import BenchmarkRecorder, MemoryStore
recorder = BenchmarkRecorder(store=MemoryStore(), version="v1")
for number in range(3):
    with recorder.measure("a task") as run:
        run.cost, run.model = "0.1", None if number else 3
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "RuntimeWarning: 3 runs recorded without fields that were wrong: cost (3), model (1)" in done.stderr
