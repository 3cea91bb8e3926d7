"""What the first edition wrote opens as it is: see ``tests/data/first_edition/README.md``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from bson.json_util import loads

from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.stores.mongodb.documents import document_of as document_of_stored
from benchmark_recorder.stores.mongodb.documents import stored
from benchmark_recorder.stores.replication import ReplicatedStore
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.stores.vertex.rows import SCHEMA, document_of, row_of
from tests.stores.remote import Remote, deliver, ids, ids_of

DATA = Path(__file__).parent.parent / "data" / "first_edition"
MONGODB = "mongodb://127.0.0.1:27017/benchmarks.executions"
VERTEX = "vertex://example-project/us-central1/genesis_benchmarks"
HISTORY = json.loads((DATA / "metrics.json").read_text())["metrics"]
BEFORE, SENT, ATTEMPTED, LATER = HISTORY[:10], HISTORY[10:40], HISTORY[40:55], HISTORY[55:]
REFUSED = [document for document in SENT if document["metadata"] == {"run": "too large"}]
DELIVERED = [document for document in SENT if document not in REFUSED]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy, whose columns fit it as the original's fitted that one."""
    folder = tmp_path / "benchmarks"
    shutil.copytree(DATA, folder)
    for name in ("metrics.json", "merged.json"):
        adapt_columns(folder / name)
    return folder / "metrics.json"


def adapt_columns(document: Path) -> None:
    columns, status = document.with_name(f"{document.name}.d") / "columns", document.stat()
    magic, _, rest = columns.read_bytes().partition(b"\n")
    size = int.from_bytes(rest[:8], "little")
    head = json.loads(rest[8 : 8 + size])
    assert head["extent"]["size"] == status.st_size
    head["extent"] |= {"inode": [status.st_dev, status.st_ino], "modified": status.st_mtime_ns}
    text = json.dumps(head).encode()
    columns.write_bytes(magic + b"\n" + len(text).to_bytes(8, "little") + text + rest[8 + size :])


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the columns, which are derived, and the ``.gitignore``, which the copy is without."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.name: file.read_bytes() for file in files if "columns" not in file.name and file.name[0] != "."}


def remote_of(path: Path, remote: Remote) -> ReplicatedStore:
    return ReplicatedStore(JSONFileStore(path), remote, beside=path, deliver="off")


@pytest.fixture
def remote() -> Remote:
    remote = Remote(MONGODB)
    remote.append(DELIVERED)
    return remote


def test_the_names_that_cursors_bear_are_still_the_names_of_these_stores() -> None:
    assert MongoDBStore("mongodb://127.0.0.1:27017/benchmarks").name == MONGODB
    assert VertexStore("example-project", dataset="genesis_benchmarks").name == VERTEX


@pytest.mark.parametrize("arrived", [0, 7, 15])
def test_every_record_counts_once_however_much_of_the_batch_in_flight_arrived(
    path: Path, remote: Remote, arrived: int
) -> None:
    remote.append(ATTEMPTED[:arrived])
    expected = sorted(ids_of([*SENT, *ATTEMPTED, *LATER]))
    before = contents(path.parent)
    with remote_of(path, remote) as store:
        assert sorted(ids(store)) == expected
        assert sorted(ids_of(store.documents(Query()))) == expected
        assert sum(cell.n for cell in store.summarize(Query()).cells) == 50
        condition = store.condition()
        assert (condition.pending, condition.quarantined) == (20, 2)
        reason = "127.0.0.1:27017: [Errno 111] Connection refused"
        assert condition.last_error == f"{MONGODB} cannot be reached or refuses: {reason}"
        assert condition.failing_since is not None
        assert condition.failing_since.isoformat() == "2026-12-01T03:28:22.386153+00:00"
        remote.is_down = True
        assert sorted(ids(store)) == sorted(ids_of(HISTORY))
    assert contents(path.parent) == before


def test_the_journal_alone_has_all_of_them_unchanged(path: Path) -> None:
    before = contents(path.parent)
    with JSONFileStore(path) as store:
        assert list(store.documents(Query())) == HISTORY
        assert ids(store) == ids_of(HISTORY)
        assert sum(cell.n for cell in store.summarize(Query()).cells) == 60
        assert float(store.durations(Query()).ordered[-1]) == max(document["execution_time"] for document in HISTORY)
        found = store.inspect()
        assert (found.form, found.records, found.damaged, found.duplicates, len(found.backups)) == ("ours", 60, 0, 0, 1)
    assert contents(path.parent) == before


