"""Rows a second into BigQuery: the store against a bare ``insert_rows_json`` loop with the same batches.

``python tests/perf/vertex.py`` prints the table, and fails below the bound. Google's client is the real one; the
service is a fake in a process of its own on the loopback, so the figures say what the store adds, not how fast
Google is.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client

from benchmark_recorder.records import Document
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.stores.vertex.rows import SCHEMA, row_of
from tests.fakes.bigquery import FakeBigQuery
from tests.perf.ratios import ROUNDS, Line, history, print_table

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PROJECT = "demo-project"
TABLE = f"{PROJECT}.benchmarks.benchmark_metrics"
ROWS = 10_000
BATCH = 500


def main() -> int:
    """Print the table; 1 if a bound is missed."""
    with service() as client:
        lines = measure(client)
    print_table(f"Rows into BigQuery, {ROWS:,} a round in batches of {BATCH}", lines)
    return not all(line.holds for line in lines)


def measure(client: Client) -> list[Line]:
    """The loop, the store and the replication in turn; the rows of a round are new ones."""
    rates: dict[str, list[float]] = {"loop": [], "store": [], "replication": []}
    calls: dict[str, Callable[[list[Document]], float]] = {
        "loop": lambda documents: loop(client, documents),
        "store": lambda documents: store(client, documents),
        "replication": lambda documents: replication(client, documents),
    }
    first = 0
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            rate = ROWS / call(history(ROWS, first))
            first += ROWS
            if turn:  # the first one warms up
                rates[name].append(rate)
    return [
        Line(
            f"{name} over a bare insert_rows_json loop",
            [ours / bare for ours, bare in zip(rates[name], rates["loop"], strict=True)],
            bound,
            f"({sorted(rates[name])[ROUNDS // 2]:,.0f} rows/s, {sorted(rates['loop'])[ROUNDS // 2]:,.0f} rows/s)",
        )
        for name, bound in (("store", ">= 0.7"), ("replication", ""))
    ]


def loop(client: Client, documents: list[Document]) -> float:
    """Seconds of the bare loop, which is given finished rows."""
    rows = [row_of(document, number) for number, document in enumerate(documents)]
    start = time.perf_counter()
    for batch in batches(rows):
        assert not client.insert_rows_json(TABLE, batch, row_ids=[row["record_id"] for row in batch], timeout=10)
    return time.perf_counter() - start


def store(client: Client, documents: list[Document]) -> float:
    """Seconds of the store, which makes the rows."""
    target = VertexStore(PROJECT, bigquery_client=client)
    start = time.perf_counter()
    for batch in batches(documents):
        target.append(batch, fresh=True)
    return time.perf_counter() - start


def replication(client: Client, documents: list[Document]) -> float:
    """Seconds in which a journal's backlog is delivered; it decides on its batches itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "metrics.json")
        target = VertexStore(PROJECT, bigquery_client=client)
        with ReplicatedStore(JSONFileStore(path), target, beside=path, deliver="off") as replicated:
            replicated.append(documents, fresh=True)
            start = time.perf_counter()
            assert replicated.delivery.deliver(lambda: True)
            return time.perf_counter() - start


def batches(items: list[Any]) -> Iterator[list[Any]]:
    """Some at a time."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


@contextmanager
def service() -> Iterator[Client]:
    """A fake BigQuery with the table, in a process of its own, and Google's client for it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,))
    process.start()
    client = Client(PROJECT, AnonymousCredentials(), client_options={"api_endpoint": ours.recv()})
    try:
        yield client
    finally:
        client.close()
        ours.send("enough")
        process.join()


def serve(connection: Connection) -> None:
    """The fake's process."""
    fake = FakeBigQuery()
    fake.create_dataset({"datasetReference": {"datasetId": "benchmarks"}, "location": "us-central1"})
    reference = dict(zip(("projectId", "datasetId", "tableId"), TABLE.split("."), strict=True))
    fields = [{"name": column.name, "type": column.kind, "mode": column.mode} for column in SCHEMA]
    fake.create_table("benchmarks", {"tableReference": reference, "schema": {"fields": fields}})
    connection.send(fake.url)
    connection.recv()
    fake.close()


if __name__ == "__main__":
    sys.exit(main())
