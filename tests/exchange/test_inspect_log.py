from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from backports.zstd import zipfile as zstd_zipfile

from benchmark_recorder import InvalidRecordError, MemoryStore, StoreFormatError
from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query

FILES = Path(__file__).parent.parent / "data" / "exchange"
ARCHIVE = FILES / "inspect.eval"


def members() -> dict[str, Any]:
    with zstd_zipfile.ZipFile(ARCHIVE) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def packed(path: Path, **parts: Any) -> Path:
    names = {"header": "header.json", "summaries": "summaries.json", "journal": "_journal/summaries/1.json"}
    names |= {"start": "_journal/start.json", "later": "_journal/summaries/10.json"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(names[part], json.dumps(content))
    return path


def test_each_sample_and_epoch_is_a_run() -> None:
    store = MemoryStore()
    done = import_file(ARCHIVE, store, version="v1", scorer="includes")
    assert (done.form, done.read, done.new) == ("inspect", 8, 8)
    assert done.notes == ("4 of 8 samples were tried again: their times are those of the last attempt",)
    samples, documents = members()["summaries.json"], list(store.documents(Query()))
    assert [d["execution_time"] for d in documents] == [sample["total_time"] for sample in samples]
    assert [d["metadata"]["working_time"] for d in documents] == [sample["working_time"] for sample in samples]
    assert [d["metadata"]["epoch"] for d in documents] == [sample["epoch"] for sample in samples]
    ended = {(d["task_id"], d["success"], d.get("error_type")) for d in documents}
    assert ended == {
        ("arithmetic: sum", True, None),
        ("arithmetic: product", False, None),
        ("arithmetic: broken", False, "RuntimeError"),
        ("arithmetic: second try", True, None),
    }
    first = documents[0]
    assert (first["model"], first["input_tokens"], first["output_tokens"]) == ("fake/fake-1", 10, 5)
    assert first["metadata"]["imported"] == {"tool": "inspect", "version": "0.3.285", "file": "inspect.eval"}


def test_json_and_archive_of_the_same_run_count_once(tmp_path: Path) -> None:
    store = MemoryStore()
    done = import_file(FILES / "inspect.json", store, version="v1", scorer="includes")
    assert (done.form, done.new) == ("inspect", 4)
    log = json.loads((FILES / "inspect.json").read_text())
    archive = packed(tmp_path / "x", header={k: v for k, v in log.items() if k != "samples"}, summaries=log["samples"])
    assert import_file(archive, store, version="v1", scorer="includes").new == 0


def test_a_log_that_was_not_finished_has_the_samples_of_its_journal(tmp_path: Path) -> None:
    header = members()["header.json"] | {"status": "started"}
    first, *others = members()["summaries.json"]
    archive = packed(tmp_path / "x", start=header, later=others, journal=[first])
    store = MemoryStore()
    done = import_file(archive, store, version="v1", scorer="includes")
    assert done.new == 8
    assert done.notes[0] == "this log's status is started: it has the samples that were finished"
    assert next(iter(store.documents(Query())))["task_id"] == f"arithmetic: {first['id']}"


@pytest.mark.parametrize(
    ("value", "success"),
    [("C", True), ("I", False), ("P", False), ("N", False), (1.0, True), (0.9, False), (True, True)],
)
def test_a_score_says_whether_it_succeeded(value: Any, success: bool, tmp_path: Path) -> None:
    sample = members()["summaries.json"][0] | {"scores": {"mine": {"value": value}}}
    store = MemoryStore()
    import_file(packed(tmp_path / "x", header=members()["header.json"], summaries=[sample]), store, version="v1")
    assert next(iter(store.documents(Query())))["success"] is success


@pytest.mark.parametrize(
    ("change", "scorer", "said"),
    [
        ({}, None, "sample 1: scores by includes, match; name one with --scorer"),
        ({}, "other", "sample 1: scores by includes, match; name one with --scorer"),
        ({"scores": {}}, "includes", "sample 1: no score: nothing says whether it succeeded"),
        (
            {"scores": {"includes": {"value": {"a": 1}}}},
            None,
            "sample 1: the score of includes is neither a number nor",
        ),
    ],
)
def test_a_sample_that_does_not_say_whether_it_succeeded_is_named(
    change: dict[str, Any], scorer: str | None, said: str, tmp_path: Path
) -> None:
    sample = members()["summaries.json"][0] | change
    archive = packed(tmp_path / "x", header=members()["header.json"], summaries=[sample])
    with pytest.raises(InvalidRecordError, match=said):
        import_file(archive, MemoryStore(), version="v1", scorer=scorer)


def test_a_sample_that_reached_a_limit_without_success_says_so(tmp_path: Path) -> None:
    sample = members()["summaries.json"][0] | {"limit": "time", "scores": {"mine": {"value": "I"}}}
    store = MemoryStore()
    import_file(packed(tmp_path / "x", header=members()["header.json"], summaries=[sample]), store, version="v1")
    assert next(iter(store.documents(Query())))["error_type"] == "limit: time"


def test_the_commit_is_the_version_unless_one_is_given(tmp_path: Path) -> None:
    header = members()["header.json"]
    header["eval"]["revision"] = {"type": "git", "origin": "o", "commit": "ab" * 20, "dirty": True}
    archive = packed(tmp_path / "x", header=header, summaries=members()["summaries.json"])
    store = MemoryStore()
    import_file(archive, store, scorer="includes")
    (found,) = {(d["version"], d["git_commit"]) for d in store.documents(Query())}
    assert found == ("abababababab-dirty", "ab" * 20)


def test_a_log_of_another_version_is_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x", header=members()["header.json"] | {"version": 3}, summaries=[])
    with pytest.raises(StoreFormatError, match="x: an Inspect log of version 3: only 2 is read"):
        import_file(archive, MemoryStore())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_an_archive_that_was_cut_is_an_error(share: float, tmp_path: Path) -> None:
    content = ARCHIVE.read_bytes()
    (tmp_path / "x").write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreFormatError, match="x: the archive is truncated or damaged"):
        import_file(tmp_path / "x", MemoryStore(), version="v1", scorer="includes")


def test_summaries_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    archive = packed(tmp_path / "x", header=members()["header.json"], summaries=[" " * 20_000_000])
    with pytest.raises(StoreFormatError, match="its content is larger than 512 MiB, or than 1,000 times"):
        import_file(archive, MemoryStore(), version="v1")
