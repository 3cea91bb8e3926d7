"""A server that is spelled otherwise while records wait for it, and other remote stores of one journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.stores.cursors import cursor_files_of
from benchmark_recorder.testing import make_history
from tests.stores.remote import Remote, deliver, ids, ids_of, journal_of, replicated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stores.mongod import Mongod

OLD, NEW = "remote://127.0.0.1", "remote://localhost"


@pytest.mark.parametrize("shared", [True, False], ids=["the same server", "another server"])
@pytest.mark.parametrize("most_named", [5000, 7], ids=["few", "many"])
def test_what_waits_for_another_name_is_told_and_counted_once(
    tmp_path: Path, shared: bool, most_named: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.replication.store.MOST_NAMED", most_named)
    old, new = Remote(OLD), Remote(NEW)
    first, waiting, later = make_history(10), make_history(20, seed=2), make_history(5, seed=3)
    with replicated(tmp_path, old, "off") as store:
        store.append(first)
        deliver(store)
        store.append(waiting)
    if shared:
        new.append(first)
    known = ids_of(first) if shared else []
    with replicated(tmp_path, new, "off") as store:
        assert sorted(ids(store)) == sorted([*known, *ids_of(waiting)])  # nothing is attached yet
        assert store.condition().elsewhere == {OLD: 20}
        store.append(later)
        expected = sorted([*known, *ids_of(waiting), *ids_of(later)])
        assert sorted(ids(store)) == expected
        deliver(store)
        assert sorted(ids(store)) == expected
        assert store.condition().elsewhere == {OLD: 20}
        assert f"20 records wait for {OLD}" in caplog.text
        if shared:
            new.append(waiting[:13])  # by the process that knows the old name, before it moves its cursor
            assert sorted(ids(store)) == expected
        store.delivery.deliver_history(lambda _: None)
        assert store.condition().elsewhere == {}
        assert sorted(ids(store)) == sorted(ids_of([*first, *waiting, *later]))


def test_a_store_whose_records_are_all_delivered_is_not_told_of(tmp_path: Path) -> None:
    with replicated(tmp_path, Remote(OLD), "off") as store:
        store.append(make_history(10))
        deliver(store)
    with replicated(tmp_path, Remote(NEW), "off") as store:
        store.append(make_history(5, seed=2))
        deliver(store)
        assert store.condition().elsewhere == {}
        assert len(ids(store)) == 5


@pytest.mark.parametrize("content", ["[]", None])
def test_another_programs_rewrite_forgets_nothing_that_waits_for_another_name(
    tmp_path: Path, content: str | None
) -> None:
    with replicated(tmp_path, Remote(OLD), "off") as store:
        store.append(make_history(10))
        deliver(store)
        store.append(waiting := make_history(20, seed=2))
    with replicated(tmp_path, Remote(NEW), "off") as store:
        store.append(later := make_history(5, seed=3))
        path = journal_of(store).path
        document = json.loads(path.read_text())
        document["metrics"] = document["metrics"][10:]  # the place of the old cursor is gone
        path.write_text(json.dumps(document))
        if content is not None:  # and a damaged cursor says nothing of another store
            path.with_name("metrics.json.d").joinpath("0123456789ab.mark").write_text(content)
        assert store.condition().elsewhere == {OLD: 20}
        assert sorted(ids(store)) == sorted(ids_of([*waiting, *later]))


def test_a_server_spelled_otherwise_while_it_was_stopped_gets_what_waited(tmp_path: Path, server: Mongod) -> None:
    path = tmp_path / "metrics.json"
    url = server.url("bench")
    server.stop()
    with get_benchmark_recorder(url, journal=path, deliver="off") as recorder:
        for _ in range(20):
            recorder.record_execution("task", 1.0, True, "v1")
    server.start()
    server.await_primary()
    with get_benchmark_recorder(url.replace("127.0.0.1", "localhost"), journal=path) as recorder:
        for _ in range(3):
            recorder.record_execution("task", 1.0, True, "v1")
        assert recorder.flush(60)
        assert list(recorder.health().elsewhere.values()) == [20]
        assert not recorder.health().ok
        assert recorder.get_historical_metrics("v1").count == 23
    assert len(cursor_files_of(str(path))) == 2
