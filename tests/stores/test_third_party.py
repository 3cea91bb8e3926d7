"""A store of a package that is not ours: installed, named by the scheme of a URL, behind a journal, and conforming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = '''
"""One file a record."""
import json
from pathlib import Path
from benchmark_recorder import MemoryStore
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.base import Store

class FolderStore(Store):
    is_remote = True

    def __init__(self, url):
        self.folder = Path(url.partition("://")[2])

    @property
    def name(self):
        return f"mystore://{self.folder}"

    def _reach(self):
        if not self.folder.is_dir():
            raise StoreUnavailableError(f"{self.folder} is not mounted")

    def append(self, documents, *, fresh=False):
        self._reach()
        new = 0
        for document in documents:
            path = self.folder / document["record_id"]
            new += not path.exists()
            if not path.exists():
                path.write_text(json.dumps(document))
        return new

    def documents(self, query):
        self._reach()
        found = (json.loads(path.read_text()) for path in sorted(self.folder.iterdir()))
        return filter(query.matches, found)

    def scan(self, query, fields):
        return self._fetched(query).scan(query, fields)

    def summarize(self, query):
        return self._fetched(query).summarize(query)

    def _fetched(self, query):
        fetched = MemoryStore()
        fetched.append(list(self.documents(query)))
        return fetched


class LocalStore(FolderStore):
    is_remote = False
'''

CONFORMS = """
import pytest
from benchmark_recorder.testing import StoreContract
from my_store import FolderStore

class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        (tmp_path / "records").mkdir()
        with FolderStore(f"mystore://{tmp_path}/records") as store:
            yield store
"""

PROGRAM = """
import sys
from benchmark_recorder import get_benchmark_recorder
url, journal = sys.argv[1:]
with get_benchmark_recorder(url, journal=journal) as recorder:
    for seconds in (1.0, 3.0):
        recorder.record_execution("task", seconds, True, "v1")
    print(recorder.flush(0.5 if "absent" in url else 60), recorder.health().pending)
    print(recorder.get_historical_metrics("v1").mean)
"""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment of a program that has the package."""
    site = tmp_path / "site"
    metadata = site / "my_store-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "my_store.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-store\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[benchmark_recorder.stores]\nmystore = my_store:FolderStore\nmylocal = my_store:LocalStore\n"
    )
    return {**os.environ, "PYTHONPATH": str(site)}


def run(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_url_of_its_scheme_opens_it_behind_a_journal_and_records_are_delivered(
    tmp_path: Path, installed: dict[str, str]
) -> None:
    folder, journal = tmp_path / "records", tmp_path / "metrics.json"
    folder.mkdir()
    done = run(installed, "-c", PROGRAM, f"mystore://{folder}", journal)
    assert (done.stdout, done.stderr) == ("True 0\n2.0\n", "")
    there = {json.loads(path.read_text())["execution_time"] for path in folder.iterdir()}
    assert there == {1.0, 3.0}
    assert len(json.loads(journal.read_text())["metrics"]) == 2


def test_a_store_out_of_reach_is_behind_and_sync_catches_up(tmp_path: Path, installed: dict[str, str]) -> None:
    folder, journal = tmp_path / "absent", tmp_path / "metrics.json"
    done = run(installed, "-c", PROGRAM, f"mystore://{folder}", journal)
    assert (done.returncode, done.stdout) == (0, "False 2\n2.0\n")
    folder.mkdir()
    installed["BENCHMARK_RECORDER_JOURNAL"] = str(journal)
    done = run(installed, "-m", "benchmark_recorder", "--store", f"mystore://{folder}", "sync")
    assert (done.returncode, done.stdout) == (0, f"0 pending, 0 in quarantine for mystore://{folder}\n")
    assert len(list(folder.iterdir())) == 2


def test_a_local_one_has_no_journal_in_front_of_it(tmp_path: Path, installed: dict[str, str]) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    done = run(installed, "-c", PROGRAM, f"mylocal://{folder}", tmp_path / "metrics.json")
    assert done.stdout.splitlines()[1:] == ["2.0"], done.stderr
    assert len(list(folder.iterdir())) == 2
    assert not (tmp_path / "metrics.json").exists()


def test_a_history_moves_to_it(tmp_path: Path, installed: dict[str, str]) -> None:
    folder, history = tmp_path / "records", tmp_path / "history.json"
    folder.mkdir()
    documents: list[dict[str, Any]] = [make_document(metadata={"$where": 1, "a.b": 2**70}), make_document()]
    history.write_text(json.dumps({"schema_version": 1, "metrics": documents}))
    done = run(installed, "-m", "benchmark_recorder", "sync", "--from", history, "--to", f"mystore://{folder}")
    assert done.returncode == 0, done.stderr
    there = [json.loads(path.read_text()) for path in sorted(folder.iterdir())]
    assert there == documents


def test_it_is_named_where_a_scheme_is_unknown(installed: dict[str, str]) -> None:
    done = run(installed, "-m", "benchmark_recorder", "--store", "theirs://x", "list")
    assert done.returncode == 2
    assert "mylocal://, mystore://" in done.stderr


def test_the_conformance_suite_runs_on_it(tmp_path: Path, installed: dict[str, str]) -> None:
    (tmp_path / "test_my_store.py").write_text(CONFORMS)
    done = run(
        installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path / "test_my_store.py"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
