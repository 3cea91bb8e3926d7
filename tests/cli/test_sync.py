from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pytest
from typer.testing import CliRunner, Result

from benchmark_recorder import get_benchmark_recorder
from benchmark_recorder.cli import app
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.cursors import cursor_files_of
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.mongodb import MongoDBStore
from benchmark_recorder.testing import make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.stores.mongod import Mongod


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def url(mongodb_uri: str, database: str) -> str:
    return mongodb_uri.replace("/?", f"/{database}?")


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "metrics.json"
    monkeypatch.setenv("BENCHMARK_RECORDER_JOURNAL", str(path))
    monkeypatch.setenv("BENCHMARK_RECORDER_DELIVER", "off")
    return path


def count(url: str) -> int:
    with MongoDBStore(url) as store:
        return len(store.scan(Query(), ["time"])["time"])


def test_what_was_recorded_waits_until_sync(journal: Path, url: str) -> None:
    record = ("record", "t", "--duration", "1", "--success", "--version", "v1")
    for _ in range(2):
        assert run("--store", url, *record).exit_code == 0
    assert count(url) == 0
    told = json.loads(run("--store", url, "doctor", "--json").output)
    assert told["delivery"]["pending"] == 2
    listed = run("--store", url, "list", "--json")
    assert json.loads(listed.output)["versions"][0]["count"] == 2
    done = run("--store", url, "sync")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("0 pending, 0 in quarantine for mongodb://")
    assert count(url) == 2


def test_all_delivers_the_history_and_quarantined_retries_refused_records(journal: Path, url: str) -> None:
    history = [*make_history(20), make_document() | {"input_tokens": 2**70}]
    with JSONFileStore(journal) as store:
        store.append(history)
    assert run("--store", url, "sync").output.startswith("0 pending, 0 in quarantine")
    assert count(url) == 0
    assert run("--store", url, "sync", "--all").output.startswith("0 pending, 1 in quarantine")
    assert count(url) == 20
    assert run("--store", url, "sync", "--quarantined").output.startswith("0 pending, 1 in quarantine")


def test_a_history_moves_to_the_server_and_back_twice_without_doubling(tmp_path: Path, url: str) -> None:
    history = [make_document(metadata={"$where": 2**70, "a.b": 1}, mystery=[1]), *make_history(1500)]
    there, back = tmp_path / "there.json", tmp_path / "back.json"
    with JSONFileStore(there) as store:
        store.append(history)
    for new in (1501, 0):
        done = run("sync", "--from", there, "--to", url)
        assert done.exit_code == 0, done.output
        assert f"1,501 records in {there}, {new:,} of them new in mongodb://" in done.output
    assert count(url) == 1501
    for _ in range(2):
        assert run("sync", "--from", url, "--to", back).exit_code == 0
    assert json.loads(back.read_text())["metrics"] == history


def test_refused_records_of_a_copy_are_reported(tmp_path: Path, url: str) -> None:
    path = tmp_path / "metrics.json"
    assert run("sync", "--from", path, "--to", url).exit_code == 4
    with JSONFileStore(path) as store:
        store.append([make_document(), make_document() | {"input_tokens": 2**70}])
    done = run("sync", "--from", path, "--to", url)
    assert done.exit_code == 4
    assert "1 record refused: its input_tokens is an integer of more than 64 bits" in done.output


