"""Commands that only read leave nothing behind."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.replication import worker
from tests.cli.commands import READING, one_line, run
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

DOWN = "mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=100"
ASKING = {**{name: command for name, command in READING.items() if name != "doctor"}, "export": ["export"]}


@pytest.fixture(autouse=True)
def _no_thread_of_ours() -> Iterator[None]:
    """No test starts a thread; pymongo's own take a moment to end after its client was closed."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("benchmark-recorder")] == []


def files() -> dict[Path, tuple[int, bytes]]:
    """Everything under the working directory."""
    return {
        path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in Path().rglob("*")
    }


@pytest.mark.parametrize("command", [*ASKING.values(), ["doctor"]], ids=lambda command: command[0])
def test_in_an_empty_folder_a_reading_command_makes_nothing(command: list[str]) -> None:
    assert run(*command).exit_code == (0 if command == ["doctor"] else 4)
    assert files() == {}


@pytest.mark.parametrize("command", ASKING.values(), ids=ASKING)
def test_in_a_read_only_folder_a_reading_command_answers(command: list[str], store: Path) -> None:
    expected = run(*command, "--store", store).stdout
    store.chmod(0o400)
    store.parent.chmod(0o500)
    before = files()
    try:
        result = run(*command, "--store", store)
    finally:
        store.parent.chmod(0o700)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split("Based on")[0] == expected.split("Based on")[0]
    assert files() == before


@pytest.mark.parametrize("command", [*ASKING.values(), ["doctor"]], ids=lambda command: command[0])
def test_with_a_remote_store_and_no_journal_a_reading_command_makes_nothing(command: list[str]) -> None:
    result = run(*command, BENCHMARK_RECORDER_STORE=DOWN)
    assert result.exit_code == (5 if command == ["doctor"] else 4)
    if command != ["doctor"]:
        assert one_line(result).startswith("benchmark-recorder: mongodb://127.0.0.1:9/bench.executions cannot be")
    assert files() == {}


@pytest.mark.parametrize("command", ASKING.values(), ids=ASKING)
def test_with_a_journal_a_reading_command_makes_no_cursor_and_no_worker(
    command: list[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_worker(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(worker, "Worker", no_worker)
    before = files()
    result = run(*command, BENCHMARK_RECORDER_STORE=DOWN, BENCHMARK_RECORDER_JOURNAL=str(store))
    # An export takes all records or none; all others answer from the journal.
    assert result.exit_code == (4 if command == ["export"] else 0)
    assert files() == before


@pytest.mark.parametrize("command", ASKING.values(), ids=ASKING)
def test_a_remote_store_without_a_journal_answers(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    remote = MemoryStore()
    monkeypatch.setattr(MemoryStore, "is_remote", True)
    record_runs(BenchmarkRecorder(store=remote))
    monkeypatch.setattr("benchmark_recorder.opening.open_store", lambda _: remote)
    result = run(*command, BENCHMARK_RECORDER_STORE="other://somewhere")
    assert (result.exit_code, result.stderr) == (0, "")
    assert files() == {}
