"""What happens to the file between two appends, or between two questions."""

from __future__ import annotations

import copy
import errno
import fcntl
import gc
import json
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.json_file.handle import LOOK_SECONDS
from benchmark_recorder.testing import make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
IN_CI = os.environ.get("CI") == "true"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JSONFileStore]:
    with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as store:
        yield store


def ids_in(path: Path) -> list[str]:
    return [record["record_id"] for record in json.loads(path.read_text(encoding="utf-8"))["metrics"]]


def ids_of(documents: list[Document]) -> list[str]:
    return [document["record_id"] for document in documents]


def asked(store: JSONFileStore) -> list[str]:
    """What a question finds, three ways that have to agree."""
    ids: list[str] = store.scan(Query(), ["record_id"])["record_id"].tolist()
    assert len(store.scan(Query(), ["execution_time"])["execution_time"]) == len(ids)
    assert sum(cell.n for cell in store.summarize(Query()).cells) == len(ids)
    assert ids_of(list(store.read(None, 10**6).documents)) == ids
    return ids


def append(store: JSONFileStore, count: int = 1) -> list[str]:
    """Records one by one, each as a recorder does it."""
    history = make_history(count)
    for document in history:
        assert store.append([document], fresh=True) == 1
    return ids_of(history)


def written_by_another(path: Path, count: int = 3) -> list[str]:
    """A file of ours that comes from elsewhere."""
    with JSONFileStore(path) as other:
        return append(other, count)


# A cut file ------------------------------------------------------------------------------------------


def test_a_file_cut_at_any_byte_of_its_last_two_records_loses_nothing_before_it(tmp_path: Path) -> None:
    history = [make_document(metadata={"cut": 'é{"]}\n'}) for _ in range(5)]
    whole = tmp_path / "whole.json"
    JSONFileStore(whole).append(history)
    content = whole.read_bytes()
    ends = [at for at in range(len(content)) if content[at : at + 2] in {b",\n", b"\n]"}]
    path = tmp_path / "metrics.json"
    later = make_document()
    for cut in range(ends[2], len(content)):
        path.write_bytes(content[:cut])
        left = ids_of([document for document, end in zip(history, ends, strict=True) if end <= cut])
        with JSONFileStore(path) as store:
            assert store.scan(Query(), ["record_id"])["record_id"].tolist() == left
            assert path.read_bytes() == content[:cut]
            store.append([later], fresh=True)
        assert ids_in(path) == [*left, later["record_id"]]
    assert cut == len(content) - 1


@pytest.mark.parametrize("is_open", [False, True])
def test_a_write_that_a_kill_cut_loses_nothing_before_it_wherever_it_was_cut(tmp_path: Path, *, is_open: bool) -> None:
    path = tmp_path / "metrics.json"
    history = make_history(3)
    JSONFileStore(path).append(history[:2], fresh=True)
    before = path.read_bytes()
    JSONFileStore(path).append(history[2:], fresh=True)
    content = path.read_bytes()
    end = len(content) - len("\n]}")
    last = b",\n" + msgspec.json.encode(make_document()) + b"\n]}"
    for cut in range(len(last)):
        path.write_bytes(before)
        with JSONFileStore(path) as store:
            if is_open:  # and has not seen the third record
                with store._writer.held():
                    pass
            path.write_bytes(content[:end] + last[:cut] + content[end + cut :])
            whole = 4 if cut >= len(last) - len("\n]}") else 3
            assert len(JSONFileStore(path).scan(Query(), ["time"])["time"]) == whole
            ids = append(store)
            assert ids_in(path)[:3] == ids_of(history), cut
            assert ids_in(path)[whole:] == ids


def test_a_file_cut_within_its_header_is_begun_anew(store: JSONFileStore) -> None:
    append(store)
    content = store.path.read_bytes()
    for cut in range(content.index(b"\n") + 2):
        store.path.write_bytes(content[:cut])
        assert asked(store) == []
        ids = append(store)
        assert ids_in(store.path) == ids


