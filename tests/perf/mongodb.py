"""MongoDB against the bare driver, and the caller during an outage; ratios of figures taken in the same run.

``python -m tests.perf.mongodb [PART ...] [--records N] [--rounds N]``: the parts are ``replication``, ``reading``,
``memory`` and ``outage``, all of them unless some are named; 100,000 records and five rounds unless said otherwise. A
round of ``outage`` takes 30 s. With 1,000,000 records, two parts and one round take a minute or two, 2 GB of memory and
2 GB of disk.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_recorder import BenchmarkRecorder, get_benchmark_recorder
from benchmark_recorder.cells import CELL_FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, stamp
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.mongodb.documents import stored
from benchmark_recorder.stores.mongodb.pipeline import filter_of
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import make_document
from tests.perf.ratios import ROUNDS, Line, print_table
from tests.stores.mongod import Mongod, find_mongod

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import MongoClient
    from pymongo.collection import Collection

    from benchmark_recorder.cells import Cell
    from benchmark_recorder.stores.base import Store

RECORDS = 100_000
BATCH = 1000
OUTAGE = (5.0, 15.0, 30.0)
"""Seconds: the server is stopped, goes on, and the run ends."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="MongoDB against the bare driver")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless given")
    parser.add_argument("--records", type=int, default=RECORDS, help=f"{RECORDS:,} unless given")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} unless given")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    path, reason = find_mongod()
    if path is None:
        print(f"left out: {reason}")
        return 0
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as folder, Mongod(path, made(Path(folder) / "data")) as server:
        for part in chosen.parts or PARTS:
            lines += PARTS[part](server, Path(folder), chosen.records, chosen.rounds)
    print_table(f"MongoDB, {chosen.records:,} records", lines)
    return not all(line.holds for line in lines)


def made(path: Path) -> Path:
    path.mkdir()
    return path


def make(count: int) -> Iterator[Document]:
    """Half of the records are of 200 tasks that repeat, half of tasks that do not."""
    rng, template = random.Random(1), make_document()
    for number in range(count):
        record_id, timestamp = stamp()
        yield template | {
            "record_id": record_id,
            "timestamp": timestamp,
            "version": rng.choice(["v1", "v2"]),
            "task_id": f"t{rng.randrange(200)}" if number % 2 else f"once{number}",
            "agent_selected": "one that repeats" if number % 2 else "any",
            "execution_time": rng.lognormvariate(0, 1),
            "success": rng.random() < 0.9,
            "cost_estimated": rng.random(),
            "model": f"model-{number % 3}",
            "git_commit": f"{number % 20:040}",
            "metadata": {"run": "r1", "region": f"region-{number % 5}"},
        }


def write(store: Store, documents: Iterator[Document]) -> None:
    while part := list(islice(documents, BATCH)):
        store.append(part, fresh=True)


def took(run: Callable[[], Any]) -> float:
    """Seconds; what was written before is on the disk, so that the server's own writing does not wait for it."""
    os.sync()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def behind(folder: Path, url: str) -> ReplicatedStore:
    path = made(folder) / "metrics.json"
    return ReplicatedStore(JSONFileStore(path), MongoDBStore(url), beside=path, deliver="off")


# Replication ----------------------------------------------------------------------------------------------------------


def replication(server: Mongod, folder: Path, count: int, rounds: int) -> list[Line]:
    history = folder / "history.json"
    with JSONFileStore(history) as journal:
        write(journal, make(count))
        rows = [stored(document) for document in journal.documents(Query())]
    gc.collect()
    gc.freeze()  # or each collection during our turn would walk through the rows of the other's
    bare, ours = [], []
    for number in range(rounds):
        with server.client() as client:
            bare.append(count / took(partial(insert, client["bare"]["executions"], rows)))
            client.drop_database("bare")
            client.drop_database("bench")
        with behind(folder / f"round-{number}", server.url("bench")) as store:
            store.delivery.attachment.attach()
            shutil.copyfile(history, store.journal.name)
            ours.append(count / took(partial(deliver, store)))
        shutil.rmtree(folder / f"round-{number}")
    gc.unfreeze()
    note = f"{median(ours):,.0f} over {median(bare):,.0f} records a second"
    ratios = [one / other for one, other in zip(ours, bare, strict=True)]
    return [Line("replication over a bare `insert_many` loop of the same documents", ratios, ">= 0.7", note)]


