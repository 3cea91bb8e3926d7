from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import InvalidRecordError, MemoryStore
from benchmark_recorder.exchange import import_file
from benchmark_recorder.queries import Query

FILE = Path(__file__).parent.parent / "data" / "exchange" / "hyperfine.json"


def test_a_run_with_an_exit_code_is_a_failure_and_all_have_the_times_of_the_file(tmp_path: Path) -> None:
    store = MemoryStore()
    done = import_file(FILE, store, version="v1")
    assert (done.form, done.read, done.new) == ("hyperfine", 6, 6)
    assert done.notes[0].startswith("such a file says nothing of when it was measured: all runs have the file's time")
    results = json.loads(FILE.read_text())["results"]
    documents = list(store.documents(Query()))
    assert [d["execution_time"] for d in documents] == [seconds for result in results for seconds in result["times"]]
    assert [(d["task_description"], d["success"]) for d in documents] == 3 * [("works", True)] + 3 * [("fails", False)]
    assert {d.get("error_type") for d in documents} == {None, "exit code 1"}
    assert documents[0]["metadata"] == {"imported": {"tool": "hyperfine", "file": "hyperfine.json"}}


def test_a_copy_of_the_file_adds_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    import_file(FILE, store, version="v1")
    (tmp_path / "copy").write_bytes(FILE.read_bytes())
    done = import_file(tmp_path / "copy", store, version="v1")
    assert (done.read, done.new) == (6, 0)


def test_a_version_is_asked_for() -> None:
    with pytest.raises(InvalidRecordError, match="result 1, run 1: version is missing; .* --version"):
        import_file(FILE, MemoryStore())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"times": None}, "result 1: times is missing: a file with figures alone has no runs"),
        ({"command": "x", "times": [1, "a"]}, "result 1, run 2: execution_time: expected"),
        ({"command": 1}, "result 1: command is missing"),
    ],
)
def test_a_result_without_runs_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    report = json.loads(FILE.read_text())
    report["results"][0] |= change
    (tmp_path / "x").write_text(json.dumps(report))
    with pytest.raises(InvalidRecordError, match=said):
        import_file(tmp_path / "x", MemoryStore(), version="v1")


def test_a_run_that_a_signal_ended_is_a_failure_and_parameters_are_kept(tmp_path: Path) -> None:
    report = {"results": [{"command": "c 1", "times": [1.0], "exit_codes": [None], "parameters": {"n": "1"}}]}
    (tmp_path / "x").write_text(json.dumps(report))
    store = MemoryStore()
    import_file(tmp_path / "x", store, version="v1")
    (document,) = store.documents(Query())
    assert (document["success"], document["error_type"]) == (False, "killed by a signal")
    assert document["metadata"]["parameters"] == {"n": "1"}
    shutil.copy(tmp_path / "x", tmp_path / "y")
    assert import_file(tmp_path / "y", store, version="v1").new == 0
