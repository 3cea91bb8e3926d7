from __future__ import annotations

import dataclasses
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import ConfigurationError, StoreSetupError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.health import Condition
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.testing import StoreContract, assert_same_cells, make_document, make_history
from tests.stores.remote import Remote, deliver, ids, ids_of, journal_of, replicated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document


class TestReplicatedMemoryContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MemoryStore()) as store:
            yield store


class TestUndeliveredContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MemoryStore(), "off") as store:
            yield store


class _DeliversHalf(ReplicatedStore):
    """Each second append is delivered, so that every question is answered from both sides."""

    appends = 0

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        half = len(documents) // 2
        new = 0
        for part in (documents[:half], documents[half:]) if half else (documents,):
            self.appends += 1
            new += super().append(part, fresh=fresh)
            if self.appends % 2:
                self.delivery.deliver(lambda: True)
        return new


class TestHalfDeliveredContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ReplicatedStore]:
        path = tmp_path / "metrics.json"
        with _DeliversHalf(JSONFileStore(path), MemoryStore(), beside=path, deliver="off") as store:
            yield store


class TestHalfDeliveredToMongoDBContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[ReplicatedStore]:
        path = tmp_path / "metrics.json"
        remote = MongoDBStore(mongodb_uri, database=database)
        with _DeliversHalf(JSONFileStore(path), remote, beside=path, deliver="off") as store:
            yield store


class TestReplicatedMongoDBContract(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path, mongodb_uri: str, database: str) -> Iterator[ReplicatedStore]:
        with replicated(tmp_path, MongoDBStore(mongodb_uri, database=database)) as store:
            yield store


# Single steps, in front of a remote store that does as it is told -----------------------------------------------------


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def store(tmp_path: Path, remote: Remote) -> Iterator[ReplicatedStore]:
    with replicated(tmp_path, remote, "off") as store:
        yield store


def test_records_reach_the_remote_store_in_batches_of_at_most_a_thousand(
    store: ReplicatedStore, remote: Remote
) -> None:
    history = make_history(2300)
    store.append(history)
    assert store.condition().pending == 2300
    assert store.condition().pending_since == history[0]["timestamp"]
    deliver(store)
    assert remote.sent == [1000, 1000, 300]
    assert ids(remote) == ids_of(history)
    assert store.condition() == Condition("remote://somewhere")


def test_a_remote_store_attached_to_a_history_gets_new_records_and_the_old_ones_on_request(
    tmp_path: Path, remote: Remote
) -> None:
    old, new = make_history(1200), make_history(5, seed=2)
    with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as journal:
        journal.append(old)
    with replicated(tmp_path, remote, "off") as store:
        store.append(new)
        deliver(store)
        assert ids(remote) == ids_of(new)
        for _ in range(2):
            store.delivery.deliver_history(lambda _: None)
            assert sorted(ids(remote)) == sorted(ids_of([*old, *new]))
            assert sorted(ids(store)) == sorted(ids_of([*old, *new]))


def test_a_batch_in_flight_is_counted_once_whether_it_arrived_or_not(store: ReplicatedStore, remote: Remote) -> None:
    history = make_history(50)
    store.append(history[:30])
    deliver(store)
    store.append(history[30:])
    store.delivery._next()  # what a killed process has written
    for arrived in ([], history[30:40], history[30:]):
        remote.append(arrived)
        assert sorted(ids(store)) == sorted(ids_of(history))
        assert sum(cell.n for cell in store.summarize(Query()).cells) == 50
        assert sorted(ids_of(store.documents(Query()))) == sorted(ids_of(history))
    deliver(store)
    assert sorted(ids(remote)) == sorted(ids_of(history))


