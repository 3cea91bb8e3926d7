"""What every store is held to, and every journal."""

from __future__ import annotations

import math
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.cells import CELL_FIELDS, Cells, collect, tabulate
from benchmark_recorder.fields import COLUMNS, METRIC_FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, known_cost, timestamp_micros
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.testing.grouped import GroupsContract, UnitsContract
from benchmark_recorder.testing.histories import HOSTILE_TEXTS, QUERIES, assert_same_cells, make_document, make_history
from benchmark_recorder.testing.pairs import PairsContract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmark_recorder.stores.base import Journal, Store


class StoreContract(GroupsContract, PairsContract, UnitsContract):
    """Derive from it and give a fixture ``store``: an empty store, closed after the test.

    What a store does not name in ``supports`` is done for it here, as it is for a recorder.
    """

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        """An empty store."""
        pytest.fail(f"{type(self).__name__} needs a fixture `store`")

    def test_an_empty_store_answers_with_nothing(self, store: Store) -> None:
        """Empty columns and no cells."""
        assert {name: len(column) for name, column in store.scan(Query(), COLUMNS).items()} == dict.fromkeys(COLUMNS, 0)
        assert store.summarize(Query()) == Cells()

    def test_what_was_appended_is_scanned_in_order_and_unchanged(self, store: Store) -> None:
        """Each field of each record, one append after the other."""
        history = make_history(50)
        for document in history:
            assert store.append([document], fresh=True) == 1
        assert _documents(store) == [_with_all_fields(document) for document in history]

    def test_columns_have_the_types_that_are_promised(self, store: Store) -> None:
        """See ``COLUMNS``."""
        store.append(make_history(30))
        columns = store.scan(Query(), COLUMNS)
        assert {name: str(column.dtype) for name, column in columns.items()} == dict(COLUMNS)
        assert {len(column) for column in columns.values()} == {30}

    def test_only_the_fields_that_were_asked_for_are_returned(self, store: Store) -> None:
        """A scan moves no more than it must."""
        store.append(make_history(3))
        assert set(store.scan(Query(), ["version", "time"])) == {"version", "time"}

    def test_a_record_id_counts_once(self, store: Store) -> None:
        """Within one append, and over several; the first one stays."""
        one, other = make_document(), make_document()
        assert store.append([one, other, one]) == 2
        assert store.append([one | {"success": False}]) == 0
        assert store.append(store.prepared([one, other])) == 0
        assert store.append([]) == 0
        assert _documents(store) == [_with_all_fields(one), _with_all_fields(other)]
        assert sum(cell.n for cell in store.summarize(Query()).cells) == 2

    def test_of_two_records_with_one_id_the_first_counts_whatever_the_other_says(self, store: Store) -> None:
        """As where a caller says that two executions are the same, and the second one went otherwise."""
        first = make_document(success=True, cost_estimated=0.5, execution_time=1.0)
        other = first | {"success": False, "cost_estimated": 7.0, "execution_time": 9.0, "error_type": "Late"}
        store.append([first])
        store.append([make_document()])
        store.append([other])
        asked = Query(task_ids=(first["task_id"],))
        (found,) = [d for d in store.documents(asked) if d["record_id"] == first["record_id"]]
        assert found == first
        late = completed(store).scan(Query(error_types=("Late",)), ["record_id"])["record_id"]
        assert late.tolist() == []
        assert sum(cell.n for cell in store.summarize(Query(success=False)).cells) == 0

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_a_query_finds_what_matches_and_nothing_else(self, store: Store, query: Query) -> None:
        """Against the definition, ``Query.matches``."""
        history = make_history(80)
        store.append(history)
        found = list(completed(store).scan(query, ["record_id"])["record_id"])
        assert found == [document["record_id"] for document in history if query.matches(document)]

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_cells_are_those_of_the_matching_records(self, store: Store, query: Query) -> None:
        """To a relative 1e-9, however the store computes them."""
        history = make_history(80)
        for document in history:
            store.append([document], fresh=True)
        answering = completed(store)
        expected = collect(tabulate(answering.scan(query, CELL_FIELDS)), query.versions)
        assert_same_cells(answering.summarize(query), expected)

    def test_durations_are_those_of_the_matching_records(self, store: Store) -> None:
        """In rising order, also after more was appended, whatever was asked before."""
        for seed in (0, 1, 2):
            store.append(make_history(40, seed=seed))
            for query in QUERIES:
                found = completed(store).durations(query)
                expected = sorted(completed(store).scan(query, ["execution_time"])["execution_time"].tolist())
                assert found.ordered.tolist() == expected
                assert sorted(found.stored().tolist()) == expected  # a server keeps no order of its own

    def test_cells_follow_what_is_appended_after_a_question(self, store: Store) -> None:
        """No answer is stale."""
        first, second = make_history(40, seed=2), make_history(40, seed=3)
        store.append(first)
        store.summarize(Query.of(version="v1.0"))
        store.append(second)
        expected = collect(tabulate(store.scan(Query(), CELL_FIELDS)), None)
        assert_same_cells(store.summarize(Query()), expected)
        assert len(store.scan(Query(), ["time"])["time"]) == 80

    def test_what_replication_asks_of_a_store(self, store: Store) -> None:
        """Some records left out by their ids, some tasks with cells of their own; see ``Query``."""
        history = make_history(80)
        store.append(history)
        left_out = frozenset(document["record_id"] for document in history[::7])
        single = next(d["task_id"] for d in history if d["task_description"].startswith("one of a kind"))
        query = Query(exclude_ids=left_out, own_cells=frozenset({single}))
        kept = [document for document in history if document["record_id"] not in left_out]
        assert store.scan(query, ["record_id"])["record_id"].tolist() == [document["record_id"] for document in kept]
        found = store.summarize(query)
        expected = collect(tabulate(store.scan(query, CELL_FIELDS)), None, query.own_cells)
        assert_same_cells(found, expected)
        assert (single in {cell.task_id for cell in found.cells}) == any(d["task_id"] == single for d in kept)

    def test_a_store_knows_which_ids_it_has_or_says_that_it_does_not(self, store: Store) -> None:
        """``stored_ids`` may be left out; what it says must be right."""
        history = make_history(20)
        store.append(history[:10])
        asked = [document["record_id"] for document in history[5:]]
        found = store.stored_ids(asked)
        assert found is None or set(found) == set(asked[:5])

    def test_parts_of_a_run_are_no_runs_of_their_own_unless_asked_for(self, store: Store) -> None:
        """Roots, children, and all."""
        root = make_document()
        child = make_document(parent_id=root["record_id"])
        store.append([root, child])
        answering = completed(store)
        for asked, expected in (
            (Query.of(), [root]),
            (Query.of(runs="children"), [child]),
            (Query.of(runs="all"), [root, child]),
        ):
            ids = [document["record_id"] for document in expected]
            assert list(answering.scan(asked, ["record_id"])["record_id"]) == ids
            assert sum(cell.n for cell in answering.summarize(asked).cells) == len(ids)
            assert list(answering.documents(asked)) == expected
            assert len(answering.durations(asked).ordered) == len(ids)

    def test_documents_come_back_whole(self, store: Store) -> None:
        """Also fields that this release does not know."""
        history = [make_document(mystery={"$set": [1, None]}), *make_history(30)]
        store.append(history)
        assert list(store.documents(Query())) == history
        asked = Query.of(version="v2.0")
        assert list(store.documents(asked)) == [document for document in history if asked.matches(document)]

    def test_hostile_texts_come_back_as_they_went_in(self, store: Store) -> None:
        """Task texts come from models."""
        fields = ("task_description", "version", "task_id")
        history = [make_document(**dict.fromkeys(fields, text), metadata={text: text}) for text in HOSTILE_TEXTS]
        store.append(history)
        assert _documents(store) == [_with_all_fields(document) for document in history]
        for document in history:
            found = store.scan(Query.of(version=document["version"]), ["record_id"])["record_id"]
            assert found.tolist() == [document["record_id"]]

    def test_metadata_keeps_its_types(self, store: Store) -> None:
        """Deep, empty, large, negative and exact."""
        metadata = {
            "$where": {"a.b": [1, -2, 2**53 + 1, 0.1, 1e300, True, None, "", [], {}]},
            "": {"": {"": ""}},
            "é": "😀",
            "0": 0,
        }
        store.append([make_document(metadata=metadata)])
        assert store.scan(Query(), ["metadata"])["metadata"].tolist() == [metadata]

    def test_threads_append_at_the_same_time_and_nothing_is_lost(self, store: Store) -> None:
        """Eight threads on one store."""
        histories = [make_history(50, seed=seed) for seed in range(8)]
        failures: list[BaseException] = []

        def append(history: Iterable[Document]) -> None:
            try:
                for document in history:
                    store.append([document], fresh=True)
            except BaseException as error:  # noqa: BLE001 - shown below
                failures.append(error)

        threads = [threading.Thread(target=append, args=(history,)) for history in histories]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        ids = store.scan(Query(), ["record_id"])["record_id"].tolist()
        assert sorted(ids) == sorted(document["record_id"] for history in histories for document in history)

    def test_a_closed_store_opens_again(self, store: Store) -> None:
        """``close`` lets go, and takes nothing away."""
        store.append([make_document()])
        store.close()
        store.append([make_document()])
        assert len(_documents(store)) == 2

    def test_its_name_is_shown_without_secrets(self, store: Store) -> None:
        """The name goes into reports and logs."""
        assert store.name
        assert "password" not in store.name


