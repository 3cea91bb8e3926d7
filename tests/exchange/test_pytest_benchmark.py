"""With files that pytest-benchmark itself writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import BenchmarkRecorder, InvalidRecordError, MemoryStore
from benchmark_recorder.exchange import import_file
from benchmark_recorder.exchange.pytest_benchmark import MOST_ROUNDS, entries, is_report, notes
from benchmark_recorder.queries import Query
from tests.hostile import HOSTILE

NO_FAILURES = "such a file does not tell tests that failed after their benchmark: all count as successes"

if TYPE_CHECKING:
    from benchmark_recorder.records import Document

PROGRAM = """
import pytest

@pytest.mark.parametrize("n", [10, 20])
def test_sums(benchmark, n):
    benchmark.group = "sums"
    benchmark.extra_info["machine"] = "mine"
    benchmark.pedantic(sum, args=(range(n),), rounds=3, iterations=2)

def test_that_fails(benchmark):
    benchmark.pedantic(int, args=("x",), rounds=3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pytest-benchmark wrote ``all.json``, with every round, and a saved run, with figures alone."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "test_it.py").write_text(PROGRAM)
    options = ("--benchmark-json=all.json", "--benchmark-save=run", "-p", "no:cacheprovider", "-p", "no:cov")
    # It does nothing where it takes itself for a worker of xdist.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 2 passed" in done.stdout, done.stdout
    return folder


def held(store: MemoryStore) -> list[Document]:
    return list(store.documents(Query()))


def test_each_round_of_a_real_file_is_a_run(folder: Path) -> None:
    report, store = json.loads((folder / "all.json").read_text()), MemoryStore()
    done = import_file(folder / "all.json", store, version="v1")
    assert (done.form, done.read, done.new, done.notes) == ("pytest-benchmark", 6, 6, (NO_FAILURES,))
    documents = held(store)
    told = [seconds for one in report["benchmarks"] for seconds in one["stats"]["data"]]
    assert [document["execution_time"] for document in documents] == told
    first = documents[0]
    assert first["task_description"] == "test_it.py::test_sums[10]"
    assert (first["success"], first["host"]) == (True, report["machine_info"]["node"])
    assert first["timestamp"][:19] == report["datetime"][:19]
    assert first["metadata"].pop("machine").startswith(report["machine_info"]["python_implementation"])
    assert first["metadata"] == {
        "group": "sums",
        "params": {"n": 10},
        "extra_info": {"machine": "mine"},
        "pytest_benchmark": {"rounds": 3, "iterations": 2, "round": 1},
        "imported": {"tool": "pytest-benchmark", "version": report["version"], "file": "all.json"},
    }
    assert import_file(folder / "all.json", store, version="v1").new == 0


def test_a_real_file_with_figures_alone_has_one_run_of_the_mean_and_says_so(folder: Path) -> None:
    (saved,) = folder.glob(".benchmarks/*/*.json")
    report, store = json.loads(saved.read_text()), MemoryStore()
    done = import_file(saved, store, version="v1")
    assert done.notes[0].startswith("2 of 2 benchmarks have no single rounds")
    means = [one["stats"]["mean"] for one in report["benchmarks"]]
    assert [document["execution_time"] for document in held(store)] == means
    assert held(store)[0]["metadata"]["pytest_benchmark"]["stddev"] == report["benchmarks"][0]["stats"]["stddev"]


def test_two_real_files_are_compared(folder: Path) -> None:
    with BenchmarkRecorder(store=MemoryStore()) as recorder:
        for version in ("v1", "v2"):
            import_file(folder / "all.json", recorder.store, version=version)
        comparison = recorder.compare_versions("v1", "v2")
    assert comparison.v1_value == comparison.v2_value > 0
    assert comparison.effect == 0


# Made-up files --------------------------------------------------------------------------------------------------------


def report(**changes: Any) -> Document:
    return {
        "machine_info": {"node": "box"},
        "commit_info": {"id": "0123456789abcdef0123"},
        "benchmarks": [{"fullname": "t", "stats": {"mean": 1.5, "data": [1.0, 2.0]}}],
        "datetime": "2026-01-02T03:04:05",
        "version": "5.0.0",
        **changes,
    }


def test_the_commit_is_the_version_unless_one_is_named() -> None:
    assert is_report(report())
    (first, _) = entries(report())
    assert (first.document["version"], first.document["git_commit"]) == ("0123456789ab", "0123456789abcdef0123")
    assert next(entries(report(), "v1")).document["version"] == "v1"


@pytest.mark.parametrize("commit", [None, {}, {"id": "unversioned"}, {"id": 3}])
def test_without_a_commit_a_version_must_be_named(commit: object, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report(commit_info=commit)))
    with pytest.raises(InvalidRecordError, match="benchmark 1: version is missing.*--version"):
        import_file(path, MemoryStore())


def test_a_time_without_a_zone_is_utc_as_older_releases_wrote_it() -> None:
    assert next(entries(report())).document["timestamp"] == "2026-01-02T03:04:05+00:00"


