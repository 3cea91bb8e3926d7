"""``doctor`` and ``prune``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

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
