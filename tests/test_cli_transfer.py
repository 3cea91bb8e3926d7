from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from benchmark_recorder.cli import app
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.ci import MARKER
from tests.runs import record_runs


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("GITHUB_"):
            monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "runs.json"
    with BenchmarkRecorder(path) as recorder:
        record_runs(recorder)
    return path


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)


# import ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_what_is_exported_is_imported_and_adds_nothing_twice(form: str, store: Path, tmp_path: Path) -> None:
    run("export", "--format", form, "--output", "x", "--store", store)
    first = run("import", "x", "--store", "other.json")
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout == f"130 records in x ({form}), 130 of them new in {tmp_path / 'other.json'}\n"
    assert "130 records in x" in run("import", "x", "--store", "other.json").stdout
    assert json.loads(run("import", "x", "--json", "--store", "other.json").stdout)["imported"] == {
        "form": form,
        "read": 130,
        "new": 0,
        "notes": [],
        "refused": {},
    }
    for command in (["list"], ["compare", "v1.0", "v2.0"]):
        assert run(*command, "--store", "other.json").stdout == run(*command, "--store", store).stdout


def test_a_wrong_line_is_one_line_of_complaint_and_makes_no_store(store: Path) -> None:
    Path("x.csv").write_text("version,duration,success,timestamp,task\nv1,1,1,2026-01-01,a\nv1,fast,1,2026-01-01,a\n")
    result = run("import", "x.csv", "--store", "other.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "benchmark-recorder: x.csv, line 3: execution_time: expected a finite number of seconds, zero or more, "
        "got 'fast'\n"
    )
    assert not Path("other.json").exists()


def test_a_file_that_cannot_be_imported_is_exit_4() -> None:
    assert run("import", "nowhere").exit_code == 4
    Path("x").write_text("hello")
    result = run("import", "x")
    assert result.exit_code == 4
    assert result.stderr.startswith("benchmark-recorder: x: expected JSON lines, CSV ")
    Path("x").write_text('{"schema_version": 1, "metrics": []}')
    assert run("import", "x").exit_code == 4


def test_what_was_changed_is_told_and_the_import_is_done() -> None:
    line = {"version": "v1", "task": "x" * 5000, "duration": 1, "success": True, "timestamp": "2026-01-01"}
    Path("x").write_text(json.dumps(line))
    result = run("import", "x")
    assert result.exit_code == 0
    assert result.stderr == "benchmark-recorder: line 1: task_description was cut from 5,000 to 4,096 characters\n"


def test_an_import_heeds_the_settings_of_recording(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("import", store, "--store", "other.json", BENCHMARK_RECORDER_DISABLED="1")
    assert "not imported: recording is switched off" in result.stderr
    assert not Path("other.json").exists()
    Path("pyproject.toml").write_text("[tool.benchmark_recorder]\nstore_task_text = false\n")
    assert run("import", store, "--store", "other.json").exit_code == 0
    assert {document["task_description"] for document in json.loads(Path("other.json").read_text())["metrics"]} == {""}


# export ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "figures"), [("customSmallerIsBetter", 4), ("customBiggerIsBetter", 2)])
def test_the_figures_of_one_version_go_to_a_chart(form: str, figures: int, store: Path) -> None:
    shown = run("export", "--format", form, "--version", "v2.0", "--store", store)
    assert shown.exit_code == 0
    assert len(json.loads(shown.stdout)) == figures
    none = run("export", "--format", form, "--store", store)
    assert none.exit_code == 2
    assert "name it" in none.stderr
    assert run("export", "--format", form, "--version", "v9", "--store", store).exit_code == 4


def test_runs_are_exported_as_test_cases(store: Path) -> None:
    result = run("export", "--format", "junit", "--version", "v1.0", "--output", "x.xml", "--store", store)
    assert result.stderr == "wrote 65 records to x.xml\n"
    assert len(list(ET.parse("x.xml").iter("testcase"))) == 65


# gate -----------------------------------------------------------------------------------------------------------------


def test_a_gate_writes_the_body_of_a_comment(store: Path) -> None:
    result = run("gate", "v2.0", "v1.0", "--comment", "c.md", "--store", store)
    assert result.exit_code == 1
    assert result.stdout.startswith("Gate: blocked: v1.0 against v2.0\n")
    assert Path("c.md").read_text().startswith(f"{MARKER}\n\n# Gate: blocked: `v1.0` against `v2.0`\n")
    assert run("gate", "v1.0", "v9", "--comment", "c.md", "--store", store).exit_code == 4
    assert "# Gate: no data" in Path("c.md").read_text()


def test_a_comment_never_overwrites_the_store(store: Path) -> None:
    before = store.read_bytes()
    result = run("gate", "v1.0", "v2.0", "--comment", store, "--store", store)
    assert result.exit_code == 2
    assert "--comment" in result.stderr
    assert store.read_bytes() == before


@pytest.mark.parametrize(
    ("target", "state"), [("20", "pass"), ("20%", "pass"), ("60%", "warn"), ("none", "pass"), ("-5", "pass")]
)
def test_the_alert_on_speed_has_a_target(target: str, state: str, store: Path) -> None:
    answer = run("gate", "v1.0", "v2.0", "--target", target, "--json", "--store", store)
    assert json.loads(answer.stdout)["state"] == state


@pytest.mark.parametrize("target", ["fast", "100", "nan", "inf", "", "%"])
def test_a_target_that_is_no_percentage_is_wrong_usage(target: str, store: Path) -> None:
    result = run("gate", "v1.0", "v2.0", "--target", target, "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"benchmark-recorder: --target: expected a percentage below 100, or none, got {target!r}\n"
    )


def test_a_summary_that_cannot_be_written_is_told_and_the_verdict_stands(store: Path, tmp_path: Path) -> None:
    result = run("gate", "v2.0", "v1.0", "--store", store, GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "s.md"))
    assert result.exit_code == 1
    assert result.stderr.startswith("benchmark-recorder: GITHUB_STEP_SUMMARY: cannot write ")