def test_of_very_many_rounds_some_are_taken_evenly() -> None:
    many = report(benchmarks=[{"fullname": "t", "stats": {"data": list(range(2 * MOST_ROUNDS + 1)), "rounds": 2001}}])
    taken = [entry.document["metadata"]["pytest_benchmark"]["round"] for entry in entries(many)]
    assert taken == list(range(1, 2 * MOST_ROUNDS + 2, 3))
    note, _ = notes(many)
    assert "more than 1,000 rounds" in note


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [
        (7, "benchmark 1: stats is missing"),
        ({"fullname": "t"}, "benchmark 1: stats is missing"),
        ({"fullname": "t", "stats": [1]}, "benchmark 1: stats is missing"),
        ({"fullname": "t", "stats": {"data": 7}}, "benchmark 1: execution_time is missing"),
        ({"stats": {"mean": 1}}, "benchmark 1: fullname is missing"),
        ({"fullname": "t", "stats": {}}, "benchmark 1: execution_time is missing"),
        ({"fullname": "t", "stats": {"data": ["x"]}}, "benchmark 1: execution_time: expected a finite number"),
        ({"fullname": "t", "stats": {"mean": 1}, "extra_info": "x" * 20_000}, "benchmark 1: metadata: "),
    ],
)
def test_a_wrong_benchmark_is_named_and_nothing_is_imported(benchmark: object, said: str, tmp_path: Path) -> None:
    path, store = tmp_path / "r.json", MemoryStore()
    path.write_text(json.dumps(report(benchmarks=[benchmark])))
    with pytest.raises(InvalidRecordError, match=said):
        import_file(path, store)
    assert held(store) == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_imported_as_a_text(text: str, tmp_path: Path) -> None:
    path, store = tmp_path / "r.json", MemoryStore()
    one = {"fullname": text, "extra_info": {text[:100]: text[:100]}, "stats": {"mean": 1.5}}
    path.write_text(json.dumps(report(benchmarks=[one], machine_info={"node": text})))
    import_file(path, store)
    (document,) = held(store)
    assert document["task_description"][:50] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")[:50]


def test_a_commit_with_changes_is_a_version_of_its_own_with_a_note(tmp_path: Path) -> None:
    dirty = report(commit_info={"id": "0123456789abcdef0123", "dirty": True})
    first = next(entries(dirty)).document
    assert (first["version"], first["git_commit"]) == ("0123456789ab-dirty", "0123456789abcdef0123")
    assert first["metadata"]["git_dirty"] is True
    assert "files differed from the commit" in notes(dirty)[0]


def test_large_parameters_are_left_out_with_a_note(tmp_path: Path) -> None:
    one = {"fullname": "t[a]", "param": "a", "params": {"p": "x" * 30_000}, "stats": {"mean": 1.5}}
    path, store = tmp_path / "r.json", MemoryStore()
    path.write_text(json.dumps(report(benchmarks=[one, {"fullname": "u", "params": {"n": 1}, "stats": {"mean": 1.5}}])))
    assert "1 of 2 benchmarks have large parameters, which are left out" in import_file(path, store).notes
    assert ["params" in document["metadata"] for document in held(store)] == [False, True]


@pytest.mark.parametrize(
    ("param", "params", "task"),
    [
        ("prompt0", {"prompt": "a long text"}, "t[a long text]"),
        ("fast-prompt1", {"mode": "fast", "prompt": {"b": 1, "a": [2]}}, 't[fast-{"a": [2], "b": 1}]'),
        ("10", {"n": 10}, "t[10]"),
        ("prompt0", {"prompt": "UNSERIALIZABLE[<object>]"}, "t[prompt0]"),
    ],
)
def test_a_task_is_named_by_what_its_parameters_hold_where_the_name_is_a_position(
    param: str, params: dict[str, Any], task: str
) -> None:
    one = {"fullname": f"t[{param}]", "param": param, "params": params, "stats": {"mean": 1.5}}
    assert next(entries(report(benchmarks=[one]))).document["task_description"] == task


def test_machines_are_told_apart_and_pooling_them_is_said(tmp_path: Path) -> None:
    def info(version: str) -> Document:
        python = {"python_version": version, "python_implementation": "CPython"}
        return {"node": "box", "system": "Linux", "cpu": {"brand_raw": "Some CPU"}, **python}

    path, store = tmp_path / "r.json", MemoryStore()
    path.write_text(json.dumps(report(machine_info=info("3.11.9"))))
    assert import_file(path, store).notes == (NO_FAILURES,)
    assert held(store)[0]["metadata"]["machine"] == "CPython 3.11.9, Linux, Some CPU"
    path.write_text(json.dumps(report(machine_info=info("3.12.4"))))
    said = import_file(path, store).notes[-1]
    assert said.startswith(
        "'0123456789ab' has runs of 2 machines, which count together: CPython 3.11.9, Linux, Some CPU"
    )
    assert said.endswith("ask with --by metadata.machine to tell them apart")
