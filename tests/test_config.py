from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import (
    BenchmarkRecorder,
    ConfigurationError,
    StoreFormatError,
    StoreSetupError,
    get_benchmark_recorder,
)
from benchmark_recorder.config import effective_settings
from benchmark_recorder.stores.memory import MemoryStore


@pytest.fixture(autouse=True)
def _plain_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.benchmark_recorder]\n{text}\n")


def record(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution(task="a", duration=1.0, success=True, version="v1")


def test_the_default_is_a_file_under_the_working_directory_at_construction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = get_benchmark_recorder()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    record(recorder)
    assert recorder.storage_path == tmp_path / "benchmarks" / "metrics.json"
    assert len(json.loads(recorder.storage_path.read_text())["metrics"]) == 1


def test_the_same_settings_give_the_same_recorder() -> None:
    one = get_benchmark_recorder("a.json")
    assert get_benchmark_recorder(Path("a.json")) is one
    assert get_benchmark_recorder("a.json", strict=True) is not one
    assert get_benchmark_recorder("b.json") is not one
    store = MemoryStore()
    assert get_benchmark_recorder(store) is get_benchmark_recorder(store)
    assert get_benchmark_recorder(MemoryStore()) is not get_benchmark_recorder(MemoryStore())


def test_threads_that_ask_at_once_get_one_recorder() -> None:
    got: list[BenchmarkRecorder] = []
    threads = [threading.Thread(target=lambda: got.append(get_benchmark_recorder("t.json"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(recorder) for recorder in got}) == 1


def test_arguments_come_before_the_environment_and_that_before_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert effective_settings().durability == "process"
    project(tmp_path, 'durability = "fsync"\nstore = "from_project.json"\nstrict = true')
    assert effective_settings().durability == "fsync"
    assert effective_settings().strict
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", "from_environment.json")
    monkeypatch.setenv("BENCHMARK_RECORDER_DURABILITY", "process")
    assert effective_settings().store == "from_environment.json"
    assert effective_settings(store="from_argument.json").store == "from_argument.json"
    assert dict(effective_settings(store="x").origins) == {
        "durability": "BENCHMARK_RECORDER_DURABILITY",
        "store": "argument",
        "strict": f"[tool.benchmark_recorder] of {tmp_path / 'pyproject.toml'}",
    }


def test_a_path_in_the_project_file_starts_at_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, 'store = "results/runs.json"')
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert get_benchmark_recorder().storage_path == tmp_path / "results" / "runs.json"


@pytest.mark.parametrize("text", ["1", "true", "YES"])
def test_a_disabled_recorder_records_nothing_and_makes_no_file(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_DISABLED", text)
    recorder = get_benchmark_recorder()
    recorder.record_execution(task="a", duration=-1.0, success=True, version="v1")
    assert list(tmp_path.iterdir()) == []
    assert recorder.get_historical_metrics().count == 0


def test_wrong_arguments_can_be_logged_by_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_ON_INVALID", "log")
    recorder = get_benchmark_recorder()
    recorder.record_execution(task="a", duration=-1.0, success=True, version="v1")
    assert recorder.health().invalid == 1


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("BENCHMARK_RECORDER_DISABLED", "perhaps", "BENCHMARK_RECORDER_DISABLED: expected 1 or 0, got 'perhaps'"),
        ("BENCHMARK_RECORDER_DURABILITY", "disk", r"durability \(BENCHMARK_RECORDER_DURABILITY\): expected 'process'"),
        ("BENCHMARK_RECORDER_ON_INVALID", "ignore", r"on_invalid \(BENCHMARK_RECORDER_ON_INVALID\): expected 'raise'"),
        ("BENCHMARK_RECORDER_STORE", "redis://host", "store: no store for redis://"),
    ],
)
def test_a_wrong_variable_is_an_error_that_names_it(
    variable: str, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError, match=message):
        get_benchmark_recorder()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('durabilty = "fsync"', "unknown setting 'durabilty'; known are store, durability"),
        ("store = 7", "expected a path or a URL, got 7"),
        ('strict = "yes"', "expected true or false, got 'yes'"),
        ("strict =", "not TOML"),
    ],
)
def test_a_wrong_setting_of_the_project_is_an_error_that_names_the_file(
    text: str, message: str, tmp_path: Path
) -> None:
    project(tmp_path, text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        get_benchmark_recorder()
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


@pytest.mark.parametrize("arguments", [{"durability": "disk"}, {"on_invalid": "x"}, {"strict": 1}])
def test_a_wrong_argument_is_an_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"\(argument\)"):
        get_benchmark_recorder(**arguments)