def test_an_outage_with_more_tasks_than_can_be_named_is_answered_all_the_same(
    store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.replication.store.MOST_NAMED", 3)
    history = make_history(100)
    reference = MemoryStore()
    reference.append(history)
    store.append(history[:60])
    deliver(store)
    store.append(history[60:])
    store.delivery._next()
    remote.append(history[60:70])
    assert_same_cells(store.summarize(Query()), reference.summarize(Query()))
    assert sorted(ids(store)) == sorted(ids_of(history))


def test_an_answer_from_the_journal_alone_says_so_and_since_when(store: ReplicatedStore, remote: Remote) -> None:
    history = make_history(40)
    store.append(history[:30])
    deliver(store)
    store.append(history[30:])
    remote.append([make_document()])  # another machine's
    assert not store.summarize(Query()).caveats
    remote.is_down = True
    cells = store.summarize(Query())
    assert sum(cell.n for cell in cells.cells) == 40
    (caveat,) = cells.caveats
    assert caveat.code == "store_out_of_reach"
    assert caveat.figures["pending"] == 10
    assert caveat.figures["last_confirmed"] is not None
    assert "10 records wait" in caveat.sentence
    assert ids(store) == ids_of(history)
    assert [note.code for note in store.histogram(Query()).caveats] == ["store_out_of_reach"]


def test_an_answer_from_the_journal_alone_also_says_what_the_journal_says(
    store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.grouping.MOST_GROUPS", 1)
    store.append(make_history(40))
    remote.is_down = True
    query = Query(by=("model",))
    for answer in (store.summarize(query), store.histogram(query)):
        assert [note.code for note in answer.caveats] == ["groups_pooled", "store_out_of_reach"]


def test_an_outage_costs_a_report_one_wait_and_one_line_in_the_log(
    store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = BenchmarkRecorder(store=store)
    for version in ("v1", "v2"):
        recorder.record_execution("task", 1.0, True, version)
    remote.is_down = True
    report = recorder.generate_report(["v1", "v2"])
    assert "remote://somewhere could not be asked" in report
    assert remote.questions == 1

    monkeypatch.setattr("benchmark_recorder.stores.replication.store.SILENT_SECONDS", 0.0)
    for asked in range(2, 5):
        assert store._silence is not None
        store._silence = dataclasses.replace(store._silence, until=0.0)  # the pause is over
        assert store.summarize(Query()).caveats
        assert remote.questions == asked
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == ["answers are from the local journal alone: nobody answers"]

    remote.is_down = False
    assert not store.summarize(Query()).caveats
    remote.is_down = True
    assert store.summarize(Query()).caveats
    assert [record.levelname for record in caplog.records].count("WARNING") == 2  # another outage


def test_a_store_that_took_a_record_is_asked_again_at_once(store: ReplicatedStore, remote: Remote) -> None:
    store.append(make_history(5))
    remote.is_down = True
    assert store.summarize(Query()).caveats
    remote.is_down = False
    assert store.summarize(Query()).caveats  # it is not asked so soon
    deliver(store)
    assert not store.summarize(Query()).caveats


def test_the_note_is_on_the_result_and_in_the_report(store: ReplicatedStore, remote: Remote) -> None:
    remote.is_down = True
    recorder = BenchmarkRecorder(store=store)
    for version in ("v1", "v2"):
        for number in range(6):
            recorder.record_execution("task", 1.0 + number, True, version)
    codes = [caveat.code for caveat in recorder.get_historical_metrics("v1").warnings]
    assert codes[0] == "store_out_of_reach"
    assert recorder.compare_versions("v1", "v2").warnings[0].code == "store_out_of_reach"
    report = recorder.generate_report(["v1", "v2"])
    assert "remote://somewhere could not be asked" in report
    assert "the local journal of remote://somewhere" in " ".join(report.split())  # what the 12 records are in
    assert "12 kept locally until that store confirms them" in report
    assert recorder.health().pending == 12


def test_a_record_refused_for_its_content_goes_to_quarantine_and_still_counts(
    store: ReplicatedStore, remote: Remote
) -> None:
    history = make_history(60)
    picky = [document for document in history if document["version"] == "v2.0"]
    remote.refused_versions = {"v2.0"}
    store.append(history)
    deliver(store)
    assert store.condition() == Condition("remote://somewhere", quarantined=len(picky))
    assert len(ids(remote)) == 60 - len(picky)
    assert sorted(ids(store)) == sorted(ids_of(history))
    assert journal_of(store).prune(2**62) == 60 - len(picky)
    assert ids(store.journal) == ids_of(picky)
    entry = store._quarantine.of("remote://somewhere")[picky[0]["record_id"]]
    assert (entry.reason, entry.document) == ("not that version", picky[0])

    assert store.delivery.deliver_quarantined(lambda _: None) == len(picky)
    remote.refused_versions = set()
    assert store.delivery.deliver_quarantined(lambda _: None) == 0
    assert sorted(ids(remote)) == sorted(ids_of(history))
    assert sorted(ids(store)) == sorted(ids_of(history))
    assert store.condition().quarantined == 0


def test_confirmed_records_leave_the_journal_when_they_are_old_enough(tmp_path: Path, remote: Remote) -> None:
    path = tmp_path / "metrics.json"
    with ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver="off", keep_delivered=86_400) as store:
        store.append(old := make_history(10))
        store.append(
            young := [make_document(timestamp=datetime.now(UTC).isoformat(timespec="microseconds")) for _ in range(3)]
        )
        deliver(store)
        assert ids(store.journal) == ids_of(young)
        assert sorted(ids(store)) == sorted(ids_of([*old, *young]))


@pytest.mark.parametrize("changed", [{}, {"timestamp": None}, {"timestamp": "yesterday"}])
def test_a_record_without_a_time_hides_neither_pending_records_nor_those_to_be_pruned(
    tmp_path: Path, remote: Remote, changed: Document
) -> None:
    path = tmp_path / "metrics.json"
    undated = {name: value for name, value in make_document().items() if name != "timestamp"} | changed
    with ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver="off", keep_delivered=86_400) as store:
        store.append([undated])
        store.append(make_history(10))
        condition = store.condition()
        assert (condition.pending, condition.pending_since) == (11, changed.get("timestamp"))
        deliver(store)
        assert remote.sent == [11]
        assert store.journal.read(None, 20).documents == (undated,)


def test_a_journal_that_cannot_let_go_is_refused_where_it_is_to(tmp_path: Path, remote: Remote) -> None:
    with pytest.raises(ConfigurationError, match="memory cannot be pruned"):
        ReplicatedStore(MemoryStore(), remote, beside=tmp_path / "memory", keep_delivered=1)


# The thread -----------------------------------------------------------------------------------------------------------


def test_records_are_delivered_in_the_background_and_flush_waits_for_it(tmp_path: Path, remote: Remote) -> None:
    with replicated(tmp_path, remote) as store:
        store.append(history := make_history(30))
        assert store.flush(30)
        assert ids(remote) == ids_of(history)


def test_an_outage_is_logged_and_ends_by_itself(
    tmp_path: Path, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    with replicated(tmp_path, remote) as store:
        remote.is_down = True
        store.append(history := make_history(30))
        assert not store.flush(0.5)
        condition = store.condition()
        assert condition.failing_since is not None
        assert condition.last_error == "nobody answers"
        assert condition.pending == 30
        remote.is_down = False
        assert store.flush(60)
        assert store.condition().failing_since is None
        assert ids(remote) == ids_of(history)
    told = [record.message for record in caplog.records if "remote://somewhere" in record.message]
    assert told == [
        "records stay in the local journal until remote://somewhere accepts them: nobody answers",
        "remote://somewhere accepts records again",
    ]


def test_another_process_can_say_why_delivery_fails_as_long_as_it_does(
    tmp_path: Path, store: ReplicatedStore, remote: Remote
) -> None:
    remote.is_down = True
    store.append(make_history(5))
    before = datetime.now(UTC)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            deliver(store)
    with replicated(tmp_path, remote, "off") as other:
        condition = other.condition()
        assert condition.last_error == "nobody answers"
        assert condition.failing_since is not None
        assert before <= condition.failing_since <= datetime.now(UTC)
        remote.is_down = False
        deliver(other)
    store.append(make_history(5, seed=2))
    assert (store.condition().failing_since, store.condition().last_error) == (None, None)


def test_the_next_recorder_delivers_what_one_left_behind(tmp_path: Path, remote: Remote) -> None:
    remote.is_down = True
    with replicated(tmp_path, remote) as store:
        store.append(history := make_history(10))
    remote.is_down = False
    with replicated(tmp_path, remote) as store:
        assert store.flush(30)
    assert ids(remote) == ids_of(history)


def test_a_closed_store_delivers_again_after_its_next_append(tmp_path: Path, remote: Remote) -> None:
    store = replicated(tmp_path, remote)
    for seed in range(3):
        store.append(make_history(5, seed=seed))
        store.close()
    assert len(ids(remote)) == 15


def test_a_third_partys_error_neither_ends_the_thread_nor_reaches_the_caller(tmp_path: Path) -> None:
    class Broken(Remote):
        tries = 0

        def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
            self.tries += 1
            if self.tries < 3:
                raise ZeroDivisionError
            return super().append(documents, fresh=fresh)

    broken = Broken()
    with replicated(tmp_path, broken) as store:
        store.append(make_history(5))
        assert store.flush(60)
    assert len(ids(broken)) == 5


def test_a_third_partys_store_that_acknowledges_nothing_gets_no_record_confirmed(tmp_path: Path) -> None:
    class Asynchronous(Remote):
        async def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:  # type: ignore[override]
            return super().append(documents, fresh=fresh)

    with replicated(tmp_path, Asynchronous(), "off") as store:
        store.append(make_history(5))
        with (
            pytest.warns(RuntimeWarning, match="never awaited"),
            pytest.raises(StoreSetupError, match="did not acknowledge: its append returned a coroutine"),
        ):
            store.deliver(lambda: True)
        assert store.condition().pending == 5


def test_delivery_that_is_off_is_left_to_others(store: ReplicatedStore, remote: Remote) -> None:
    store.append(make_history(5))
    assert not store.flush(1)
    assert ids(remote) == []
    deliver(store)
    assert store.flush(1)


def test_only_one_delivers_at_a_time(tmp_path: Path, store: ReplicatedStore, remote: Remote) -> None:
    store.append(make_history(5))
    with store.delivery._cursor_file.lease() as mine:
        assert mine
        assert not replicated(tmp_path, remote, "off").deliver(lambda: True)
    deliver(store)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_lock_that_is_held_while_another_thread_forks_is_not_the_childs(store: ReplicatedStore) -> None:
    store.append(make_history(5))
    with store.delivery._cursor_file.lease():
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)  # lives on until the parent is done
            os._exit(0)
    deliver(store)
    os.close(writer)
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0
