"""A real server and real processes, killed and stopped at the worst moments."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.cursors import CursorFile
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import make_document, make_history
from tests.stores.proxy import Door

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store
    from tests.stores.mongod import Mongod

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def replicated(path: Path, url: str) -> ReplicatedStore:
    return ReplicatedStore(JSONFileStore(path), MongoDBStore(url), beside=path, deliver="off")


def ids(store: Store) -> list[str]:
    found: list[str] = store.scan(Query(), ["record_id"])["record_id"].tolist()
    return sorted(found)


def ids_of(history: list[Document]) -> list[str]:
    return sorted(document["record_id"] for document in history)


def in_a_child(run: Callable[[], None]) -> int:
    """The signal that ended a forked child; 0 where it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:  # noqa: BLE001 - a child must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def kill_me(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@forking
def test_a_kill_between_the_delivery_and_the_mark_loses_and_doubles_nothing_a_hundred_times(
    tmp_path: Path, server: Mongod
) -> None:
    path, url = tmp_path / "metrics.json", server.url("bench")
    history: list[Document] = []

    def deliver_and_die() -> None:
        store = replicated(path, url)
        store.delivery._confirm = kill_me  # type: ignore[method-assign, assignment]
        store.deliver(lambda: True)

    with replicated(path, url) as store:
        for seed in range(100):
            history += (new := make_history(3, seed=seed))
            store.append(new)
            assert in_a_child(deliver_and_die) == signal.SIGKILL
            if seed % 5 == 0:
                assert ids(store) == ids_of(history)
            if seed % 10 == 0:
                assert store.deliver(lambda: True)
                assert ids(store) == ids_of(history)
        assert ids(store.remote) == ids_of(history)
        assert store.deliver(lambda: True)
        assert ids(store.remote) == ids_of(history)
        assert store.condition().pending == 0


@forking
def test_a_kill_around_the_first_append_loses_nothing_that_was_acknowledged_a_hundred_times(
    tmp_path: Path, server: Mongod
) -> None:
    url = server.url("bench")
    acknowledged: list[Document] = []
    places = [(CursorFile, "write"), (ReplicatedStore, "_never"), (JSONFileStore, "append")]
    for number in range(100):
        path = tmp_path / str(number) / "metrics.json"
        owner, name = places[number % 3]
        first, document = make_document(), make_document()

        def append_and_die(path: Path = path, owner: type = owner, name: str = name, first: Document = first) -> None:
            store = replicated(path, url)
            setattr(owner, name, kill_me)
            store.append([first], fresh=True)
            kill_me()  # before anything is delivered

        assert in_a_child(append_and_die) == signal.SIGKILL
        if name == "_never":
            acknowledged.append(first)
        with replicated(path, url) as store:
            store.append([document], fresh=True)
            acknowledged.append(document)
            assert store.deliver(lambda: True)
    with MongoDBStore(url) as remote:
        assert ids(remote) == ids_of(acknowledged)


@forking
def test_a_kill_at_any_moment_of_a_catch_up_loses_and_doubles_nothing(
    tmp_path: Path, server: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("replication.delivery", "replication.store"):
        monkeypatch.setattr(f"benchmark_recorder.stores.{module}.BATCH", 50)
    path, url, rng = tmp_path / "metrics.json", server.url("bench"), random.Random(1)
    history: list[Document] = []

    def go_on_delivering(moment: float) -> None:
        with replicated(path, url) as store:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the child where it stands, as SIGKILL does
            signal.setitimer(signal.ITIMER_REAL, moment)
            store.deliver(lambda: True)

    with replicated(path, url) as store:
        history += make_history(500, seed=30)
        store.append(history, fresh=True)
        began = time.monotonic()
        assert store.deliver(lambda: True)
        span = time.monotonic() - began  # of this machine; moments are taken from within it
        killed = 0
        for seed in range(30):
            history += (new := make_history(500, seed=seed))
            store.append(new, fresh=True)
            killed += in_a_child(partial(go_on_delivering, span * rng.uniform(0.05, 0.95))) == signal.SIGALRM
            if seed % 8 == 7:
                assert ids(store) == ids_of(history)
        assert store.deliver(lambda: True)
        assert ids(store.remote) == ids_of(history)
        assert store.condition().pending == 0
    assert killed > 10


def test_an_answer_counts_each_record_once_at_every_moment_of_a_catch_up(
    tmp_path: Path, server: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("replication.delivery", "replication.store"):
        monkeypatch.setattr(f"benchmark_recorder.stores.{module}.BATCH", 100)
    history = make_history(4000)
    with replicated(tmp_path / "metrics.json", server.url("bench")) as store:
        store.append(history[:1000])
        assert store.deliver(lambda: True)
        store.append(history[1000:], fresh=True)
        expected = ids_of(history)
        with ThreadPoolExecutor(1) as pool:
            delivery = pool.submit(store.deliver, lambda: True)
            pendings = set()
            while not delivery.done():
                assert ids(store) == expected
                cells = store.summarize(Query())
                assert not cells.caveats
                assert sum(cell.n for cell in cells.cells) == len(history)
                pendings.add(store.condition().pending)
            assert delivery.result()
        assert len(pendings) > 3
        assert ids(store.remote) == expected


RECORDING = """
import sys, time
from benchmark_recorder import get_benchmark_recorder
url, journal, worker, seconds = sys.argv[1:]
recorder = get_benchmark_recorder(url, journal=journal)
count, end = 0, time.monotonic() + float(seconds)
while time.monotonic() < end:
    recorder.record_execution("task", 1.0, True, "v1", metadata={"number": f"{worker}-{count}"})
    count += 1
    time.sleep(0.002)
print(count)
"""


def test_a_server_that_is_killed_while_four_processes_record_has_every_record_once_in_the_end(
    tmp_path: Path, server: Mongod
) -> None:
    path, url, seconds = tmp_path / "metrics.json", server.url("bench"), 20
    arguments = [url, str(path)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDING, *arguments, str(worker), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for worker in range(4)
    ]
    time.sleep(seconds / 3)  # the outage is in the middle of it
    server.kill()
    time.sleep(seconds / 3)
    server.start()
    server.await_primary()
    acknowledged: list[str] = []
    for number, worker in enumerate(workers):
        output, errors = worker.communicate(timeout=90)
        assert worker.returncode == 0, errors
        acknowledged += [f"{number}-{count}" for count in range(int(output))]
    with replicated(path, url) as store:
        assert store.deliver(lambda: True)
        documents = list(store.remote.documents(Query()))
        assert store.condition().pending == 0
    assert len(acknowledged) > 1000
    assert Counter(d["metadata"]["number"] for d in documents) == Counter(acknowledged)


def fail(server: Mongod, times: int, command: str = "insert", **what: Any) -> None:
    with server.client() as client:
        data = {"failCommands": [command], **what}
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data})


