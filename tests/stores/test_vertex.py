"""The Vertex AI store against Google's own clients, and fakes of the two services behind them."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock

import pytest
import sqlglot
from google.cloud.bigquery import Client
from sqlglot.optimizer.qualify import qualify

from benchmark_recorder.cells import CELL_FIELDS, collect, tabulate
from benchmark_recorder.errors import ConfigurationError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.stores.vertex.groups import Key
from benchmark_recorder.stores.vertex.rows import SCHEMA
from benchmark_recorder.stores.vertex.sql import (
    Filters,
    groups_sql,
    histogram_sql,
    known_ids_sql,
    scan_sql,
    summarize_sql,
    with_columns,
)
from benchmark_recorder.stores.vertex.units import units_sql
from benchmark_recorder.testing import QUERIES, StoreContract, assert_same_cells, make_document, make_history
from tests.fakes.google_cloud import TABLE, FakeGoogleCloud, google_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def cloud() -> Iterator[FakeGoogleCloud]:
    """A project that is set up."""
    with google_cloud() as cloud:
        cloud.set_up()
        yield cloud


@pytest.fixture
def store(cloud: FakeGoogleCloud) -> Iterator[VertexStore]:
    with cloud.store(deadline=30.0) as store:
        yield store


class TestVertexStoreContract(StoreContract):
    @pytest.fixture
    def store(self, cloud: FakeGoogleCloud) -> Iterator[VertexStore]:
        with cloud.store(deadline=30.0) as store:
            yield store


# Rows -----------------------------------------------------------------------------------------------------------------


def test_a_record_is_one_row_whose_features_have_bigquerys_types(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    document = make_document(cost_estimated=0, execution_time=3, timestamp=_days_ago(1))
    store.append([document], fresh=True)
    [row] = cloud.rows()
    features = ("execution_time", "success", "cost", "difficulty", "version", "agent_selected")
    assert [row[name] for name in features] == [3.0, 1, None, 0.2, "v1.0", "builder_agent"]
    assert isinstance(row["execution_time"], float)
    assert row["record_id"] == document["record_id"]


def test_a_whole_document_comes_back_with_fields_that_have_no_column(store: VertexStore) -> None:
    history = [document | {"team": {"name": "x", "size": 2}} for document in make_history(20)]
    store.append(history[:10])
    store.append(history[10:])
    assert list(store.documents(Query())) == history
    assert list(store.documents(Query.of(success=False))) == [d for d in history if not d["success"]]
    assert list(store.documents(Query.of(version=[]))) == []


def test_rows_of_the_same_record_count_once_and_the_first_stays(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    cloud.bigquery.remembers_insert_ids = False
    history = make_history(30)
    for _ in range(3):
        store.append(history, fresh=True)
    assert len(cloud.rows()) == 90
    assert store.scan(Query(), ["record_id"])["record_id"].tolist() == [document["record_id"] for document in history]
    memory = MemoryStore()
    memory.append(history)
    assert_same_cells(store.summarize(Query()), memory.summarize(Query()))


def test_a_record_that_is_there_is_not_sent_again(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    cloud.bigquery.remembers_insert_ids = False
    history = make_history(30)
    assert store.append(history[:20]) == 20
    assert store.append(history) == 10
    assert len(cloud.rows()) == 30


def test_a_thousand_records_go_in_two_requests(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    assert store.append(make_history(1000), fresh=True) == 1000
    assert cloud.bigquery.count("/insertAll") == 2


# Questions ------------------------------------------------------------------------------------------------------------


def test_a_large_offset_costs_no_digits(store: VertexStore) -> None:
    times = [1e9 + step / 8 for step in range(9)]
    store.append([make_document(execution_time=time, cost_estimated=time) for time in times], fresh=True)
    [cell] = store.summarize(Query()).cells
    mean = math.fsum(times) / 9
    expected = math.fsum((time - mean) ** 2 for time in times)
    assert cell.time.mean == mean
    assert cell.time.m2 == pytest.approx(expected, rel=1e-9)
    assert cell.cost == cell.time


def test_a_duration_of_zero_has_no_logarithm_and_breaks_nothing(store: VertexStore) -> None:
    store.append([make_document(execution_time=0.0, cost_estimated=0.0, cost_known=True)], fresh=True)
    [cell] = store.summarize(Query()).cells
    assert (cell.n, cell.time.n, cell.log_time.n, cell.cost.n, cell.log_cost.n) == (1, 1, 0, 1, 0)


def test_only_the_tasks_with_most_runs_get_cells_of_their_own(store: VertexStore) -> None:
    memory = MemoryStore()
    history = make_history(400)
    for target in (store, memory):
        target.append(history)
    for versions in (None, ["v1.0"], ["v1.0", "v2.0"], ["v1.0", "no such version"]):
        query = Query.of(version=versions)
        assert_same_cells(store.summarize(query), memory.summarize(query))


@pytest.mark.parametrize(
    "metadata",
    [
        {"n": 1},
        {"n": 1.0},
        {"n": True},
        {"n": 0},
        {"n": -0.0},
        {"n": 2**53 + 1},
        {"n": float(2**53)},
        {"n": 1e300},
        {"n": int(1e300)},
        {"n": 10**400},
        {"n": math.nan},
        {"n": math.inf},
        {"n": None},
        {"n": "1"},
        {"n": 'a\nb"c\\'},
        {"n": "\ud800"},
        {"n": [1, 2]},
        {"n": {"b": 1, "a": [2.0]}},
        {'"n":1': 1, "n": 1},
        {"absent": None},
    ],
    ids=repr,
)
def test_metadata_is_compared_as_json_has_it(store: VertexStore, metadata: dict[str, Any]) -> None:
    values: list[Any] = [1, 1.0, True, False, 0, -0.0, 2**53 + 1, 2**53, 1e300, int(1e300), None, "1", 'a\nb"c\\']
    values += [[1, 2], [1.0, 2.0], {"a": [2], "b": 1}, 'x\n"n":1\n', {}]
    history = [make_document(metadata={"first": 0, "n": value, "last": 0}) for value in values]
    history += [make_document(metadata={}), make_document(metadata={'"n":1': 1, "n": 1})]
    store.append(history, fresh=True)
    query = Query.of(metadata=metadata)
    expected = [document["record_id"] for document in history if query.matches(document)]
    assert store.scan(query, ["record_id"])["record_id"].tolist() == expected
    assert_same_cells(store.summarize(query), collect(tabulate(store.scan(query, CELL_FIELDS)), None))
    assert sum(cell.n for cell in store.summarize(query).cells) == len(expected)


def test_an_answer_of_many_pages_is_read_to_its_end(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    history = make_history(50)
    store.append(history)
    cloud.bigquery.page_rows = 7
    assert len(store.scan(Query(), ["time"])["time"]) == 50
    cloud.bigquery.slow_polls = 3
    assert len(store.scan(Query(), ["time"])["time"]) == 50
    assert sum(cell.n for cell in store.summarize(Query()).cells) == 50


def test_a_query_that_does_not_end_is_cancelled(cloud: FakeGoogleCloud) -> None:
    store = cloud.store(deadline=0.2)
    store.append([make_document()], fresh=True)
    cloud.bigquery.slow_polls = 10_000
    with pytest.raises(StoreUnavailableError, match="cancelled"):
        store.summarize(Query())
    assert cloud.bigquery.count("/cancel") == 1


def test_a_question_that_nothing_can_match_is_not_asked(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    for query in (Query.of(version=[]), Query.of(agent="\ud800"), Query.of(metadata={"\ud800": 1})):
        assert store.summarize(query).cells == ()
        assert len(store.scan(query, ["time"])["time"]) == 0
    assert cloud.bigquery.count("/queries") == 0


def test_a_time_beyond_the_calendar_is_its_end(store: VertexStore) -> None:
    store.append([make_document()], fresh=True)
    assert len(store.scan(Query(since=-(10**20), until=10**20), ["time"])["time"]) == 1


@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_our_sql_is_bigquerys_and_names_columns_that_are_there(query: Query) -> None:
    """As far as a parser of that dialect knows, which is not Google's own."""
    project, dataset, table = TABLE.split(".")
    schema: dict[str, object] = {project: {dataset: {table: {column.name: column.kind for column in SCHEMA}}}}
    filters = Filters.of(query)
    for sql in (
        summarize_sql(TABLE, query, filters),
        scan_sql(TABLE, list(COLUMNS), filters),
        known_ids_sql(TABLE),
        *_grouped_sql(query, filters),
    ):
        qualify(sqlglot.parse_one(sql, dialect="bigquery"), schema=schema, dialect="bigquery")


