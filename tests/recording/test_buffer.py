from __future__ import annotations

import gc
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import InvalidRecordError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.recording.buffer import MAX_WAITING, WriteBuffer, _close_outstanding
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_document
from tests.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store


class SwitchedStore(MemoryStore):
    """A store with a switch: while it is off, nothing can be written."""

    off: BaseException | None = None
    after_writing = False

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        if self.off is not None and not self.after_writing:
            raise self.off
        count = super().append(documents, fresh=fresh)
        if self.off is not None:
            raise self.off
        return count

    def ids(self) -> list[str]:
        return list(self.scan(Query(), ["record_id"])["record_id"])


@pytest.fixture
def store() -> Iterator[SwitchedStore]:
    store = SwitchedStore()
    yield store
    store.off = None  # so that what still waits can be written when the tests end


class ListStore(SwitchedStore):
    """Takes what is said to be fresh at its word."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.looked_for = 0

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        if self.off is not None and not self.after_writing:
            raise self.off
        if not fresh:
            self.looked_for += len(documents)
        self.written += [d["record_id"] for d in documents if fresh or d["record_id"] not in self.written]
        if self.off is not None:
            raise self.off
        return len(documents)


def outage(*, unchanged: bool = False) -> StoreUnavailableError:
    return StoreUnavailableError("/data/metrics.json: no space left on device", unchanged=unchanged)


def test_a_document_goes_straight_into_the_journal(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    document = make_document()
    buffer.append(document)
    assert store.ids() == [document["record_id"]]
    assert buffer.health().ok


def test_during_an_outage_documents_wait_and_are_written_in_order_before_the_next_one(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    documents = [make_document() for _ in range(5)]
    buffer.append(documents[0])
    store.off = outage()
    for document in documents[1:4]:
        buffer.append(document)
    assert buffer.health().waiting == 3
    store.off = None
    buffer.append(documents[4])
    assert store.ids() == [document["record_id"] for document in documents]
    assert buffer.health().waiting == 0


def test_any_exception_of_a_store_is_an_outage_to_the_caller(store: SwitchedStore) -> None:
    store.off = ZeroDivisionError()
    buffer = WriteBuffer(store)
    buffer.append(make_document())
    assert buffer.health().waiting == 1
    assert buffer.health().last_error == "ZeroDivisionError"


def test_an_interrupt_is_not_the_stores_trouble(store: SwitchedStore) -> None:
    class Interrupted(MemoryStore):
        def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WriteBuffer(Interrupted()).append(make_document())


def test_a_strict_intake_raises_and_keeps_nothing(store: SwitchedStore) -> None:
    store.off = outage()
    buffer = WriteBuffer(store, strict=True)
    with pytest.raises(StoreUnavailableError):
        buffer.append(make_document())
    assert buffer.health().waiting == 0


def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = WriteBuffer(store)
    for _ in range(2):
        store.off = outage()
        for _ in range(10):
            buffer.append(make_document())
        store.off = None
        buffer.append(make_document())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert messages[0].startswith("records are kept in memory until they can be written: ")
    assert "no space left" in messages[0]
    assert messages[1] == "memory can be written again"


def test_health_says_since_when_and_why(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    assert buffer.health().failing_since is None
    store.off = outage()
    buffer.append(make_document())
    health = buffer.health()
    assert health.failing_since is not None
    assert health.last_error == "/data/metrics.json: no space left on device"
    assert not health.ok
    store.off = None
    assert buffer.flush()
    assert buffer.health().failing_since is None
    assert buffer.health().last_error == "/data/metrics.json: no space left on device"


def test_a_record_that_was_written_before_the_error_is_not_written_twice(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    document = make_document()
    store.off, store.after_writing = outage(), True
    buffer.append(document)
    store.off = None
    buffer.append(make_document())
    assert store.ids().count(document["record_id"]) == 1


def test_at_most_ten_thousand_wait_and_the_rest_is_counted_as_lost(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.off = outage()
    buffer = WriteBuffer(store)
    document = make_document()
    for _ in range(MAX_WAITING + 3):
        buffer.append(document)
    assert (buffer.health().waiting, buffer.health().lost) == (MAX_WAITING, 3)
    assert sum("are lost until" in record.getMessage() for record in caplog.records) == 1


def test_closing_writes_what_waits(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    store.off = outage()
    buffer.append(make_document())
    store.off = None
    buffer.close()
    assert len(store.ids()) == 1
    assert buffer.health().lost == 0


def test_what_cannot_be_written_at_the_end_is_counted_logged_and_warned_of(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = WriteBuffer(store)
    store.off = outage()
    buffer.append(make_document())
    with pytest.warns(RuntimeWarning, match="1 record could not be written to memory before the end, and is lost"):
        buffer.close()
    assert (buffer.health().waiting, buffer.health().lost) == (0, 1)
    assert caplog.records[-1].levelno == logging.ERROR
    assert "1 record could not be written to memory" in caplog.records[-1].getMessage()


def test_refused_and_normalised_recordings_are_counted_and_logged_loudly_once(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = WriteBuffer(store)
    for _ in range(3):
        buffer.count_invalid(InvalidRecordError("duration: expected a number", field="duration"))
        buffer.count_normalised(("task was cut",))
    assert (buffer.health().invalid, buffer.health().normalised) == (3, 3)
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert loud == ["not recorded: duration: expected a number", "recorded, but task was cut"]


def test_a_forked_child_leaves_what_waits_to_its_parent(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    store.off = outage()
    buffer.append(make_document())
    child = os.fork()
    if child == 0:
        os._exit(0 if buffer.health().waiting == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert buffer.health().waiting == 1


def test_an_intake_is_forgotten_with_its_recorder(store: SwitchedStore) -> None:
    buffer = weakref.ref(WriteBuffer(store))
    gc.collect()
    assert buffer() is None


def test_a_log_handler_may_ask_for_health_and_may_record(store: SwitchedStore) -> None:
    buffer = WriteBuffer(store)
    waiting: list[int] = []

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            buffer.append(make_document())
            other = threading.Thread(target=lambda: waiting.append(buffer.health().waiting))
            other.start()
            other.join()

    handler = Asking()
    logging.getLogger("benchmark_recorder").addHandler(handler)
    try:
        store.off = outage()
        buffer.append(make_document())
        store.off = None
        buffer.append(make_document())
    finally:
        logging.getLogger("benchmark_recorder").removeHandler(handler)
    assert waiting == [2, 0]
    assert len(store.ids()) == 4


@pytest.mark.parametrize("unchanged", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_a_signal_handler_may_record_while_waiting_records_are_written(*, unchanged: bool, first: bool) -> None:
    class Interrupting(ListStore):
        def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
            interrupt = self.off is None and len(late) and signal.raise_signal
            if interrupt and first:
                interrupt(signal.SIGUSR1)
            count = super().append(documents, fresh=fresh)
            if interrupt and not first:
                interrupt(signal.SIGUSR1)
            return count

    store = Interrupting()
    buffer = WriteBuffer(store)
    documents = [make_document() for _ in range(4)]
    late = [documents[3]]

    def record(*_: object) -> None:
        if late:
            buffer.append(late.pop())
            assert not buffer.flush()
            buffer.close()

    before = signal.signal(signal.SIGUSR1, record)
    try:
        store.off = outage(unchanged=unchanged)
        for document in documents[:2]:
            buffer.append(document)
        store.off = None
        buffer.append(documents[2])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sorted(store.written) == sorted(document["record_id"] for document in documents)
    assert buffer.health().ok


@pytest.mark.parametrize(("unchanged", "looked_for"), [(True, 0), (False, 1)])
def test_waiting_records_are_looked_for_only_where_they_may_have_been_written(
    *, unchanged: bool, looked_for: int
) -> None:
    store = ListStore()
    buffer = WriteBuffer(store)
    store.off = outage(unchanged=unchanged)
    for _ in range(3):
        buffer.append(make_document())
    store.off = None
    buffer.append(make_document())
    assert len(store.written) == 4
    assert store.looked_for == looked_for
    assert buffer.health().ok


def test_a_record_that_was_given_its_id_is_looked_for_after_an_outage_too() -> None:
    store = ListStore()
    buffer = WriteBuffer(store)
    store.off = outage(unchanged=True)
    buffer.append(make_document(), fresh=False)
    store.off = None
    buffer.append(make_document())
    assert store.looked_for == 1


def test_what_an_exception_from_a_signal_handler_interrupts_is_looked_for() -> None:
    store = ListStore()
    buffer = WriteBuffer(store)
    document = make_document()
    store.off = outage(unchanged=True)
    buffer.append(document)
    store.off = KeyboardInterrupt()
    store.after_writing = True
    with pytest.raises(KeyboardInterrupt):
        buffer.flush()
    store.off = None
    assert buffer.flush()
    assert store.written == [document["record_id"]]


INTERRUPTED = """
import random, signal
from concurrent.futures import ThreadPoolExecutor
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.recording.buffer import WriteBuffer
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_document
from tests.interrupts import interrupts

