from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.stores.cursors import LONGEST_ERROR, CursorFile, cursor_files_of
from benchmark_recorder.testing import make_history
from tests.stores.remote import Remote, deliver, ids, ids_of, journal_of, replicated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from benchmark_recorder.stores.json_file import JSONFileStore
    from benchmark_recorder.stores.replication import ReplicatedStore


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def store(tmp_path: Path, remote: Remote) -> Iterator[ReplicatedStore]:
    with replicated(tmp_path, remote, "off") as store:
        yield store


def spoil_cursor(journal: JSONFileStore, content: bytes) -> None:
    (file,) = cursor_files_of(str(journal.path))
    Path(file.path).write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b'{"remote": "\xff"}', b"[1]", b'{"remote": 1}'])
def test_a_damaged_cursor_does_not_stop_recording_and_means_that_everything_is_delivered_again(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(history := make_history(30))
    deliver(store)
    store.append(pending := make_history(5, seed=2))
    spoil_cursor(journal_of(store), content)
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
        f"{next_process._cursor_file.path} is gone or damaged: all of {store.journal.name} is delivered again"
    ]


def test_a_recorder_that_begins_does_not_wait_for_a_question_that_takes_long(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.cursors.CURSOR_SECONDS", 0.1)
    store.append(make_history(5))
    with store.delivery._cursor_file.held(shared=True), replicated(tmp_path, remote, "off") as other:
        other.append(make_history(5, seed=2))
    assert store.condition().pending == 10


def test_a_first_record_does_not_wait_for_a_question_that_was_asked_before(
    tmp_path: Path, store: ReplicatedStore, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.cursors.CURSOR_SECONDS", 0.1)
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


# The last error -------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> CursorFile:
    return CursorFile(str(tmp_path / "metrics.json"), "0123")


def test_the_last_error_says_since_when_delivery_fails_and_why(file: CursorFile) -> None:
    assert file.read_error() is None
    file.note_error(ValueError("one"))
    first = file.read_error()
    file.note_error(ValueError("two"))
    second = file.read_error()
    assert first is not None
    assert second is not None
    assert (first.error, second.error) == ("one", "two")
    assert first.since == second.since
    file.clear_error()
    file.clear_error()
    assert file.read_error() is None


def test_secrets_and_long_texts_are_not_kept(file: CursorFile) -> None:
    file.note_error(ValueError(f"cannot reach mydb://alice:s3cret@host/x?password=s3cret&a=b {'x' * 5000}"))
    found = file.read_error()
    assert found is not None
    assert found.error.startswith("cannot reach mydb://***@host/x?password=***&a=b xxx")
    assert len(found.error) == LONGEST_ERROR
    assert "s3cret" not in Path(file.error_path).read_text()
    file.note_error(ZeroDivisionError())
    assert file.read_error() is not None
    assert file.read_error().error == "ZeroDivisionError"  # type: ignore[union-attr]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"since": "yesterday", "error": ""}'])
def test_a_damaged_last_error_is_ignored_and_replaced(file: CursorFile, content: bytes) -> None:
    file.note_error(ValueError("one"))
    Path(file.error_path).write_bytes(content)
    assert file.read_error() is None
    file.note_error(ValueError("two"))
    assert file.read_error() is not None


def test_a_last_error_that_cannot_be_written_raises_nothing(tmp_path: Path, file: CursorFile) -> None:
    (tmp_path / "metrics.json.d").write_text("a file in the folder's place")
    file.note_error(ValueError("one"))
    file.note_error(ValueError("\udcff"))
    assert file.read_error() is None
    file.clear_error()
