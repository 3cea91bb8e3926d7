from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.stores.sidefiles import cursor_files_of
from benchmark_recorder.testing import make_history
from tests.stores.remote import Remote, deliver, ids, ids_of, journal_of, replicated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from benchmark_recorder.records import Columns, Query
    from benchmark_recorder.stores.json_file import JSONFileStore
    from benchmark_recorder.stores.replication import ReplicatedStore


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def store(tmp_path: Path, remote: Remote) -> Iterator[ReplicatedStore]:
    with replicated(tmp_path, remote, "off") as store:
        yield store


def spoil_mark(journal: JSONFileStore, content: bytes) -> None:
    (mark,) = cursor_files_of(str(journal.path))
    Path(mark.path).write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'{"remote": "\xff"}', b"[1]", b'{"remote": 1}'])
def test_a_damaged_mark_keeps_nobody_from_recording_and_means_that_everything_is_delivered_again(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(history := make_history(30))
    deliver(store)
    store.append(pending := make_history(5, seed=2))
    spoil_mark(journal_of(store), content)
    with replicated(tmp_path, remote, "off") as next_process:
        next_process.append(later := make_history(3, seed=3))
        expected = sorted(ids_of([*history, *pending, *later]))
        assert sorted(ids(next_process)) == expected
        assert journal_of(next_process).prune(2**62) == 0
        assert next_process.condition().pending == 38
        deliver(next_process)
        assert sorted(ids(remote)) == expected
        assert sorted(ids(next_process)) == expected
        assert next_process.condition().pending == 0
    assert [record.message for record in caplog.records if "is gone or damaged" in record.message] == [
        f"{next_process._marks.path} is gone or damaged: all of {store.journal.name} is delivered again"
    ]


def test_a_recorder_that_begins_does_not_wait_for_a_question_that_takes_long(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.sidefiles.CURSOR_SECONDS", 0.1)
    store.append(make_history(5))
    with store.delivery._marks.held(shared=True), replicated(tmp_path, remote, "off") as other:
        other.append(make_history(5, seed=2))
    assert store.condition().pending == 10


def test_a_first_record_does_not_wait_for_a_question_that_was_asked_before(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.sidefiles.CURSOR_SECONDS", 0.1)
    scan = remote.scan

    def take_long(query: Query, fields: Collection[str]) -> Columns:
        with replicated(tmp_path, remote, "off") as other:
            other.append(make_history(5))
        return scan(query, fields)

    with monkeypatch.context() as patch:
        patch.setattr(remote, "scan", take_long)
        assert ids(store) == []
    assert store.condition().pending == 5
    assert len(ids(store)) == 5
