"""The store that ``docs/writing-a-store.md`` writes keeps the contract, and is found by its URL."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_recorder import StoreFormatError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.testing import StoreContract, make_document
from examples.sqlite_store import SQLiteStore
from tests.pages import ROOT, blocks
from tests.runs import record_runs

PAGE = ROOT / "docs" / "writing-a-store.md"


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> SQLiteStore:
        return SQLiteStore(tmp_path / "runs.db")


def test_a_recorder_compares_what_it_holds(tmp_path: Path) -> None:
    with BenchmarkRecorder(store=SQLiteStore(tmp_path / "runs.db")) as recorder:
        record_runs(recorder)
        assert recorder.compare_versions("v1.0", "v2.0").verdict == "improved"
        assert "sqlite://" in recorder.generate_report(["v1.0", "v2.0"])


def test_a_reader_does_not_keep_others_from_writing(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "runs.db")
    store.append([make_document(), make_document()])
    reading = store.documents(Query())
    next(reading)
    assert store.append([make_document()]) == 1
    assert len(list(reading)) == 1


def test_its_errors_are_those_of_stores(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("this is no database, but a text that is long enough to be taken for one" * 9)
    with pytest.raises(StoreFormatError, match=r"sqlite://.*other\.txt: file is not a database"):
        SQLiteStore(tmp_path / "other.txt").append([make_document()])
    with pytest.raises(StoreUnavailableError, match="unable to open database file"):
        SQLiteStore(tmp_path / "no" / "folder.db").append([make_document()])


def test_an_entry_point_gives_it_a_url(tmp_path: Path) -> None:
    [toml] = blocks(PAGE, "toml")
    name, _, target = toml.text.splitlines()[-1].partition(" = ")
    described = tmp_path / "sqlite_store-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: sqlite-store\nVersion: 1.0\n")
    entry = f"[benchmark_recorder.stores]\n{name} = {target.strip(chr(34))}\n"
    (described / "entry_points.txt").write_text(entry)
    (tmp_path / "sqlite_store.py").write_text((ROOT / "examples" / "sqlite_store.py").read_text(encoding="utf-8"))
    program = f"""
from benchmark_recorder import get_benchmark_recorder
recorder = get_benchmark_recorder("sqlite://{tmp_path}/runs.db")
recorder.record_execution("a task", 1.0, True, "v1.0")
print(recorder.store.name, recorder.get_historical_metrics().count)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"sqlite://{tmp_path}/runs.db 1\n", done.stderr
    command = [sys.executable, "-m", "benchmark_recorder", "--store", f"sqlite://{tmp_path}/runs.db"]
    listed = subprocess.run([*command, "list"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.splitlines()[1].split()[:2] == ["v1.0", "1"]
    refused = subprocess.run([*command, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "is not a JSON file" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_page_shows_the_store_whole() -> None:
    shown = blocks(PAGE, "python")[0].text
    assert inspect.getsource(SQLiteStore) in shown
    source = (ROOT / "examples" / "sqlite_store.py").read_text(encoding="utf-8")
    assert shown.strip() == source.partition('"""\n')[2].strip()


def test_the_tests_that_the_page_shows_are_found_and_pass(tmp_path: Path) -> None:
    [shown] = blocks(PAGE, "py")
    (tmp_path / "test_store.py").write_text(shown.text)
    (tmp_path / "sqlite_store.py").write_text((ROOT / "examples" / "sqlite_store.py").read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "order or hostile or threads"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stdout
    found = re.search(r"(\d+) passed, (\d+) deselected", done.stdout)
    assert found is not None
    assert (int(found[1]), int(found[1]) + int(found[2]) > 35) == (3, True)