class Broken(MemoryStore):
    def append(self, documents, *, fresh=False):
        raise StoreUnavailableError("cannot write", unchanged=True)

document, rng = make_document(), random.Random(1)
buffer = WriteBuffer(Broken())
signal.signal(signal.SIGALRM, signal.default_int_handler)
with ThreadPoolExecutor(1) as pool:
    for moment in range(1000):
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.000_05, 0.000_3))
            for _ in range(5000):  # until then; Python tells nobody of one that comes in a finalizer
                buffer.append(document)
        except KeyboardInterrupt:  # its traceback holds on to everything meanwhile
            assert pool.submit(buffer.health).result(timeout=10).last_error in {None, "cannot write"}
        buffer._waiting.clear()
"""


def test_an_interrupt_at_any_moment_of_an_outage_leaves_no_lock_behind() -> None:
    subprocess.run([sys.executable, "-c", INTERRUPTED], check=True, timeout=120)


@pytest.mark.parametrize("strict", [True, False])
def test_a_second_outage_is_told_like_the_first_where_nothing_waited(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture, *, strict: bool
) -> None:
    buffer = WriteBuffer(store, strict=strict)
    for _ in range(2):
        store.off = outage()
        if strict:
            buffer.count_unwritten(store.off)
        else:
            buffer.append(make_document())
            with pytest.warns(RuntimeWarning, match="is lost"):
                buffer.close()
        assert buffer.health().failing_since is not None
        store.off = None
        buffer.append(make_document())
        assert buffer.health().failing_since is None
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    kept = "records are lost until" if strict else "records are kept in memory until"
    assert [message.startswith(kept) for message in messages] == [True, False, True, False]


def test_a_lock_that_is_not_given_costs_recording_calls_a_tenth_of_their_time(
    store: SwitchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("benchmark_recorder.recording.buffer.monotonic", lambda: now)

    class Locked(SwitchedStore):
        def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
            nonlocal now
            if self.off is not None:
                now += 2.0
            return super().append(documents, fresh=fresh)

    store = Locked()
    buffer = WriteBuffer(store)
    store.off = outage()
    for _ in range(1000):
        buffer.append(make_document())
        now += 0.1
    assert now < 1.2 * 1000 * 0.1
    assert buffer.health().waiting == 1000
    store.off = None
    now += 20.0
    buffer.append(make_document())
    assert len(store.ids()) == 1001


def test_a_forked_child_begins_without_its_parents_outage(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    buffer = WriteBuffer(store)
    store.off = outage()
    buffer.append(make_document())
    child = os.fork()
    if child == 0:
        caplog.clear()
        clean = buffer.health().failing_since is None and buffer.health().last_error is None
        buffer.append(make_document())
        os._exit(0 if clean and len(caplog.records) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


ENDING = """
import multiprocessing, os, sys
from benchmark_recorder import BenchmarkRecorder

