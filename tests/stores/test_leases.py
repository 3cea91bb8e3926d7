"""A deliverer that was stopped is named by everybody who waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.testing import make_history
from tests.stores.remote import Remote, deliver, replicated

if TYPE_CHECKING:
    from pathlib import Path

STOPPED = """
import os, sys
from benchmark_recorder.stores.cursors import CursorFile
with CursorFile.of(sys.argv[1], "remote://somewhere").lease():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_recorder.stores.cursors.STUCK_SECONDS", -1.0)


def test_a_stopped_process_that_holds_the_lease_is_named(tmp_path: Path) -> None:
    with replicated(tmp_path, Remote(), "off") as store:
        store.append(make_history(5))
        command = [sys.executable, "-c", STOPPED, os.fspath(tmp_path / "benchmarks" / "metrics.json")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            assert not store.deliver(lambda: True)
            condition = store.condition()
            process.send_signal(signal.SIGCONT)
            process.communicate("")
        assert condition.failing_since is not None
        assert condition.last_error is not None
        assert condition.last_error.startswith(
            f"process {process.pid} on {os.uname().nodename} is the one that deliver"
        )
        assert store.condition().last_error is None  # it has ended
        deliver(store)
        store.append(make_history(5, seed=2))
        assert store.condition().failing_since is None


def test_a_deliverer_that_goes_on_is_not_named_and_its_confirmations_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    with replicated(tmp_path, remote := Remote(), "off") as store, replicated(tmp_path, remote, "off") as other:
        store.append(make_history(2500))
        assert store.deliver(lambda: True, lambda _: seen.append(other._cursor_file.stuck_deliverer()))
        holders = [holder for holder in seen if holder is not None]
        assert len(holders) == 3
        confirmed = [holder.confirmed for holder in holders]
        assert None not in confirmed
        assert confirmed == sorted(confirmed)  # type: ignore[type-var]
        assert {(holder.pid, holder.host) for holder in holders} == {(os.getpid(), os.uname().nodename)}
        monkeypatch.setattr("benchmark_recorder.stores.cursors.STUCK_SECONDS", 60.0)
        seen.clear()
        store.append(make_history(5, seed=2))
        assert store.deliver(lambda: True, lambda _: seen.append(other._cursor_file.stuck_deliverer()))
        assert seen == [None]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"host": 1}'])
def test_a_lease_of_an_earlier_release_or_a_damaged_one_names_nobody(tmp_path: Path, content: bytes) -> None:
    with replicated(tmp_path, Remote(), "off") as store:
        store.append(make_history(5))
        with store._cursor_file.lease():
            (file,) = (tmp_path / "benchmarks" / "metrics.json.d").glob("*.turn")
            file.write_bytes(content)
            assert store.condition().failing_since is None