def test_an_old_file_cut_anywhere_is_read_up_to_the_cut_and_kept_as_a_backup(tmp_path: Path) -> None:
    old = [{k: v for k, v in document.items() if k != "record_id"} for document in make_history(4)]
    content = json.dumps({"metrics": old}, indent=2).encode()
    path = tmp_path / "metrics.json"
    ends = [at.end() for at in re.finditer(rb"\n    \}", content)]
    for cut in [*range(content.index(b"[") + 9, len(content), 7), *ends, len(content) - 1]:
        shutil.rmtree(tmp_path / "metrics.json.d", ignore_errors=True)
        path.write_bytes(content[:cut])
        whole = content[:cut].count(b"\n    }")
        with JSONFileStore(path) as store:
            assert len(store.scan(Query(), ["time"])["time"]) == whole
            append(store)
            assert len(ids_in(path)) == whole + 1
            backups = store.inspect().backups
            assert [Path(backup).read_bytes() for backup in backups] == [content[:cut]] * (cut not in ends)


def test_blocks_of_zeros_behind_the_last_record_are_removed(store: JSONFileStore) -> None:
    ids = append(store, 3)
    content = store.path.read_bytes()
    store.path.write_bytes(content.removesuffix(b"\n]}") + b",\n" + bytes(8192))
    assert asked(store) == ids
    ids += append(store)
    assert ids_in(store.path) == ids


def test_more_than_a_cut_record_is_kept_as_a_backup(store: JSONFileStore) -> None:
    ids = append(store, 3)
    content = store.path.read_bytes().removesuffix(b"\n]}") + b",\nnot a record\nnot one either"
    store.path.write_bytes(content)
    ids += append(store)
    assert ids_in(store.path) == ids
    assert [Path(backup).read_bytes() for backup in store.inspect().backups] == [content]


def test_top_level_keys_that_somebody_put_behind_the_records_survive(store: JSONFileStore) -> None:
    ids = append(store, 3)
    content = store.path.read_bytes().removesuffix(b"}") + b', "owner": "them"}'
    store.path.write_bytes(content)
    assert asked(store) == ids
    ids += append(store)
    assert ids_in(store.path) == ids
    assert json.loads(store.path.read_bytes())["owner"] == "them"


# A full disk -----------------------------------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_short_write_is_rolled_back(store: JSONFileStore) -> None:
    ids = append(store, 300)
    before = store.path.read_bytes()
    for room in (0, 1, 2, 100, 343):
        with largest_file(len(before) + room):
            with pytest.raises(StoreUnavailableError, match="largest size") as caught:
                store.append([make_document(metadata={"room": "x" * 500})], fresh=True)
            assert store.path.read_bytes() == before
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.EFBIG
    assert asked(store) == ids
    ids += append(store)
    assert ids_in(store.path) == ids


