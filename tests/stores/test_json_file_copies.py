"""A record id that a file has more than once, as after a merge of two branches: it counts once, in every answer."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.exchange import export_file
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.base import Journal
from benchmark_recorder.stores.json_file import JSONFileStore, reader
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.replication import store as replication_store
from benchmark_recorder.testing import QUERIES, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from benchmark_recorder.stores.base import Store


@pytest.fixture(params=["few", "saved"])
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Where columns are saved, or not."""
    monkeypatch.setattr(reader, "WORTH_SAVING", 0 if request.param == "saved" else 10_000)
    return tmp_path / "metrics.json"


def write(path: Path, documents: list[Document]) -> None:
    """A document as another program may have put it together."""
    lines = b",\n".join(msgspec.json.encode(document) for document in documents)
    path.write_bytes(b'{"schema_version": 1, "metrics": [\n' + lines + b"\n]}")


def add(path: Path, documents: list[Document]) -> None:
    """Another program's append, which looks nothing up."""
    content = path.read_bytes()
    lines = b"".join(b",\n" + msgspec.json.encode(document) for document in documents)
    path.write_bytes(content.removesuffix(b"\n]}") + lines + b"\n]}")


def assert_counts_once(store: Store, history: list[Document]) -> None:
    """Every question that a store can be asked, held to a store that has each record once."""
    reference = MemoryStore()
    reference.append(history)
    for query in QUERIES:
        assert_same_cells(store.summarize(query), reference.summarize(query))
        found, expected = store.durations(query), reference.durations(query)
        assert sorted(found.ordered.tolist()) == expected.ordered.tolist()
        for name in (
            "record_id",
            "execution_time",
            "cost",
            "time",
            "success",
            "version",
            "metadata",
            "task_description",
        ):
            columns = store.scan(query, [name, "record_id"]), reference.scan(query, [name, "record_id"])
            assert sorted(map(repr, columns[0][name].tolist())) == sorted(map(repr, columns[1][name].tolist()))
        by_id = [sorted(map(repr, one.documents(query))) for one in (store, reference)]
        assert by_id[0] == by_id[1]


def assert_kept_once(path: Path, store: JSONFileStore, history: list[Document]) -> None:
    """The same of the store that is open, and of one that is opened anew, twice, because the first may save columns."""
    for one in (store, JSONFileStore(path), JSONFileStore(path)):
        assert_counts_once(one, history)


@pytest.mark.parametrize(
    "copies",
    [
        lambda history: history[:1],
        lambda history: history[-1:],
        lambda history: history,
        lambda history: [*history[5:8], *history[5:8], history[0]],
        lambda history: [{**history[3], "execution_time": 99.0, "version": "v9"}],
    ],
    ids=["first", "last", "all", "several times", "changed"],
)
def test_a_copy_counts_once_whether_it_is_read_first_or_comes_later(
    path: Path, copies: Callable[[list[Document]], list[Document]]
) -> None:
    history = make_history(60)
    write(path, [*history, *copies(history)])
    assert_kept_once(path, JSONFileStore(path), history)
    write(path, history)
    store = JSONFileStore(path)
    assert_kept_once(path, store, history)
    add(path, copies(history))
    assert_kept_once(path, store, history)
    later = make_history(5, seed=3)
    store.append(later, fresh=True)
    add(path, [later[2], history[7]])
    assert_kept_once(path, store, [*history, *later])


