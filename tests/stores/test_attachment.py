"""No trouble beside the journal keeps a record out of it; what could not be attached is delivered later."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.replication import ReplicatedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal, with three records from before any remote store."""
    path = tmp_path / "folder" / "metrics.json"
    with BenchmarkRecorder(path) as recorder:
        for _ in range(3):
            record(recorder)
    return path


def record(recorder: BenchmarkRecorder) -> None:
    recorder.record_execution("a task", 1.0, success=True, version="v1")


def replicated(path: Path, remote: MemoryStore, deliver: Any = "off") -> BenchmarkRecorder:
    return BenchmarkRecorder(store=ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver=deliver))


def documents(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["metrics"]
    return found


def folder_is_a_file(beside: Path) -> Callable[[], None]:
    beside.write_text("not a folder")
    return beside.unlink


def cursor_is_a_folder(beside: Path) -> Callable[[], None]:
    mark = beside / f"{stem(beside)}.mark"
    mark.mkdir(parents=True)
    return mark.rmdir


def lock_is_a_folder(beside: Path) -> Callable[[], None]:
    lock = beside / f"{stem(beside)}.lock"
    lock.mkdir(parents=True)
    return lock.rmdir


def lock_is_held(beside: Path) -> Callable[[], None]:
    beside.mkdir()
    fd = os.open(beside / f"{stem(beside)}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return lambda: os.close(fd)


def stem(beside: Path) -> str:
    path = beside.with_suffix("")
    return ReplicatedStore(JSONFileStore(path), MemoryStore(), beside=path, deliver="off")._cursor_file.stem


TROUBLES = [folder_is_a_file, cursor_is_a_folder, lock_is_a_folder, lock_is_held]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_beside_the_journal_keeps_no_record_out_of_it(
    trouble: Callable[[Path], Callable[[], None]], journal: Path
) -> None:
    end = trouble(journal.parent / "metrics.json.d")
    remote = MemoryStore()
    recorder = replicated(journal, remote)
    record(recorder)
    record(recorder)
    assert len(documents(journal)) == 5
    health = recorder.health()
    assert (health.waiting, health.lost, health.ok) == (0, 0, False)
    assert "metrics.json.d" in str(health.last_error)
    end()

    store = replicated(journal, remote).store
    assert isinstance(store, ReplicatedStore)
    assert len(store.scan(Query(), ["time"])["time"]) == 2
    assert store.deliver(lambda: True)
    delivered = list(remote.documents(Query()))
    assert [document["record_id"] for document in delivered] == [d["record_id"] for d in documents(journal)[3:]]
    assert all("deliver_to" not in document for document in delivered)
    assert len(store.scan(Query(), ["time"])["time"]) == 2


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_thread_that_delivers_goes_on_once_the_trouble_is_over(
    trouble: Callable[[Path], Callable[[], None]], journal: Path
) -> None:
    end = trouble(journal.parent / "metrics.json.d")
    remote = MemoryStore()
    recorder = replicated(journal, remote, "background")
    record(recorder)
    end()
    assert recorder.flush(60)
    assert len(list(remote.documents(Query()))) == 1
    assert recorder.health().failing_since is None
    recorder.close()


def test_a_rewrite_keeps_what_is_for_a_store_that_has_no_cursor_yet(journal: Path) -> None:
    end = cursor_is_a_folder(journal.parent / "metrics.json.d")
    remote = MemoryStore()
    record(replicated(journal, remote))
    end()
    JSONFileStore(journal).clear()
    assert len(documents(journal)) == 1
    store = replicated(journal, remote).store
    assert isinstance(store, ReplicatedStore)
    assert store.deliver(lambda: True)
    assert len(list(remote.documents(Query()))) == 1
    JSONFileStore(journal).clear()
    assert documents(journal) == []


USER = """
import os, sys
from pathlib import Path
from tests.stores.test_attachment import MemoryStore, record, replicated
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1])); os.umask(0)
recorder = replicated(Path(sys.argv[2]), MemoryStore())
record(recorder)
print(recorder.health().waiting, recorder.health().lost, recorder.health().last_error)
recorder.close()
"""


USER_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def as_user(number: int, path: Path) -> str:
    command = [sys.executable, "-c", USER, str(number), str(path)]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False, env=USER_ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may write to; those that pytest makes are only for its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users")
def test_a_second_user_and_root_keep_nobodys_record_out(shared: Path) -> None:
    path = shared / "metrics.json"
    assert as_user(1001, path) == "0 0 None"
    assert "Permission denied" in as_user(1002, path)
    assert len(documents(path)) == 2

    shutil.rmtree(shared / "metrics.json.d")
    recorder = replicated(path, MemoryStore())
    record(recorder)  # by root, who makes the folder
    recorder.close()
    assert as_user(1001, path) == "0 0 None"
    owners = {file.stat().st_uid for file in (shared / "metrics.json.d", *(shared / "metrics.json.d").iterdir())}
    assert (owners, len(documents(path))) == ({1001}, 4)
