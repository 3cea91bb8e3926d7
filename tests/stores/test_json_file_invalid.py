"""Records that are JSON, but have a field missing or of the wrong type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore, reader
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import QUERIES, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JSONFileStore]:
    with JSONFileStore(tmp_path / "metrics.json") as store:
        yield store


def ids_of(store: JSONFileStore) -> list[str]:
    return store.scan(Query(), ["record_id"])["record_id"].tolist()  # type: ignore[no-any-return]


INVALID_FIELDS: tuple[dict[str, Any], ...] = (
    {"success": None},
    {"success": "yes"},
    {"execution_time": "1.5"},
    {"cost_estimated": "free"},
    {"version": None},
    {"version": 2},
    {"task_id": 7},
    {"timestamp": "yesterday"},
    {"timestamp": None},
    {"timestamp": "0001-01-01T00:00:00+23:59"},
)


@pytest.mark.parametrize("fields", INVALID_FIELDS, ids=repr)
@pytest.mark.parametrize("worth_saving", [0, 10_000])
def test_an_invalid_record_is_left_out_and_reported_and_stays_in_the_file(
    store: JSONFileStore, fields: dict[str, Any], worth_saving: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "WORTH_SAVING", worth_saving)
    history = make_history(40)
    invalid = make_document(version="v1.0") | fields
    store.append([*history[:20], invalid, *history[20:]], fresh=True)
    content = store.path.read_bytes()
    reference = MemoryStore()
    reference.append(history)
    later = make_document(version="v1.0")
    for one in (store, JSONFileStore(store.path)):  # the second may have a cache to read from
        for query in QUERIES:
            found, expected = one.summarize(query), reference.summarize(query)
            assert_same_cells(found, expected)
            assert [caveat.code for caveat in found.caveats] == ["records_left_out"]
            assert found.caveats[0].figures["left_out"] == 1
            assert one.durations(query).ordered.tolist() == reference.durations(query).ordered.tolist()
            for name in ("record_id", "time", "version", "metadata"):
                assert one.scan(query, [name])[name].tolist() == reference.scan(query, [name])[name].tolist()
    assert store.path.read_bytes() == content
    inspection = store.inspect()
    assert (inspection.records, inspection.damaged) == (40, 1)
    assert "1 line is not a valid record (" in str(inspection.problem)
    store.append([later], fresh=True)
    reference.append([later])
    assert_same_cells(store.summarize(Query()), reference.summarize(Query()))
    assert store.repair().damaged == 1
    assert store.summarize(Query()).caveats == ()
    assert ids_of(store) == [*(document["record_id"] for document in history), later["record_id"]]


def test_what_is_left_out_is_reported_with_the_answer(store: JSONFileStore) -> None:
    store.append([*make_history(40), make_document() | {"success": None}], fresh=True)
    recorder = BenchmarkRecorder(store=store)
    for answer in (recorder.get_historical_metrics("v1.0"), recorder.compare_versions("v1.0", "v2.0")):
        assert "records_left_out" in [warning.code for warning in answer.warnings]
        assert "1 of 41 records" in str(answer)


def test_an_invalid_record_of_an_older_file_is_left_out_before_and_after_the_file_is_taken_over(
    store: JSONFileStore,
) -> None:
    sound = [make_document(version="v1") for _ in range(3)]
    invalid = [
        make_document(version="v1") | {"success": None},
        make_document(version="v1") | {"execution_time": "fast"},
    ]
    older = [
        {name: value for name, value in d.items() if name != "record_id"} for d in (sound[0], *invalid, *sound[1:])
    ]
    store.path.write_text(json.dumps({"metrics": older}, indent=2), encoding="utf-8")
    assert store.inspect().form == "old"
    for count in (3, 4):
        found = store.summarize(Query.of(version="v1"))
        assert [caveat.figures["left_out"] for caveat in found.caveats] == [2]
        assert (
            sum(cell.n for cell in found.cells) == len(store.durations(Query()).ordered) == len(ids_of(store)) == count
        )
        assert store.inspect().damaged == 2
        store.append([make_document(version="v1")], fresh=True)
    assert [d["success"] for d in json.loads(store.path.read_text(encoding="utf-8"))["metrics"]].count(None) == 1