@pytest.mark.parametrize("seed", range(5))
def test_copies_count_once_in_any_order_and_with_ids_of_any_form(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    history = make_history(80, seed)
    for number in rng.sample(range(80), 20):
        history[number] = {
            **history[number],
            "record_id": rng.choice([f"run {number}", f"{number:032X}", f"{number:032x}"]),
        }
    rng.shuffle(history)
    begun, store = history[:40], JSONFileStore(path)
    write(path, begun)
    rest = history[40:] + rng.choices(history, k=40)
    rng.shuffle(rest)
    order = [*begun]
    seen = {document["record_id"] for document in begun}
    while rest:
        part, rest = rest[:13], rest[13:]
        add(path, part)
        for document in part:
            if document["record_id"] not in seen:
                seen.add(document["record_id"])
                order.append(document)
        assert store.scan(Query(), ["record_id"])["record_id"].tolist() == [d["record_id"] for d in order]
        assert [d["record_id"] for d in store.documents(Query())] == [d["record_id"] for d in order]
    assert_kept_once(path, store, order)


def test_an_invalid_record_does_not_stand_in_the_way_of_a_valid_one_with_its_id(path: Path) -> None:
    history = make_history(20)
    write(path, [{**history[4], "success": None}, *history, {**history[4], "success": "yes"}])
    store = JSONFileStore(path)
    for one in (store, JSONFileStore(path), JSONFileStore(path)):
        reference = MemoryStore()
        reference.append(history)
        assert_same_cells(one.summarize(Query()), reference.summarize(Query()))
        assert one.summarize(Query()).caveats[0].figures["left_out"] == 2
    assert (store.inspect().records, store.inspect().damaged, store.inspect().duplicates) == (20, 2, 0)


def test_records_without_an_id_count_once_where_they_are_identical(path: Path) -> None:
    by_hand = [{k: v for k, v in d.items() if k != "record_id"} for d in make_history(12)]
    write(path, [*by_hand, by_hand[3], {**by_hand[4], "record_id": None}, {**by_hand[5], "record_id": 7}])
    for one in (JSONFileStore(path), JSONFileStore(path)):
        assert sum(cell.n for cell in one.summarize(Query()).cells) == 12
        assert len(set(one.scan(Query(), ["record_id"])["record_id"].tolist())) == 12
        assert len(list(one.documents(Query()))) == 12
    assert JSONFileStore(path).inspect().duplicates == 3


def test_a_copy_in_an_older_file_counts_once_before_and_after_it_is_taken_over(path: Path) -> None:
    history = make_history(20)
    path.write_text(json.dumps({"metrics": [*history, history[3], history[4]]}, indent=2), encoding="utf-8")
    store = JSONFileStore(path)
    assert_kept_once(path, store, history)
    assert (store.inspect().form, store.inspect().records, store.inspect().duplicates) == ("old", 20, 2)
    later = make_document()
    store.append([later], fresh=True)
    assert_kept_once(path, store, [*history, later])
    assert store.inspect().duplicates == 0


def test_the_doctor_says_how_many_and_repair_removes_them(path: Path) -> None:
    history = make_history(20)
    write(path, [*history, history[0]])
    store = JSONFileStore(path)
    assert store.inspect().problem == "1 duplicate record, which no answer counts; repair removes it"
    add(path, [history[0], history[1]])
    assert store.inspect().problem == "3 duplicate records, which no answer counts; repair removes them"
    assert store.repair().duplicates == 3
    assert store.inspect().problem is None
    assert_kept_once(path, store, history)


def test_every_question_of_a_recorder_counts_a_copy_once(path: Path, tmp_path: Path) -> None:
    durations = [1.0, 2.0, 3.0]
    history = [make_document(version="v1", execution_time=time) for time in durations]
    history += [make_document(version="v2", execution_time=time) for time in durations]
    once = tmp_path / "once.json"
    write(once, history)
    write(path, [*history, history[0]])
    for _ in range(2):
        recorder, expected = BenchmarkRecorder(storage_path=path), BenchmarkRecorder(storage_path=once)
        found = recorder.get_historical_metrics("v1")
        assert (found.count, found.mean) == (3, 2.0)
        assert str(recorder.compare_versions("v1", "v2")) == str(expected.compare_versions("v1", "v2"))
        assert len(recorder.get_all_metrics()) == 6
        reports = [json.loads(one.generate_report(["v1", "v2"], format="json")) for one in (recorder, expected)]
        assert reports[0]["versions"] == reports[1]["versions"]
        export_file(recorder.store, tmp_path / "out.jsonl", "jsonl")
        assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 6


class Remote(MemoryStore):
    """A remote store that can be stopped."""

    is_remote = True
    looks_up = True

    def stored_ids(self, ids: Collection[str]) -> frozenset[str] | None:  # type: ignore[override]
        return super().stored_ids(ids) if self.looks_up else None


@pytest.fixture(params=[True, False], ids=["looks ids up", "does not"])
def remote(request: pytest.FixtureRequest) -> Remote:
    """One that says which ids it has, or leaves it to the journal to know."""
    remote = Remote()
    remote.looks_up = request.param
    return remote


def replicated(path: Path, remote: Remote) -> ReplicatedStore:
    return ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver="off")


