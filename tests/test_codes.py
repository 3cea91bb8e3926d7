"""Every command over outputs that cannot be written, a missing home and files that vanish: what its exit code says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_recorder.codes import Code
from benchmark_recorder.recorder import BenchmarkRecorder
from tests.cli.commands import COMMANDS, READING, RECORD
from tests.pages import ROOT
from tests.runs import record_runs

CHANGING = {
    "record": RECORD,
    "import": ["import", "some.jsonl"],
    "sync": ["sync", "--from", "runs.json", "--to", "copy.json"],
    "prune": ["prune", "--before", "2000-01-01", "--yes"],
    "rename-version": ["rename-version", "v", "w", "--yes"],
}
"""Commands that say on stdout what they have done."""
LOAD = ["load", "my_agents:Agent", "--tasks", "my_agents:TASKS", "--rate", "40", "--for", "0.1s", "--turns", "1"]
ASKING = {**READING, "export": ["export"], "load": LOAD}
FILES = {
    "export": ["export", "--output"],
    "report": ["report", "v1.0", "v2.0", "--output"],
    "gate": ["gate", "v1.0", "v2.0", "--output"],
    "gate --comment": ["gate", "v1.0", "v2.0", "--comment"],
}
AGENTS = """
class Agent:
    version = "v1.0"
    async def execute_task(self, task):
        return {"success": True}

TASKS = [{"id": "t", "description": "Do it"}]
"""
PRINTING = {"--help": ["--help"], "--version": ["--version"], "list --help": ["list", "--help"]}

RUNNER = """
import json, os, sys

from typer.testing import CliRunner

from benchmark_recorder.cli import app, main

for command in json.loads(sys.argv[2]):
    CliRunner().invoke(app, command)
ends = []
for arguments in json.loads(sys.argv[1]):
    ours, theirs = os.pipe()
    if not (child := os.fork()):
        os.close(ours)
        {child}
        sys.argv = ["benchmark-recorder", *arguments]
        main()
    os.close(theirs)
    complaint = open(ours).read()
    ends.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), complaint])
