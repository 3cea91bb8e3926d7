from __future__ import annotations

import gc
import logging
import os
import weakref
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import InvalidRecordError, StoreUnavailableError
from benchmark_recorder.intake import MAX_WAITING, Intake
from benchmark_recorder.records import Query
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.records import Document


class SwitchedStore(MemoryStore):
    """A store with a switch: while it is off, nothing can be written."""

    off: Exception | None = None
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
def store() -> SwitchedStore:
    return SwitchedStore()


def outage() -> StoreUnavailableError:
    return StoreUnavailableError("/data/metrics.json: no space left on device")


def test_a_document_goes_straight_into_the_journal(store: SwitchedStore) -> None:
    intake = Intake(store)
    document = make_document()
    intake.append(document)
    assert store.ids() == [document["record_id"]]
    assert intake.health().ok


def test_during_an_outage_documents_wait_and_are_written_in_order_before_the_next_one(store: SwitchedStore) -> None:
    intake = Intake(store)
    documents = [make_document() for _ in range(5)]
    intake.append(documents[0])
    store.off = outage()
    for document in documents[1:4]:
        intake.append(document)
    assert intake.health().waiting == 3
    store.off = None
    intake.append(documents[4])
    assert store.ids() == [document["record_id"] for document in documents]
    assert intake.health().waiting == 0


def test_any_exception_of_a_store_is_an_outage_to_the_caller(store: SwitchedStore) -> None:
    store.off = ZeroDivisionError()
    intake = Intake(store)
    intake.append(make_document())
    assert intake.health().waiting == 1
    assert intake.health().last_error == "ZeroDivisionError"


def test_an_interrupt_is_not_the_stores_trouble(store: SwitchedStore) -> None:
    class Interrupted(MemoryStore):
        def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Intake(Interrupted()).append(make_document())


def test_a_strict_intake_raises_and_keeps_nothing(store: SwitchedStore) -> None:
    store.off = outage()
    intake = Intake(store, strict=True)
    with pytest.raises(StoreUnavailableError):
        intake.append(make_document())
    assert intake.health().waiting == 0


def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(store)
    for _ in range(2):
        store.off = outage()
        for _ in range(10):
            intake.append(make_document())
        store.off = None
        intake.append(make_document())
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 4
    assert messages[0].startswith("records are kept in memory until they can be written: ")
    assert "no space left" in messages[0]
    assert messages[1] == "memory can be written again"


def test_health_says_since_when_and_why(store: SwitchedStore) -> None:
    intake = Intake(store)
    assert intake.health().failing_since is None
    store.off = outage()
    intake.append(make_document())
    health = intake.health()
    assert health.failing_since is not None
    assert health.last_error == "/data/metrics.json: no space left on device"
    assert not health.ok
    store.off = None
    assert intake.flush()
    assert intake.health().failing_since is None
    assert intake.health().last_error == "/data/metrics.json: no space left on device"


def test_a_record_that_was_written_before_the_error_is_not_written_twice(store: SwitchedStore) -> None:
    intake = Intake(store)
    document = make_document()
    store.off, store.after_writing = outage(), True
    intake.append(document)
    store.off = None
    intake.append(make_document())
    assert store.ids().count(document["record_id"]) == 1


def test_at_most_ten_thousand_wait_and_the_rest_is_counted_as_lost(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.off = outage()
    intake = Intake(store)
    document = make_document()
    for _ in range(MAX_WAITING + 3):
        intake.append(document)
    assert (intake.health().waiting, intake.health().lost) == (MAX_WAITING, 3)
    assert sum("are lost until" in record.getMessage() for record in caplog.records) == 1


def test_closing_writes_what_waits(store: SwitchedStore) -> None:
    intake = Intake(store)
    store.off = outage()
    intake.append(make_document())
    store.off = None
    intake.close()
    assert len(store.ids()) == 1
    assert intake.health().lost == 0


def test_what_cannot_be_written_at_the_end_is_counted_and_logged(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(store)
    store.off = outage()
    intake.append(make_document())
    intake.close()
    assert (intake.health().waiting, intake.health().lost) == (0, 1)
    assert caplog.records[-1].levelno == logging.ERROR
    assert "1 records could not be written to memory" in caplog.records[-1].getMessage()


def test_refused_and_normalised_recordings_are_counted_and_logged_loudly_once(
    store: SwitchedStore, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(store)
    for _ in range(3):
        intake.count_invalid(InvalidRecordError("duration: expected a number", field="duration"))
        intake.count_normalised(("task was cut",))
    assert (intake.health().invalid, intake.health().normalised) == (3, 3)
    loud = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert loud == ["not recorded: duration: expected a number", "recorded, but task was cut"]


def test_a_forked_child_leaves_what_waits_to_its_parent(store: SwitchedStore) -> None:
    intake = Intake(store)
    store.off = outage()
    intake.append(make_document())
    child = os.fork()
    if child == 0:
        os._exit(0 if intake.health().waiting == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert intake.health().waiting == 1


def test_an_intake_is_forgotten_with_its_recorder(store: SwitchedStore) -> None:
    intake = weakref.ref(Intake(store))
    gc.collect()
    assert intake() is None