def test_a_folder_is_no_store_and_the_error_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(StoreFormatError, match=r"is a folder; name a file in it, such as .*metrics\.json"):
        get_benchmark_recorder(tmp_path)


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", "~/runs.json")
    assert get_benchmark_recorder().storage_path == tmp_path / "home" / "runs.json"


def test_secrets_of_a_url_are_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        get_benchmark_recorder("redis://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_vertex_ai_is_the_remote_store_of_a_url() -> None:
    recorder = get_benchmark_recorder(enable_vertex_ai=True, vertex_project_id="genesis-production", deliver="off")
    assert recorder.store.name == "vertex://genesis-production/us-central1/genesis_benchmarks"
    assert get_benchmark_recorder("vertex://genesis-production", deliver="off") is recorder
    record(recorder)
    condition = recorder.store.condition()
    assert condition is not None
    assert condition.pending == 1


def test_vertex_ai_needs_a_project_and_is_the_only_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give vertex_project_id"):
        get_benchmark_recorder(enable_vertex_ai=True)
    with pytest.raises(ConfigurationError, match="journal= names the local file"):
        get_benchmark_recorder(tmp_path / "x.json", enable_vertex_ai=True, vertex_project_id="genesis-production")


def test_what_waits_is_written_when_the_program_ends(tmp_path: Path) -> None:
    program = """
import os, pathlib
from benchmark_recorder import get_benchmark_recorder
recorder = get_benchmark_recorder()
folder = pathlib.Path("benchmarks")
folder.write_text("in the way")
recorder.record_execution(task="a", duration=1.0, success=True, version="v1")
assert recorder.health().waiting == 1
folder.unlink()
"""
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, env={**os.environ})
    assert len(json.loads((tmp_path / "benchmarks" / "metrics.json").read_text())["metrics"]) == 1


def test_a_whole_path_needs_no_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    record(get_benchmark_recorder(tmp_path / "whole.json"))
    assert len(json.loads((tmp_path / "whole.json").read_text())["metrics"]) == 1
    with pytest.raises(StoreSetupError, match="^store: the working directory, where a.json begins, is gone"):
        get_benchmark_recorder("a.json")


@pytest.mark.parametrize("name", ["runs.csv", "runs.jsonl", "runs.PARQUET"])
def test_a_new_file_of_another_format_is_refused_with_what_is_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^store: .*runs\.\w+: a file of records is JSON.* in \.json"):
        get_benchmark_recorder(name)
    with pytest.raises(ConfigurationError, match=r"^journal: .*runs\.\w+: a file of records is JSON"):
        get_benchmark_recorder("mongodb://localhost/db", journal=name)
    (tmp_path / name).write_text("")  # whoever made it has chosen its name
    record(get_benchmark_recorder(name))


@pytest.mark.parametrize("text", ["tool = 3  # benchmark_recorder", "[[tool]]\nbenchmark_recorder = 1"])
def test_a_project_file_without_tools_has_no_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert effective_settings().origins == ()


def test_a_setting_where_the_table_should_be_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nbenchmark_recorder = 5\n")
    with pytest.raises(ConfigurationError, match=r"pyproject.toml: expected a table .*, got 5"):
        effective_settings()


def test_a_project_file_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, "strict = true")

    def refuse(path: Path) -> bytes:  # the tests may run as root, whom no mode stops
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigurationError, match=r"pyproject.toml: cannot be read .*: Permission denied"):
        effective_settings()


@pytest.mark.parametrize("store", [5, b"metrics.json", object()])
def test_what_is_neither_a_path_nor_a_store_is_an_error(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="^store: expected a path, a URL or a Store, got "):
        get_benchmark_recorder(store)


def test_a_store_need_not_be_hashable() -> None:
    @dataclass
    class Mine(MemoryStore):
        region: str = "eu"

        def __post_init__(self) -> None:
            super().__init__()

    one, other = Mine(), Mine()
    assert get_benchmark_recorder(one) is get_benchmark_recorder(one)
    assert get_benchmark_recorder(one) is not get_benchmark_recorder(other)