def _grouped_sql(query: Query, filters: Filters) -> Iterator[str]:
    keys = [Key.of(name, place) for place, name in enumerate(("week", "commit", "model", "metadata.a", "metadata.b"))]
    for given in (keys, [key.narrowed([{"raw": None, "n": 1, "last": 1}]) for key in keys]):
        yield summarize_sql(TABLE, query, filters, given)
        yield histogram_sql(TABLE, given, "cost", filters)
        yield units_sql(TABLE, replace(query, unit="metadata.a"), filters, given)
        yield from (groups_sql(TABLE, key, filters) for key in given)
    missing = [column for column in SCHEMA if column.name in {"model", "input_tokens"}]
    yield with_columns(histogram_sql(TABLE, keys, "input_tokens", filters), TABLE, missing)


@pytest.mark.parametrize("by", [("model",), ("week", "host"), ("metadata.run",), ("metadata.repeat", "commit")])
def test_groups_and_histograms_take_one_query_that_moves_no_records(
    cloud: FakeGoogleCloud, store: VertexStore, monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...]
) -> None:
    store.append(make_history(80), fresh=True)
    monkeypatch.setattr(store, "scan", None)
    assert store.summarize(Query(by=by)).groups
    assert store.histogram(Query(by=by), "cost")
    assert cloud.bigquery.count("/queries") == 2


