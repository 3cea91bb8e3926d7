"""Records into a table that an older release set up: nothing waits for a person, and nothing is lost or unseen."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmark_recorder.errors import StoreSetupError, StoreUnavailableError
from benchmark_recorder.fields import COLUMNS, FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.vertex.rows import OPTIONAL, OTHER_FIELDS
from benchmark_recorder.testing import HOSTILE_TEXTS, assert_same_cells, make_document, make_history
from benchmark_recorder.testing.grouped import GROUPED
from benchmark_recorder.testing.histories import QUERIES
from tests.fakes.bigquery import Fault
from tests.fakes.google_cloud import PROJECT, TABLE, FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

NEWER: Final = sorted(OPTIONAL - {OTHER_FIELDS})
TABLE_PATH: Final = "/tables/benchmark_metrics"
VALUES: Final = {"id": "ab" * 16, "text": "x", "texts": ["x", "y"], "number": 0.1, "count": 2**53 + 1, "flag": True}
WHOLE: Final = {field.name: VALUES[field.kind] for field in FIELDS if field.kind in VALUES} | {"team": "unknown here"}


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """A project that is set up."""
    with google_cloud() as cloud:
        cloud.set_up()
        yield cloud


@pytest.fixture(params=[*([name] for name in NEWER), NEWER], ids=lambda names: names[0] if names[1:] == [] else "all")
def older(request: pytest.FixtureRequest, cloud: FakeGoogleCloud) -> list[str]:
    """Columns that the table lacks."""
    names: list[str] = request.param
    cloud.bigquery.drop_columns(TABLE, *names)
    return names


def unalterable(method: str = "PATCH") -> Fault:
    return Fault(TABLE_PATH, 403, "accessDenied", "Access Denied: bigquery.tables.update", method=method)


def whole(**values: Any) -> Document:
    """A record that has every field."""
    return make_document() | {name: value for name, value in WHOLE.items() if name != "record_id"} | values


def assert_answers(store: Store, history: Sequence[Document], queries: Sequence[Query]) -> None:
    """Every question of each query has the answer that it has about the same records in memory."""
    memory = MemoryStore()
    memory.append(history)
    for query in queries:
        assert list(store.documents(query)) == list(memory.documents(query))
        assert_same_cells(store.summarize(query), memory.summarize(query))
        assert store.histogram(query, "input_tokens") == memory.histogram(query, "input_tokens")
        found, expected = store.scan(query, COLUMNS), memory.scan(query, COLUMNS)
        assert {name: repr(column.tolist()) for name, column in found.items()} == {
            name: repr(column.tolist()) for name, column in expected.items()
        }


# A table that may be altered ------------------------------------------------------------------------------------------


def test_missing_columns_are_added_for_the_first_row_that_needs_them(cloud: FakeGoogleCloud, older: list[str]) -> None:
    store, document = cloud.store(), whole()
    assert store.append([document], fresh=True) == 1
    assert set(cloud.bigquery.tables[TABLE].fields) >= OPTIONAL
    [row] = cloud.rows()
    assert all(row[name] is not None for name in older)
    assert row[OTHER_FIELDS] == '{"team":"unknown here"}'
    assert list(store.documents(Query(runs="all"))) == [document]


def test_a_row_that_needs_no_missing_column_alters_nothing(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id", OTHER_FIELDS)
    cloud.store().append(make_history(20), fresh=True)
    assert cloud.bigquery.count("/insertAll") == 1
    assert cloud.bigquery.tables[TABLE].resource["etag"] == "1"


def test_rows_wait_while_bigquery_does_not_accept_a_column_that_was_just_added(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id")
    cloud.bigquery.late_inserts = 4
    store, history = cloud.store(), [*make_history(3), whole()]
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="new column parent_id yet.*some minutes") as caught:
            store.append(history, fresh=True)
        assert not isinstance(caught.value, StoreSetupError)
    assert cloud.rows() == []
    assert store.append(history, fresh=True) == 4
    assert_answers(store, history, [Query(), Query(runs="children")])


@pytest.mark.parametrize("theirs", [["parent_id", "model"], ["team"]], ids=["the same", "another"])
def test_a_table_that_another_alters_at_the_same_time_gets_the_columns_of_both(
    cloud: FakeGoogleCloud, monkeypatch: pytest.MonkeyPatch, theirs: list[str]
) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id", "model")
    patch_table = cloud.bigquery.patch_table
    bodies: list[dict[str, Any]] = []

    def after_another(parts: tuple[str, ...], body: dict[str, Any], etag: str | None) -> dict[str, Any]:
        if not bodies:
            there = cloud.bigquery.tables[TABLE].resource["schema"]["fields"]
            added = [{"name": name, "type": "STRING", "mode": "NULLABLE"} for name in theirs]
            patch_table(parts, {"schema": {"fields": [*there, *added]}}, None)
        bodies.append(body)
        return patch_table(parts, body, etag)

    monkeypatch.setattr(cloud.bigquery, "patch_table", after_another)
    store, document = cloud.store(), whole()
    assert store.append([document], fresh=True) == 1
    assert set(cloud.bigquery.tables[TABLE].fields) >= OPTIONAL.union(theirs)
    assert list(store.documents(Query(runs="all"))) == [document]


def test_several_processes_that_meet_an_older_table_at_once_store_each_record_once(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, *NEWER)
    program = f"""
import sys
from google.auth.credentials import AnonymousCredentials
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import make_document
store = VertexStore({PROJECT!r}, credentials=AnonymousCredentials())
for number in range(5):
    store.append([make_document(parent_id="ab" * 16, model=sys.argv[1])], fresh=True)
