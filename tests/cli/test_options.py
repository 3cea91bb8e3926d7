"""The options that several commands share."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from tests.cli.commands import QUERIES, READING, RECORD, one_line, run
from tests.runs import record_runs


def test_the_default_place_is_under_the_working_directory() -> None:
    assert run("record", "x", "--duration", "1", "--success", "--version", "v").exit_code == 0
    assert len(json.loads(Path("benchmarks/metrics.json").read_text())["metrics"]) == 1


def test_the_store_option_goes_before_or_after_the_command(store: Path) -> None:
    assert run("--store", store, "list").stdout == run("list", "--store", store).stdout != ""
    assert run("--store", "other.json", "list", "--store", store).exit_code == 0


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[0])
@pytest.mark.parametrize("command", [*(name for name in READING if name != "doctor"), "export"])
def test_every_reading_command_takes_every_query_option(command: str, query: list[str], store: Path) -> None:
    result = run(*READING.get(command, ["export"]), *query, "--store", store)
    assert result.exit_code in {0, 1, 4}
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Error" not in result.stderr


def test_a_query_narrows_what_is_counted(store: Path) -> None:
    def runs(*query: str) -> int:
        answer = json.loads(run("list", "--json", *query, "--store", store).stdout)
        return sum(version["count"] for version in answer["versions"])

    assert runs() == 130
    assert runs("--version", "v1.0") == 65
    assert runs("--version", "v1.0", "--version", "v2.0") == 130
    assert runs("--task-id", "task-03") == runs("--task", "Task number 3") == 10
    assert runs("--success") + runs("--failure") == 130
    assert runs("--metadata", "tier=gold", "--metadata", "n=3") == 130
    assert runs("--metadata", 'n="3"') == 0


@pytest.mark.parametrize("command", ["compare", "gate", "claims"])
def test_a_version_against_itself_is_wrong_usage(command: str, store: Path) -> None:
    result = run(command, "v1.0", "v1.0", "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert one_line(result).startswith(
        "benchmark-recorder: v2: the same version as v1; to compare a version with its own past, use"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare", "v1.0", "v2.0", "--metric", "speed"],
        ["compare", "v1.0", "v2.0", "--metric", "cost", "--margin", "7"],
        ["compare", "v1.0", ""],
        ["gate", "v1.0", ""],
        ["report", "v1.0", "--format", "pdf"],
        ["list", "--since", "soon"],
        ["list", "--last-days", "-1"],
        ["list", "--since", "2026-02-01", "--until", "2026-01-01"],
        ["list", "--metadata", "x"],
    ],
)
def test_a_wrong_question_is_one_line_and_exit_2(arguments: list[str], store: Path) -> None:
    result = run(*arguments, "--store", store)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.match(r"benchmark-recorder: \S+: expected ", one_line(result))


@pytest.mark.parametrize("command", [*READING, "export", "record", "sync", "prune", "import"])
def test_every_command_that_takes_a_store_takes_a_journal(command: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    with BenchmarkRecorder(elsewhere) as recorder:
        record_runs(recorder, repeats=3)
    words = {**READING, "export": ["export", "--output", "runs.jsonl"], "record": RECORD, "sync": ["sync"]}
    words |= {"prune": ["prune", "--older-than", "1"], "import": ["import", str(elsewhere)]}
    url = "mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=50"
    done = run(*words[command], "--store", url, "--journal", elsewhere, BENCHMARK_RECORDER_DELIVER="off")
    assert done.exit_code == {"doctor": 5, "export": 4}.get(command, 0), done.output  # an export needs all records
    assert not (tmp_path / "benchmarks" / "metrics.json").exists()
