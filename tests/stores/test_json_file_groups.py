"""Groups and filters from kept columns: the same as from the documents, whatever else the file holds."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from benchmark_recorder.columns import columns_of
from benchmark_recorder.queries import Query, Runs
from benchmark_recorder.records import Document
from benchmark_recorder.stores.json_file import JSONFileStore, derived, reader, table
from benchmark_recorder.tabulation import fields_of, summarize_columns
from benchmark_recorder.testing import assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from pathlib import Path

INVALID: tuple[dict[str, Any], ...] = ({"success": None}, {"version": 7}, {"timestamp": "soon"}, {"host": 1})

FILTERS = (
    Query(),
    Query(versions=("v1.0",)),
    Query(versions=("v2.0", "v1.0"), models=("model-1", "model-2")),
    Query(error_types=("error_type-1", "no such type"), hosts=("alpha",)),
    Query(expected_agents=("builder_agent",), success=False),
    Query(commits=("a" * 40,), task="Create a landing page"),
    Query(models=("no such model",)),
)
KEYS = (
    (),
    ("model",),
    ("week", "model"),
    ("error_type", "host"),
    ("commit",),
    ("expected_agent", "metadata.repeat"),
    ("block",),
    ("block", "model"),
)
ALL_RUNS: tuple[Runs, ...] = ("roots", "children", "all")
QUERIES = [replace(query, by=by, runs=runs) for query, by, runs in product(FILTERS, KEYS, ALL_RUNS)]

APPEND = """
import sys, msgspec
from benchmark_recorder.stores.json_file import JSONFileStore
JSONFileStore(sys.argv[1]).append(msgspec.json.decode(sys.stdin.buffer.read()), fresh=True)
"""


def history(seed: int) -> tuple[list[Document], list[Document]]:
    """What is written to a file, and what should count of it."""
    rng = random.Random(seed)
    counted: list[Document] = []
    for document in make_history(150, seed):
        child = {"parent_id": rng.choice(counted)["record_id"]} if counted and rng.random() < 0.3 else {}
        counted.append(document | child)
    written: list[Document] = []
    for number, document in enumerate(counted):
        written.append(document)
        if number % 9 == 0:
            written.append(rng.choice(written) | {"model": "of a copy", "version": "v1.0"})
        if number % 13 == 0:
            written.append(document | {"record_id": f"{seed}-{number}"} | rng.choice(INVALID))
        if number % 11 == 0:
            others = {"record_id": f"{number:x}{seed:031x}", "model": rng.choice([7, ["m"], {}]), "error_type": 1.5}
            written.append(document | others)
    seen: set[str] = set()
    expected: list[Document] = []
    for document in written:
        if _is_valid(document) and document["record_id"] not in seen:
            seen.add(document["record_id"])
            texts = {name: document[name] for name in ("model", "error_type") if isinstance(document.get(name), str)}
            expected.append({k: v for k, v in document.items() if k not in {"model", "error_type"}} | texts)
    return written, expected


def _is_valid(document: Document) -> bool:
    return all(document.get(name) != value for fields in INVALID for name, value in fields.items())


def assert_answers(store: JSONFileStore, expected: list[Document]) -> None:
    for query in QUERIES:
        columns = columns_of(list(filter(query.matches, expected)), fields_of(query))
        found = store.summarize(query)
        assert_same_cells(found, summarize_columns(columns, query))
        if not query.by:
            times = sorted(columns["execution_time"].tolist())
            assert store.durations(query).ordered.tolist() == times
            for name in ("model", "error_type", "host", "record_id"):
                texts = columns_of(list(filter(query.matches, expected)), [name])[name]
                np.testing.assert_array_equal(store.scan(query, [name])[name], texts)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("pooled", [False, True])
def test_kept_columns_group_and_filter_as_the_documents_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, pooled: bool
) -> None:
    monkeypatch.setattr(reader, "WORTH_SAVING", 10)
    if pooled:
        monkeypatch.setattr(table, "MAX_KEPT_CELLS", 3)
    path = tmp_path / "metrics.json"
    written, expected = history(seed)
    first = len(written) // 2
    path.write_bytes(
        b'{"schema_version": 1, "metrics": [\n' + b",\n".join(map(msgspec.json.encode, written[:first])) + b"\n]}"
    )
    store = JSONFileStore(path)
    store.summarize(Query())
    # By another process, while this one has columns; in two steps, the second too short to be saved.
    for part in (written[first:-2], written[-2:]):
        subprocess.run([sys.executable, "-c", APPEND, str(path)], input=msgspec.json.encode(part), check=True)
        store.summarize(Query(models=("model-1",)))
    assert_answers(store, expected)
    assert_answers(JSONFileStore(path), expected)  # from saved columns, and what came after


def runs_of_days() -> list[Document]:
    """Runs of two hosts and an unknown one over some weeks, with gaps around three hours."""
    rng, moment, runs = random.Random(5), datetime(2026, 1, 1, tzinfo=UTC), []
    for number in range(400):
        moment += timedelta(minutes=rng.choice((1, 10, 60, 180, 181)))
        host = rng.choice(({"host": "alpha"}, {"host": "beta"}, {}))
        own = {"record_id": f"{number:032x}", "timestamp": moment.isoformat(), "task_id": f"task {number % 3}"}
        runs.append(make_document() | own | host | {"execution_time": rng.random(), "version": f"v{number % 2}"})
    return runs


@pytest.mark.parametrize("late", [None, 0, 350], ids=["in order", "the first comes last", "an earlier hour comes last"])
@pytest.mark.parametrize("most", [4000, 5])
def test_blocks_are_the_same_whether_they_are_kept_while_records_come_or_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: int | None, most: int
) -> None:
    monkeypatch.setattr(derived, "MAX_BLOCK_CELLS", most)
    store, runs, query = JSONFileStore(tmp_path / "metrics.json"), runs_of_days(), Query(by=("block",))
    if late is not None:
        runs.append(runs.pop(late))
    for first, last in pairwise((0, 1, 2, 150, 151, 398, 399, 400)):
        store.append(runs[first:last], fresh=True)
        assert_same_cells(store.summarize(query), summarize_columns(columns_of(runs[:last], fields_of(query)), query))