@pytest.mark.parametrize("versions", [None, ("v1.0", "v2.0")])
def test_an_older_table_is_read_as_if_the_new_columns_were_empty(
    cloud: FakeGoogleCloud, store: VertexStore, versions: tuple[str, ...] | None
) -> None:
    history = [
        {name: value for name, value in document.items() if name not in NEW_FIELDS} for document in make_history(60)
    ]
    store.append(history, fresh=True)
    memory = MemoryStore()
    memory.append(history)
    cloud.bigquery.drop_columns(TABLE, *NEW_FIELDS)
    for runs in ("roots", "children", "all"):
        query = Query(versions=versions, runs=runs)
        assert_same_cells(store.summarize(query), memory.summarize(query))
        assert_same_cells(
            store.summarize(replace(query, by=("model",))), memory.summarize(replace(query, by=("model",)))
        )
        assert store.histogram(query, "input_tokens").keys() == memory.histogram(query, "input_tokens").keys()
        assert list(store.documents(query)) == list(memory.documents(query))
        assert [len(column) for column in store.scan(query, COLUMNS).values()] == [
            len(column) for column in memory.scan(query, COLUMNS).values()
        ]


NEW_FIELDS = ("parent_id", "model", "input_tokens")


def test_a_column_that_is_added_later_counts_from_then_on(cloud: FakeGoogleCloud, store: VertexStore) -> None:
    cloud.bigquery.drop_columns(TABLE, "parent_id")
    root = make_document()
    store.append([root], fresh=True)
    assert len(store.scan(Query(), ["time"])["time"]) == 1
    cloud.set_up()
    store.append([make_document(parent_id=root["record_id"])], fresh=True)
    assert len(store.scan(Query(), ["time"])["time"]) == 1
    assert len(store.scan(Query(runs="all"), ["time"])["time"]) == 2


