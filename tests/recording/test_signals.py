"""Signal handlers that record: at each instruction of a recording call, and by a timer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import BenchmarkRecorder, MemoryStore, config, get_benchmark_recorder
from benchmark_recorder.queries import Query
from benchmark_recorder.records import task_id_of
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.json_file.handle import Handle
from benchmark_recorder.stores.replication import ReplicatedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def interrupted(call: Callable[[], None], moment: int, handler: Callable[[], None]) -> bool:
    """Call, and the handler before the instruction of that number; whether there was one."""
    seen = -1

    def trace(frame: Any, event: str, _: object) -> Any:
        nonlocal seen
        if not frame.f_globals["__name__"].startswith(("benchmark_recorder", "threading", "weakref")):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == moment:
                handler()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return seen >= moment


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each wait for a lock that the handler's own thread holds."""
    found: list[str] = []
    own, sleep = threading.get_ident(), time.sleep

    def wait_for_file(seconds: float) -> None:
        if threading.get_ident() == own:
            found.append("the file's")
        else:  # the thread that delivers may wait
            sleep(seconds)

    monkeypatch.setattr(time, "sleep", wait_for_file)
    wait = Handle._wait
    monkeypatch.setattr(Handle, "_wait", lambda self, seconds: wait(self, 0.0))  # in vain at once, and so kept
    return found


def record(recorder: BenchmarkRecorder, task: str) -> None:
    recorder.record_execution(task, 1.0, success=True, version="v1")


def pair(kind: str, path: Path) -> list[BenchmarkRecorder]:
    """The recorder of the program, and that of its signal handler."""
    if kind == "two recorders":
        return [BenchmarkRecorder(path), BenchmarkRecorder(path)]
    if kind == "a remote store":
        return [BenchmarkRecorder(store=ReplicatedStore(JSONFileStore(path), MemoryStore(), beside=path))] * 2
    return [get_benchmark_recorder(path)] * 2


@pytest.mark.parametrize("begun", [True, False], ids=["a file", "no file yet"])
@pytest.mark.parametrize("kind", ["one recorder", "two recorders", "a recorder by its settings", "a remote store"])
def test_a_handler_may_record_before_each_instruction_of_a_recording_call(
    kind: str, begun: bool, tmp_path: Path, waits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "_recorders", {})
    path, known = tmp_path / "metrics.json", 0
    recorders = pair(kind, path)

    def act(number: int) -> None:
        record(get_benchmark_recorder(path) if kind == "a recorder by its settings" else recorders[number], str(number))

    if begun:
        act(0)
        act(1)
        known = 2
    moment, more = 0, True
    while more:
        more = interrupted(partial(act, 0), moment, partial(act, 1))
        known += 1 + more
        assert path.read_text().count('"record_id"') == known, moment
        assert all(one.health().waiting == one.health().lost == 0 for one in recorders)
        assert waits == []
        moment += 1 if begun else 5  # a first record has thousands
        if not begun:
            for one in recorders:
                one.close()
            path.unlink()
            recorders, known = pair(kind, path), 0
    assert moment > 100
    for one in recorders:
        one.close()


TIMER = """
import signal, sys, threading, time
from benchmark_recorder import get_benchmark_recorder
recorder, made = get_benchmark_recorder("metrics.json"), []
def record(task):
    get_benchmark_recorder("metrics.json").record_execution(task, 1.0, True, "v1")
    made.append(task)
signal.signal(signal.SIGALRM, lambda *_: record("handler"))
signal.setitimer(signal.ITIMER_REAL, 1 / float(sys.argv[1]), 1 / float(sys.argv[1]))
end = time.monotonic() + 1.5
def loop():
    while time.monotonic() < end:
        record("program")
threads = [threading.Thread(target=loop) for _ in range(int(sys.argv[2]))]
for thread in threads:
    thread.start()
loop()
signal.setitimer(signal.ITIMER_REAL, 0)
for thread in threads:
    thread.join()
record("the last one")  # what waits is written before the next append
health = recorder.health()
print(len(made), made.count("handler") > 3, health.waiting, health.lost, health.failing_since)
"""


@pytest.mark.parametrize("threads", [0, 3])
@pytest.mark.parametrize("per_second", [10, 100, 1000])
def test_a_handler_that_a_timer_calls_loses_nothing(per_second: int, threads: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TIMER, str(per_second), str(threads)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    records = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    made, *rest = done.stdout.split()
    assert rest == ["True", "0", "0", "None"]
    ids = [record["record_id"] for record in records]
    assert len(set(ids)) == len(ids) == int(made)


@pytest.fixture
def of_a_handler(tmp_path: Path) -> Iterator[tuple[BenchmarkRecorder, JSONFileStore]]:
    """A recorder whose SIGUSR1 handler records, and its store, where an append would wait for ten minutes."""
    store = JSONFileStore(tmp_path / "metrics.json")
    store._writer._patience = 600.0
    before = None
    with BenchmarkRecorder(store=store) as recorder:
        before = signal.signal(signal.SIGUSR1, lambda *_: record(recorder, "handler"))
        try:
            yield recorder, store
        finally:
            signal.signal(signal.SIGUSR1, before)


def holding(store: JSONFileStore, begin: Callable[[], None], end: threading.Event) -> threading.Thread:
    """A thread that holds the file until ``end``; it has it when this returns."""
    is_held = threading.Event()

    def hold() -> None:
        with store._writer.held():
            is_held.set()
            begin()
            assert end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_held.wait(60)
    return thread


def test_a_handler_does_not_wait_for_another_thread_that_takes_long(
    of_a_handler: tuple[BenchmarkRecorder, JSONFileStore],
) -> None:
    recorder, store = of_a_handler
    end = threading.Event()
    thread = holding(store, lambda: None, end)
    signal.raise_signal(signal.SIGUSR1)
    assert recorder.health().waiting == 1  # while the other one still holds the file
    end.set()
    thread.join()
    record(recorder, "program")
    assert recorder.health().waiting == 0
    assert sorted(store.scan(Query(), ["task_id"])["task_id"]) == sorted(map(task_id_of, ["handler", "program"]))


def test_a_handler_that_interrupts_a_call_that_waits_is_done_at_once(
    of_a_handler: tuple[BenchmarkRecorder, JSONFileStore],
) -> None:
    recorder, store = of_a_handler
    end = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while recorder.health().waiting < 3:  # each is set aside, while the call below waits
            if store._writer._main_waits:
                signal.pthread_kill(main, signal.SIGUSR1)
            time.sleep(0.01)
        end.set()

    thread = holding(store, threading.Thread(target=interrupt).start, end)
    record(recorder, "program")
    thread.join()
    recorder.flush()
    found = list(store.scan(Query(), ["task_id"])["task_id"])
    assert found.count(task_id_of("program")) == 1
    assert found.count(task_id_of("handler")) == len(found) - 1 >= 3
    assert recorder.health().waiting == 0