def step_down(server: Mongod) -> None:
    with server.client() as client:
        client.admin.command({"replSetStepDown": 1, "force": True})


def test_a_flapping_server_is_no_matter_of_the_caller_and_gets_each_record_once(tmp_path: Path, server: Mongod) -> None:
    troubles: list[Callable[[], None]] = [
        lambda: fail(server, 4, closeConnection=True),
        lambda: fail(server, 2, writeConcernError={"code": 64, "errmsg": "timed out"}),  # applied, and not confirmed
        lambda: fail(server, 3, errorCode=11600),
        lambda: fail(server, 2, blockConnection=True, blockTimeMS=300),
        lambda: fail(server, 1, command="createIndexes", errorCode=13),
        lambda: step_down(server),
    ]
    url = server.url("bench") + "&heartbeatFrequencyMS=500"
    with get_benchmark_recorder(url, journal=tmp_path / "metrics.json", strict=True) as recorder:
        for trouble in troubles:
            trouble()
            for _ in range(20):
                recorder.record_execution("task", 1.0, True, "v1")
            assert recorder.flush(60)
        assert recorder.get_historical_metrics("v1").count == 120
    with server.client() as client:
        assert client["bench"]["executions"].count_documents({}) == 120


def test_a_reply_that_is_lost_after_the_server_applied_a_batch_doubles_nothing(tmp_path: Path, server: Mongod) -> None:
    with Door(server.port) as door, server.client() as client:
        url = f"mongodb://127.0.0.1:{door.port}/bench?directConnection=true"
        with get_benchmark_recorder(url, journal=tmp_path / "metrics.json", strict=True) as recorder:
            recorder.record_execution("task", 1.0, True, "v1")
            assert recorder.flush(60)
            for times in (1, 2, 3, 5):  # the driver itself tries twice
                before = door.dropped
                door.drop(times)
                for _ in range(20):
                    recorder.record_execution("task", 1.0, True, "v1")
                assert recorder.flush(60)
                assert door.dropped - before == times
            assert recorder.health().pending == 0
            assert recorder.get_historical_metrics("v1").count == 81
        assert client["bench"]["executions"].count_documents({}) == 81


