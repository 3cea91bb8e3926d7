from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from benchmark_recorder import BenchmarkRecorder, History, InvalidQueryError, JSONFileStore, MemoryStore, MongoDBStore
from benchmark_recorder.fields import METRIC_FIELDS
from benchmark_recorder.queries import QueryArguments
from benchmark_recorder.stores import base
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import make_document
from tests.fakes.google_cloud import google_cloud
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmark_recorder.stores.base import Store

NOVEMBER = datetime(2026, 11, 4, 12, tzinfo=UTC)


def history() -> list[dict[str, Any]]:
    """Records that differ in everything that a query asks for."""
    return [
        make_document(
            version=f"v{n % 3}",
            task_id=f"task {n % 4}",
            timestamp=(NOVEMBER + timedelta(hours=n)).isoformat(timespec="microseconds"),
            success=n % 5 > 0,
            cost_estimated=0.5 * (n % 2),
            metadata={"region": "eu" if n % 2 else "us"},
            agent_selected=f"agent {n % 2}",
            **({"error_type": "Timeout"} if n % 5 == 0 else {}),
            **({"model": "large", "input_tokens": n} if n % 7 == 0 else {}),
            **({"host": "a", "expected_agent": "agent 1"} if n % 6 == 0 else {}),
            **({"parent_id": f"{7:032x}"} if n % 11 == 0 else {}),
            **({"dropped": ["cost"]} if n % 13 == 0 else {}),
        )
        for n in range(60)
    ]


ARGUMENTS: dict[str, Any] = {
    "task": "Create a landing page",
    "task_id": ["task 1", "task 3"],
    "agent": "agent 1",
    "success": False,
    "since": NOVEMBER + timedelta(hours=20),
    "until": NOVEMBER + timedelta(hours=40),
    "last_days": 1e5,
    "metadata": {"region": "eu"},
    "model": "large",
    "error_type": "Timeout",
    "host": "a",
    "commit": "0" * 40,
    "expected_agent": "agent 1",
    "dropped": "cost",
    "runs": "children",
}