@pytest.mark.parametrize("columns", ["as saved", "gone"])
def test_an_id_that_occurs_twice_counts_once_whatever_columns_were_saved(path: Path, columns: str) -> None:
    merged = path.with_name("merged.json")
    history = json.loads(merged.read_text())["metrics"]
    assert history[0] == history[-1]
    if columns == "gone":
        (path.with_name("merged.json.d") / "columns").unlink()
    with JSONFileStore(merged) as store:
        assert ids(store) == ids_of(history[:-1])
        assert sum(cell.n for cell in store.summarize(Query()).cells) == 6
        assert len(store.durations(Query()).ordered) == 6
        assert store.inspect().duplicates == 1
    assert json.loads(merged.read_text())["metrics"] == history


def test_what_was_pending_is_delivered_once_and_only_its_own_files_change(path: Path, remote: Remote) -> None:
    before = contents(path.parent)
    remote.sent.clear()
    with remote_of(path, remote) as store:
        deliver(store)
        deliver(store)
        assert remote.sent == [20]
        assert sorted(ids(remote)) == sorted(ids_of([*DELIVERED, *ATTEMPTED, *LATER]))
        assert (store.condition().pending, store.condition().last_error) == (0, None)
        store.delivery.deliver_history(lambda _: None)
        assert sorted(ids(remote)) == sorted(ids_of(HISTORY))
    after = contents(path.parent)
    assert before.keys() - after.keys() == {"21d712e65094.trouble"}
    assert after.keys() <= before.keys()
    assert {name for name in after if after[name] != before[name]} == {"21d712e65094.mark", "21d712e65094.turn"}


def test_another_remote_goes_on_from_where_it_was_attached(path: Path) -> None:
    remote = Remote(VERTEX)
    with remote_of(path, remote) as store:
        assert store.condition().pending == 10
        deliver(store)
    assert ids(remote) == ids_of([*ATTEMPTED[10:], *LATER])


def test_what_was_refused_is_tried_again_and_counts_meanwhile(path: Path, remote: Remote) -> None:
    remote.refused_versions = {"v2.0"}
    with remote_of(path, remote) as store:
        assert store.delivery.deliver_quarantined(lambda _: None) == 2
        assert store.condition().quarantined == 2
        remote.refused_versions.clear()
        assert store.delivery.deliver_quarantined(lambda _: None) == 0
        assert store.condition().quarantined == 0
        assert set(ids_of(REFUSED)) <= set(ids(remote))
        assert sorted(ids(store)) == sorted(ids_of([*SENT, *ATTEMPTED, *LATER]))


def test_a_rewrite_keeps_what_is_pending_or_refused_and_delivery_goes_on_behind_it(path: Path, remote: Remote) -> None:
    remote.sent.clear()
    with remote_of(path, remote) as store:
        journal = JSONFileStore(path)
        assert journal.prune(2**62) == 0  # the other remote has confirmed nothing
        path.with_name("metrics.json.d").joinpath("2f33b8662995.mark").unlink()
        assert journal.prune(2**62) == 28
        assert ids(journal) == ids_of([*BEFORE, *REFUSED, *ATTEMPTED, *LATER])
        deliver(store)
        assert remote.sent == [20]
        assert sorted(ids(store)) == sorted(ids_of([*SENT, *ATTEMPTED, *LATER]))


def test_what_is_in_databases_is_written_and_read_as_before() -> None:
    data = json.loads((DATA / "databases.json").read_text())
    for number, (document, in_mongodb, in_bigquery) in enumerate(
        zip(data["documents"], data["mongodb"], data["bigquery"], strict=True)
    ):
        row = loads(json.dumps(in_mongodb))
        assert stored(document) == row | {"recorded_at": row["recorded_at"].replace(tzinfo=None)}
        assert document_of_stored(row) == document
        assert row_of(document, number) == in_bigquery
        whole = {column.name: in_bigquery.get(column.name) for column in SCHEMA}
        whole |= {name: int(whole[name]) for name in ("input_tokens", "output_tokens") if whole[name] is not None}
        assert document_of(whole) == document