def test_values_travel_as_parameters_and_never_in_the_sql() -> None:
    hostile = "x'); DROP TABLE t; --`@\n"
    query = Query.of(version=hostile, task_id=hostile, task=hostile, agent=hostile, metadata={hostile: hostile})
    filters = Filters.of(query)
    assert "DROP" not in summarize_sql(TABLE, query, filters) + scan_sql(TABLE, ["time"], filters)


@pytest.mark.parametrize("query", QUERIES, ids=repr)
def test_excluded_ids_are_left_out_and_own_cells_are_kept_separate(store: VertexStore, query: Query) -> None:
    history = make_history(80)
    store.append(history)
    memory = MemoryStore()
    memory.append(history)
    without = frozenset(document["record_id"] for document in history[::3])
    apart = frozenset(document["task_id"] for document in history[::5]) | {"no such task", "\ud800"}
    asked = replace(query, exclude_ids=without, own_cells=apart)
    assert_same_cells(store.summarize(asked), memory.summarize(asked))
    found, expected = (side.scan(asked, ["record_id"])["record_id"].tolist() for side in (store, memory))
    assert found == expected


# Names ----------------------------------------------------------------------------------------------------------------


def test_a_url_names_a_store() -> None:
    store = VertexStore.from_url("vertex://genesis-production/europe-west4/benchmarks")
    assert store.table_id == "genesis-production.benchmarks.benchmark_metrics"
    assert store.location == "europe-west4"
    assert store.name == "vertex://genesis-production/europe-west4/benchmarks"
    assert VertexStore.from_url("vertex://genesis-production").name == (
        "vertex://genesis-production/us-central1/benchmarks"
    )
    other = "vertex://genesis-production/us-central1/benchmarks/mine"
    assert VertexStore.from_url(other).name == other


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dataset": "genesis-benchmarks"}, "use 'genesis_benchmarks'"),
        ({"table": "my-table"}, "use 'my_table'"),
        ({"table": "Metrics"}, "lower-case"),
        ({"project": "x`; DROP TABLE y"}, "project: expected"),
        ({"project": "genesis-production\n"}, "project: expected"),
        ({"location": "US"}, "a region such as us-central1"),
        ({"project": None}, "project: expected"),
    ],
)
def test_a_name_that_google_would_refuse_is_refused_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        VertexStore(**({"project": "genesis-production"} | arguments))


def test_the_scheme_is_registered_for_urls() -> None:
    [entry] = entry_points(group="benchmark_recorder.stores", name="vertex")
    assert entry.load()("vertex://genesis-production/us-central1/mine").table_id == (
        "genesis-production.mine.benchmark_metrics"
    )


@pytest.mark.parametrize("url", ["vertex://", "mongodb://x", "vertex://genesis-production/a/b/c/d", "vertex://p?x=1"])
def test_a_url_that_names_no_store_is_an_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        VertexStore.from_url(url)


# Google's packages ----------------------------------------------------------------------------------------------------


def _run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "PYTHONPATH": ":".join(sys.path), "NO_PROXY": "*"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_googles_packages_are_imported_at_the_first_delivery_and_then_only_bigquery(cloud: FakeGoogleCloud) -> None:
    program = """
import sys
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import make_document
store = VertexStore("demo-project")
theirs = ("google.auth", "google.api_core", "google.cloud.bigquery", "grpc", "requests")
assert not [name for name in sys.modules if name.startswith(theirs)]
from google.auth.credentials import AnonymousCredentials
store = VertexStore("demo-project", credentials=AnonymousCredentials())
store.append([make_document()], fresh=True)
store.close()
assert "google.cloud.bigquery" in sys.modules
assert not [n for n in sys.modules if n.startswith(("google.cloud.aiplatform", "vertexai"))]
"""
    done = _run(program, BIGQUERY_EMULATOR_HOST=cloud.bigquery.url)
    assert done.returncode == 0, done.stderr
    assert len(cloud.rows()) == 1