def insert(collection: Collection[Any], rows: list[dict[str, Any]]) -> None:
    """What the driver alone does with the same documents, from memory, and with the same indexes."""
    from pymongo import WriteConcern

    collection = collection.with_options(write_concern=WriteConcern("majority"))
    collection.create_index([("version", 1), ("time", 1)])
    collection.create_index([("task_id", 1), ("version", 1), ("time", 1)])
    for start in range(0, len(rows), BATCH):
        collection.insert_many(rows[start : start + BATCH], ordered=False)


def deliver(store: ReplicatedStore) -> None:
    assert store.deliver(lambda: True)


# Questions ------------------------------------------------------------------------------------------------------------


def reading(server: Mongod, _: Path, count: int, rounds: int) -> list[Line]:
    with server.client() as client, MongoDBStore(server.url("bench")) as store:
        collection = client["bench"]["executions"]
        if collection.estimated_document_count() != count:
            client.drop_database("bench")
            write(store, make(count))
        questions = [
            (of, query, condition, fields)
            for of, query, condition in (
                ("all", Query(), {}),
                ("one version's", Query.of(version="v1"), {"version": {"$eq": "v1"}}),
            )
            for fields in (["execution_time"], ["version", "task_id", "success", "execution_time"])
        ]
        lines = [
            scanning(
                store, collection, f"`scan` of {len(fields)} columns of {of} records", query, condition, fields, rounds
            )
            for of, query, condition, fields in questions
        ]
        every = Query.of(version=["v1", "v2"])
        repeated = replace(every, agents=("one that repeats",))
        for what, query in (
            ("a comparison of all records, half of them of tasks seen once", every),
            ("a comparison of half of them, of 200 tasks", repeated),
        ):
            lines.append(comparing(store, client, what, query))
        condition = filter_of(every)
        find = "over a bare `find` of the columns that it is made of"
        columns = partial(fetch, collection, condition, CELL_FIELDS)
        lines.append(
            against(server, f"the first of these {find}", partial(store.summarize, every), columns, rounds, "<= 2.5")
        )
        for key in ("model", "commit", "metadata.region"):
            grouped = partial(store.summarize, replace(repeated, by=(key,)))
            plain = partial(store.summarize, repeated)
            lines.append(against(server, f"the second by `{key}` over that without", grouped, plain, rounds, "<= 1.3"))
        histogram, scan = partial(store.histogram, every), partial(store.scan, every, ["version", "execution_time"])
        lines.append(against(server, "histograms over a `scan` of the column", histogram, scan, rounds, "<= 0.8"))
        return lines


def fetch(collection: Collection[Any], condition: dict[str, Any], fields: Sequence[str]) -> None:
    list(collection.find(condition, {"_id": False} | dict.fromkeys(fields, True)))


def against(  # noqa: PLR0917
    server: Mongod, what: str, ours: Callable[[], Any], other: Callable[[], Any], rounds: int, target: str
) -> Line:
    """In seconds of the processor that server and client take together, as either may do the other's work."""

    def cost(run: Callable[[], Any]) -> float:
        start = server.cpu_seconds() + time.process_time()
        run()
        return server.cpu_seconds() + time.process_time() - start

    times = [(cost(ours), cost(other)) for _ in range(rounds)]
    note = "{:.1f} s over {:.1f} s".format(*map(median, zip(*times, strict=True)))
    return Line(what, [one / two for one, two in times], target, note)