def test_the_callers_thread_never_touches_the_network(
    tmp_path: Path, server: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_by: set[threading.Thread] = set()

    def noting(name: str) -> Callable[..., Any]:
        use = getattr(socket.socket, name)

        def note(*arguments: Any, **options: Any) -> Any:
            used_by.add(threading.current_thread())
            return use(*arguments, **options)

        return note

    for name in ("connect", "send", "sendall", "recv", "recv_into"):
        monkeypatch.setattr(socket.socket, name, noting(name))
    recorder = get_benchmark_recorder(server.url("bench"), journal=tmp_path / "metrics.json")
    for _ in range(200):
        recorder.record_execution("task", 1.0, True, "v1")
        recorder.health()
    assert recorder.flush(60)
    assert used_by
    assert threading.current_thread() not in used_by
    recorder.close()


def test_a_validator_that_refuses_some_records_holds_nothing_else_up(tmp_path: Path, server: Mongod) -> None:
    with server.client() as client:
        client["bench"].create_collection("executions", validator={"version": {"$ne": "v2"}})
    with get_benchmark_recorder(server.url("bench"), journal=tmp_path / "metrics.json") as recorder:
        for version in ("v1", "v2", "v1", "v2", "v1"):
            recorder.record_execution("task", 1.0, True, version)
        assert recorder.flush(60)
        assert recorder.health().quarantined == 2
        assert not recorder.health().ok
        assert recorder.get_historical_metrics("v2").count == 2
        assert recorder.get_historical_metrics("v1").count == 3


def test_no_exit_hangs_on_a_server_that_does_not_answer(tmp_path: Path) -> None:
    program = (
        "import sys; from benchmark_recorder import get_benchmark_recorder\n"
        "recorder = get_benchmark_recorder(sys.argv[1], journal=sys.argv[2])\n"
        "for _ in range(3): recorder.record_execution('task', 1.0, True, 'v1')\n"
    )
    path = tmp_path / "metrics.json"
    command = [sys.executable, "-W", "error", "-c", program, "mongodb://127.0.0.1:9/bench", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with JSONFileStore(path) as journal:
        assert len(ids(journal)) == 3


def test_no_exit_hangs_on_a_server_that_hangs_whether_records_wait_or_not(tmp_path: Path, server: Mongod) -> None:
    program = (
        "import sys; from benchmark_recorder import get_benchmark_recorder\n"
        "recorder = get_benchmark_recorder(sys.argv[1], journal=sys.argv[2])\n"
        "recorder.record_execution('task', 1.0, True, 'v1')\n"
        "print(recorder.flush(60), flush=True); sys.stdin.readline()\n"
        "for _ in range(int(sys.argv[3])): recorder.record_execution('task', 1.0, True, 'v1')\n"
    )
    path = tmp_path / "metrics.json"
    for more in (0, 1):
        # The driver itself would not notice for ten minutes.
        command = [sys.executable, "-W", "error", "-c", program, server.url("bench") + "&heartbeatFrequencyMS=600000"]
        with subprocess.Popen(
            [*command, str(path), str(more)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "True\n"
            server.signal(signal.SIGSTOP)
            try:
                process.communicate("go on\n", timeout=60)
            finally:
                process.kill()
                server.signal(signal.SIGCONT)
            assert process.returncode == 0
    with replicated(path, server.url("bench")) as store:
        assert store.deliver(lambda: True)
        assert len(ids(store.remote)) == 3


def test_a_question_to_a_server_that_hangs_is_answered_from_the_journal_and_later_from_both(
    tmp_path: Path, server: Mongod
) -> None:
    with MongoDBStore(server.url("bench")) as another_machine:
        another_machine.append([make_document(version="v1")])
    with get_benchmark_recorder(server.url("bench"), journal=tmp_path / "metrics.json") as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
        assert recorder.flush(60)
        assert recorder.get_historical_metrics("v1").count == 2
        server.signal(signal.SIGSTOP)
        recorder.record_execution("task", 1.0, True, "v1")
        summary = recorder.get_historical_metrics("v1")
        assert summary.count == 2
        assert summary.warnings[0].code == "store_out_of_reach"
        assert "1 record waits to be delivered" in str(summary.warnings[0])
        server.signal(signal.SIGCONT)
        assert recorder.flush(60)
        summary = recorder.get_historical_metrics("v1")
        assert summary.count == 3
        assert "store_out_of_reach" not in {warning.code for warning in summary.warnings}


def test_a_process_that_ends_at_once_has_delivered_where_the_server_answers(tmp_path: Path, server: Mongod) -> None:
    program = (
        "import sys; from benchmark_recorder import get_benchmark_recorder\n"
        "recorder = get_benchmark_recorder(sys.argv[1], journal=sys.argv[2])\n"
        "for _ in range(3): recorder.record_execution('task', 1.0, True, 'v1')\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, server.url("bench"), str(tmp_path / "metrics.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with MongoDBStore(server.url("bench")) as remote:
        assert len(ids(remote)) == 3


@forking
def test_a_forked_child_delivers_its_own_records(tmp_path: Path, server: Mongod) -> None:
    path, url = tmp_path / "metrics.json", server.url("bench")
    with get_benchmark_recorder(url, journal=path) as recorder:
        recorder.record_execution("task", 1.0, True, "parent")
        assert recorder.flush(60)

        def record() -> None:
            recorder.record_execution("task", 1.0, True, "child")
            if not recorder.flush(60):
                kill_me()
            recorder.close()

        assert in_a_child(record) == 0
        recorder.record_execution("task", 1.0, True, "parent")
        assert recorder.flush(60)
    with MongoDBStore(url) as remote:
        assert sorted(remote.scan(Query(), ["version"])["version"]) == ["child", "parent", "parent"]


def test_the_environment_names_the_server_and_the_journal(
    tmp_path: Path, server: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_RECORDER_STORE", server.url("bench"))
    monkeypatch.setenv("BENCHMARK_RECORDER_JOURNAL", str(tmp_path / "local.json"))
    with get_benchmark_recorder() as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
        assert recorder.flush(60)
    assert (tmp_path / "local.json").exists()
    with MongoDBStore(server.url("bench")) as remote:
        assert len(ids(remote)) == 1