def test_a_rewrite_that_does_not_fit_leaves_everything_as_it_was(store: JSONFileStore) -> None:
    ids = append(store, 300)
    before = store.path.read_bytes()
    with largest_file(len(before) // 2):
        for act in (store.compact, store.clear, lambda: store.snapshot(store.path.with_name("snapshot.json"))):
            with pytest.raises(StoreUnavailableError):
                act()
    assert store.path.read_bytes() == before
    assert [file.name for file in store.path.with_name("metrics.json.d").iterdir()] == [".gitignore"]
    assert not store.path.with_name("snapshot.json").exists()
    ids += append(store)
    assert ids_in(store.path) == ids


@pytest.fixture
def small_disk() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())  # not in pytest's folder, which could not be removed while it is mounted
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(command, check=False, capture_output=True).returncode == 0
    if not mounted:
        folder.rmdir()
        (pytest.fail if IN_CI else pytest.skip)("a small tmpfs cannot be mounted here (it takes root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_loses_nothing_that_was_there(small_disk: Path) -> None:
    store = JSONFileStore(small_disk / "metrics.json")
    ids: list[str] = []
    with pytest.raises(StoreUnavailableError, match="the disk is full; free some space"):  # noqa: PT012
        while len(ids) < 1000:
            ids += append(store)
    assert len(ids) > 50
    before = store.path.read_bytes()
    assert ids_in(store.path) == ids
    with pytest.raises(StoreUnavailableError):
        append(store)
    with pytest.raises(StoreUnavailableError):
        store.compact()
    assert store.path.read_bytes() == before
    assert asked(store) == ids
    store.close()


def test_a_full_disk_at_the_first_record_leaves_no_broken_file(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(64 * 1024))
    store = JSONFileStore(small_disk / "metrics.json")
    with pytest.raises(StoreUnavailableError, match="the disk is full"):
        append(store)
    assert asked(store) == []
    (small_disk / "filler").unlink()
    ids = append(store)
    assert ids_in(store.path) == ids
    store.close()


# Others' doings --------------------------------------------------------------------------------------


def test_a_file_replaced_by_another_is_the_one_that_counts(store: JSONFileStore, tmp_path: Path) -> None:
    append(store, 5)
    other = tmp_path / "other.json"
    theirs = written_by_another(other)
    store._writer._unconfirmed.clear()  # as after 10 ms
    asked(store)
    other.replace(store.path)
    assert asked(store) == theirs
    time.sleep(LOOK_SECONDS)
    mine = append(store, 2)
    assert ids_in(store.path) == [*theirs, *mine]
    assert asked(store) == [*theirs, *mine]


def test_a_file_moved_away_within_the_last_moment_is_followed_by_what_went_to_it(store: JSONFileStore) -> None:
    append(store, 3)
    store._writer._unconfirmed.clear()
    store._writer.next_look = float("inf")  # the moment lasts
    rotated = store.path.with_name("metrics.json.1")
    last = append(store, 2)
    store.path.rename(rotated)
    astray = append(store, 2)
    assert ids_in(rotated)[3:] == [*last, *astray]
    assert not store.path.exists()
    assert asked(store) == [*last, *astray]
    later = append(store)
    assert ids_in(store.path) == [*last, *astray, *later]
    assert len(ids_in(rotated)) == 7


def moved(path: Path) -> list[str]:
    path.rename(path.with_name("metrics.json.1"))
    return []


def deleted(path: Path) -> list[str]:
    path.unlink()
    return []


def replaced(path: Path) -> list[str]:
    other = path.with_name("other.json")
    theirs = written_by_another(other)
    other.replace(path)
    return theirs


@pytest.mark.parametrize("act", ["append", "query", "close", "read", "end", "drop"])
@pytest.mark.parametrize("change", [moved, deleted, replaced])
def test_what_went_to_a_file_within_10_ms_after_others_changed_it_is_added_at_the_next_call(
    store: JSONFileStore, change: Callable[[Path], list[str]], act: str
) -> None:
    path = store.path
    append(store)
    store._writer._unconfirmed.clear()
    store._writer.next_look = float("inf")
    ids = change(path)
    ids += append(store, 2)
    store._writer.next_look = 0.0
    match act:
        case "append":
            ids += append(store)
        case "query":
            store.scan(Query(), ["time"])
        case "read":
            store.read(None, 1)
        case "end":
            store.end()
        case "drop":
            store._writer = JSONFileStore(path)._writer
        case _:
            store.close()
    assert ids_in(path) == ids


EXIT = """
import os, sys
from multiprocessing import get_context
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document

def work(path):
    global store
    store = JSONFileStore(path)
    store.append([make_document()], fresh=True)
    os.unlink(path)
    store.append([make_document()], fresh=True)

if __name__ == "__main__":
    if sys.argv[2] == "exit":
        work(sys.argv[1])
    else:
        worker = get_context(sys.argv[2]).Process(target=work, args=(sys.argv[1],))
        worker.start()
        worker.join()
        sys.exit(worker.exitcode)
"""


@pytest.mark.parametrize("end", ["exit", "fork", "spawn"])
def test_what_went_to_a_deleted_file_is_put_back_at_exit(tmp_path: Path, end: str) -> None:
    (tmp_path / "program.py").write_text(EXIT, encoding="utf-8")
    path = tmp_path / "metrics.json"
    subprocess.run([sys.executable, tmp_path / "program.py", path, end], check=True, cwd=ROOT)
    assert len(ids_in(path)) >= 1


def test_a_file_moved_away_and_back_holds_each_record_once(store: JSONFileStore) -> None:
    aside = store.path.with_name("aside.json")
    ids = append(store, 3)
    store._writer.next_look = float("inf")
    store.path.rename(aside)
    ids += append(store, 2)
    aside.rename(store.path)
    ids += append(store, 2)
    assert asked(store) == ids
    store.close()
    assert ids_in(store.path) == ids


def test_a_replacement_that_holds_the_latest_records_already_does_not_get_them_twice(
    store: JSONFileStore, tmp_path: Path
) -> None:
    ids = append(store, 5)
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(json.loads(store.path.read_bytes()), indent=4), encoding="utf-8")
    edited.replace(store.path)
    time.sleep(LOOK_SECONDS)
    ids += append(store)
    assert ids_in(store.path) == ids


