from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmark_recorder.cli.load import rate_of
from benchmark_recorder.errors import ConfigurationError
from benchmark_recorder.harness import LoadSettings
from tests.cli.commands import one_line, run

AGENTS = """
import asyncio

TASKS = [{"id": "t", "description": "Do it"}]

class Agent:
    def __init__(self, version="v1", seconds=0.01):
        self.version, self.seconds = version, seconds

    async def execute_task(self, task):
        await asyncio.sleep(self.seconds)
        return {"success": True, "cost": 0.01}

both = [Agent("v1"), Agent("v2")]
free = Agent("free")

def made():
    return Agent("made")
"""


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working directory."""
    name = f"agents_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


def test_it_puts_orchestrators_under_load_and_records_the_runs(agents: str) -> None:
    result = run(
        "load", f"{agents}:both", "--rate", "40/s", "--for", "500ms", "--turns", "1", "--tasks", f"{agents}:TASKS"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Load: v1, v2\n")
    assert "v2 against v1 at 40/s" in result.stdout
    listed = json.loads(run("list", "--json").stdout)["versions"]
    assert {version["version"] for version in listed} == {"v1", "v2"}


def test_its_answer_for_programs_has_every_step(agents: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text('[{"id": "t", "description": "Do it"}]')
    asked = ["load", f"{agents}:Agent", f"{agents}:made", "--rate", "1800/min", "--rate", "40", "--for", "0.2s"]
    result = run(*asked, "--turns", "1", "--tasks", "tasks.json", "--json")
    answer = json.loads(result.stdout)
    assert answer["schema_version"] == 1
    assert [(step["rate"], step["version"]) for step in answer["load"]["steps"]] == [
        *((30, "v1"), (30, "made"), (40, "v1"), (40, "made")),
    ]
    assert answer["load"]["settings"]["steps"] == [30, 40]


@pytest.mark.parametrize(("ending", "begins"), [("md", "# Load: "), ("html", "<!doctype html>"), ("json", "{")])
def test_it_writes_a_file_in_the_form_of_its_ending(agents: str, tmp_path: Path, ending: str, begins: str) -> None:
    asked = ["load", f"{agents}:free", "--rate", "40", "--for", "0.2s", "--turns", "1", "--tasks", f"{agents}:TASKS"]
    assert run(*asked, "--output", f"load.{ending}").exit_code == 0
    assert (tmp_path / f"load.{ending}").read_text().lower().startswith(begins.lower())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere:x"], "cannot import 'nowhere'"),
        (["json"], "expected module:name"),
        (["json:nothing"], "'json' has no 'nothing'"),
        (["json:loads", "--rate", "fast"], "--rate: expected runs in a time, such as 50/s"),
        (["{}:free", "--rate", "0"], "rate: expected runs a second above 0"),
        (["{}:free", "--for", "long"], "--for: expected a time, such as 90s, 2m or 1h"),
        (["{}:free", "--for", "0"], "duration: expected seconds above 0"),
        (["{}:free", "--tasks", "gone.json"], "gone.json: No such file"),
        (["{}:TASKS"], "a dict without a 'version'"),
        (["{}:free", "{}:free"], "an earlier one also has the version"),
    ],
)
def test_what_cannot_be_run_is_one_line(agents: str, arguments: list[str], says: str) -> None:
    result = run("load", *(argument.format(agents) for argument in arguments))
    assert result.exit_code in {2, 4}
    assert says in one_line(result)


@pytest.mark.parametrize(
    ("text", "rate"), [("50/s", 50), ("50", 50), (" 90 / min", 1.5), ("36/h", 0.01), ("1/ms", 1000), ("2e2/S", 200)]
)
def test_rates_are_in_any_unit_of_time(text: str, rate: float) -> None:
    assert rate_of(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "/s", "50/d", "50 60", "1.2.3/s"])
def test_what_is_no_rate_is_an_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--rate: "):
        rate_of(text)


def test_the_settings_of_the_command_are_those_of_the_function() -> None:
    options = run("load", "--help").stdout
    missing = {name for name in LoadSettings.__annotations__ if f"--{name.replace('_', '-')}" not in options}
    assert missing == {"steps", "duration", "warm_up", "max_queue", "progress", "clock"}