def scanning(  # noqa: PLR0917
    store: MongoDBStore,
    collection: Collection[Any],
    what: str,
    query: Query,
    condition: dict[str, Any],
    fields: list[str],
    rounds: int,
) -> Line:
    projection = {"_id": False} | dict.fromkeys(fields, True)
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(took(lambda: list(collection.find(condition, projection))))
        ours.append(took(partial(store.scan, query, fields)))
    ratios = [one / other for one, other in zip(bare, ours, strict=True)]
    note = f"{median(ours):.2f} s over {median(bare):.2f} s"
    return Line(f"{what}, speed over a bare `find` with that projection", ratios, ">= 0.7", note)


def comparing(store: MongoDBStore, client: MongoClient[Any], what: str, query: Query) -> Line:
    before = bytes_out(client)
    cells: list[Cell] = []
    seconds = took(lambda: cells.extend(store.summarize(query).cells))
    moved = bytes_out(client) - before
    return Line(f"bytes moved by {what}", [moved], "", f"{len(cells):,} cells, {seconds:.1f} s")


def bytes_out(client: MongoClient[Any]) -> int:
    sent: int = client.admin.command("serverStatus")["network"]["bytesOut"]
    return sent


# Memory ---------------------------------------------------------------------------------------------------------------

MEASURE = """
import sys
from pathlib import Path
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.mongodb.pipeline import filter_of
from benchmark_recorder.stores.replication import ReplicatedStore
path, url = sys.argv[1:]
with ReplicatedStore(JSONFileStore(path), MongoDBStore(url), beside=path, deliver="off") as store:
    assert store.deliver(lambda: True)
# Not getrusage: its maximum begins with what the parent had.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
"""


def memory(server: Mongod, folder: Path, count: int, _: int) -> list[Line]:
    few, many = (peak(server, folder, pending) for pending in (count // 10, count))
    what = f"peak memory of a process that delivers {count:,} records, over one that delivers {count // 10:,}"
    return [Line(what, [many / few], "<= 1.1", f"{many:.0f} over {few:.0f} MB")]


def peak(server: Mongod, folder: Path, count: int) -> float:
    """MB."""
    url = server.url(f"pending{count}")
    with behind(folder / f"pending-{count}", url) as store:
        write(store, make(count))
    command = [sys.executable, "-c", MEASURE, store.journal.name, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with server.client() as client:
        assert client[f"pending{count}"]["executions"].estimated_document_count() == count
        client.drop_database(f"pending{count}")
    return float(done.stdout)


# The caller -----------------------------------------------------------------------------------------------------------


def outage(server: Mongod, folder: Path, _count: int, rounds: int) -> list[Line]:
    found = [one_outage(server, made(folder / f"outage-{number}")) for number in range(rounds)]
    stop, go_on, _ = OUTAGE
    return [
        Line(
            f"p99 of a call, over a server stopped for {go_on - stop:g} s and the catch-up, over that without a remote",
            [behind / alone for behind, alone in found],
            "<= 2",
            f"{median(behind for behind, _ in found):.0f} over {median(alone for _, alone in found):.0f} us",
        )
    ]


def one_outage(server: Mongod, folder: Path) -> tuple[float, float]:
    """The p99 of a record call in microseconds, with this server behind it and without any; a record each ms."""
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
    rng = random.Random(1)
    began = looked = time.perf_counter()
    while True:
        for recorder in rng.sample(list(taken), 2):  # the first call after a pause is the slower one
            start = time.perf_counter()
            recorder.record_execution("task", 1.0, True, "v1")
            taken[recorder].append((time.perf_counter() - start) * 1e6)
        now = time.perf_counter()
        if now - began > end and now - looked > 0.5:
            looked = now
            if remote.health().pending < 2 * BATCH:  # what the last seconds brought: the outage is caught up with
                break
        time.sleep(0.001)
    assert remote.flush(60)
    remote.close()
    local.close()
    with_remote, without = (float(np.percentile(times, 99)) for times in taken.values())
    return with_remote, without


PARTS: dict[str, Callable[[Mongod, Path, int, int], list[Line]]] = {
    "replication": replication,
    "reading": reading,
    "memory": memory,
    "outage": outage,
}


if __name__ == "__main__":
    os.environ.pop("BENCHMARK_RECORDER_STORE", None)
    sys.exit(main(sys.argv[1:]))
