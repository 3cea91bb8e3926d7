"""Two threads that append, one held before each of its instructions while the other goes on."""

from __future__ import annotations

import json
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import StoreBusyError
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.testing import make_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("handle.py", "turns.py", "writer.py")


class Paused:
    """A call in a thread of its own, held before its instruction of some number until it may go on.

    Args:
        call: what is called.
        moment: the number of the instruction, among those of the modules that append.
    """

    def __init__(self, call: Callable[[], None], moment: int) -> None:
        self._left, self._reached, self._may_go_on = moment, threading.Event(), threading.Event()
        self.was_held = False
        self._thread = threading.Thread(target=self._run, args=[call])
        self._thread.start()
        assert self._reached.wait(60)

    def go_on(self) -> None:
        """Let it go on, to its end."""
        self._may_go_on.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self, call: Callable[[], None]) -> None:
        sys.settrace(self._trace)
        try:
            call()
        finally:
            sys.settrace(None)
            self._reached.set()

    def _trace(self, frame: Any, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self._left < 0 and not self.was_held:
                self.was_held = True
                self._reached.set()
                assert self._may_go_on.wait(60)
        return self._trace


class Appends:
    """Appends to one file, and what became of each."""

    def __init__(self, path: Path) -> None:
        self.path, self.store = path, JSONFileStore(path)
        self.stored: list[str] = []
        self.store._writer._patience = 0.001
        self.append("first")

    def append(self, task: str) -> None:
        """Append a record, unless another thread is at it."""
        document = make_document(task_id=task)
        try:
            self.store.append([document], fresh=True)
        except StoreBusyError:
            return
        self.stored.append(document["record_id"])

    def check(self, moment: object) -> None:
        """The file holds what was acknowledged, once, and nothing else."""
        found = [record["record_id"] for record in json.loads(self.path.read_text())["metrics"]]
        assert sorted(found) == sorted(self.stored), moment


def test_of_two_threads_one_gives_way_wherever_the_other_is_held(tmp_path: Path) -> None:
    appends, moment, more = Appends(tmp_path / "metrics.json"), 0, True
    while more:
        held = Paused(lambda: appends.append("held"), moment)
        appends.append("other")
        held.go_on()
        appends.check(moment)
        more, moment = held.was_held, moment + 1
    assert moment > 50
    before = len(appends.stored)
    appends.append("last")
    assert len(appends.stored) == before + 1  # nothing was left taken


def test_the_same_where_the_other_is_held_while_it_takes_the_first_for_gone(tmp_path: Path) -> None:
    """The first is held between taking the mutex and saying so; the other before each instruction of what follows."""
    first = max(n for n in range(50) if _is_left_behind(tmp_path / f"{n}.json", n))
    moment, more = 0, True
    while more:
        appends = Appends(tmp_path / f"second-{moment}.json")
        one = Paused(partial(appends.append, "one"), first)
        other = Paused(partial(appends.append, "other"), moment)
        one.go_on()
        other.go_on()
        appends.check(moment)
        assert len(appends.stored) > 1  # not both gave way
        more, moment = other.was_held, moment + 1
    assert moment > 50


def _is_left_behind(path: Path, moment: int) -> bool:
    """Whether a thread that is held there has taken the mutex, and has not said so."""
    appends = Appends(path)
    held = Paused(lambda: appends.append("held"), moment)
    mutex = appends.store._writer._mutex
    free = mutex.acquire(blocking=False)
    if free:
        mutex.release()
    found = not free and not mutex.inside
    held.go_on()
    return found
