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
from benchmark_recorder.settings import effective_settings
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


def test_the_settings_are_those_of_the_nearest_file_with_our_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, 'store = "bench/all.json"')
    deep = tmp_path / "packages" / "one" / "src"
    deep.mkdir(parents=True)
    (deep.parent / "pyproject.toml").write_text('[project]\nname = "one"\ndependencies = ["benchmark_recorder"]\n')
    (deep.parents[1] / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    monkeypatch.chdir(deep)
    assert effective_settings().store == str(tmp_path / "bench" / "all.json")
    project(deep.parents[1], 'store = "nearer.json"')
    assert effective_settings().store == str(deep.parents[1] / "nearer.json")


@pytest.mark.parametrize("is_worktree", [False, True])
def test_no_settings_come_from_outside_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_worktree: bool
) -> None:
    project(tmp_path, "strict = true")
    root = tmp_path / "repository"
    (root / "below").mkdir(parents=True)
    (root / ".git").write_text("gitdir: elsewhere") if is_worktree else (root / ".git").mkdir()
    monkeypatch.chdir(root / "below")
    assert not effective_settings().strict
    project(root, 'durability = "fsync"')
    assert effective_settings().durability == "fsync"


def test_a_variable_names_the_file_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, "strict = true")
    (tmp_path / "ci").mkdir()
    file = tmp_path / "ci" / "settings.toml"
    file.write_text('[tool.benchmark_recorder]\nstore = "nightly.json"\n')
    monkeypatch.setenv("BENCHMARK_RECORDER_CONFIG", "ci/settings.toml")
    assert effective_settings().store == "ci/nightly.json"
    assert not effective_settings().strict
    assert get_benchmark_recorder().storage_path == tmp_path / "ci" / "nightly.json"
    file.write_text("[tool.other]\n")
    with pytest.raises(ConfigurationError, match=r"BENCHMARK_RECORDER_CONFIG: ci/settings.toml has no table"):
        effective_settings()
    file.unlink()
    with pytest.raises(ConfigurationError, match=r"settings.toml: cannot be read for BENCHMARK_RECORDER_CONFIG"):
        effective_settings()


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
    assert recorder.store.name == "vertex://genesis-production/us-central1/benchmarks"
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


def test_the_version_and_labels_come_from_the_nearest_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, 'version = "v1"\n[tool.benchmark_recorder.labels]\nregion = "eu"')

    def recorded(**arguments: Any) -> tuple[str, Any]:
        recorder = get_benchmark_recorder(MemoryStore(), **arguments)
        recorder.record_execution("t", 1.0, True)
        (metric,) = recorder.get_all_metrics()
        return metric.version, metric.metadata

    assert recorded() == ("v1", {"region": "eu"})
    monkeypatch.setenv("BENCHMARK_RECORDER_VERSION", "v2")
    monkeypatch.setenv("BENCHMARK_RECORDER_LABELS", "region=us, tier = gold=1")
    assert recorded() == ("v2", {"region": "us", "tier": "gold=1"})
    assert recorded(version="v3", labels={}) == ("v3", {})


def test_other_labels_or_another_version_make_another_recorder() -> None:
    store = MemoryStore()
    recorders = [
        get_benchmark_recorder(store),
        get_benchmark_recorder(store, version="v1"),
        get_benchmark_recorder(store, version="v1", labels={"a": "b"}),
        get_benchmark_recorder(store, version="v1", labels={"a": "c"}),
    ]
    assert len(set(map(id, recorders))) == 4
    assert get_benchmark_recorder(store, version="v1", labels={"a": "b"}) is recorders[2]


@pytest.mark.parametrize("labels", ["region", "region=", "=eu", "region=eu,"])
def test_labels_without_a_name_or_a_text_are_an_error_that_names_the_variable(
    labels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_LABELS", labels)
    with pytest.raises(ConfigurationError, match=r"labels \(BENCHMARK_RECORDER_LABELS\): expected names and texts"):
        effective_settings()


def test_a_blank_version_is_an_error_that_names_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_VERSION", "  ")
    with pytest.raises(ConfigurationError, match=r"version \(BENCHMARK_RECORDER_VERSION\): expected a text"):
        effective_settings()