class JournalContract(StoreContract):
    """The same for a journal: a store whose records have an order, and can be read on from a place."""

    @pytest.fixture
    def store(self) -> Iterator[Journal]:
        """An empty journal."""
        pytest.fail(f"{type(self).__name__} needs a fixture `store`")

    def test_a_journal_is_read_from_its_beginning_in_batches(self, store: Journal) -> None:
        """All records, in order, none twice."""
        history = make_history(25)
        store.append(history)
        read: list[Document] = []
        batch = store.read(None, 10)
        while batch.documents:
            assert len(batch.documents) <= 10
            read += batch.documents
            batch = store.read(batch.position, 10)
        assert read == history

    def test_a_journal_is_read_on_from_a_place(self, store: Journal) -> None:
        """Only records that were appended later."""
        store.append(make_history(5))
        place = store.end()
        assert store.read(place, 10).documents == ()
        later = make_history(3, seed=9)
        store.append(later)
        batch = store.read(place, 10)
        assert list(batch.documents) == later
        assert batch.position == store.end()
        assert batch.position.record_id == later[-1]["record_id"]

    def test_an_empty_journal_ends_where_it_begins(self, store: Journal) -> None:
        """Reading on from its end finds what comes."""
        place = store.end()
        assert place.record_id == ""
        assert store.read(None, 10).documents == ()
        document = make_document()
        store.append([document])
        assert store.read(place, 10).documents == (document,)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    def test_what_a_forked_child_returns_from_is_its_own_doing(self, store: Journal) -> None:
        """A child's reads do not move its parent's place."""
        store.append(make_history(5))
        place = store.end()
        child = os.fork()
        if child == 0:
            os._exit(0 if len(store.read(None, 10).documents) == 5 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert store.end() == place


def _documents(store: Store) -> list[dict[str, Any]]:
    """A store's records, as documents with every column, absent ones ``None``."""
    columns = store.scan(Query(), COLUMNS)
    rows = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
    return [
        {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in zip(COLUMNS, row, strict=True)}
        for row in rows
    ]


def _with_all_fields(document: Document) -> dict[str, Any]:
    return {
        **{name: document.get(name) for name in METRIC_FIELDS},
        "time": timestamp_micros(document["timestamp"]),
        "cost": known_cost(document),
    }