def record():
    os.mkdir("metrics.json")
    recorder = BenchmarkRecorder("metrics.json")
    recorder.record_execution(task="t", duration=1.0, success=True, version="v")
    assert recorder.health().waiting == 1
    os.rmdir("metrics.json")

if __name__ == "__main__":
    if sys.argv[1] == "here":
        record()
    else:
        worker = multiprocessing.get_context(sys.argv[1]).Process(target=record)
        worker.start()
        worker.join()
"""


@pytest.mark.parametrize("where", ["here", "fork", "spawn", "forkserver"])
def test_what_waits_is_written_when_the_program_ends_though_its_recorder_was_not_closed(
    tmp_path: Path, where: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(ENDING)
    subprocess.run([sys.executable, program, where], cwd=tmp_path, check=True)
    assert len(json.loads((tmp_path / "metrics.json").read_text())["metrics"]) == 1


def test_at_the_end_a_loss_that_is_made_an_error_keeps_no_other_records_from_being_written() -> None:
    stores = [SwitchedStore() for _ in range(10)]
    for store in stores:
        store.off = outage()
        WriteBuffer(store).append(make_document())
    for store in stores[::2]:
        store.off = None
    with pytest.raises(RuntimeWarning, match="1 record could not be written"):  # warnings are errors in these tests
        _close_outstanding()
    assert [len(store.ids()) for store in stores] == [1, 0] * 5


@pytest.mark.parametrize("kind", ["memory", "a JSON file"])
def test_ctrl_c_where_a_loop_jumps_back_leaves_no_lock_behind_and_every_record(kind: str, tmp_path: Path) -> None:
    def stores() -> Iterator[Store]:
        for number in itertools.count():
            yield MemoryStore() if kind == "memory" else JSONFileStore(tmp_path / f"{number}.json")

    each = stores()
    store: Store = MemoryStore()
    buffer = WriteBuffer(store)
    documents = [make_document() for _ in range(4)]

    def begin() -> Callable[[], bool]:
        nonlocal store, buffer
        store = next(each)
        store.append(documents[:1])
        buffer = WriteBuffer(store)
        for document in documents[:3]:
            buffer.keep(document, fresh=False)
        return buffer.flush

    moments = 0
    for _ in interrupts(begin):
        moments += 1
        other = threading.Thread(target=buffer.append, args=(documents[3],), daemon=True)
        other.start()
        other.join(30)
        assert not other.is_alive()
        found = [document["record_id"] for document in store.documents(Query())]
        assert sorted(found) == sorted(document["record_id"] for document in documents)
        assert buffer.health().waiting == 0
    assert moments > 2
