from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.errors import (
    ConfigurationError,
    InvalidQueryError,
    StoreError,
    StoreFormatError,
    StoreUnavailableError,
)
from benchmark_recorder.queries import Query
from benchmark_recorder.records import keyed_record_id, timestamp_micros
from benchmark_recorder.stores.base import Position
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import JournalContract, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestJSONFileStoreContract(JournalContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[JSONFileStore]:
        with JSONFileStore(tmp_path / "benchmarks" / "metrics.json") as store:
            yield store


class TestDurableJSONFileStoreContract(JournalContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[JSONFileStore]:
        with JSONFileStore(tmp_path / "benchmarks" / "metrics.json", durability="fsync") as store:
            yield store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JSONFileStore]:
    with JSONFileStore(tmp_path / "metrics.json") as store:
        yield store


def records_in(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["metrics"]  # type: ignore[no-any-return]


def ids_of(store: JSONFileStore) -> list[str]:
    return store.scan(Query(), ["record_id"])["record_id"].tolist()  # type: ignore[no-any-return]


# The format ---------------------------------------------------------------------------------------


def test_the_file_is_one_json_document_with_a_record_a_line(store: JSONFileStore) -> None:
    history = make_history(3)
    for document in history:
        store.append([document], fresh=True)
    content = store.path.read_text(encoding="utf-8")
    assert json.loads(content) == {"schema_version": 1, "metrics": history}
    assert content.splitlines()[0] == '{"schema_version": 1, "metrics": ['
    assert [json.loads(line.removesuffix(",")) for line in content.splitlines()[1:-1]] == history
    assert content.endswith("}\n]}")


def test_the_bytes_that_were_there_are_not_touched_by_an_append(store: JSONFileStore) -> None:
    store.append(make_history(10))
    before = store.path.read_bytes()
    store.append([make_document()], fresh=True)
    assert store.path.read_bytes().startswith(before.removesuffix(b"\n]}"))


def test_unknown_fields_and_top_level_keys_survive_each_rewrite(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    kept = make_document() | {"their_field": {"deep": [1, None]}}
    path.write_text(json.dumps({"owner": {"team": "é"}, "metrics": [kept], "note": [1]}, indent=2), encoding="utf-8")
    with JSONFileStore(path) as store:
        store.append([make_document()])
        store.compact()
        store.prune(0)
        store.append([make_document()], fresh=True)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["owner"] == {"team": "é"}
    assert content["note"] == [1]
    assert content["metrics"][0] == kept
    assert len(content["metrics"]) == 3


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path / "benchmarks" / "metrics.json")
    assert ids_of(store) == []
    assert store.end() == Position(0, 0, "")
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_a_new_one(store: JSONFileStore) -> None:
    store.path.touch()
    assert ids_of(store) == []
    store.append([make_document()], fresh=True)
    assert len(records_in(store.path)) == 1


def test_the_document_follows_the_umask_and_what_is_beside_it_is_private(store: JSONFileStore) -> None:
    umask = os.umask(0o027)
    try:
        store.append(make_history(3))
        store.clear()
    finally:
        os.umask(umask)
    folder = store.path.with_name("metrics.json.d")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o640
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert (folder / ".gitignore").read_text(encoding="ascii") == "*\n"


def test_a_rewrite_keeps_the_mode_of_the_document(store: JSONFileStore) -> None:
    store.append(make_history(3))
    store.path.chmod(0o604)
    store.compact()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o604


# Bad places ---------------------------------------------------------------------------------------


def test_a_folder_in_place_of_the_file_is_a_clear_error(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path)
    with pytest.raises(StoreUnavailableError, match=r"it is a folder; name a file in it, such as metrics\.json"):
        store.append([make_document()])
    with pytest.raises(StoreFormatError, match=r"it is a folder; name a file in it, such as .*/metrics\.json"):
        store.scan(Query(), ["time"])


def test_a_file_where_a_folder_should_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").write_text("a file", encoding="utf-8")
    store = JSONFileStore(tmp_path / "benchmarks" / "metrics.json")
    with pytest.raises(StoreUnavailableError, match="a part of the path is a file"):
        store.append([make_document()])
    with pytest.raises(StoreUnavailableError, match="a part of the path is a file"):
        store.scan(Query(), ["time"])


@pytest.mark.parametrize(
    "content",
    [
        "some notes\n",
        "[1, 2, 3]",
        "{}",
        "null",
        '{"metrics": {"cpu": 3}}',
        '{"metrics": [{"name": "cpu", "value": 3}]}',
        '{"metrics": [3]}',
        '{"schema_version": 2, "metrics": []}',
        '{"schema_version": 2, "metrics": [\n{"record_id": "x"}\n]}',
        '{"metrics": [{"timestamp": "2026-01-01", "version": "v1", "execution_time": 1, "success": true},\n#!\n{}]}',
        "<html></html>",
        "name,value\ncpu,3\n",
    ],
)
def test_a_file_that_holds_something_else_is_an_error_and_never_touched(store: JSONFileStore, content: str) -> None:
    store.path.write_text(content, encoding="utf-8")
    for act in (
        lambda: store.append([make_document()], fresh=True),
        lambda: store.append([make_document()]),
        lambda: store.scan(Query(), ["time"]),
        lambda: store.summarize(Query()),
        lambda: store.read(None, 1),
        store.end,
        store.clear,
        store.compact,
        store.repair,
        lambda: store.prune(2**60),
    ):
        with pytest.raises(StoreFormatError, match=r"metrics\.json"):
            act()
    assert store.path.read_text(encoding="utf-8") == content
    assert list(store.path.parent.iterdir()) == [store.path]


def test_bytes_that_are_no_text_are_an_error_and_never_touched(store: JSONFileStore) -> None:
    content = bytes(range(256)) * 20
    store.path.write_bytes(content)
    with pytest.raises(StoreFormatError, match="not UTF-8"):
        store.append([make_document()], fresh=True)
    assert store.path.read_bytes() == content


def test_a_pipe_is_an_error_and_does_not_block(store: JSONFileStore) -> None:
    os.mkfifo(store.path)
    with pytest.raises(StoreFormatError, match="not a regular file"):
        store.append([make_document()], fresh=True)
    with pytest.raises(StoreFormatError, match="not a regular file"):
        store.scan(Query(), ["time"])


def test_a_line_that_is_not_a_record_is_named_and_set_aside_by_repair(store: JSONFileStore) -> None:
    history = make_history(4)
    store.append(history)
    lines = store.path.read_bytes().split(b"\n")
    lines[2] = b'{"record_id": "x", "oops,'
    lines[3] = lines[3].replace(b'"success":', b'"successful":')
    broken = b"\n".join(lines)
    store.path.write_bytes(broken)
    assert store.scan(Query(), ["record_id"])["record_id"].tolist() == [
        history[0]["record_id"],
        history[3]["record_id"],
    ]
    invalid, damaged = store.summarize(Query()).caveats
    assert (invalid.code, damaged.code) == ("records_left_out", "lines_left_out")
    assert re.search(r"1 line is not a record in .*metrics\.json, .*doctor --repair", damaged.sentence)
    assert store.inspect().damaged == 2
    assert "truncated" in str(store.inspect().problem)
    done = store.repair()
    assert done.damaged == 2
    assert done.backup is not None
    assert done.backup.read_bytes() == broken
    assert ids_of(store) == [history[0]["record_id"], history[3]["record_id"]]
    assert store.inspect().problem is None


def test_an_unknown_durability_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="durability"):
        JSONFileStore(tmp_path / "metrics.json", durability="maybe")  # type: ignore[arg-type]


def test_a_system_without_flock_is_an_error_when_the_store_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.locking.fcntl", None)
    with pytest.raises(StoreUnavailableError, match="needs flock"):
        JSONFileStore(tmp_path / "metrics.json")


# Places ---------------------------------------------------------------------------------------


def test_a_place_is_found_again_after_a_rewrite(store: JSONFileStore) -> None:
    history = make_history(20)
    store.append(history)
    place = store.read(None, 15).position
    store.prune(timestamp_micros(history[8]["timestamp"]))
    assert list(store.read(place, 100).documents) == history[15:]


def test_a_place_that_is_gone_is_an_error(store: JSONFileStore) -> None:
    history = make_history(20)
    store.append(history)
    place = store.read(None, 5).position
    store.prune(timestamp_micros(history[8]["timestamp"]))
    with pytest.raises(StoreFormatError, match=place.record_id):
        store.read(place, 100)


def test_records_longer_than_a_page_are_read_on_from(store: JSONFileStore) -> None:
    history = [make_document(metadata={"output": "é" * 5000}) for _ in range(6)]
    store.append(history)
    place = store.read(None, 3).position
    assert list(store.read(place, 10).documents) == history[3:]
    assert store.end().record_id == history[-1]["record_id"]


# Care ---------------------------------------------------------------------------------------


def test_clear_keeps_everything_in_a_backup(store: JSONFileStore) -> None:
    history = make_history(5)
    store.append(history)
    before = store.path.read_bytes()
    backup = store.clear()
    assert backup.read_bytes() == before
    assert backup.parent == store.path.with_name("metrics.json.d")
    assert ids_of(store) == []
    store.append(history[:1], fresh=True)
    assert records_in(store.path) == history[:1]
    assert store.inspect().backups == (str(backup),)


def test_prune_removes_what_is_older_and_counts_it(store: JSONFileStore) -> None:
    history = make_history(10)
    store.append(history)
    assert store.prune(timestamp_micros(history[4]["timestamp"])) == 4
    assert records_in(store.path) == history[4:]
    assert store.prune(0) == 0


def test_prune_removes_a_version_or_what_is_older_of_it(store: JSONFileStore) -> None:
    history = [document | {"version": f"v{n % 2}"} for n, document in enumerate(make_history(10))]
    store.append(history)
    assert store.prune(timestamp_micros(history[4]["timestamp"]), version="v0") == 2
    assert records_in(store.path) == [history[1], *history[3:]]
    assert store.prune(version="v1") == 5
    assert records_in(store.path) == [history[4], history[6], history[8]]
    with pytest.raises(InvalidQueryError, match="before: give a moment, a version, or both"):
        store.prune()
    assert len(records_in(store.path)) == 3


def test_a_renamed_version_keeps_all_else_as_it_is_written(store: JSONFileStore) -> None:
    history = [make_document(version=f"v{n % 2}", metadata={"version": "v0", "é": 1e-7}) for n in range(6)]
    by_hand = {name: value for name, value in make_document(version="v0").items() if name != "record_id"}
    store.append([*history, by_hand], fresh=True)
    ids, lines = ids_of(store), store.path.read_bytes().splitlines()
    reader = JSONFileStore(store.path)
    assert reader.scan(Query(versions=("v0",)), ["version"])["version"].size == 4
    assert store.rename_version("v0", 'new "name"') == 4
    assert ids_of(store) == ids_of(reader) == ids
    assert store.path.read_bytes().splitlines()[:7] == [
        line.replace(b'"version":"v0",', b'"version":"new \\"name\\"",', 1) if n % 2 else line
        for n, line in enumerate(lines[:7])
    ]
    assert store.rename_version("v0", "v1") == 0
    with pytest.raises(InvalidQueryError, match="new: expected the name of a version"):
        store.rename_version("v1", "x" * 5000)


def test_compact_keeps_each_id_once(store: JSONFileStore) -> None:
    one, other = make_document(), make_document()
    store.append([one, other], fresh=True)
    store.append([one | {"success": False}], fresh=True)
    assert store.inspect().duplicates == 1
    assert store.compact() == 1
    assert records_in(store.path) == [one, other]


def test_care_for_a_file_that_is_not_there_makes_none(store: JSONFileStore) -> None:
    assert store.prune(2**60) == 0
    assert store.compact() == 0
    assert store.repair().backup is None
    assert not store.path.exists()


def test_a_snapshot_is_the_document(store: JSONFileStore, tmp_path: Path) -> None:
    target = tmp_path / "snapshot.json"
    store.snapshot(target)
    assert records_in(target) == []
    history = make_history(5)
    store.append(history)
    store.snapshot(target)
    assert target.read_bytes() == store.path.read_bytes()


def test_a_snapshot_over_the_document_itself_is_an_error(store: JSONFileStore, tmp_path: Path) -> None:
    store.append(make_history(5))
    before = store.path.read_bytes()
    (tmp_path / "link.json").symlink_to(store.path)
    for target in (store.path, tmp_path / "link.json"):
        with pytest.raises(StoreError, match="the document itself"):
            store.snapshot(target)
    assert store.path.read_bytes() == before


def test_an_inspection_reports_the_state(store: JSONFileStore) -> None:
    assert not store.inspect().exists
    store.append(make_history(5))
    state = store.inspect()
    assert (state.form, state.records, state.size) == ("ours", 5, store.path.stat().st_size)
    assert state.problem is None
    os.truncate(store.path, state.size - 10)
    state = store.inspect()
    assert state.records == 4
    assert state.torn > 0
    assert state.problem is not None
    assert state.problem == f"the last {state.torn:,} bytes are a truncated record; the next append removes them"
    assert store.repair().torn == state.torn
    assert store.inspect().problem is None


@pytest.mark.parametrize(
    ("content", "form"), [("", "empty"), ('{\n "metrics": []\n}', "old"), ("something else", "not ours")]
)
def test_an_inspection_reports_the_form(store: JSONFileStore, content: str, form: str) -> None:
    store.path.write_text(content, encoding="utf-8")
    assert store.inspect().form == form
    assert store.path.read_text(encoding="utf-8") == content


def test_an_inspection_counts_ids_that_no_clock_made(store: JSONFileStore) -> None:
    clocked = [make_document() for _ in range(20)]
    keyed = [make_document(record_id=keyed_record_id("v1", "a task", f"key {n}")) for n in range(300)]
    store.append([*clocked, *keyed])
    state = store.inspect()
    assert 290 <= state.keyed <= 300  # their digits may look like a clock's
    assert state.records == 320
