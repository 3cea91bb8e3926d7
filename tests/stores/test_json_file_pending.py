"""Appends to a large older file: their records wait beside it until it is converted, and none is lost or doubled."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore, pending, taking_over
from benchmark_recorder.stores.json_file.old_formats import convert
from benchmark_recorder.stores.json_file.taking_over import take_over_behind
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 50
RECORD = {"timestamp": "2026-01-01T00:00:00", "version": "v1", "execution_time": 1.0, "success": True}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the earlier recorder that counts as large, and that no thread converts."""
    monkeypatch.setattr(taking_over, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(taking_over, "begin", lambda _: None)
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"metrics": [{**RECORD, "n": n} for n in range(COUNT)]}, indent=2))
    return path


def waiting_beside(path: Path) -> Path:
    return Path(pending.path_of(str(path)))


def ids(path: Path) -> list[str]:
    """What the answers are about, by each of the ways to read."""
    store = JSONFileStore(path)
    found: list[str] = store.scan(Query(runs="all"), ["record_id"])["record_id"].tolist()
    assert [document["record_id"] for document in store.documents(Query(runs="all"))] == found
    assert sum(cell.n for cell in store.summarize(Query()).cells) == len(found) == store.inspect().records
    return found


def append(store: JSONFileStore, task: str = "a task", *, fresh: bool = True) -> str:
    document = make_document(task_description=task)
    store.append([document], fresh=fresh)
    return str(document["record_id"])


@pytest.mark.parametrize("fresh", [True, False])
def test_an_append_to_a_large_older_file_goes_beside_it_and_counts(path: Path, fresh: bool) -> None:
    before, content, store = ids(path), path.read_bytes(), JSONFileStore(path)
    added = [append(store, fresh=fresh) for _ in range(3)]
    beside = waiting_beside(path)
    assert path.read_bytes() == content
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    assert ids(path) == before + added
    assert store.beside() == BenchmarkRecorder(path).health().beside == store.inspect().beside == 3
    assert take_over_behind(str(path))
    assert not beside.exists()
    assert ids(path) == before + added
    assert store.beside() == 0
    converted = convert(content, str(path)).content
    assert path.read_bytes().startswith(converted.removesuffix(b"\n]}") + b",\n")
    assert [*before, *added, append(store)] == ids(path)


def test_a_file_that_is_changed_while_it_is_converted_is_converted_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JSONFileStore(path)
    added = append(store)
    write = taking_over.Conversion.write
    changes = iter(range(2))

    def change(self: taking_over.Conversion) -> None:
        write(self)
        for n in changes:  # as the earlier recorder does
            documents = json.loads(path.read_text())["metrics"]
            path.write_text(json.dumps({"metrics": [*documents, {**RECORD, "late": n}]}, indent=2))
            break

    monkeypatch.setattr(taking_over.Conversion, "write", change)
    assert take_over_behind(str(path))
    found = ids(path)
    assert len(found) == COUNT + 3
    assert found[-1] == added
    assert list(path.parent.glob("metrics.json.d/new-*")) == []


def test_what_waits_beside_a_file_comes_in_once_after_a_kill_before_it_was_removed(path: Path) -> None:
    store = JSONFileStore(path)
    added = [append(store) for _ in range(3)]
    waiting = waiting_beside(path)
    lines = waiting.read_bytes()
    assert take_over_behind(str(path))
    more = make_document()
    # As after a kill, with a record of another process, and one that was cut.
    waiting.write_bytes(lines + json.dumps(more).encode() + b'\n{"record_id": "cut')
    expected = [*ids(path)[:COUNT], *added, more["record_id"]]
    assert ids(path) == expected
    last = append(JSONFileStore(path))
    assert ids(path) == [*expected, last]
    assert not waiting.exists()


def test_a_file_that_is_not_ours_gets_nothing_beside_it(path: Path) -> None:
    path.write_text(json.dumps({"metrics": [{"name": "x", "value": n} for n in range(100)]}))
    with pytest.raises(StoreFormatError, match="has no timestamp"):
        append(JSONFileStore(path))
    assert not path.with_name("metrics.json.d").exists()


