from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from benchmark_recorder import _fork
from benchmark_recorder._fork import in_child

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