@pytest.fixture(params=["json", "mongodb", "replicated", "vertex"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A real file, a real server, both, and Google's own clients before fakes of their services."""
    if request.param == "json":
        yield JSONFileStore(tmp_path / "metrics.json")
    elif request.param == "vertex":
        with google_cloud() as cloud:
            cloud.set_up()
            with cloud.store(deadline=30.0) as vertex:
                yield vertex
    else:
        uri, database = request.getfixturevalue("mongodb_uri"), request.getfixturevalue("database")
        with MongoDBStore(uri, database=database) as mongodb:
            if request.param == "mongodb":
                yield mongodb
            else:
                path = tmp_path / "metrics.json"
                with ReplicatedStore(JSONFileStore(path), mongodb, beside=path, deliver="off") as both:
                    yield both


def test_every_argument_of_a_query_narrows_the_records_in_every_store_as_in_memory(store: Store) -> None:
    assert ARGUMENTS.keys() == QueryArguments.__annotations__.keys()
    reference, documents = MemoryStore(), history()
    for there in (reference, store):
        there.append(documents)
    asked: list[dict[str, Any]] = [{}, {"version": "v1"}, {"version": ["v0", "v2"]}]
    for arguments in [*asked, *({name: value} for name, value in ARGUMENTS.items())]:
        found, expected = (History(there).records(**arguments) for there in (store, reference))
        assert [*found] == [*expected], arguments
        assert [*found] == [*found]
        table = pa.table(found)
        assert table == pa.table(expected), arguments
        assert table["record_id"].to_pylist() == [one.record_id for one in expected]


def test_a_wrong_argument_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(InvalidQueryError, match="unknown query argument colour; known are version, task"):
        History(MemoryStore()).records(colour="red")  # type: ignore[call-arg]


def test_records_are_those_that_were_recorded_roots_and_parts_and_a_later_look_finds_later_ones() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    records = recorder.records()
    assert [*records] == []
    with recorder.measure("whole", "v1"), recorder.measure("part", "v1"):
        pass
    assert {one.task_description for one in records} == {"whole", "part"}
    assert [*records] == recorder.get_all_metrics()
    assert [one.task_description for one in recorder.records(runs="roots")] == ["whole"]


def test_in_a_table_unknown_costs_are_missing_and_times_are_utc() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for cost in (None, 0, 0.25):
        recorder.record_execution(
            "x", 1.0, True, "v1", cost=cost, metadata={"a": [1]}, timestamp="2026-01-01T02:00+02:00"
        )
    records: Any = recorder.records()
    frame = records.to_pandas()
    assert frame["cost_estimated"].isna().tolist() == [True, False, False]
    assert frame["cost_estimated"].mean() == 0.125
    assert frame["timestamp"].tolist() == 3 * [pd.Timestamp("2026-01-01", tz="UTC")]
    assert frame["metadata"].tolist() == 3 * [{"a": [1]}]
    (row, *_) = rows = pa.table(records).to_pylist()
    assert [one["cost_estimated"] for one in rows] == [None, 0.0, 0.25]
    assert row["timestamp"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert json.loads(row["metadata"]) == {"a": [1]}
    assert pl.DataFrame(records).to_dicts() == rows
    relation = duckdb.sql("SELECT count(*), sum(cost_estimated) FROM records")
    assert relation is not None
    assert relation.fetchall() == [(3, 0.25)]
    assert [*frame] == [*row] == [name for name in METRIC_FIELDS if name != "cost_known"]


def test_an_empty_table_has_the_same_columns_and_types() -> None:
    full, none = History(MemoryStore()), History(MemoryStore())
    full.store.append(history())
    assert pa.table(full.records()).schema == pa.table(none.records()).schema
    assert full.records().to_pandas().dtypes.to_dict() == none.records().to_pandas().dtypes.to_dict()


def test_what_is_printed_is_a_short_table() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    assert str(recorder.records()) == "No records match."
    recorder.record_execution("Write a post", 1.5, True, "v1", timestamp="2026-01-01T02:00+02:00", cost=0.25)
    assert str(recorder.records()).splitlines() == [
        "time (UTC)        version  task          took (s)  success  cost ($)",
        "2026-01-01 00:00  v1       Write a post      1.50  yes         0.250",
    ]
    for _ in range(30):
        recorder.record_execution("Write a post", 1.5, False, "v1")
    shown = str(recorder.records()).splitlines()
    assert len(shown) == 23
    assert shown[-1] == "These are the first 20; there are more."


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_break_no_table(text: str) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    recorder.record_execution(text, 1.0, True, text, metadata={text[:500]: text[:500]})
    (metric,) = records = recorder.records()
    assert len(str(records).splitlines()) == 2
    assert pa.table(records)["version"].to_pylist() == [metric.version]
    assert records.to_pandas()["task_description"].tolist() == [metric.task_description]


def test_an_invalid_record_is_left_out_as_in_every_question(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    wrong = ({"success": None}, {"version": 2}, {"timestamp": "yesterday"}, {"execution_time": "1"}, {"task_id": 7})
    valid = make_document()
    with JSONFileStore(path) as store:
        store.append([valid, *(make_document() | fields for fields in wrong)], fresh=True)
    for days in (None, 1e5):
        records = History(path).records(last_days=days)
        assert [one.record_id for one in records] == [valid["record_id"]]
        assert records.to_pandas()["record_id"].tolist() == [valid["record_id"]]


def test_an_older_file_lacks_fields_that_a_metric_has(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(
        '{"metrics": [{"timestamp": "2026-01-01T00:00:00", "version": "v1", "execution_time": 1.0, "success": true}]}'
    )
    (metric,) = History(path).records()
    assert (metric.task_description, metric.cost_estimated, metric.metadata) == ("", 0.0, None)


def test_iterating_holds_a_few_thousand_records_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "READ_AT_ONCE", 1000)
    store, peaks = JSONFileStore(tmp_path / "metrics.json"), []
    for number in (5000, 10_000):
        store.append([make_document(metadata={"text": "x" * 200}) for _ in range(5000)], fresh=True)
        records = History(store.path).records()
        next(iter(records))
        tracemalloc.start()
        assert sum(1 for _ in records) == number
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
