"""``vertex setup`` and ``vertex check`` from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from benchmark_recorder.cli import app
from benchmark_recorder.cli.maintain import commands
from tests.fakes.google_cloud import FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """An empty project."""
    with google_cloud() as cloud:
        yield cloud


def run(cloud: FakeGoogleCloud, *arguments: str) -> Result:
    project = ["--project", "demo-project"]
    return CliRunner().invoke(commands, [*arguments, *project], obj=cloud.store())


def test_setup_says_what_it_does_and_check_agrees(cloud: FakeGoogleCloud) -> None:
    assert "would be created" in run(cloud, "setup", "--dry-run").stdout
    assert run(cloud, "check").exit_code == 4
    done = run(cloud, "setup")
    assert done.exit_code == 0, done.output
    assert "table demo-project.benchmarks.benchmark_metrics: created" in done.stdout
    assert "created" not in run(cloud, "setup").stdout
    done = run(cloud, "check")
    assert done.exit_code == 0
    assert all(line.endswith(": is as it should be") for line in done.stdout.splitlines())


def test_check_names_the_fix_for_people_and_for_programs(cloud: FakeGoogleCloud) -> None:
    done = run(cloud, "check")
    assert "does not exist\n  -> run `benchmark-recorder vertex setup --project demo-project`" in done.stdout
    done = run(cloud, "check", "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["findings"] == [
        {
            "part": "dataset demo-project.benchmarks",
            "problem": "does not exist",
            "fix": "run `benchmark-recorder vertex setup --project demo-project`",
        }
    ]


def test_a_hyphen_in_an_id_is_wrong_usage_and_the_error_suggests_an_id() -> None:
    arguments = ["vertex", "check", "--project", "demo-project", "--dataset", "genesis-benchmarks"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "use 'genesis_benchmarks'" in done.stderr


def test_without_credentials_the_error_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    for name, value in {"NO_GCE_CHECK": "true", "HOME": home, "CLOUDSDK_CONFIG": home}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    for command in ("setup", "check"):
        done = CliRunner().invoke(app, ["vertex", command, "--project", "demo-project"])
        assert done.exit_code == 4
        assert "gcloud auth application-default login" in done.output