def test_where_the_conversion_fails_appends_say_why(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(taking_over, "AT_ONCE_BYTES", 0)
    text = path.read_text()
    middle = text.index('"n": 25')
    path.write_text(text[:middle] + "&" + text[middle:])
    store = JSONFileStore(path)
    append(store)
    thread, _ = taking_over._begun[str(path)]
    assert thread is not None
    thread.join(60)
    with pytest.raises(StoreFormatError, match="is damaged at character"):
        append(store)


# Kills --------------------------------------------------------------------------------------------------------------

STEPS = ("open", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "replace", "chmod", "mkdir", "unlink")


def in_a_child(act: Callable[[], None]) -> int:
    """What becomes of a forked child: 0, or the signal that ended it, negative."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dying_at(step: int) -> None:
    """Let this process be killed before its call of some number that changes a file."""
    calls = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keywords)

        return wrapped

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def test_a_kill_at_any_step_of_appends_and_conversion_loses_and_doubles_nothing(path: Path) -> None:
    before, content = ids(path), path.read_bytes()
    said = path.with_name("said")
    step, ended = 0, -9
    while ended == -9:
        for file in sorted(path.parent.glob("metrics.json.d/*")):
            file.unlink()
        path.write_bytes(content)
        said.write_bytes(b"")

        def act(step: int = step) -> None:
            saying = os.open(said, os.O_WRONLY | os.O_APPEND)
            say = os.write
            store = JSONFileStore(path)
            dying_at(step)
            for _ in range(2):
                for _ in range(2):
                    say(saying, append(store).encode() + b"\n")
                take_over_behind(str(path))

        ended = in_a_child(act)
        assert ended in {0, -9}, step
        acknowledged = said.read_text().split()
        for look in ("as it was left", "after the next append"):
            found = ids(path)
            assert found[:COUNT] == before, (step, look)
            assert [one for one in found if one in acknowledged] == acknowledged, (step, look)
            assert len(set(found)) == len(found) <= COUNT + 6, (step, look)
            if look == "as it was left":
                take_over_behind(str(path))
                acknowledged.append(append(JSONFileStore(path)))
        json.loads(path.read_text())
        assert not waiting_beside(path).exists()
        step += 1
    assert step > 15


def test_processes_that_are_killed_at_random_moments_lose_and_double_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(taking_over, "AT_ONCE_BYTES", 0)
    monkeypatch.setattr(taking_over, "PAUSE_SECONDS", 0.0)
    content = json.dumps({"metrics": [{**RECORD, "n": n} for n in range(2000)]}, indent=2)
    said = path.with_name("said")
    for number in range(12):
        for file in sorted(path.parent.glob("metrics.json.d/*")):
            file.unlink()
        path.write_text(content)
        said.write_bytes(b"")
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                try:
                    saying, store = os.open(said, os.O_WRONLY | os.O_APPEND), JSONFileStore(path)
                    while True:
                        os.write(saying, append(store).encode() + b"\n")
                finally:
                    os._exit(1)
            children.append(child)
        time.sleep(0.02 * (number + 1))
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert set(said.read_text().split()) <= set(ids(path)), number
        last = append(JSONFileStore(path))
        take_over_behind(str(path))
        found = ids(path)
        assert {last, *said.read_text().split()} <= set(found), number
        assert len(set(found)) == len(found) >= 2001


def test_a_full_disk_leaves_the_file_and_what_waits_beside_it_as_they_were(path: Path) -> None:
    before, content = ids(path), path.read_bytes()
    added = append(JSONFileStore(path))

    def act() -> None:
        size = waiting_beside(path).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for call in (lambda: append(JSONFileStore(path), "x" * 400), lambda: take_over_behind(str(path))):
            with pytest.raises(StoreUnavailableError, match="largest size"):
                call()

    assert in_a_child(act) == 0
    assert path.read_bytes() == content
    assert ids(path) == [*before, added]
    assert list(path.parent.glob("metrics.json.d/new-*")) == []
    assert take_over_behind(str(path))
    assert ids(path) == [*before, added]