def test_a_deleted_file_is_made_anew(store: JSONFileStore) -> None:
    append(store, 5)
    store._writer._unconfirmed.clear()
    asked(store)
    store.path.unlink()
    assert asked(store) == []
    time.sleep(LOOK_SECONDS)
    ids = append(store, 2)
    assert ids_in(store.path) == ids
    assert asked(store) == ids


def test_a_removed_folder_is_made_anew(store: JSONFileStore) -> None:
    append(store, 5)
    store._writer._unconfirmed.clear()
    store.clear()
    asked(store)
    shutil.rmtree(store.path.parent)
    assert asked(store) == []
    ids = append(store, 2)
    assert asked(store) == ids_in(store.path) == ids


def test_a_file_emptied_in_place_is_begun_anew(store: JSONFileStore) -> None:
    append(store, 5)
    asked(store)
    os.truncate(store.path, 0)
    assert asked(store) == []
    ids = append(store, 2)
    assert asked(store) == ids_in(store.path) == ids


@pytest.mark.parametrize("theirs_are", ["shorter", "longer", "as long"])
def test_a_file_cut_and_regrown_in_place_is_read_as_it_is(
    store: JSONFileStore, tmp_path: Path, theirs_are: str
) -> None:
    mine = [make_document(execution_time=1.25) for _ in range(50)]
    store.append(mine)
    asked(store)
    count = {"shorter": 20, "longer": 80, "as long": 50}[theirs_are]
    theirs = [make_document(execution_time=2.75) for _ in range(count)]
    JSONFileStore(tmp_path / "other.json").append(theirs)
    with store.path.open("r+b") as file:
        file.truncate(0)
        file.write((tmp_path / "other.json").read_bytes())
    assert asked(store) == ids_of(theirs)
    assert set(store.scan(Query(), ["execution_time"])["execution_time"].tolist()) == {2.75}
    assert [cell.time.mean for cell in store.summarize(Query()).cells] == [pytest.approx(2.75)]
    ids = ids_of(theirs) + append(store)
    assert asked(store) == ids_in(store.path) == ids


def test_a_value_changed_in_place_is_seen(store: JSONFileStore) -> None:
    store.append([make_document(version="v1.0") for _ in range(50)])
    asked(store)
    content = store.path.read_bytes()
    with store.path.open("r+b") as file:
        file.write(content.replace(b'"v1.0"', b'"v9.9"'))
    assert {cell.version for cell in store.summarize(Query()).cells} == {"v9.9"}
    assert set(store.scan(Query(), ["version"])["version"].tolist()) == {"v9.9"}


def test_the_older_recorders_rewrite_loses_nothing_and_is_read_on(store: JSONFileStore) -> None:
    ids = append(store, 5)
    asked(store)
    for _ in range(3):
        content = json.loads(store.path.read_bytes())
        theirs = {name: value for name, value in make_document().items() if name not in {"record_id", "host"}}
        content["metrics"].append(theirs)
        with store.path.open("w", encoding="utf-8") as file:  # as it does: in place, pretty-printed
            json.dump(content, file, indent=2)
        found = asked(store)
        assert found[:-1] == ids
        ids = found + append(store)
        assert asked(store) == ids_in(store.path) == ids
        assert len(set(ids)) == len(ids)