"""
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path), "NO_PROXY": "*"}
    environment["BIGQUERY_EMULATOR_HOST"] = cloud.bigquery.url
    processes = [
        subprocess.Popen([sys.executable, "-c", program, f"m{number}"], env=environment, stderr=subprocess.PIPE)
        for number in range(3)
    ]
    for process in processes:
        assert (process.communicate(timeout=120)[1], process.returncode) == (b"", 0)
    cells = cloud.store().summarize(Query(runs="children", by=("model",))).cells
    assert sorted((cell.group, cell.n) for cell in cells) == [(("m0",), 5), (("m1",), 5), (("m2",), 5)]


# A table that may not be altered --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", ""], ids=["only seen", "not even seen"])
def test_where_no_column_may_be_added_the_values_are_stored_and_found_elsewhere(
    cloud: FakeGoogleCloud, older: list[str], caplog: pytest.LogCaptureFixture, method: str
) -> None:
    cloud.bigquery.faults = [unalterable(method)]
    store, document = cloud.store(), whole()
    with caplog.at_level(logging.WARNING):
        assert store.append([document], fresh=True) == 1
    assert all(name in caplog.text for name in older)
    assert "vertex setup --project demo-project" in caplog.text
    assert cloud.bigquery.tables[TABLE].fields.keys().isdisjoint(older)
    cloud.bigquery.faults = [unalterable()]
    assert list(store.documents(Query(runs="all"))) == [document]
    requests = len(cloud.bigquery.requests)
    caplog.clear()
    assert store.append([whole()], fresh=True) == 1
    assert (len(cloud.bigquery.requests), caplog.records) == (requests + 1, [])  # it is known now, and was said


@pytest.mark.parametrize("columns_came", [False, True])
def test_questions_find_values_wherever_they_are(cloud: FakeGoogleCloud, columns_came: bool) -> None:
    """Filters, groups, histograms and raw values; also once the columns were added for later rows."""
    history = make_history(90)
    roots = [document["record_id"] for document in history[:60]]
    history[60:] = [one | {"parent_id": root} for one, root in zip(history[60:], roots, strict=False)]
    cloud.bigquery.drop_columns(TABLE, *NEWER)
    cloud.bigquery.faults = [unalterable()]
    store = cloud.store()
    store.append(history[:75], fresh=True)
    if columns_came:
        cloud.bigquery.faults = []
        cloud.set_up()
        store = cloud.store()
    store.append(history[75:], fresh=True)
    assert any(row.get("model") for row in cloud.rows()) == columns_came
    queries = [replace(query, runs=runs) for query in (*QUERIES, *GROUPED) for runs in ("roots", "children", "all")]
    memory = MemoryStore()
    memory.append(history)
    for query in queries:
        assert_same_cells(store.summarize(query), memory.summarize(query))
    assert_answers(store, history, [Query(), Query(by=("model", "commit"), runs="all"), Query(runs="children")])


def test_hostile_texts_survive_without_a_column(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, *NEWER)
    cloud.bigquery.faults = [unalterable()]
    store = cloud.store()
    history = [make_document(model=text, host=text, agent_selected=text, parent_id=None) for text in HOSTILE_TEXTS]
    store.append(history, fresh=True)
    assert_answers(store, history, [Query(), Query(by=("model",)), Query(models=HOSTILE_TEXTS[:3])])


def test_a_column_that_nothing_can_stand_in_for_is_the_setup(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, OTHER_FIELDS)
    cloud.bigquery.faults = [unalterable()]
    store, documents = cloud.store(), [whole(), make_document()]
    with pytest.raises(StoreSetupError, match="no column other_fields.*vertex setup"):
        store.append(documents, fresh=True)
    cloud.bigquery.faults = []
    store = cloud.store()
    assert store.append(documents, fresh=True) == 2
    assert_answers(store, documents, [Query(runs="all")])


def test_a_passing_refusal_to_add_a_column_is_waited_out(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id")
    cloud.bigquery.faults = [Fault(TABLE_PATH, 403, "rateLimitExceeded", "too many updates", method="PATCH")]
    store = cloud.store(deadline=0.3)
    with pytest.raises(StoreUnavailableError, match="too many updates"):
        store.append([whole()], fresh=True)
    cloud.bigquery.faults = []
    store.append([whole()], fresh=True)
    assert [row["parent_id"] for row in cloud.rows()] == ["ab" * 16]


@pytest.mark.parametrize("faults", [[], [unalterable()]], ids=["altered", "unalterable"])
def test_a_recorder_delivers_into_an_older_table_and_quarantines_nothing(
    cloud: FakeGoogleCloud, tmp_path: Path, faults: list[Fault]
) -> None:
    cloud.bigquery.drop_columns(TABLE, *NEWER)
    cloud.bigquery.faults = faults
    history = [*make_history(10), whole()]
    path = tmp_path / "metrics.json"
    with ReplicatedStore(JSONFileStore(path), cloud.store(deadline=30.0), beside=path) as store:
        store.append(history, fresh=True)
        assert store.flush(30)
        assert (store.condition().pending, store.condition().quarantined) == (0, 0)
        assert_same_cells(store.summarize(Query(runs="children")), store.journal.summarize(Query(runs="children")))


def test_the_check_names_the_missing_columns_and_where_their_values_are(cloud: FakeGoogleCloud) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id", "model")
    [finding] = [finding for finding in cloud.store().check() if finding.problem]
    assert finding.problem == (
        "has no column model, parent_id; where recording may not add it, the values are in other_fields"
    )
    assert finding.fix == "run `benchmark-recorder vertex setup --project demo-project`"
