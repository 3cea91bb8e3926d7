"""``doctor`` and ``prune``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from benchmark_recorder.stores.json_file import pending
from tests.cli.commands import RECORD, one_line, run


def test_doctor_shows_the_file_and_the_origin_of_each_setting(store: Path) -> None:
    text = run("doctor", BENCHMARK_RECORDER_STORE=str(store), BENCHMARK_RECORDER_DURABILITY="fsync").stdout
    assert re.search(rf"^  path +{re.escape(str(store))}$", text, re.MULTILINE)
    assert re.search(r"^  format +ours$", text, re.MULTILINE)
    assert re.search(r"^  records +130$", text, re.MULTILINE)
    assert re.search(r"^  problem +none$", text, re.MULTILINE)
    assert re.search(r"^  durability +fsync \(BENCHMARK_RECORDER_DURABILITY\)$", text, re.MULTILINE)
    assert re.search(r"^  strict +no \(default\)$", text, re.MULTILINE)
    assert "(argument)" in run("doctor", "--store", store).stdout


def test_doctor_shows_every_table_of_the_settings(store: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("""
[tool.benchmark_recorder.labels]
region = "eu"
[tool.benchmark_recorder.gate]
margins = { time = 0.05 }
require = ["time", "failures"]
scope = "tasks"
[[tool.benchmark_recorder.alerts.rules]]
name = "slower"
version = "v2.0"
metric = "time"
margin = 0.1
baseline = "v1.0"
send = []
""")
    result = run("doctor", "--store", store, BENCHMARK_RECORDER_CONFIG=str(settings))
    assert result.exit_code == 0
    assert "region = eu" in result.stdout
    assert "margins = {time = 0.05}, require = time, failures, scope = tasks" in result.stdout
    assert "1 rule (" in result.stdout


def test_doctor_finds_a_truncated_record_and_repairs_the_file(store: Path) -> None:
    whole = store.read_bytes()
    store.write_bytes(whole[:-40])
    sick = run("doctor", "--store", store)
    assert sick.exit_code == 5
    assert re.search(r"^  truncated bytes +[1-9]\d*$", sick.stdout, re.MULTILINE)
    assert store.read_bytes() == whole[:-40]
    mended = run("doctor", "--repair", "--store", store)
    assert mended.exit_code == 0
    assert "repaired\n" in mended.stdout
    assert len(json.loads(store.read_text())["metrics"]) == 129
    assert run("doctor", "--store", store).exit_code == 0


def test_doctor_creates_nothing() -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert re.search(r"^  exists +no$", result.stdout, re.MULTILINE)
    assert list(Path.cwd().iterdir()) == []


def test_doctor_says_if_the_file_does_not_exist(tmp_path: Path) -> None:
    result = run("doctor", "--store", "nope.json")
    assert result.exit_code == 0
    path = tmp_path / "nope.json"
    assert one_line(result) == f"benchmark-recorder: {path}: there is no such file yet; the first record creates it"
    assert "form" not in result.stdout.split("settings")[0]


def test_doctor_prints_the_command_that_repairs_this_file(tmp_path: Path) -> None:
    path = tmp_path / "my runs.json"
    run(*RECORD, "--store", path)
    run(*RECORD, "--store", path)
    lines = path.read_text().splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if "record_id" in line)
    path.write_text("".join([*lines[: first + 1], *lines[first:]]))
    line = run("doctor", "--store", path).stderr.splitlines()[-1]
    assert line == f"benchmark-recorder: to repair the file: benchmark-recorder doctor --repair --store '{path}'"
    assert run(*shlex.split(line.partition(": ")[2].partition(": ")[2])[1:]).exit_code == 0
    assert run("doctor", "--store", path).stderr == ""


@pytest.mark.parametrize(("option", "value"), [("--before", "foo"), ("--older-than", "1e300")])
def test_prune_names_the_option_that_is_wrong(option: str, value: str, store: Path) -> None:
    result = run("prune", option, value, "--store", store)
    assert result.exit_code == 2
    assert one_line(result).startswith(f"benchmark-recorder: {option}: expected ")


def test_prune_counts_and_removes_only_with_yes(store: Path) -> None:
    run(
        *("record", "x", "--duration", "1", "--success", "--version", "old", "--timestamp", "2020-01-01"),
        "--store",
        store,
    )
    for limit in (["--before", "2021-01-01"], ["--older-than", "365"]):
        counted = run("prune", *limit, "--store", store)
        assert counted.stdout.startswith("1 record in ")
        assert len(json.loads(store.read_text())["metrics"]) == 131
    assert run("prune", "--before", "2021-01-01", "--yes", "--store", store).stdout.startswith("removed 1 record from ")
    assert len(json.loads(store.read_text())["metrics"]) == 130


def versions_in(path: Path) -> set[str]:
    return {record["version"] for record in json.loads(path.read_text())["metrics"]}


def test_prune_of_a_version_counts_and_removes_only_with_yes(store: Path) -> None:
    counted = run("prune", "--version", "v1.0", "--store", store)
    assert counted.stdout == f"65 records in {store} are of version v1.0; remove them for good with --yes\n"
    old = run("prune", "--version", "v1.0", "--before", "2020-01-01", "--store", store)
    assert old.exit_code == 4
    assert versions_in(store) == {"v1.0", "v2.0"}
    removed = run("prune", "--version", "v1.0", "--yes", "--store", store)
    assert removed.stdout == f"removed 65 records from {store}\n"
    assert versions_in(store) == {"v2.0"}
    gone = run("prune", "--version", "v1.0", "--yes", "--store", store)
    assert (gone.exit_code, one_line(gone)) == (
        4,
        f"benchmark-recorder: there are no runs of version v1.0 in {store}; there are v2.0",
    )


@pytest.mark.parametrize("options", [[], ["--before", "2020-01-01", "--older-than", "3"]])
def test_prune_says_what_it_wants(options: list[str], store: Path) -> None:
    refused = run("prune", *options, "--store", store)
    assert (refused.exit_code, "--older-than" in refused.stderr) == (2, True)


def test_a_version_is_renamed_only_with_yes(store: Path) -> None:
    counted = run("rename-version", "v1.0", "v1", "--store", store)
    assert counted.stdout == f"65 records in {store}: rename with --yes\n"
    assert versions_in(store) == {"v1.0", "v2.0"}
    renamed = run("rename-version", "v1.0", "v1", "--yes", "--store", store)
    assert renamed.stdout == f"renamed 65 records from v1.0 to v1 in {store}\n"
    assert renamed.stderr == ""
    assert versions_in(store) == {"v1", "v2.0"}
    joined = run("rename-version", "v1", "v2.0", "--yes", "--store", store)
    assert one_line(joined) == (
        "benchmark-recorder: v2.0 has 65 records already: nothing will tell them apart from those of v1"
    )
    assert versions_in(store) == {"v2.0"}


@pytest.mark.parametrize(
    ("names", "code", "message"),
    [
        (["v3", "v4"], 4, "there are no runs of version v3 in"),
        (["v1.0", " "], 2, "new: expected the name of a version that is not blank, got ' '"),
        (["v1.0", "v1.0"], 2, "the same name twice"),
    ],
)
def test_a_version_that_cannot_be_renamed_is_an_error(names: list[str], code: int, message: str, store: Path) -> None:
    refused = run("rename-version", *names, "--yes", "--store", store)
    assert refused.exit_code == code
    assert message in refused.stderr
    assert versions_in(store) == {"v1.0", "v2.0"}


@pytest.mark.parametrize("command", [["rename-version", "a", "b"], ["prune", "--version", "a"]])
def test_versions_are_changed_in_json_files_alone(command: list[str], tmp_path: Path) -> None:
    place = ["--store", "mongodb://127.0.0.1:9/runs", "--journal", str(tmp_path / "metrics.json")]
    refused = run(*command, *place)
    assert refused.exit_code == 2
    assert "copy the records first: benchmark-recorder sync" in " ".join(refused.stderr.split())
    run("record", "x", "--duration", "1", "--success", "--version", "a", *place)
    noted = run(*command, "--store", tmp_path / "metrics.json")
    assert noted.stderr.startswith("benchmark-recorder: what was delivered to mongodb://127.0.0.1:9/runs")


def test_doctor_says_what_waits_beside_an_older_file_and_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    record = {"timestamp": "2026-01-01T00:00:00", "version": "v1", "execution_time": 1.0, "success": True}
    path.write_text(json.dumps({"metrics": [record, {**record, "version": "v2"}]}))
    pending.add(str(path), json.dumps({**record, "record_id": "a"}).encode(), sync=False)
    waiting = run("doctor", "--store", path)
    assert re.search(r"^  format +old$", waiting.stdout, re.MULTILINE)
    assert re.search(r"^  records +3$", waiting.stdout, re.MULTILINE)
    assert re.search(r"^  waiting beside +1$", waiting.stdout, re.MULTILINE)
    assert f"doctor --take-over --store {path}" in one_line(waiting)
    done = run("doctor", "--take-over", "--store", path)
    assert done.exit_code == 0
    assert re.search(r"^  format +ours$", done.stdout, re.MULTILINE)
    assert re.search(r"^  records +3$", done.stdout, re.MULTILINE)
    assert re.search(r"^  waiting beside +0$", done.stdout, re.MULTILINE)
