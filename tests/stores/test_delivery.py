from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.records import stamp
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.replication.delivery import Delivery, Prefetch, one_ahead
from benchmark_recorder.testing import make_document, make_history
from tests.stores.remote import Remote, deliver, ids, ids_of, journal_of, replicated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Batch, Position


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def store(tmp_path: Path, remote: Remote) -> Iterator[ReplicatedStore]:
    with replicated(tmp_path, remote, "off") as store:
        yield store


OLD = "1970-01-01T00:00:01.000000+00:00"


# Rewrites of the journal ----------------------------------------------------------------------------------------------


def rewrite_prune(journal: JSONFileStore) -> None:
    journal.prune(2**62)


def rewrite_compact(journal: JSONFileStore) -> None:
    journal.compact()


def rewrite_clear(journal: JSONFileStore) -> None:
    journal.clear()


def rewrite_rename(journal: JSONFileStore) -> None:
    assert journal.rename_version("v1.0", "a longer name") > 0


def rewrite_by_hand(journal: JSONFileStore) -> None:
    """As an editor does: the same records, differently laid out, by rename."""
    beside = journal.path.with_suffix(".new")
    beside.write_text(json.dumps(json.loads(journal.path.read_text()), indent=2))
    beside.replace(journal.path)


def rewrite_without_delivered(journal: JSONFileStore) -> None:
    """By a tool that knows nothing of cursors, and removes the record that the cursor names."""
    content = json.loads(journal.path.read_text())
    content["metrics"] = content["metrics"][25:]
    journal.path.write_text(json.dumps(content))


def rewrite_without_cursors(journal: JSONFileStore) -> None:
    for file in journal.path.with_name("metrics.json.d").glob("*.mark"):
        file.unlink()


REWRITES = (
    rewrite_prune,
    rewrite_compact,
    rewrite_clear,
    rewrite_rename,
    rewrite_by_hand,
    rewrite_without_delivered,
)


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda rewrite: rewrite.__name__)
@pytest.mark.parametrize("in_flight", [False, True], ids=["between batches", "in flight"])
def test_a_rewrite_of_the_journal_while_records_are_pending_loses_and_doubles_nothing(
    store: ReplicatedStore, remote: Remote, rewrite: Callable[[JSONFileStore], None], in_flight: bool
) -> None:
    history = make_history(40)
    for document in history[:20]:
        store.append([document], fresh=True)
    deliver(store)
    for document in history[20:]:
        store.append([document], fresh=True)
    expected = ids_of(history)
    if in_flight:
        store.delivery._next()
        remote.append(history[20:28])
    if rewrite is rewrite_without_delivered:
        # That tool did remove five pending records; three of them had arrived.
        expected = ids_of([*history[:20], *(history[20:25] if in_flight else []), *history[25:]])
    rewrite(journal_of(store))
    assert sorted(ids(store)) == sorted(expected)
    later = make_history(3, seed=5)
    store.append(later)
    assert sorted(ids(store)) == sorted([*expected, *ids_of(later)])
    deliver(store)
    assert sorted(ids(remote)) == sorted([*expected, *ids_of(later)])
    assert sorted(ids(store)) == sorted([*expected, *ids_of(later)])
    assert store.condition().pending == 0


# Reading ahead --------------------------------------------------------------------------------------------------------


class Watched(Remote):
    """Does something during each send."""

    def __init__(self) -> None:
        super().__init__()
        self.during: Callable[[int], None] = lambda _: None

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        new = super().append(documents, fresh=fresh)
        self.during(len(self.sent))
        return new


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> int:
    for module in ("replication.delivery", "replication.store"):
        monkeypatch.setattr(f"benchmark_recorder.stores.{module}.BATCH", 5)
    return 5