def test_a_missing_package_is_an_error_that_holds_the_pip_line() -> None:
    program = """
import sys
from benchmark_recorder import MissingDependencyError, get_benchmark_recorder
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import make_document
store = VertexStore("demo-project")
sys.modules["google"] = sys.modules["google.cloud"] = None
for call in (lambda: VertexStore("demo-project"), lambda: store.append([make_document()], fresh=True),
             lambda: store.scan(Query(), ["time"]), lambda: store.summarize(Query()), store.set_up, store.check,
             lambda: get_benchmark_recorder(enable_vertex_ai=True, vertex_project_id="demo-project")):
    try:
        call()
    except MissingDependencyError as error:
        assert 'pip install "google-cloud-aiplatform' in str(error)
    else:
        raise SystemExit("no error")
"""
    done = _run(program)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_has_connections_of_its_own(cloud: FakeGoogleCloud) -> None:
    program = """
import os
from google.auth.credentials import AnonymousCredentials
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import make_history
store = VertexStore("demo-project", credentials=AnonymousCredentials())
store.append(make_history(3), fresh=True)
mine = store.bigquery_client()
with store._clients._lock:
    child = os.fork()
    if child == 0:
        store.append(make_history(3, seed=2), fresh=True)
        os._exit(0 if store.bigquery_client() is not mine else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
store.append(make_history(3, seed=3), fresh=True)
assert store.bigquery_client() is mine
assert len(store.scan(Query(), ["time"])["time"]) == 9
"""
    done = _run(program, BIGQUERY_EMULATOR_HOST=cloud.bigquery.url)
    assert done.returncode == 0, done.stderr


def test_a_client_that_was_given_stays_open(cloud: FakeGoogleCloud) -> None:
    with cloud.store() as store:
        store.append([make_document()], fresh=True)
    assert cloud.bigquery_client.get_table(TABLE).table_id == "benchmark_metrics"
    assert len(cloud.rows()) == 1


def _days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds")


# Clients that are not what they seem ----------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", ["bigquery_client", "registry_client"])
@pytest.mark.parametrize("client", [AsyncMock(), MagicMock(), object(), "bigquery"])
def test_only_googles_own_synchronous_clients_are_taken(argument: str, client: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{argument}: expected a google.cloud"):
        VertexStore("demo-project", **{argument: client})  # type: ignore[arg-type]


def test_an_asynchronous_registry_client_is_not_taken() -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.aiplatform_v1 import FeatureRegistryServiceAsyncClient

    async def pass_one() -> None:  # such a client needs a loop that runs
        client = FeatureRegistryServiceAsyncClient(credentials=AnonymousCredentials())
        VertexStore("demo-project", registry_client=client)  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="got a FeatureRegistryServiceAsyncClient"):
        asyncio.run(pass_one())


@pytest.mark.parametrize("answer", [None, MagicMock(), ()])
def test_only_googles_own_answer_is_an_acknowledgement(
    store: VertexStore, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Client, "insert_rows_json", lambda *_, **__: answer)
        with pytest.raises(StoreSetupError, match="did not acknowledge: the client returned"):
            store.append([make_document()])
    assert store.append([make_document()]) == 1


def test_a_table_that_requires_a_condition_on_the_time_answers_every_question(
    cloud: FakeGoogleCloud, store: VertexStore
) -> None:
    store.append(history := make_history(40))
    cloud.bigquery.tables[TABLE].resource["timePartitioning"]["requirePartitionFilter"] = True
    query = Query.of(version=["v1.0", "v2.0"])
    assert sum(cell.n for cell in store.summarize(Query()).cells) == 40
    assert sum(cell.n for cell in store.summarize(query).cells) == 40
    assert sum(cell.n for cell in store.summarize(replace(query, by=("week", "metadata.run"))).cells) == 40
    assert store.summarize(replace(query, unit="metadata.run")).cells
    assert store.histogram(query).keys() == {("v1.0", ()), ("v2.0", ())}
    assert store.scan(Query(), ["record_id"])["record_id"].tolist() == [one["record_id"] for one in history]
    assert len(list(store.documents(Query()))) == 40
    assert store.append(history) == 0
    assert not any(finding.problem for finding in store.check())