print(json.dumps(ends))
"""
"""Each command in a fork that ends as a process does; ``{child}`` is what it finds. Forks find everything imported."""

FULL = "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)"
LEFT = "reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 1)"
CLOSED = "sys.stdout = None; os.close(1)"
QUIET = "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)"
TOLD = "os.dup2(theirs, 2)"
NO_HOME = "os.environ.pop('HOME', None); os.getuid = lambda: 54321"


@pytest.fixture(autouse=True)
def _with_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", str(tmp_path / "runs.json"))
    for name in [*os.environ]:
        if name.startswith("GITHUB_"):
            monkeypatch.delenv(name)
    with BenchmarkRecorder("runs.json") as recorder:
        record_runs(recorder, repeats=3)
        recorder.record_execution("old", 1.0, True, "v0.9", timestamp="1999-01-01")
    line = {"version": "v1.0", "task": "t", "duration": 1.0, "success": True, "timestamp": "2026-01-01"}
    Path("some.jsonl").write_text(json.dumps(line))
    Path("my_agents.py").write_text(AGENTS)


def ends(commands: list[list[str]], *child: str) -> list[tuple[int, str]]:
    """Exit code and stderr of each command."""
    program = RUNNER.replace("{child}", "; ".join(child))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = [READING["gate"], READING["selftest"], ["export", "--metadata", "x=1"]]
    arguments = [sys.executable, "-c", program, json.dumps(commands), json.dumps(first)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
    return [(code, complaint) for code, complaint in json.loads(done.stdout)]


def a_line(complaint: str) -> str:
    (line,) = complaint.splitlines()
    assert line.startswith("benchmark-recorder: ")
    return line


def test_every_command_is_among_those_that_are_tried() -> None:
    others = {"serve", "watch"}  # one does not end by itself, the other needs rules: see tests/serve, tests/alerts
    assert {*ASKING, *CHANGING, *others} == set(COMMANDS)


@pytest.mark.parametrize("stdout", [FULL, LEFT, CLOSED], ids=["full", "left", "closed"])
def test_an_answer_that_cannot_be_written_is_code_4(stdout: str) -> None:
    commands = {**ASKING, **PRINTING}
    for name, (code, complaint) in zip(commands, ends([*commands.values()], stdout, TOLD), strict=True):
        assert (name, code) == (name, Code.NO_DATA)
        assert a_line(complaint).startswith("benchmark-recorder: cannot write to standard output: ")


@pytest.mark.parametrize("stdout", [FULL, LEFT, CLOSED], ids=["full", "left", "closed"])
def test_a_command_that_has_done_its_work_says_so_on_stderr_and_has_not_failed(stdout: str) -> None:
    for name, (code, complaint) in zip(CHANGING, ends([*CHANGING.values()], stdout, TOLD), strict=True):
        assert (name, code) == (name, Code.FINE)
        assert "(cannot write to standard output: " in a_line(complaint)
    assert len(json.loads(Path("runs.json").read_text())["metrics"]) == 80  # one more by record and import, one pruned
    assert "old" not in Path("runs.json").read_text()


def test_what_cannot_be_said_on_stderr_changes_no_code() -> None:
    full = "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)"
    commands = [*ASKING.values(), *CHANGING.values(), ["nosuch"], ["show", "v9"], ["list", "--metadata", "x"]]
    codes = [code for code, _ in ends(commands, QUIET, full)]
    assert codes == [code for code, _ in ends(commands, QUIET)]
    assert codes[-3:] == [Code.WRONG_USAGE, Code.NO_DATA, Code.WRONG_USAGE]
    assert Code.BLOCKED not in codes


def test_a_file_that_cannot_be_written_is_code_4() -> None:
    outputs = (".", "missing/it", "runs.json/it", "/dev/full", 300 * "x")
    commands = [[*words, output] for words in FILES.values() for output in outputs]
    for command, (code, complaint) in zip(commands, ends(commands, QUIET, TOLD), strict=True):
        assert (command, code) == (command, Code.NO_DATA)
        assert f": cannot write {command[-1][:100]}" in a_line(complaint)


def test_a_folder_without_the_right_to_write_is_code_4(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    nobody = "os.getuid() or os.setresuid(65534, 65534, 65534)"
    commands = [[*words, f"{closed}/it{'.csv' if words[0] == 'export' else '.md'}"] for words in FILES.values()]
    for code, complaint in ends(commands, QUIET, TOLD, nobody):
        assert code == Code.NO_DATA
        assert a_line(complaint).endswith(": Permission denied")


@pytest.mark.parametrize(("place", "child"), [("~nosuchuser/u.json", ""), ("~/u.json", NO_HOME)])
def test_a_missing_home_directory_is_code_4(place: str, child: str) -> None:
    commands = {name: [*words, "--store", place] for name, words in {**ASKING, **CHANGING}.items() if name != "sync"}
    for name, (code, complaint) in zip(commands, ends([*commands.values()], QUIET, TOLD, child), strict=True):
        assert (name, code) == (name, Code.NO_DATA)
        assert f"{place}: there is no such home directory" in a_line(complaint)


def test_a_working_directory_that_vanishes_is_code_4() -> None:
    gone = "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    commands = {name: [*words, "--store", "u.json"] for name, words in {**ASKING, **CHANGING}.items() if name != "sync"}
    for name, (code, complaint) in zip(commands, ends([*commands.values()], QUIET, TOLD, gone), strict=True):
        assert (name, code) == (name, Code.NO_DATA)
        assert "the working directory" in a_line(complaint)


def test_a_file_that_vanishes_is_code_4() -> None:
    missing = [
        ["import", "gone.jsonl"],
        ["sync", "--from", "gone.json", "--to", "copy.json"],
        ["gate", "v1.0", "v2.0", "--baseline-file", "gone.json"],
        *([*words, "--store", "gone.json"] for name, words in ASKING.items() if name not in {"doctor", "load"}),
    ]
    for code, complaint in ends(missing, QUIET, TOLD):
        assert code == Code.NO_DATA
        assert re.search("gone.json|v[12].0", a_line(complaint))


def test_an_error_of_this_package_is_not_the_code_of_a_gate_that_blocks() -> None:
    broken = "import benchmark_recorder.history as h; h.History.check_gate = lambda *a, **k: 1 / 0"
    ((code, complaint),) = ends([["gate", "v1.0", "v2.0"]], QUIET, TOLD, broken)
    assert code == Code.BUG
    assert complaint.rstrip().endswith("ZeroDivisionError: division by zero")
