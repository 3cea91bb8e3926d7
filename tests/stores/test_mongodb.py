from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from benchmark_recorder import matching
from benchmark_recorder.cells import CELL_FIELDS, collect, tabulate
from benchmark_recorder.errors import RefusedRecordsError, StoreFormatError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore, aggregation, pipeline
from benchmark_recorder.stores.mongodb.refusals import outcome_of
from benchmark_recorder.testing import START, StoreContract, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo import MongoClient

    from tests.stores.mongod import Mongod


class TestMongoDBStoreContract(StoreContract):
    @pytest.fixture(params=["few tasks", "many tasks", "too many tasks"])
    def store(
        self, mongodb_uri: str, database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[MongoDBStore]:
        """Each way to an answer: the server tells all tasks apart, those with several records, or none."""
        few, most = {"few tasks": (1000, 1000), "many tasks": (0, 1000), "too many tasks": (0, 0)}[request.param]
        monkeypatch.setattr(aggregation, "FEW_TASKS", few)
        monkeypatch.setattr(aggregation, "MOST_OWN_TASKS", most)
        with MongoDBStore(mongodb_uri, database=database) as store:
            yield store


@pytest.fixture
def store(mongodb_uri: str, database: str) -> Iterator[MongoDBStore]:
    with MongoDBStore(mongodb_uri, database=database) as store:
        yield store


@pytest.fixture
def collection(mongodb_client: MongoClient[Any], database: str) -> Any:
    return mongodb_client[database]["executions"]


# The document ---------------------------------------------------------------------------------------------------------


def test_a_document_is_one_execution_that_people_can_read(store: MongoDBStore, collection: Any) -> None:
    document = make_document(metadata={"run": "r1"}, mystery=[1])
    store.append([document])
    (found,) = collection.find()
    assert found["_id"] == document["record_id"]
    assert found["recorded_at"].isoformat() == "2026-01-01T00:00:00"
    assert found["timestamp"] == document["timestamp"]
    assert found["metadata"] == '{"run":"r1"}'
    assert found["tags"] == ['["run","r1"]']
    assert found["others"] == '{"mystery":[1]}'


def test_a_record_comes_back_whole_with_fields_that_this_release_does_not_know(store: MongoDBStore) -> None:
    document = make_document(metadata={"$where": 2**70, "a.b": {"$ne": None}}, mystery={"$set": 2**80})
    store.append([document])
    assert list(store.documents(Query())) == [document]
    assert store.scan(Query.of(metadata={"$where": 2**70}), ["metadata"])["metadata"].tolist() == [document["metadata"]]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input_tokens": 2**70}, "its input_tokens is an integer of more than 64 bits"),
        ({"version": ["v1"]}, "its version is a list"),
        ({"timestamp": "yesterday"}, "its timestamp is not ISO 8601 text"),
        ({"task_description": "x" * (17 << 20)}, "16MB"),
    ],
)
def test_a_record_that_cannot_be_stored_is_refused_with_the_reason_and_the_others_are_stored(
    store: MongoDBStore, collection: Any, fields: dict[str, Any], reason: str
) -> None:
    good, bad = make_history(10), make_document() | fields
    with pytest.raises(RefusedRecordsError) as refused:
        store.append([*good[:5], bad, *good[5:]])
    assert list(refused.value.reasons) == [bad["record_id"]]
    assert reason in refused.value.reasons[bad["record_id"]]
    assert collection.count_documents({}) == 10


def test_a_record_that_the_servers_validator_refuses_is_named(store: MongoDBStore, collection: Any) -> None:
    collection.database.create_collection("executions", validator={"version": {"$ne": "v2.0"}})
    history = make_history(20)
    with pytest.raises(RefusedRecordsError, match="code 121") as refused:
        store.append(history)
    assert set(refused.value.reasons) == {d["record_id"] for d in history if d["version"] == "v2.0"}
    assert collection.count_documents({}) == sum(d["version"] == "v1.0" for d in history)


