"""Ctrl-C: what a command says was done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_recorder.cli import sync
from benchmark_recorder.codes import Code
from benchmark_recorder.history import History
from benchmark_recorder.stores.json_file import JSONFileStore
from tests.cli.commands import READING, one_line, run
from tests.pages import ROOT


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_import_says_how_many_are_in_the_store_and_that_re_running_is_safe(tmp_path: Path) -> None:
    with Path("many.jsonl").open("w", encoding="utf-8") as file:
        for n in range(60_000):
            line = {"version": "v1", "task": "t", "duration": 1.0 + n, "success": True, "timestamp": "2026-01-01"}
            file.write(f"{json.dumps(line)}\n")
    command = [sys.executable, "-m", "benchmark_recorder", "import", "many.jsonl", "--store", "m.json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as child:
        while not (tmp_path / "m.json").exists() or (tmp_path / "m.json").stat().st_size < 400_000:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        complaint = child.stderr.read()
    assert child.returncode == Code.INTERRUPTED
    start, _, rest = complaint.partition(" records were imported; ")
    said = int(start.removeprefix("benchmark-recorder: interrupted: at least ").replace(",", ""))
    assert rest == "re-running is safe and does the rest\n"
    there = len(json.loads(Path("m.json").read_text())["metrics"])
    assert 0 < said <= there < 60_000
    again = run("import", "many.jsonl", "--store", "m.json")
    assert f"{60_000 - there:,} of them new" in again.stdout


@pytest.mark.parametrize("command", [name for name in READING if name != "doctor"])
def test_an_interrupted_question_changed_nothing(command: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("summarize", "scan"):
        monkeypatch.setattr(JSONFileStore, name, interrupt)
    result = run(*READING[command], "--store", store)
    assert result.exit_code == Code.INTERRUPTED
    assert one_line(result) == "benchmark-recorder: interrupted: nothing was changed"


@pytest.mark.parametrize(
    ("command", "method"), [(["doctor", "--repair"], "repair"), (["prune", "--older-than", "1", "--yes"], "prune")]
)
def test_an_interrupted_rewrite_says_that_re_running_is_safe(
    command: list[str], method: str, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(JSONFileStore, method, interrupt)
    result = run(*command, "--store", store)
    assert result.exit_code == Code.INTERRUPTED
    assert one_line(result).endswith("interrupted: the file is replaced as a whole or not at all; re-running is safe")


def test_an_interrupted_copy_says_how_many_were_copied(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_: object, __: object, report: Callable[[int], None]) -> None:
        report(1000)
        report(3)
        raise KeyboardInterrupt

    monkeypatch.setattr(sync, "copy", copy)
    result = run("sync", "--from", store, "--to", "copy.json")
    assert result.exit_code == Code.INTERRUPTED
    assert "at least 1,003 records were copied; re-running is safe" in one_line(result)


def test_an_interrupted_report_leaves_the_file_as_it_was(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("r.txt").write_text("old")
    monkeypatch.setattr(History, "generate_report", interrupt)
    assert run("report", "v1.0", "--output", "r.txt", "--store", store).exit_code == Code.INTERRUPTED
    assert Path("r.txt").read_text() == "old"
