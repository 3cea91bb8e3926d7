"""What all commands share: help, exit codes, errors."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmark_recorder import __version__
from benchmark_recorder.cli import app
from benchmark_recorder.history import History
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.cli.commands import COMMANDS, READING, RECORD, one_line, process, run
from tests.pages import ROOT, commands
from tests.runs import record_runs

NOT_TRIED = {"load", "serve", "sync"}
"""The examples of these need servers, or agents that take minutes."""


def test_the_help_names_every_command_and_the_exit_codes() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert re.findall(r"^  (\w[\w-]+)  ", result.stdout, re.MULTILINE) == sorted([*COMMANDS, "experiment", "vertex"])
    assert "Exit codes: 0 fine" in result.stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in NOT_TRIED])
def test_the_help_of_each_command_has_an_example_that_works(command: str, store: Path) -> None:
    shown = run(command, "--help")
    assert shown.exit_code == 0
    example = re.search(r"Example: benchmark-recorder (.*)$", " ".join(shown.stdout.split()))
    assert example is not None
    run("export", "--format", "jsonl", "--output", "runs.jsonl", "--store", store)  # for import
    rule = '[[tool.benchmark_recorder.alerts.rules]]\nname = "slow"\nversion = "v2.0"\nbaseline = "v1.0"\n'
    Path("pyproject.toml").write_text(rule)  # for watch
    assert run("--store", store, *shlex.split(example[1])).exit_code == 0


@pytest.mark.parametrize("command", [*COMMANDS, "vertex setup", "vertex check"])
def test_the_help_of_each_command_fits_on_one_screen(command: str) -> None:
    lines = run(*command.split(), "--help", COLUMNS="80").stdout.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80


def test_the_help_draws_no_boxes() -> None:
    assert run("list", "--help").stdout.isascii()


def test_no_command_at_all_shows_the_help() -> None:
    assert "Usage:" in run().output


def test_the_version_is_printed() -> None:
    assert run("--version").stdout == f"{__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["list", "--nosuch"],
        ["gate"],
        ["compare", "v1.0"],
        ["compare", "v1.0", "v2.0", "--margin", "0.1"],
        ["compare", "v1.0", "v2.0", "--scope", "x"],
        ["export", "--format", "xml"],
        ["prune"],
        ["prune", "--older-than", "1", "--before", "2020-01-01"],
        ["gate", "v1.0", "v2.0", "--policy", "x"],
    ],
)
def test_wrong_usage_is_exit_2(arguments: list[str], store: Path) -> None:
    result = run("--store", store, *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [*READING.values(), ["export"], RECORD], ids=lambda command: command[0])
def test_a_file_that_is_not_ours_is_exit_4_and_untouched(command: list[str]) -> None:
    Path("other.json").write_text('{"settings": {"a": 1}}')
    result = run(*command, "--store", "other.json")
    assert result.exit_code == (5 if command == ["doctor"] else 4)
    assert "other.json is not a file of benchmark records" in result.output
    assert "Traceback" not in result.output
    assert Path("other.json").read_text() == '{"settings": {"a": 1}}'


@pytest.mark.parametrize("command", [*READING.values(), ["export"], RECORD], ids=lambda command: command[0])
def test_a_folder_is_exit_4(command: list[str], tmp_path: Path) -> None:
    result = run(*command, "--store", tmp_path)
    assert result.exit_code == 4
    assert str(tmp_path) in result.output
    assert "Traceback" not in result.output


def test_a_wrong_setting_is_exit_2_and_says_where_it_came_from() -> None:
    result = run("list", BENCHMARK_RECORDER_DURABILITY="sometimes")
    assert result.exit_code == 2
    assert "BENCHMARK_RECORDER_DURABILITY" in one_line(result)


def test_an_unknown_store_scheme_is_exit_2_without_its_password() -> None:
    result = run("list", "--store", "carrier-pigeon://user:secret@host/db")
    assert result.exit_code == 2
    assert "no store for carrier-pigeon://" in one_line(result)
    assert "secret" not in result.output


def test_a_bug_shows_its_traceback(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(History, "get_historical_metrics", broken)
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(app, ["show", "v1.0", "--store", str(store)], catch_exceptions=False)


def test_as_a_process_it_records_and_reports(tmp_path: Path) -> None:
    for version, duration in (("v1.0", "2.0"), ("v2.0", "1.5")):
        done = process("record", "Fix CSS", "--duration", duration, "--success", "--version", version)
        assert (done.returncode, done.stderr) == (0, "")
    done = process("report", "v1.0", "v2.0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Benchmark report: v1.0, v2.0\n")
    assert done.stdout.endswith(" UTC\n")


def test_as_a_process_it_prints_an_error_in_one_line() -> None:
    done = process("compare", "v1.0", "v2.0", "--metric", "speed")
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"benchmark-recorder: metric: expected one of .*, got 'speed'\n", done.stderr)
    assert process("list").returncode == 4


def test_as_a_process_it_prints_what_the_library_logs() -> None:
    done = process("record", "x" * 5000, "--duration", "1", "--success", "--version", "v")
    assert done.returncode == 0
    assert done.stderr == "benchmark-recorder: recorded, but task was cut from 5,000 to 4,096 characters\n"


def test_an_output_that_cannot_hold_a_character_gets_an_escape_and_no_traceback(tmp_path: Path) -> None:
    with BenchmarkRecorder(tmp_path / "m.json") as recorder:
        record_runs(recorder, {"v漢": (1.0, 0.0)}, tasks=1, repeats=2)
    done = process("show", "v漢", "--store", "m.json", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("v\\u6f22\n")


def test_a_reader_that_goes_away_causes_no_traceback(store: Path) -> None:
    command = [sys.executable, "-m", "benchmark_recorder", "export", "--format", "jsonl", "--store", str(store)]
    root = str(ROOT)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        complaint = child.stderr.read()
    assert b"Traceback" not in complaint


def test_the_page_shows_every_command() -> None:
    """And ``tests/test_docs.py`` runs what it shows."""
    shown = [command.line.split() for command in commands(ROOT / "docs" / "cli.md")]
    assert {words[1] for words in shown if words[0] == "benchmark-recorder"} == set(COMMANDS)