def test_a_record_that_another_unique_index_keeps_out_is_refused_and_not_taken_for_delivered(
    store: MongoDBStore, collection: Any
) -> None:
    collection.create_index("host", unique=True)
    first, second, third = (make_document(host=host) for host in ("a", "a", "b"))
    store.append([first])
    with pytest.raises(RefusedRecordsError, match="code 11000") as refused:
        store.append([first, second, third])
    assert list(refused.value.reasons) == [second["record_id"]]
    assert sorted(row["_id"] for row in collection.find()) == sorted([first["record_id"], third["record_id"]])
    with pytest.raises(RefusedRecordsError, match="8 of 9"):  # one was taken, so the refusal is about the others
        store.append([make_document(host="c") for _ in range(9)])


def test_a_validator_that_refuses_every_record_is_the_collections_doing(store: MongoDBStore, collection: Any) -> None:
    collection.database.create_collection("executions", validator={"tenant": {"$exists": True}})
    history = make_history(8)
    with pytest.raises(StoreSetupError, match="refuses every record alike.*code 121"):
        store.append(history)
    with pytest.raises(RefusedRecordsError, match="7 of 7"):
        store.append(history[:7])
    collection.database.command("collMod", "executions", validator={})
    assert store.append(history) == 8


def test_only_a_code_that_is_about_a_document_puts_it_into_quarantine() -> None:
    about_documents = set()
    for code in [None, *range(1, 500), *range(8000, 30_000)]:
        reasons: dict[str, str] = {}
        failures = [{"index": 0, "code": code, "errmsg": "no", "op": {"_id": "a"}, "keyPattern": {"host": 1}}]
        with suppress(BulkWriteError):
            outcome_of(BulkWriteError({"writeErrors": failures, "nInserted": 1}), 2, "mongodb://h/d.c", reasons)
        about_documents |= {code} if reasons else set()
    assert about_documents == {121, 2, 9, 14, 15, 22, 52, 53, 55, 56, 57, 171, 10334, 11000, 16755, 17280}


def test_a_collection_of_something_else_is_a_format_error(store: MongoDBStore, collection: Any) -> None:
    collection.insert_one({"hello": "world"})
    with pytest.raises(StoreFormatError, match="not benchmark records"):
        list(store.documents(Query()))
    with pytest.raises(StoreFormatError, match="not benchmark records"):
        store.scan(Query(), COLUMNS)
    with pytest.raises(StoreFormatError, match="not benchmark records"):
        store.summarize(Query())


# Indexes --------------------------------------------------------------------------------------------------------------


def test_questions_about_a_version_or_a_task_walk_an_index(store: MongoDBStore, collection: Any) -> None:
    store.append(make_history(50))
    for query in (Query.of(version="v1.0"), Query.of(task_id="t", version="v1.0", last_days=1)):
        plan = collection.find(pipeline.filter_of(query)).explain()["queryPlanner"]["winningPlan"]
        assert "IXSCAN" in str(plan), plan


def test_old_records_expire_where_that_is_asked_for(mongodb_uri: str, database: str, collection: Any) -> None:
    with MongoDBStore(mongodb_uri, database=database, expire_after_days=30) as store:
        store.append([make_document()])
    ages = [index.get("expireAfterSeconds") for index in collection.index_information().values()]
    assert ages.count(30 * 86_400) == 1


def test_an_index_that_cannot_be_made_keeps_no_record_out(store: MongoDBStore, collection: Any) -> None:
    collection.create_index([("version", 1), ("time", 1)], name="somebody_elses", sparse=True)
    store.append([make_document()])
    assert collection.count_documents({}) == 1


# Numbers --------------------------------------------------------------------------------------------------------------


def test_a_large_offset_costs_no_digits(store: MongoDBStore) -> None:
    rng = np.random.default_rng(1)
    history = [
        make_document(
            version=f"v{number % 2}",
            task_id=f"t{number % 7}" if number % 3 else f"once{number}",
            execution_time=1e6 + float(rng.random()),
            cost_estimated=5e5 + float(rng.random()),
        )
        for number in range(600)
    ]
    store.append(history)
    found, expected = store.summarize(Query()), collect(tabulate(store.scan(Query(), CELL_FIELDS)), None)
    for one, other in zip(found.cells, expected.cells, strict=True):
        for mine, theirs in ((one.time, other.time), (one.cost, other.cost)):
            assert mine.n == theirs.n
            assert mine.mean == pytest.approx(theirs.mean, rel=1e-12)
            assert mine.m2 == pytest.approx(theirs.m2, rel=1e-9)


