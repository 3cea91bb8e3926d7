"""An empty folder for each test, and a store of runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from tests.runs import record_runs


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith(("BENCHMARK_RECORDER_", "GITHUB_")):
            monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.json"
    with BenchmarkRecorder(path) as recorder:
        record_runs(recorder, metadata={"tier": "gold", "n": 3})
    return path
