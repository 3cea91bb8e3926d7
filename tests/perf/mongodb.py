"""MongoDB against the bare driver, and the caller during an outage; ratios of figures taken in the same run.

``python -m tests.perf.mongodb [RECORDS [RUNS]]``: records (100,000 unless given), and runs of the outage, each of 30 s
(one unless given; the target is for the median of five).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_recorder import BenchmarkRecorder, get_benchmark_recorder
from benchmark_recorder.records import Document, Query, stamp
from benchmark_recorder.stores._executions import stored
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import make_document
from tests.stores.mongod import Mongod, find_mongod

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymongo.collection import Collection

BATCH = 1000
OUTAGE = (5.0, 15.0, 30.0)
"""Seconds: the server is stopped, goes on, and the run ends."""


def main(count: int = 100_000, runs: int = 1) -> int:
    path, reason = find_mongod()
    if path is None:
        print(f"left out: {reason}")
        return 0
    with tempfile.TemporaryDirectory() as folder, Mongod(path, made(Path(folder) / "data")) as server:
        history = make(count)
        writing(server, history, Path(folder))
        reading(server)
        pending_memory(server, Path(folder))
        ratios = [outage(server, Path(folder) / f"outage-{run}") for run in range(runs)]
        print(f"caller's p99 over outage and catch-up, against no remote: median {median(ratios):.2f} (at most 2)")
    return 0


def made(path: Path) -> Path:
    path.mkdir()
    return path


def make(count: int) -> list[Document]:
    """Half of the records are of 200 tasks that repeat, half of tasks that do not."""
    rng, template = random.Random(1), make_document(metadata={"run": "r1"})
    history = []
    for number in range(count):
        record_id, timestamp = stamp()
        history.append(
            template
            | {
                "record_id": record_id,
                "timestamp": timestamp,
                "version": rng.choice(["v1", "v2"]),
                "task_id": f"t{rng.randrange(200)}" if number % 2 else f"once{number}",
                "execution_time": rng.lognormvariate(0, 1),
                "success": rng.random() < 0.9,
                "cost_estimated": rng.random(),
            }
        )
    return history


def took(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def bare(server: Mongod, rows: list[dict[str, Any]]) -> None:
    """What the driver alone does with the same documents and indexes."""
    from pymongo import WriteConcern

    with server.client() as client:
        collection = client["bare"]["executions"].with_options(write_concern=WriteConcern("majority"))
        collection.create_index([("version", 1), ("time", 1)])
        collection.create_index([("task_id", 1), ("version", 1), ("time", 1)])
        for start in range(0, len(rows), BATCH):
            collection.insert_many(rows[start : start + BATCH], ordered=False)


def writing(server: Mongod, history: list[Document], folder: Path) -> None:
    rows = [stored(document) for document in history]
    without = took(lambda: bare(server, rows))
    path = folder / "metrics.json"
    with ReplicatedStore(JSONFileStore(path), MongoDBStore(server.url("bench")), beside=path, deliver="off") as store:
        store.append([make_document()])
        store.append(history, fresh=True)
        ours = took(lambda: store.deliver(lambda: True))
    print(f"insert_many alone: {len(rows) / without:,.0f} records/s")
    print(f"replication: {len(rows) / ours:,.0f} records/s, {without / ours:.2f} of it (at least 0.7)")


def fetch(collection: Collection[dict[str, Any]], condition: dict[str, Any], projection: dict[str, bool]) -> None:
    list(collection.find(condition, projection))


def reading(server: Mongod) -> None:
    with server.client() as client, MongoDBStore(server.url("bench")) as store:
        collection = client["bench"]["executions"]
        for query, condition in ((Query(), {}), (Query.of(version="v1"), {"version": {"$eq": "v1"}})):
            for fields in (["execution_time"], ["version", "task_id", "success", "execution_time"]):
                projection = {"_id": False} | dict.fromkeys(fields, True)
                without = min(took(partial(fetch, collection, condition, projection)) for _ in range(3))
                ours = min(took(partial(store.scan, query, fields)) for _ in range(3))
                print(f"scan of {len(fields)} columns: {without / ours:.2f} of a bare find (at least 0.7)")
        before = client.admin.command("serverStatus")["network"]["bytesOut"]
        seconds = took(lambda: store.summarize(Query.of(version=["v1", "v2"])))
        moved = client.admin.command("serverStatus")["network"]["bytesOut"] - before
        print(f"a comparison over {collection.estimated_document_count():,} records: {seconds:.1f} s, {moved:,} bytes")


MEASURE = """
import sys
from pathlib import Path
from benchmark_recorder.records import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import ReplicatedStore
path, url = sys.argv[1:]
with ReplicatedStore(JSONFileStore(path), MongoDBStore(url), beside=path, deliver="off") as store:
    assert store.deliver(lambda: True)
# Not getrusage: its maximum begins with what the parent had.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""


def pending_memory(server: Mongod, folder: Path) -> None:
    for count in (10_000, 100_000):
        path = folder / f"pending-{count}.json"
        url = server.url(f"pending{count}")
        with ReplicatedStore(JSONFileStore(path), MongoDBStore(url), beside=path, deliver="off") as store:
            store.append(make(1), fresh=True)
            store.append(make(count), fresh=True)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path), url], capture_output=True, text=True, check=True
        )
        print(f"memory while {count:,} pending records are delivered: {done.stdout.strip()} MB")


def outage(server: Mongod, folder: Path) -> float:
    """The p99 of a record call with this server behind it, as a multiple of one without any."""
    stop, go_on, end = OUTAGE
    remote = get_benchmark_recorder(server.url("outage"), journal=folder / "remote.json")
    local = BenchmarkRecorder(folder / "local.json")
    timers = [
        threading.Timer(seconds, server.signal, [number])
        for seconds, number in ((stop, signal.SIGSTOP), (go_on, signal.SIGCONT))
    ]
    for timer in timers:
        timer.start()
    taken: dict[BenchmarkRecorder, list[float]] = {remote: [], local: []}
    began = time.perf_counter()
    while time.perf_counter() - began < end:
        for recorder, times in random.sample(list(taken.items()), 2):  # the first call after a pause is the slower one
            times.append(took(partial(recorder.record_execution, "task", 1.0, True, "v1")))
        time.sleep(0.001)
    assert remote.flush(60)
    remote.close()
    local.close()
    with_remote, without = (float(np.percentile(times, 99)) for times in taken.values())
    print(
        f"p99 with an outage of {go_on - stop:g} s: {with_remote * 1e6:.0f} us, without a remote {without * 1e6:.0f} us"
    )
    return with_remote / without


if __name__ == "__main__":
    os.environ.pop("BENCHMARK_RECORDER_STORE", None)
    sys.exit(main(*map(int, sys.argv[1:])))