def test_a_symbolic_link_is_followed_and_stays_one(store: JSONFileStore, tmp_path: Path) -> None:
    ids = append(store, 3)
    asked(store)
    real = tmp_path / "elsewhere.json"
    store.path.rename(real)
    store.path.symlink_to(real)
    ids += append(store, 2)
    store.compact()
    ids += append(store, 2)
    assert store.path.is_symlink()
    assert asked(store) == ids_in(real) == ids


def test_a_symbolic_link_that_is_pointed_elsewhere_is_followed(store: JSONFileStore, tmp_path: Path) -> None:
    store.path.parent.mkdir()
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    store.path.symlink_to(one)
    first = append(store, 2)
    store._writer._unconfirmed.clear()
    assert asked(store) == first
    theirs = written_by_another(other)
    store.path.unlink()
    store.path.symlink_to(other)
    store._writer.next_look = 0.0  # as after 10 ms
    assert asked(store) == theirs
    later = append(store, 2)
    assert ids_in(one) == first
    assert asked(store) == ids_in(other) == [*theirs, *later]


def test_a_hard_link_of_a_file_that_was_rewritten_stays_as_it_was(store: JSONFileStore, tmp_path: Path) -> None:
    ids = append(store, 4)
    with JSONFileStore(store.path) as other:
        append_by_other = append(other)
        link = tmp_path / "link.json"
        link.hardlink_to(store.path)
        store.compact()
        later = append(other, 2)
    assert ids_in(store.path) == [*ids, *append_by_other, *later]
    assert ids_in(link) == [*ids, *append_by_other]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach."""
    if os.geteuid():
        pytest.skip("to become another user takes root")
    folder = Path(f"/tmp/benchmark-recorder-{os.getpid()}")
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def as_nobody() -> Iterator[None]:
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.mark.parametrize("act", [lambda path: path.chmod(0o444), lambda path: path.parent.chmod(0o555)])
def test_a_file_that_may_not_be_written_is_read_and_the_error_says_what_to_do(
    open_folder: Path, act: Callable[[Path], Any]
) -> None:
    path = open_folder / "metrics.json"
    ids = written_by_another(path)
    path.chmod(0o444)
    act(path)
    before = path.read_bytes()
    with as_nobody(), JSONFileStore(path) as store:
        with pytest.raises(
            StoreUnavailableError, match=r"cannot write to .*metrics\.json: Permission denied; give this"
        ):
            append(store)
        assert asked(store) == ids
        assert not store.inspect().writable
    assert path.read_bytes() == before


def test_a_folder_that_may_not_be_written_is_a_clear_error(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with as_nobody(), JSONFileStore(open_folder / "benchmarks" / "metrics.json") as store:
        with pytest.raises(StoreUnavailableError, match="Permission denied; give this user the right to, or choose"):
            append(store)
        assert asked(store) == []
        assert not store.inspect().writable


def test_a_file_that_turns_read_only_is_written_on_by_who_has_it_open(open_folder: Path) -> None:
    path = open_folder / "metrics.json"
    with as_nobody(), JSONFileStore(path) as store:
        ids = append(store, 2)
        asked(store)
        path.chmod(0o444)
        ids += append(store, 2)
        assert asked(store) == ids
        store.close()
        with pytest.raises(StoreUnavailableError, match="Permission denied"):
            append(store)
        assert asked(store) == ids


# Locks that do not work ------------------------------------------------------------------------------


def test_readers_do_without_a_lock_that_is_not_given_back(
    store: JSONFileStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = append(store, 3)
    with caplog.at_level(logging.DEBUG, "benchmark_recorder"), JSONFileStore(store.path)._writer.held():
        assert store.scan(Query(), ["record_id"])["record_id"].tolist() == ids
    assert "reading without the lock" in caplog.text


# Somebody else's file, and descriptors ----------------------------------------------------------------


@pytest.mark.parametrize("content", [b'\n{"results": [\n1\n]}', b'\n{"a": 1}\n', b'\n{"a": 1,\n "b": 2}\n'])
def test_somebody_elses_document_behind_an_empty_line_is_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "theirs.json"
    path.write_bytes(content)
    with JSONFileStore(path) as store, pytest.raises(StoreFormatError, match="not a file of benchmark records"):
        append(store)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\n", b"{", b"{\n", b'{"schema_version": 1, "metrics": [\n'])
def test_a_file_with_no_more_than_the_beginning_of_a_header_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with JSONFileStore(path) as store:
        assert append(store) == ids_in(path)


def test_an_old_document_behind_an_empty_line_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_bytes(b'\n{"metrics": []}')
    with JSONFileStore(path) as store:
        assert append(store) == ids_in(path)


def test_a_store_that_is_dropped_gives_its_descriptor_back(tmp_path: Path) -> None:
    append(JSONFileStore(tmp_path / "metrics.json"))
    gc.collect()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        append(JSONFileStore(tmp_path / "metrics.json"))
    gc.collect()
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.filterwarnings("error")
def test_a_copy_that_fails_leaves_the_original_as_it_was(store: JSONFileStore) -> None:
    ids = append(store)
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.deepcopy(store)
    gc.collect()
    ids += append(store)
    assert ids_in(store.path) == ids


def test_an_interrupt_while_the_document_is_closed_leaves_no_descriptor_of_somebody_else_in_its_place(
    store: JSONFileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = append(store)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a program in the background ignores it

    def close_and_interrupt(fd: int, close: Callable[[int], None] = os.close) -> None:
        close(fd)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", close_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.close()
    signal.signal(signal.SIGINT, before)
    with (tmp_path / "theirs").open("w+b") as theirs:  # gets the number that was given back
        ids += append(store)
        assert theirs.read() == b""
    assert ids_in(store.path) == ids


def test_a_record_that_is_there_whole_though_its_write_failed_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = BenchmarkRecorder(tmp_path / "metrics.json")
    recorder.record_execution("a task", 1.0, True, "v1")
    size = (tmp_path / "metrics.json").stat().st_size
    line = size - len(b'{"schema_version": 1, "metrics": [\n\n]}')

    def refuse(*_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, largest_file(size + line + 1):  # all but one byte of the closing fits
        patch.setattr(os, "ftruncate", refuse)
        recorder.record_execution("a task", 1.0, True, "v1")
    assert recorder.health().waiting == 1
    recorder.record_execution("a task", 1.0, True, "v1")
    ids = ids_in(tmp_path / "metrics.json")
    assert (len(ids), len(set(ids))) == (3, 3)


def test_a_record_that_the_disk_did_not_confirm_is_confirmed_by_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, attempts = JSONFileStore(tmp_path / "metrics.json", durability="fsync"), 0
    (document,) = make_history(1)

    def refuse(_: int) -> None:
        nonlocal attempts
        attempts += 1
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        for fresh in (True, False):  # the second one is there already, and not on the disk for all that is known
            with pytest.raises(StoreUnavailableError, match="cannot sync"):
                store.append([document], fresh=fresh)
    assert attempts == 2
    assert store.append([document]) == 0
    assert ids_in(store.path) == [document["record_id"]]
    store.close()


def test_an_interrupt_while_records_are_looked_for_leaves_no_lock_behind_though_its_traceback_is_kept(
    store: JSONFileStore,
) -> None:
    append(store)
    history = make_history(20_000)
    store._writer._patience = 0.05
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    kept: list[BaseException] = []
    gc.disable()  # an interrupt in one of its callbacks, as hypothesis has one, is printed and gone
    try:
        for attempt in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.000_05 + attempt % 50 * 0.000_01)
                for document in history:
                    store.append([document])
            except KeyboardInterrupt as interrupt:
                kept.append(interrupt)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            with store.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert len(kept) == 300
    append(store)
    ids = ids_in(store.path)
    assert len(ids) == len(set(ids))
