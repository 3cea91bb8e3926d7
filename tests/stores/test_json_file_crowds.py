from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def run_crowd(*arguments: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.stores.crowd", *map(str, arguments)],
        cwd=ROOT,
        check=True,
        timeout=240,
        stdout=subprocess.DEVNULL,
    )


def ids_in(path: Path) -> list[str]:
    return [record["record_id"] for record in json.loads(path.read_text(encoding="utf-8"))["metrics"]]


def acknowledged(path: Path) -> list[str]:
    return path.with_name(path.name + ".acknowledged").read_text(encoding="ascii").split()


@contextmanager
def appending_threads(path: Path, count: int = 3) -> Iterator[list[str]]:
    """Threads, each with a store of its own, that append as long as the block runs; the ids whose append returned."""
    stop, begun, returned = threading.Event(), threading.Barrier(count + 1), list[str]()
    failures: list[Exception] = []

    def work() -> None:
        with JSONFileStore(path) as store:
            begun.wait()
            while not stop.wait(0.0005):  # so that the file stays small enough to be read all the time
                document = make_document()
                try:
                    store.append([document], fresh=True)
                except Exception as error:  # noqa: BLE001 - shown below
                    failures.append(error)
                    return
                returned.append(document["record_id"])

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        yield returned
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_nothing_is_lost_or_doubled_by_8_processes_of_4_threads(tmp_path: Path, method: str) -> None:
    path = tmp_path / "metrics.json"
    run_crowd("many", method, path, 8, 4, 500)
    ids, returned = ids_in(path), acknowledged(path)
    assert len(returned) == 8 * (4 * 500 + (20 if method == "fork" else 0))
    assert len(ids) == len(returned) + 1
    assert len(set(ids)) == len(ids)
    assert set(returned) <= set(ids)


def test_a_record_whose_call_returned_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    run_crowd("killed", path, 200)
    returned = acknowledged(path)
    assert len(returned) > 200
    store = JSONFileStore(path)
    read = store.scan(Query(), ["record_id"])["record_id"].tolist()
    after = make_document()
    store.append([after], fresh=True)
    ids = ids_in(path)
    assert set(returned) <= set(read)
    assert len(set(ids)) == len(ids)
    assert ids == [*read, after["record_id"]]


def test_a_program_that_is_interrupted_at_any_moment_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    run_crowd("interrupted", path, 2000)
    ids, returned = ids_in(path), acknowledged(path)
    assert len(returned) > 2000
    assert len(set(ids)) == len(ids)
    assert set(returned) <= set(ids)


def test_a_reader_with_a_shared_lock_always_sees_a_whole_document(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    JSONFileStore(path).append([make_document()])
    with appending_threads(path) as returned:
        for _ in range(300):
            before = set(returned)
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                ids = {record["record_id"] for record in json.load(file)["metrics"]}
            assert before <= ids


def test_a_snapshot_always_parses(tmp_path: Path) -> None:
    path, target = tmp_path / "metrics.json", tmp_path / "snapshot.json"
    store = JSONFileStore(path)
    with appending_threads(path) as returned:
        for _ in range(50):
            before = set(returned)
            store.snapshot(target)
            assert before <= set(ids_in(target))


def test_a_reader_of_ours_always_sees_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    store = JSONFileStore(path)
    store.append([make_document()], fresh=True)
    with appending_threads(path) as returned:
        for _ in range(100):
            before = len(returned)
            assert len(store.scan(Query(), ["time"])["time"]) >= before
            assert sum(cell.n for cell in store.summarize(Query()).cells) >= before
            assert len(store.read(None, 10).documents) <= 10
            assert store.end().offset


def test_rewrites_lose_nothing_that_is_appended_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    store = JSONFileStore(path)
    history = make_history(200)
    store.append(history)
    with appending_threads(path) as returned:
        for _ in range(30):
            store.compact()
            store.prune(0)
            store.rename_version("v1.0", "v0")
            store.repair()
    ids = ids_in(path)
    assert set(returned) | {document["record_id"] for document in history} == set(ids)
    assert len(set(ids)) == len(ids)


def test_clear_loses_nothing_that_is_appended_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    store = JSONFileStore(path)
    with appending_threads(path) as returned:
        backups = [store.clear() for _ in range(20)]
    ids = [record_id for file in [*backups, path] for record_id in ids_in(file)]
    assert sorted(ids) == sorted(returned)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_that_take_an_old_file_over_at_one_moment_lose_nothing(tmp_path: Path, processes: int) -> None:
    old = [{name: value for name, value in document.items() if name != "record_id"} for document in make_history(3000)]
    for moment in range(5):
        path = tmp_path / f"{moment}.json"
        path.write_text(json.dumps({"metrics": old}, indent=2), encoding="utf-8")
        run_crowd("together", path, processes, 20)
        content = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        kept = [{name: value for name, value in record.items() if name != "record_id"} for record in content[:3000]]
        assert kept == old
        assert len(acknowledged(path)) == processes * 20
        assert sorted(record["record_id"] for record in content[3000:]) == sorted(acknowledged(path))


def test_threads_that_take_an_old_file_over_at_one_moment_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    old = [{name: value for name, value in document.items() if name != "record_id"} for document in make_history(3000)]
    path.write_text(json.dumps({"metrics": old}, indent=2), encoding="utf-8")
    with appending_threads(path, count=4) as returned:
        while len(returned) < 20:
            pass
    content = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    kept = [{name: value for name, value in record.items() if name != "record_id"} for record in content[:3000]]
    assert kept == old
    assert sorted(record["record_id"] for record in content[3000:]) == sorted(returned)


def test_a_stopped_process_that_holds_the_lock_delays_an_append_but_does_not_hang_it(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path / "metrics.json")
    store._writer._patience = 0.05
    store.append([make_document()], fresh=True)
    with store.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailableError, match=r"locked by another process.*lslocks"):
            store._writer.append(b"{}")
    store.append([make_document()], fresh=True)
    assert len(ids_in(store.path)) == 2


def test_only_the_first_append_waits_for_a_lock_that_is_not_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("benchmark_recorder.stores.locking.time.sleep", pauses.append)
    store = JSONFileStore(tmp_path / "metrics.json")
    store._writer._patience = 0.05
    store.append([make_document()], fresh=True)
    with store.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailableError):
            store.append([make_document()], fresh=True)
        assert pauses
        pauses.clear()
        for fresh in (True, False):
            with pytest.raises(StoreUnavailableError):
                store.append([make_document()], fresh=fresh)
        assert pauses == []
    store.append([make_document()], fresh=True)
    with store.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        store._writer.next_look = 0.0
        with pytest.raises(StoreUnavailableError):
            store.append([make_document()], fresh=True)
    store.append([make_document()], fresh=True)
    assert len(ids_in(store.path)) == 3


def test_a_child_does_not_give_back_a_lock_that_its_parent_holds(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path / "metrics.json")
    store.append([make_document()], fresh=True)
    with store._writer.held():
        child = os.fork()
        if not child:
            store.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with store.path.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_a_signal_handler_that_records_in_the_middle_of_an_append_cannot_interleave(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path / "metrics.json")
    store._writer._patience = 0.05
    with store._writer.held(), pytest.raises(StoreUnavailableError, match="call that was interrupted"):
        store.append([make_document()], fresh=True)
    assert store.path.read_bytes() == b""
