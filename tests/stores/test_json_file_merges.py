"""A store that is kept in git: real merges, with conflict markers and with ``merge=union``, and what a repair keeps."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmark_recorder.records import Document

BASE, OURS, THEIRS = make_history(3), make_history(2, seed=2), make_history(2, seed=3)
EVERY = sorted(document["record_id"] for document in (*BASE, *OURS, *THEIRS))


def git(folder: Path, *arguments: str) -> int:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "merge.conflictStyle=merge")
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=False).returncode


def in_our_form(path: Path, documents: list[Document]) -> None:
    with JSONFileStore(path) as store:
        store.append(documents)


def with_a_newline_at_the_end(path: Path, documents: list[Document]) -> None:
    in_our_form(path, documents)
    if documents is OURS:
        path.write_text(path.read_text() + "\n")


def merged(folder: Path, add: Callable[[Path, list[Document]], None], attributes: str, style: str = "merge") -> Path:
    """The file after two branches of one file added records, and were merged."""
    path = folder / "metrics.json"
    assert git(folder, "init", "-q", "-b", "main") == 0
    (folder / ".gitattributes").write_text(attributes)
    add(path, BASE)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    git(folder, "checkout", "-qb", "theirs")
    add(path, THEIRS)
    git(folder, "commit", "-qam", "theirs")
    git(folder, "checkout", "-q", "main")
    add(path, OURS)
    git(folder, "commit", "-qam", "ours")
    status = git(folder, "-c", f"merge.conflictStyle={style}", "merge", "-q", "theirs")
    assert status == (0 if "union" in attributes else 1)
    return path


MERGES = pytest.mark.parametrize(
    ("add", "attributes", "style"),
    [
        (in_our_form, "", "merge"),
        (in_our_form, "", "diff3"),
        (in_our_form, "*.json merge=union\n", "merge"),
        (with_a_newline_at_the_end, "", "merge"),
        (with_a_newline_at_the_end, "*.json merge=union\n", "merge"),
    ],
    ids=["markers", "markers with the base", "union", "markers around the end", "union of two ends"],
)


def ids(path: Path) -> list[str]:
    with JSONFileStore(path) as store:
        return sorted(store.scan(Query(runs="all"), ["record_id"])["record_id"].tolist())


@MERGES
def test_a_repair_keeps_every_record_of_both_sides(
    tmp_path: Path, add: Callable[[Path, list[Document]], None], attributes: str, style: str
) -> None:
    path = merged(tmp_path, add, attributes, style)
    before = path.read_bytes()
    with JSONFileStore(path) as store:
        state = store.inspect()
        assert state.records - state.duplicates == len(EVERY)
        assert state.problem
        store.repair()
        assert store.inspect().problem is None
    assert ids(path) == EVERY
    assert {document["record_id"] for document in json.loads(path.read_text())["metrics"]} == set(EVERY)
    (backup,) = (tmp_path / "metrics.json.d").glob("backup-*.json")
    with MemoryStore() as other:
        import_file(backup, other)
        assert sorted(other.scan(Query(runs="all"), ["record_id"])["record_id"].tolist()) == EVERY
    assert all(line in backup.read_bytes() for line in before.splitlines() if line.startswith(b'{"record_id'))


@MERGES
def test_records_that_are_added_before_a_repair_are_kept_too(
    tmp_path: Path, add: Callable[[Path, list[Document]], None], attributes: str, style: str
) -> None:
    path = merged(tmp_path, add, attributes, style)
    later = make_history(4, seed=4)
    with JSONFileStore(path) as store:
        for document in later:
            store.append([document], fresh=True)
        store.repair()
    assert ids(path) == sorted([*EVERY, *(document["record_id"] for document in later)])


@MERGES
def test_a_merged_file_can_be_imported_as_it_is(
    tmp_path: Path, add: Callable[[Path, list[Document]], None], attributes: str, style: str
) -> None:
    path = merged(tmp_path, add, attributes, style)
    copy = tmp_path / "elsewhere" / "copy.json"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    with MemoryStore() as other:
        done = import_file(copy, other)
        assert (done.read, done.new) == (len(EVERY), len(EVERY))
    assert list(copy.parent.iterdir()) == [copy]


def in_the_old_form(path: Path, documents: list[Document]) -> None:
    """As the earlier recorder wrote it: a record takes many lines, of which two records may have some in common."""
    old = [{n: v for n, v in document.items() if n not in {"record_id", "parent_id"}} for document in documents]
    before = json.loads(path.read_text())["metrics"] if path.exists() else []
    path.write_text(json.dumps({"metrics": [*before, *old]}, indent=2))


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_a_merge_of_older_files_with_markers_is_read_and_taken_over_whole(tmp_path: Path, style: str) -> None:
    path = merged(tmp_path, in_the_old_form, "", style)
    before = path.read_bytes()
    assert len(ids(path)) == len(EVERY)
    with JSONFileStore(path) as store:
        store.append(make_history(1, seed=4), fresh=True)
    assert len(ids(path)) == len(EVERY) + 1
    (backup,) = (tmp_path / "metrics.json.d").glob("backup-*.json")
    assert backup.read_bytes() == before
    with MemoryStore() as other:
        assert import_file(backup, other).new == len(EVERY)


def test_a_merge_of_two_files_that_began_empty_is_read_and_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    one, other = ([json.dumps(document) for document in side] for side in (OURS, THEIRS))
    body = "\n".join(["<<<<<<< HEAD", ",\n".join(one), "=======", ",\n".join(other), ">>>>>>> theirs"])
    path.write_text('{"schema_version": 1, "metrics": [\n' + body + "\n]}")
    with JSONFileStore(path) as store:
        store.append(make_history(1, seed=4), fresh=True)
    assert len(ids(path)) == 5


def test_a_file_mounted_by_itself_is_taken_over_and_rewritten_in_place(tmp_path: Path) -> None:
    target = tmp_path / "host.json"
    in_the_old_form(target, list(BASE))
    before = target.read_bytes()
    program = (
        "import sys; from pathlib import Path\n"
        "from benchmark_recorder.stores.json_file import JSONFileStore\n"
        "from benchmark_recorder.testing import make_history\n"
        "with JSONFileStore(sys.argv[1]) as store:\n"
        "    store.append(make_history(40, seed=2), fresh=True)\n"
        "    print(store.prune(2**62), store.clear() is not None)\n"
        "    store.append(make_history(5, seed=3), fresh=True)\n"
    )
    inside = tmp_path / "c" / "m.json"
    inside.parent.mkdir()
    inside.touch()
    mount = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$2"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(target), str(inside), sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "43 True\n", "")
    assert len(ids(target)) == 5
    assert len(json.loads(target.read_text())["metrics"]) == 5
    backups = sorted(inside.parent.joinpath("m.json.d").glob("backup-*.json"))
    assert backups[0].read_bytes() == before
