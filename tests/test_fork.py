from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder import _fork
from benchmark_recorder._fork import in_child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")


class Counter:
    def __init__(self, *, broken: bool = False) -> None:
        self.forks = 0
        self.broken = broken
        in_child(self.count)

    def count(self) -> None:
        if self.broken:
            raise OSError("gone")
        self.forks += 1


def in_a_child(check: str, **names: object) -> bool:
    pid = os.fork()
    if not pid:
        os._exit(0 if eval(check, names) else 1)
    return os.waitpid(pid, 0)[1] == 0


def test_each_living_object_is_told_in_the_child_and_only_there() -> None:
    counters = [Counter(), Counter()]
    assert in_a_child("[c.forks for c in counters] == [1, 1]", counters=counters)
    assert [counter.forks for counter in counters] == [0, 0]


def test_a_function_is_called_in_each_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fork, "_functions", [])
    calls: list[int] = []

    @in_child
    def count() -> None:
        calls.append(1)

    assert in_a_child("calls == [1]", calls=calls)
    assert not calls


def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    before, broken, after = Counter(), Counter(broken=True), Counter()
    assert in_a_child("before.forks == after.forks == 1", before=before, after=after)
    assert broken.forks == 0


def test_the_registry_keeps_no_object_alive() -> None:
    counter = Counter()
    count = len(_fork._methods)
    del counter
    gc.collect()
    assert len(_fork._methods) < count


def test_the_end_of_a_program_prints_nothing_about_the_registry() -> None:
    program = """
import tempfile
from benchmark_recorder import BenchmarkRecorder, MemoryStore

class Mine(MemoryStore):
    def append(self, documents, *, fresh=False):  # holds the globals, which hold the recorder
        return 1

recorder = BenchmarkRecorder(store=Mine())
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == ""


DELAYS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1)
"""Seconds after which a process forks while a thread of it imports for the first time."""

QUIET = ("-W", "ignore:This process:DeprecationWarning")
"""Python 3.12 and later warn of any fork beside another thread."""

FORK = """
import os, sys, threading, time
from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder import _fork
_fork.IMPORT_SECONDS = 60.0  # the machine may be slow
recorder = BenchmarkRecorder("metrics.json")

def record_plain(): recorder.record_execution("a task", 1.0, True, "v1")
def record_validated(): recorder.record_execution("a task", 1, True, "v1", metadata={"nested": [{"a": (1, 2)}]})
def ask(): assert recorder.get_historical_metrics("v1").estimates["mean"] is not None
def compare(): recorder.compare_versions("v1", "v1")
def drive(): import pymongo, bson.raw_bson, tenacity

first, rest = globals()[sys.argv[1]], [record_plain, record_validated, ask]
record_plain()
thread = threading.Thread(target=first)
thread.start()
time.sleep(float(sys.argv[2]))
child = os.fork()
if not child:
    for act in (*rest, first):
        act()
    recorder.close()
    os._exit(0)
for _ in range(600):
    found, status = os.waitpid(child, os.WNOHANG)
    if found:
        break
    time.sleep(0.1)
else:
    os.kill(child, 9)
    sys.exit("the child hangs")
thread.join()
assert status == 0, status
assert recorder.health().lost == 0
"""


@pytest.mark.parametrize("first", ["record_plain", "record_validated", "ask", "compare", "drive"])
def test_a_child_records_and_asks_whatever_another_thread_was_importing(first: str, tmp_path: Path) -> None:
    for number, delay in enumerate(DELAYS):
        (tmp_path / str(number)).mkdir()
        command = [sys.executable, *QUIET, "-c", FORK, first, str(delay)]
        done = subprocess.run(command, cwd=tmp_path / str(number), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), delay
        recorded = 1 + 2 + 2 * first.startswith("record")
        assert (tmp_path / str(number) / "metrics.json").read_text().count('"record_id"') == recorded


SLOW = """
import os, sys, threading, time
from benchmark_recorder import BenchmarkRecorder
recorder = BenchmarkRecorder("metrics.json")
recorder.record_execution("a task", 1.0, True, "v1")
threading.Thread(target=lambda: __import__("numpy.linalg"), daemon=True).start()
time.sleep(0.1)
for _ in range(2):
    child = os.fork()
    if not child:
        recorder.record_execution("a task", 1.0, True, "v1")
        recorder.record_execution("a task", 2, True, "v1")
        try:
            recorder.get_historical_metrics("v1")
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        import inspect; inspect.stack()  # looks through all modules
        os._exit(0)
    os.waitpid(child, 0)
print("numpy" in sys.modules, recorder.health().ok, flush=True)
os._exit(0)
"""


def test_a_child_names_what_takes_another_thread_too_long_to_import_and_records(tmp_path: Path) -> None:
    numpy = tmp_path / "path" / "numpy"
    numpy.mkdir(parents=True)
    (numpy / "__init__.py").write_text("import time; time.sleep(600)\n")
    environment = {**os.environ, "PYTHONPATH": str(numpy.parent)}
    done = subprocess.run(
        [sys.executable, "-c", SLOW], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    said = (
        "StoreUnavailableError numpy cannot be used in this process: another thread was still importing it when the "
        "process was forked; import it before the fork, or start processes by spawn or forkserver"
    )
    assert done.stdout.splitlines() == [said, said, "True True"]
    assert (tmp_path / "metrics.json").read_text().count('"record_id"') == 5


def test_a_record_that_needs_what_was_being_imported_is_counted_as_lost_and_named(tmp_path: Path) -> None:
    (tmp_path / "pydantic.py").write_text("import time; time.sleep(600)\n")
    program = SLOW.replace("numpy.linalg", "pydantic").replace("inspect.stack()", "print(recorder.health())")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("lost=1") == 2
    assert "pydantic cannot be used in this process: another thread was still importing it" in done.stdout
    assert (tmp_path / "metrics.json").read_text().count('"record_id"') == 3