@pytest.mark.parametrize(
    "arguments", [("--from", "a"), ("--from", "a.json", "--to", "a.json"), ("--from", "a", "--to", "b", "--all"), ()]
)
def test_contradictory_options_are_wrong_usage(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("sync", *arguments).exit_code == 2


def test_a_server_out_of_reach_is_exit_4_and_no_password_is_shown(journal: Path) -> None:
    url = "mongodb://user:s3cret@127.0.0.1:9/bench?serverSelectionTimeoutMS=100"
    assert run("--store", url, "record", "t", "--duration", "1", "--success", "--version", "v").exit_code == 0
    done = run("--store", url, "sync")
    assert done.exit_code == 4
    assert "mongodb://127.0.0.1:9/bench.executions cannot be reached" in done.output
    told = run("--store", url, "doctor", "--json")  # which delivers nothing itself
    assert "cannot be reached" in json.loads(told.stdout)["delivery"]["last_error"]
    assert json.loads(told.stdout)["delivery"]["failing_since"]
    assert "s3cret" not in done.output + told.output


def test_doctor_asks_the_server_one_question(journal: Path, url: str) -> None:
    assert json.loads(run("--store", url, "doctor", "--json").stdout)["delivery"]["question"] == "answered"
    away = run("--store", "mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=50", "doctor")
    assert "question          mongodb://127.0.0.1:9/bench.executions cannot be reached" in away.output
    assert away.exit_code == 5
    assert "mongodb://127.0.0.1:9/bench.executions is down: " in away.stderr


def test_doctor_says_since_when_a_server_is_down_and_may_leave_it_alone(journal: Path) -> None:
    url = "mongodb://127.0.0.1:9/bench?serverSelectionTimeoutMS=50"
    alone = run("--store", url, "doctor", "--no-connect", "--json")
    assert (alone.exit_code, json.loads(alone.stdout)["delivery"]["question"]) == (0, "not asked")
    run("--store", url, "record", "t", "--duration", "1", "--success", "--version", "v")
    assert run("--store", url, "sync").exit_code == 4
    done = run("--store", url, "doctor", "--no-connect")
    assert done.exit_code == 5
    assert re.search(r"executions is down since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC: .*cannot be reached", done.stderr)


def test_doctor_shows_the_hosts_of_a_url_and_none_of_its_secrets(journal: Path) -> None:
    options = "authMechanismProperties=AWS_SESSION_TOKEN:s3cret&tlsCertificateKeyFilePassword=s3cret"
    for more in ((), ("--json",)):
        done = run("--store", f"mongodb://user:s3cret@127.0.0.1:9/bench?{options}", "doctor", *more)
        assert done.exit_code == 5, done.output
        assert "mongodb://***@127.0.0.1:9/bench" in done.output
        assert "s3cret" not in done.output


def test_a_terminal_gets_a_progress_bar_and_a_pipe_does_not(journal: Path, url: str) -> None:
    with get_benchmark_recorder(url) as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
    with JSONFileStore(journal) as store:
        store.append(make_history(2499), fresh=True)
    seen, shown = pty.openpty()
    command = [sys.executable, "-m", "benchmark_recorder", "--store", url, "sync"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=shown, check=True, timeout=60)
    os.close(shown)
    bar = os.read(seen, 1 << 16).decode()
    os.close(seen)
    assert "2500/2500" in bar
    assert done.stdout.decode().startswith("0 pending")
    assert run("--store", url, "sync").stderr == ""


# --watch -------------------------------------------------------------------------------------------------------------

WATCH = [sys.executable, "-W", "error", "-m", "benchmark_recorder"]


@contextmanager
def watching(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [*WATCH, "--store", url, "sync", "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str], stream: Literal["stdout", "stderr"] = "stdout") -> str:
    file = process.stdout if stream == "stdout" else process.stderr
    assert file is not None
    return file.readline()


def holds(url: str, recorded: int) -> bool:
    return count(url) == recorded


def attempts(journal: Path) -> bool:
    return any(mark is not None and mark.attempted for mark in (file.read() for file in cursor_files_of(str(journal))))


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_delivers_new_records_and_ends_with_zero(journal: Path, url: str, number: signal.Signals) -> None:
    with watching(url) as process:
        assert first_line(process).startswith("0 pending, 0 in quarantine for mongodb://")
        for recorded in range(1, 4):
            with get_benchmark_recorder(url) as recorder:
                recorder.record_execution("task", 1.0, True, "v1")
            wait_until(partial(holds, url, recorded))
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.startswith("0 pending, 0 in quarantine for mongodb://")


def test_watch_waits_for_a_server_that_is_down_and_says_so_once(journal: Path, tmp_path: Path, server: Mongod) -> None:
    url = server.url("bench") + "&serverSelectionTimeoutMS=200"
    server.kill()
    with get_benchmark_recorder(url) as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
    with watching(url) as process:
        told = first_line(process, "stderr")
        assert "cannot be reached" in told
        server.start()
        server.await_primary()
        wait_until(lambda: count(url) == 1)
        told = first_line(process, "stderr")
        assert told.endswith("accepts records again\n")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[-1].startswith("0 pending")


def test_a_second_signal_ends_watch_as_it_ends_any_program(journal: Path, server: Mongod) -> None:
    url = server.url("bench") + "&heartbeatFrequencyMS=600000"
    with get_benchmark_recorder(url) as recorder:
        recorder.record_execution("task", 1.0, True, "v1")
    with watching(url) as process:
        first_line(process)
        server.signal(signal.SIGSTOP)  # a send is under way, and will be for a while
        with get_benchmark_recorder(url) as recorder:
            recorder.record_execution("task", 1.0, True, "v1")
        wait_until(lambda: attempts(journal))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