def deliver(store: ReplicatedStore) -> None:
    assert store.delivery.deliver(lambda: True)


def test_a_copy_counts_once_on_both_sides_of_the_cursor(path: Path, remote: Remote) -> None:
    store = replicated(path, remote)
    history = make_history(30)
    store.append(history[:10], fresh=True)
    deliver(store)
    store.append(history[10:], fresh=True)
    add(path, [history[2], history[15], history[2]])  # delivered already, and not yet
    for _ in range(2):
        assert_counts_once(store, history)
        store = replicated(path, remote)
    deliver(store)
    assert_counts_once(store, history)


def test_a_copy_of_a_delivered_record_counts_once_while_its_batch_is_in_flight(path: Path, remote: Remote) -> None:
    store = replicated(path, remote)
    history = make_history(30)
    store.append(history[:20], fresh=True)
    deliver(store)
    store.append(history[20:], fresh=True)
    add(path, [history[2], history[25]])
    batch = store.delivery._next()  # written down as attempted
    assert_counts_once(store, history)
    remote.append(batch.documents)  # and killed before the cursor moved
    assert_counts_once(store, history)


def test_a_copy_of_what_was_there_before_the_attachment_is_delivered_and_counts_once(
    path: Path, remote: Remote
) -> None:
    write(path, make_history(5, seed=8))
    before = list(JSONFileStore(path).documents(Query()))
    store = replicated(path, remote)
    history = make_history(10)
    store.append(history, fresh=True)
    add(path, [before[1]])
    assert_counts_once(store, [*history, before[1]])
    deliver(store)
    assert_counts_once(store, [*history, before[1]])


@pytest.mark.parametrize("attempted", [False, True])
def test_the_delivered_record_counts_where_a_pending_copy_differs(path: Path, remote: Remote, attempted: bool) -> None:
    store = replicated(path, remote)
    history = make_history(30)
    store.append(history[:20], fresh=True)
    deliver(store)
    add(path, [{**history[2], "execution_time": 99.0, "version": "v9"}])
    store.append(history[20:], fresh=True)
    add(path, [{**history[25], "execution_time": 99.0, "version": "v9"}])
    if attempted:
        store.delivery._next()
    assert_counts_once(store, history)
    deliver(store)
    assert_counts_once(store, history)


def test_a_pending_record_that_another_machine_has_delivered_counts_once(path: Path, tmp_path: Path) -> None:
    remote = Remote()
    store, other = replicated(path, remote), replicated(tmp_path / "other.json", remote)
    history = make_history(10)
    other.append(history[:6], fresh=True)
    deliver(other)
    store.append([{**history[5], "execution_time": 99.0}, *history[6:]], fresh=True)
    assert_counts_once(store, history)
    deliver(store)
    assert_counts_once(store, history)


def test_a_question_with_few_pending_records_builds_no_columns_of_the_journal(path: Path) -> None:
    remote = Remote()
    store = replicated(path, remote)
    history = make_history(30)
    store.append(history[:20], fresh=True)
    deliver(store)
    store.append(history[20:], fresh=True)
    assert_counts_once(store, history)
    assert isinstance(store.journal, JSONFileStore)
    assert store.journal._kept is None


@pytest.mark.parametrize("most", [0, 9, 10, 12])
def test_copies_count_once_at_any_number_of_pending_records(
    path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(replication_store, "MOST_NAMED", most)
    remote = Remote()
    store = replicated(path, remote)
    history = make_history(30)
    store.append(history[:20], fresh=True)
    deliver(store)
    store.append(history[20:28], fresh=True)
    add(path, [history[2], *history[28:], history[28]])
    assert_counts_once(store, history)


def test_a_copy_counts_once_where_the_place_of_the_cursor_is_lost(path: Path, remote: Remote) -> None:
    store = replicated(path, remote)
    history = make_history(20)
    store.append(history[:10], fresh=True)
    deliver(store)
    write(path, [*history[:9], *history[10:], history[3], history[12]])  # without the last delivered one
    assert_counts_once(store, history)
    deliver(store)
    assert_counts_once(store, history)


def test_a_journal_of_others_is_read_as_it_is(path: Path) -> None:
    store: Journal = JSONFileStore(path)
    history = make_history(10)
    store.append(history, fresh=True)
    assert list(Journal.distinct(store, None)) == history
