"""What the system refuses: descriptors, locks, the disk, closing; and what killed processes leave behind."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import BenchmarkRecorder, History
from benchmark_recorder.errors import StoreError, StoreUnavailableError
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, 524)


def record(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution("a task", 1.0, success=True, version="v1")


def failing(act: Callable[..., object], error: int, times: list[int]) -> Callable[..., object]:
    """The same call, which fails as often as the list has items."""

    def call(*arguments: object) -> object:
        if times:
            times.pop()
            raise OSError(error, os.strerror(error))
        return act(*arguments)

    return call


def test_more_files_than_descriptors_are_all_written(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, limits[1]))
    try:
        recorders = [BenchmarkRecorder(tmp_path / f"{number}.json") for number in range(60)]
        for _ in range(2):
            for recorder in recorders:
                record(recorder)
        assert [recorder.health().waiting for recorder in recorders] == [0] * 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    for recorder in recorders:
        assert recorder.store.path.read_text().count('"record_id"') == 2  # type: ignore[attr-defined]
        recorder.close()


@pytest.mark.parametrize("number", NO_LOCKS)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_file_system_without_locks_is_refused_when_the_recorder_is_made_and_still_read(
    number: int, is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "metrics.json"
    if is_there:
        with BenchmarkRecorder(path) as recorder:
            record(recorder)
    monkeypatch.setattr(fcntl, "flock", failing(fcntl.flock, number, [1] * 99))
    with pytest.raises(StoreUnavailableError, match="the file system has no locks; choose a path on another one"):
        BenchmarkRecorder(path)
    assert History(path).get_historical_metrics().count == is_there


def test_after_a_failed_sync_the_bytes_are_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = BenchmarkRecorder(tmp_path / "metrics.json", durability="fsync")
    record(recorder)
    calls: list[str] = []
    pwrite = os.pwrite

    def noting(fd: int, content: bytes, offset: int) -> int:
        calls.append("write" if b'"record_id"' in content else "close")
        return pwrite(fd, content, offset)

    monkeypatch.setattr(os, "pwrite", noting)
    sync = failing(os.fdatasync, errno.EIO, [1, 1])

    def syncing(fd: int) -> None:
        calls.append("sync")
        sync(fd)

    monkeypatch.setattr(os, "fdatasync", syncing)
    record(recorder)
    assert recorder.health().waiting == 1
    assert recorder.flush() is False
    assert recorder.flush() is True
    assert calls == ["write", "sync", "write", "sync", "write", "sync"]
    assert recorder.get_historical_metrics().count == 2


def test_every_folder_that_is_made_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def syncing(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", syncing)
    JSONFileStore(tmp_path / "a" / "b" / "metrics.json", durability="fsync").append([make_document()], fresh=True)
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b")} <= set(synced)


@pytest.mark.parametrize("strict", [True, False])
def test_a_descriptor_that_cannot_be_closed_raises_only_where_it_is_strict(
    strict: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = BenchmarkRecorder(tmp_path / "metrics.json", strict=strict)
    record(recorder)
    kept = recorder.store._writer._fd  # type: ignore[attr-defined]
    close = os.close

    def broken(fd: int) -> None:
        close(fd)
        if fd == kept:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", broken)
    if strict:
        with pytest.raises(StoreError, match="cannot close"):
            recorder.close()
    else:
        recorder.close()
        assert "cannot close" in str(recorder.health().last_error)
        assert not recorder.health().ok
    monkeypatch.setattr(os, "close", close)
    record(recorder)
    assert recorder.health().ok


def test_what_a_killed_rewrite_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    program = """
import os, signal, sys
from benchmark_recorder.stores import sidefiles
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document
store = JSONFileStore(sys.argv[1])
store.append([make_document() for _ in range(3)])
os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
store.compact()
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    beside = tmp_path / "metrics.json.d"
    left = sorted(beside.glob("new-*.tmp"))
    assert left
    being_written = beside / f"new-{os.getppid()}-00000000.tmp"
    being_written.touch()
    JSONFileStore(path).compact()
    assert sorted(beside.glob("new-*.tmp")) == [being_written]
    assert path.read_text().count('"record_id"') == 9