@pytest.fixture
def read_ahead(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """The batches that were read ahead."""
    batches: list[Batch] = []
    read = Delivery._read_ahead

    def note(delivery: Delivery, after: Position) -> Batch:
        batches.append(batch := read(delivery, after))
        return batch

    monkeypatch.setattr(Delivery, "_read_ahead", note)
    return batches


def test_the_cursor_names_exactly_the_batch_under_way_while_the_next_is_read_already(
    tmp_path: Path, small_batches: int, read_ahead: list[Batch]
) -> None:
    remote, history = Watched(), make_history(23)
    with replicated(tmp_path, remote, "off") as store:

        def look(send: int) -> None:
            cursor = store._cursor_file.read()
            assert cursor is not None
            assert cursor.attempted is not None
            under_way = store.journal.read(cursor.delivered, small_batches)
            assert cursor.attempted == under_way.position
            assert ids(remote)[small_batches * (send - 1) :] == ids_of(under_way.documents)
            assert sorted(ids(store)) == sorted(ids_of(history))

        remote.during = look
        store.append(history)
        deliver(store)
        assert remote.sent == [5, 5, 5, 5, 3]
        assert ids(remote) == ids_of(history)
        assert [len(batch.documents) for batch in read_ahead] == [5, 5, 5, 3]


def test_a_short_batch_that_was_read_ahead_is_read_again_with_later_records(
    tmp_path: Path, small_batches: int, read_ahead: list[Batch]
) -> None:
    remote, history, more = Watched(), make_history(7), make_history(4, seed=2)
    with replicated(tmp_path, remote, "off") as store:

        def record(send: int) -> None:
            if send == 1:
                while not read_ahead:
                    time.sleep(0.001)
                store.append(more)

        remote.during = record
        store.append(history)
        deliver(store)
        assert remote.sent == [5, 5, 1]
        assert ids(remote) == ids_of([*history, *more])


@pytest.mark.parametrize("rewrite", [*REWRITES, rewrite_without_cursors], ids=lambda rewrite: rewrite.__name__)
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_rewrite_while_one_batch_is_sent_and_the_next_is_read_loses_and_doubles_nothing(
    tmp_path: Path,
    small_batches: int,
    read_ahead: list[Batch],
    rewrite: Callable[[JSONFileStore], None],
    at: int,
) -> None:
    remote, history = Watched(), make_history(60)
    with replicated(tmp_path, remote, "off") as store:
        store.append(history[:20])
        deliver(store)
        del remote.sent[:]
        store.append(history[20:])
        expected = ids_of(history)

        def spoil(send: int) -> None:
            if send == at:
                while len(read_ahead) < at:
                    time.sleep(0.001)
                rewrite(journal_of(store))

        del read_ahead[:]
        remote.during = spoil
        deliver(store)
        assert store.deliver(lambda: True)
        assert sorted(ids(remote)) == sorted(expected)
        assert sorted(ids(store)) == sorted(expected)
        assert store.condition().pending == 0


def test_an_error_of_reading_ahead_is_raised_only_if_reading_again_fails(
    tmp_path: Path, small_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote, history = Watched(), make_history(20)
    monkeypatch.setattr(remote, "prepared", lambda _: 1 / 0)  # a third party's mistake
    with replicated(tmp_path, remote, "off") as store:
        store.append(history)
        deliver(store)
        assert ids(remote) == ids_of(history)


def test_an_outage_in_the_middle_sends_the_same_batch_again(tmp_path: Path, small_batches: int) -> None:
    remote, history = Watched(), make_history(23)

    def drop_the_reply(send: int) -> None:
        if send == 3:
            raise StoreUnavailableError("the reply was lost")

    remote.during = drop_the_reply
    with replicated(tmp_path, remote, "off") as store:
        store.append(history)
        with pytest.raises(StoreUnavailableError):
            store.deliver(lambda: True)
        assert sorted(ids(store)) == sorted(ids_of(history))
        assert store.condition().pending == 13
        deliver(store)
        assert remote.sent == [5, 5, 5, 5, 5, 3]
        assert ids(remote) == ids_of(history)


def test_prune_keeps_exactly_the_records_that_no_remote_store_has_confirmed(store: ReplicatedStore) -> None:
    history = make_history(30)
    store.append(history[:20])
    deliver(store)
    store.append(history[20:])
    assert journal_of(store).prune(2**62) == 20
    assert ids(store.journal) == ids_of(history[20:])
    assert journal_of(store).prune(2**62, unconfirmed=True) == 10
    assert store.condition().pending == 0
    store.append(later := make_history(4, seed=3))
    deliver(store)
    assert ids(store) == ids_of([*history[:20], *later])


def test_a_renamed_version_is_delivered_by_its_new_name_also_from_quarantine(
    store: ReplicatedStore, remote: Remote
) -> None:
    history = [make_document(version="v1") for _ in range(4)]
    remote.refused_versions = {"v1"}
    store.append(history[:2])
    deliver(store)
    store.append(history[2:])
    assert journal_of(store).rename_version("v1", "v2") == 4
    assert store.scan(Query(), ("version",))["version"].tolist() == 4 * ["v2"]
    deliver(store)
    store.delivery.deliver_quarantined(lambda _: None)
    assert sorted(ids(remote)) == ids_of(history)
    assert store.condition().quarantined == 0


def test_a_rewrite_during_a_send_moves_the_cursor_that_is_confirmed_afterwards(
    store: ReplicatedStore, remote: Remote
) -> None:
    store.append(history := make_history(10))
    deliver(store)
    store.append(more := make_history(10, seed=2))
    batch = store.delivery._next()
    reasons = store.delivery._send(batch.documents)
    journal_of(store).prune(2**62)
    store.append(last := make_history(5, seed=3))
    store.delivery._confirm(batch, reasons)
    assert store.condition().pending == 5
    deliver(store)
    assert ids(remote) == ids_of([*history, *more, *last])


def test_a_removed_cursor_means_that_everything_is_delivered_again(store: ReplicatedStore, remote: Remote) -> None:
    store.append(history := make_history(30))
    deliver(store)
    store.append(more := make_history(5, seed=2))
    rewrite_without_cursors(journal_of(store))
    deliver(store)
    assert ids(remote) == ids_of([*history, *more])
    assert sorted(ids(store)) == sorted(ids_of([*history, *more]))


def test_a_cursor_removed_during_a_send_confirms_none_of_the_earlier_records(tmp_path: Path) -> None:
    remote, old, new = Watched(), make_history(10), make_history(5, seed=2)
    with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as journal:
        journal.append(old)
    with replicated(tmp_path, remote, "off") as store:
        store.append(new)
        remote.during = lambda send: rewrite_without_cursors(journal_of(store)) if send == 1 else None
        deliver(store)
        assert sorted(ids(remote)) == sorted(ids_of([*old, *new]))
        assert journal_of(store).prune(2**62) == 15
        assert sorted(ids(store)) == sorted(ids_of([*old, *new]))


def test_a_batch_whose_cursor_another_deliverer_moved_does_not_confirm_the_others_batch(
    store: ReplicatedStore, remote: Remote
) -> None:
    store.append(history := make_history(10))
    mine = store.delivery._next()
    store.append(more := make_history(10, seed=2))
    with store.delivery._cursor_file.held():  # its folder was removed with both locks, so that two deliver
        cursor = store._cursor_file.read()
        assert cursor is not None
        theirs = store.journal.read(mine.position, 1000)
        store._cursor_file.write(dataclasses.replace(cursor, delivered=mine.position, attempted=theirs.position))
    store.delivery._confirm(mine, store.delivery._send(mine.documents))
    assert store.condition().pending == 10
    deliver(store)
    assert ids(remote) == ids_of([*history, *more])


@pytest.mark.parametrize("pending", [0, 3])
def test_a_history_is_delivered_whole_and_no_further_also_where_an_id_occurs_twice(
    tmp_path: Path, small_batches: int, pending: int
) -> None:
    remote, history, new = Watched(), make_history(23), make_history(pending, seed=2)
    with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as journal:
        journal.append(history, fresh=True)
        journal.append(history[:8], fresh=True)  # as when a backup is appended
    with replicated(tmp_path, remote, "off") as store:
        store.append(new)

        def record(send: int) -> None:
            if send == 2:
                new.extend(later := make_history(pending, seed=3))
                store.append(later)
            assert sorted(ids(store)) == sorted({*ids(remote), *ids_of(new)})

        remote.during = record
        store.delivery.deliver_history(lambda _: None)
        assert sorted(ids(store)) == sorted(ids_of([*history, *new]))
        deliver(store)
        assert sorted(ids(remote)) == sorted(ids_of([*history, *new]))
        assert journal_of(store).prune(2**62) == 31 + 2 * pending
        assert sorted(ids(store)) == sorted(ids_of([*history, *new]))


def test_a_delivery_from_the_start_does_not_end_at_the_first_of_two_equal_ids(
    store: ReplicatedStore, remote: Remote
) -> None:
    store.append(make_history(1, seed=5))
    deliver(store)
    history = make_history(20)
    journal_of(store).path.unlink()
    journal_of(store).append([*history, history[7]], fresh=True)
    deliver(store)
    assert set(ids_of(history)) < set(ids(remote))
    assert store.condition().pending == 0


@pytest.mark.parametrize("timestamp", [OLD, "2026-02-03T04:05:06.000000+00:00", "2990-01-01T00:00:00.000000+00:00"])
def test_where_all_places_are_lost_everything_is_delivered_whatever_its_times_and_ids_say(
    store: ReplicatedStore, remote: Remote, timestamp: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal_of(store).append(make_history(3))
    store.append(make_history(20, seed=2))
    deliver(store)
    store.append([make_document(), make_document()])
    content = json.loads(journal_of(store).path.read_text())
    old_id, _ = stamp()
    made_long_ago = {**make_document(), "record_id": f"00000001{old_id[8:]}", "timestamp": timestamp}
    content["metrics"] = [made_long_ago, *content["metrics"][-2:]]  # neither the attachment nor the place is left
    journal_of(store).path.write_text(json.dumps(content))
    assert store.condition().pending == 3
    deliver(store)
    assert set(ids_of(content["metrics"])) < set(ids(remote))
    assert set(ids_of(content["metrics"])) < set(ids(store))
    assert store.condition().pending == 0
    assert "was lost: 3 records were delivered again" in caplog.text


# Reading ahead -------------------------------------------------------------------------------------------------------


def test_the_call_is_made_before_its_result_is_asked_for_and_in_another_thread() -> None:
    made = threading.Event()
    threads: list[threading.Thread] = []

    def call() -> int:
        threads.append(threading.current_thread())
        made.set()
        return 3

    ahead = Prefetch(call)
    assert made.wait(30)
    assert ahead.result() == 3
    assert len(threads) == 1
    assert threads[0] is not threading.current_thread()


def test_its_error_is_raised_where_the_result_is_asked_for_and_not_by_waiting() -> None:
    def call() -> int:
        raise ZeroDivisionError

    ahead = Prefetch(call)
    ahead.wait()
    with pytest.raises(ZeroDivisionError):
        ahead.result()


def test_where_no_thread_can_be_had_the_call_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    ahead = Prefetch(threading.current_thread)
    ahead.wait()
    assert ahead.result() is threading.current_thread()
    assert list(one_ahead(iter([1, 2, 3]))) == [1, 2, 3]


def test_items_come_in_their_order_and_the_next_one_is_made_meanwhile() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = one_ahead(items())
    assert next(ahead) == 0
    assert second.wait(30)
    assert made == [0, 1]
    assert list(ahead) == [1, 2, 3]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_a_reader_that_stops_early_leaves_no_thread_behind() -> None:
    source = iter([1, 2, 3])
    ahead = one_ahead(source)
    assert next(ahead) == 1
    ahead.close()  # type: ignore[attr-defined]
    assert next(source) == 3