@pytest.mark.parametrize("few", [0, 1000])
def test_tasks_beyond_the_most_frequent_ones_are_pooled_as_everywhere(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(matching, "MAX_MATCHED_TASKS", 20)
    monkeypatch.setattr(aggregation, "FEW_TASKS", few)
    rng = np.random.default_rng(2)
    history = [make_document(**fields, task_id=f"t{int(rng.zipf(1.3)) % 90}") for fields in _variety(rng, 900)]
    store.append(history)
    reference = MemoryStore()
    reference.append(history)
    for query in (Query(), Query.of(version=["v0", "v1"]), Query.of(version="v1"), Query(own_cells=frozenset({"t88"}))):
        found = store.summarize(query)
        assert_same_cells(found, reference.summarize(query))
        assert len({cell.task_id for cell in found.cells} - {None, "t88"}) == 20


def _variety(rng: np.random.Generator, count: int) -> Iterator[dict[str, Any]]:
    for _ in range(count):
        yield {
            "version": f"v{rng.integers(3)}",
            "execution_time": float(rng.lognormal()),
            "success": bool(rng.random() < 0.7),
            "host": str(rng.choice(["alpha", "beta"])),
        }


def test_a_comparison_moves_cells_and_not_records(
    store: MongoDBStore, collection: Any, mongodb_client: MongoClient[Any]
) -> None:
    rng = np.random.default_rng(3)
    store.append(
        [
            make_document(**fields, task_id=f"t{n % 10}" if n % 2 else f"once{n}")
            for n, fields in enumerate(_variety(rng, 3000))
        ]
    )
    before = mongodb_client.admin.command("serverStatus")["network"]["bytesOut"]
    cells = store.summarize(Query.of(version=["v0", "v1"])).cells
    moved = mongodb_client.admin.command("serverStatus")["network"]["bytesOut"] - before
    assert len(cells) == 2 * 2 * 5 + 2 * 2
    assert moved < 100_000


@pytest.fixture
def singles(store: MongoDBStore, monkeypatch: pytest.MonkeyPatch) -> list[Document]:
    """A history of which most tasks have one record, and the server is to find those that have several."""
    monkeypatch.setattr(aggregation, "FEW_TASKS", 5)
    rng = np.random.default_rng(4)
    history = [
        make_document(**fields, task_id=f"t{n % 10}" if n % 2 else f"once{n}", metadata={"even": not n % 4})
        for n, fields in enumerate(_variety(rng, 1500))
    ]
    store.append(history)
    return history


def test_tasks_that_one_version_ran_are_listed_also_where_the_server_pools_them(
    store: MongoDBStore, singles: list[Document]
) -> None:
    reference = MemoryStore()
    reference.append(singles)
    own = frozenset({"once2", "once4"})
    queries = [
        Query.of(version=["v0", "v1"]),
        Query.of(version=["v0", "no such version"]),
        Query.of(version=["v1", "v2"], metadata={"even": True}),
    ]
    for asked in queries:
        for query in (asked, replace(asked, own_cells=own), replace(asked, by=("host",))):
            found = store.summarize(query)
            assert_same_cells(found, reference.summarize(query))
            assert len(found.unmatched[0].first) == 100


def test_a_record_that_comes_between_two_aggregations_is_in_one_cell(
    store: MongoDBStore, singles: list[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a task that was pooled, of one that was not, and of a new one."""
    later = [make_document(version="v1", task_id=task, execution_time=1e6) for task in ("once2", "t1", "new")]

    def interrupted(*arguments: Any) -> list[dict[str, Any]]:
        store.append(later)
        return pipeline.cells_of(*arguments)

    monkeypatch.setattr(aggregation, "cells_of", interrupted)
    cells = store.summarize(Query.of(version=["v0", "v1"])).cells
    matching_records = sum(document["version"] in {"v0", "v1"} for document in singles)
    assert sum(cell.n for cell in cells) == matching_records + len(later)
    assert [cell.task_id for cell in cells if cell.max_time == 1e6] == ["t1", None]


def test_records_are_read_as_they_are_stored_only_where_many_of_them_match(
    store: MongoDBStore, singles: list[Document]
) -> None:
    for query, is_natural in (
        (Query.of(version=["v0", "v1"]), True),
        (Query.of(version="v0", since=START + timedelta(days=1)), False),
        (Query.of(version=["v0", "v1"], until=START), False),
        (Query.of(version=["v0", "v1"], task_id="t1"), False),
        (Query(), False),
    ):
        assert bool(store._hint(query)) is is_natural
        assert sum(cell.n for cell in store.summarize(query).cells) == sum(map(query.matches, singles))


def test_a_question_needs_nothing_that_a_server_of_4_4_lacks(
    store: MongoDBStore, singles: list[Document], mongodb_client: MongoClient[Any], database: str
) -> None:
    """By its operators: each is one of those that its manual lists."""
    del singles
    mongodb_client[database].command("profile", 2)
    query = Query.of(version=["v0", "v1"], metadata={"even": True})
    for key in ((), ("metadata.even", "week"), ("model",)):
        store.summarize(replace(query, by=key))
        store.histogram(replace(query, by=key), "cost")
    mongodb_client[database].command("profile", 0)
    asked = mongodb_client[database]["system.profile"].find({"command.aggregate": "executions"})
    used = {operator for row in asked for operator in _operators(row["command"]["pipeline"])}
    assert {"$group", "$stdDevPop", "$setIsSubset"} <= used <= OPERATORS_OF_4_4


_STAGES = {"$match", "$set", "$group", "$limit", "$sort", "$project", "$count"}
_CONDITIONS = {"$and", "$or", "$in", "$nin", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cond", "$ifNull"}
_VALUES = {"$let", "$literal", "$filter", "$indexOfBytes", "$arrayElemAt", "$size", "$setIsSubset", "$isNumber"}
_SUMS = {"$sum", "$min", "$max", "$avg", "$stdDevPop"}
_NUMBERS = {"$add", "$subtract", "$multiply", "$mod", "$ln", "$log", "$floor"}
OPERATORS_OF_4_4 = _STAGES | _CONDITIONS | _VALUES | _SUMS | _NUMBERS


def _operators(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        for name, inner in part.items():
            if name.startswith("$"):
                yield name
            yield from _operators(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _operators(inner)


# Groups ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [("model",), ("week", "host"), ("metadata.run",), ("metadata.repeat", "commit")])
def test_groups_and_histograms_take_one_aggregation_that_moves_no_records(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch, by: tuple[str, ...]
) -> None:
    store.append(make_history(80))
    aggregated = Mock(side_effect=store._aggregated)
    monkeypatch.setattr(store, "scan", None)
    monkeypatch.setattr(store, "_aggregated", aggregated)
    assert store.summarize(Query(by=by)).groups
    assert store.histogram(Query(by=by), "cost")
    read = [call for call in aggregated.call_args_list if "$match" in call.args[1][0]]
    assert len(read) == 2


def test_a_long_value_elsewhere_in_the_metadata_keeps_no_group_from_the_server(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its hash is in the tags, and the key's name only in another value."""
    store.append([make_document(metadata={"prompt": "x" * 1000}), make_document(metadata={"k": "v"})])
    monkeypatch.setattr(store, "scan", None)
    assert store.summarize(Query(by=("metadata.k",))).groups == (("v",), (None,))


def test_periods_before_1970_and_in_the_far_future_begin_where_the_calendar_says(store: MongoDBStore) -> None:
    moments = ("0001-01-08T00", "0999-03-01T12", "1969-12-28T23", "1969-12-29T00", "1970-01-04T23", "9999-12-26T00")
    history = [
        make_document(timestamp=f"{moment}:{minute}:00.{micros}+00:00")
        for moment in moments
        for minute, micros in (("00", "000000"), ("59", "999999"))
    ]
    store.append(history)
    memory = MemoryStore()
    memory.append(history)
    for key in ("hour", "day", "week"):
        query = Query(by=(key,))
        assert_same_cells(store.summarize(query), memory.summarize(query))


def test_thousands_of_groups_of_one_task_are_more_than_a_document_holds_and_answered_all_the_same(
    store: MongoDBStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = [
        make_document(
            task_id="t", version=f"v{n % 2}", timestamp=f"2026-01-01T{n % 24:02}:00:00+00:00", host=f"h{n % 97}"
        )
        for n in range(3000)
    ]
    store.append(history)
    query = Query(by=("hour", "host"))
    expected = store.summarize(query)
    with pytest.raises(StoreUnavailableError) as refused, store._talking():
        raise OperationFailure("too large", 10334)
    monkeypatch.setattr(aggregation, "cells_of", Mock(side_effect=refused.value))
    monkeypatch.setattr(pipeline, "histogram_of", Mock(side_effect=refused.value))
    assert_same_cells(store.summarize(query), expected)
    assert store.histogram(query).keys() == {(cell.version, cell.group) for cell in expected.cells}
    with pytest.raises(StoreUnavailableError):
        store.summarize(Query())


# Trouble --------------------------------------------------------------------------------------------------------------


def fail(server: Mongod, times: int | str = 1, **what: Any) -> None:
    mode: Any = times if isinstance(times, str) else {"times": times}
    with server.client() as client:
        client.admin.command(
            {"configureFailPoint": "failCommand", "mode": mode, "data": {"failCommands": ["insert"], **what}}
        )


@pytest.fixture
def victim(server: Mongod) -> Iterator[MongoDBStore]:
    with MongoDBStore(server.url("bench")) as store:
        yield store


def stored_ids(server: Mongod, database: str = "bench") -> list[str]:
    with server.client() as client:
        return [row["_id"] for row in client[database]["executions"].find({}, {"_id": 1})]


def test_trouble_of_the_server_is_an_error_of_ours_and_repeating_stores_each_record_once(
    victim: MongoDBStore, server: Mongod
) -> None:
    troubles: list[Callable[[], None]] = [
        lambda: fail(server, 3, closeConnection=True),
        lambda: fail(server, 1, writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"}),
        lambda: fail(server, 3, errorCode=11600),
    ]
    every = []
    for trouble in troubles:
        history = make_history(30)
        every += history
        trouble()
        with pytest.raises(StoreUnavailableError) as unavailable:
            victim.append(history)
        assert unavailable.value.__cause__ is not None
        fail(server, "off")
        victim.append(history)
    assert sorted(stored_ids(server)) == sorted(document["record_id"] for document in every)


def test_a_refusal_that_passes_is_waited_out_and_keeps_no_record_out(victim: MongoDBStore, server: Mongod) -> None:
    every = make_history(3)
    victim.append(every)
    with server.client() as client:
        block, insert = {"setUserWriteBlockMode": 1}, {"configureFailPoint": "failAllInserts"}
        for begin, end in (
            (block | {"global": True}, block | {"global": False}),
            (insert | {"mode": "alwaysOn"}, insert | {"mode": "off"}),
        ):
            for history in ([make_document()], make_history(30)):
                client.admin.command(begin)
                with pytest.raises(StoreUnavailableError):
                    victim.append(history)
                client.admin.command(end)
                victim.append(history)
                every += history
    assert sorted(stored_ids(server)) == sorted(document["record_id"] for document in every)


def test_a_stepdown_is_waited_for(victim: MongoDBStore, server: Mongod) -> None:
    victim.append(make_history(5))
    with server.client() as client:
        client.admin.command({"replSetStepDown": 1, "force": True})
    victim.append(make_history(5))
    assert len(stored_ids(server)) == 10


def test_a_killed_server_is_used_again_after_its_restart(victim: MongoDBStore, server: Mongod) -> None:
    first, second = make_history(5), make_history(5)
    victim.append(first)
    server.kill()
    with pytest.raises(StoreUnavailableError):
        victim.append(second)
    server.start()
    server.await_primary()
    assert victim.append([*first, *second]) == 5
    assert len(stored_ids(server)) == 10


def test_a_stopped_server_is_given_up_after_some_seconds(server: Mongod) -> None:
    impatient = "&heartbeatFrequencyMS=500&connectTimeoutMS=500&serverSelectionTimeoutMS=500"
    with MongoDBStore(server.url("bench") + impatient) as victim:
        victim.append(make_history(5))
        server.signal(signal.SIGSTOP)
        with pytest.raises(StoreUnavailableError):
            victim.append(make_history(5))
        server.signal(signal.SIGCONT)
