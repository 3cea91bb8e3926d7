"""The CI example: valid for GitHub, with least rights, and its commands do what its steps say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from benchmark_recorder import BenchmarkRecorder
from tests.pages import ROOT, blocks
from tests.runs import record_runs

PATH = ROOT / "examples" / "github-actions.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(PATH.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow["jobs"]["benchmark"]["steps"]
    return found


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_a_workflow_by_githubs_schema(tmp_path: Path) -> None:
    done = check_schema(PATH)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(PATH.read_text(encoding="utf-8").replace("runs-on:", "runs_on:"))
    assert check_schema(wrong).returncode == 1


def test_it_may_read_and_nothing_else(workflow: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    [checkout] = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"] == {"persist-credentials": False}
    assert "pull_request_target" not in workflow["on"]


def test_no_expression_of_others_stands_in_a_script(steps: list[dict[str, Any]]) -> None:
    assert not [step["run"] for step in steps if "${{" in step.get("run", "")]


def test_its_minute_is_not_the_crowded_one(workflow: dict[str, Any]) -> None:
    [schedule] = workflow["on"]["schedule"]
    minute = int(schedule["cron"].split()[0])
    assert minute % 2 == 1
    assert minute % 15 != 0


def test_its_actions_are_of_githubs_and_of_a_major_version_in_service(steps: list[dict[str, Any]]) -> None:
    used = dict(step["uses"].split("@v") for step in steps if "uses" in step)
    least = {"actions/checkout": 7, "actions/setup-python": 7, "actions/upload-artifact": 7}
    assert used.keys() == least.keys()
    assert all(int(used[name]) >= version for name, version in least.items())


def test_its_scripts_name_files_that_are_there(steps: list[dict[str, Any]]) -> None:
    for step in steps:
        script = step.get("run", "")
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        for path in re.findall(r"(?:tests|examples)/[\w/.-]+\.py", script):
            assert (ROOT / path).is_file()


@pytest.mark.parametrize(("slower", "status"), [(0.7, 0), (1.5, 1)])
def test_the_gate_decides_the_job_and_both_pages_are_in_its_summary(
    slower: float, status: int, steps: list[dict[str, Any]], tmp_path: Path
) -> None:
    with BenchmarkRecorder(tmp_path / "benchmarks" / "metrics.json") as recorder:
        record_runs(recorder, {"v1.0": (1.0, 0.05), "v2.0": (slower, 0.05)})
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    scripts = [step["run"] for step in steps if "benchmark-recorder" in step.get("run", "")]
    done = [
        subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for script in scripts
    ]
    assert [one.returncode for one in done] == [status, 0], done
    assert ("::error title=Benchmark gate" in done[0].stderr) == bool(status)
    headings = re.findall(r"^# .*$", (tmp_path / "summary.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == 2, headings
    [upload] = [step["with"] for step in steps if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert all((tmp_path / path).is_file() for path in upload["path"].split())


def test_the_page_shows_it_whole() -> None:
    shown = [block.text for block in blocks(ROOT / "docs" / "gates.md", "yaml")]
    assert PATH.read_text(encoding="utf-8") in shown
