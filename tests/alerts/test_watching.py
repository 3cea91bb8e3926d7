"""Each transition reaches each channel at least once, whatever happens to watchers, clocks, files and channels."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder import History
from benchmark_recorder.alerts import ChannelError, Message
from benchmark_recorder.alerts.delivery import GIVE_UP, deliver, entries_for
from benchmark_recorder.alerts.state import StateFile, problems_of
from benchmark_recorder.alerts.texts import plain_message
from benchmark_recorder.alerts.watching import Look, watch_once
from benchmark_recorder.errors import StoreUnavailableError
from tests.alerts.months import month, rules, seconds, slower_since
from tests.alerts.servers import HookServer, hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "T0TOKEN/B0TOKEN/xoxb-t0ken"
CONTEXT = multiprocessing.get_context("fork")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HookServer]:
    with hooks() as server:
        for name in ("ONE", "TWO"):
            monkeypatch.setenv(name, server.url(f"/{name.lower()}/{TOKEN}"))
        monkeypatch.setattr("benchmark_recorder.alerts.delivery._pause", lambda _: 0.0)
        yield server


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "metrics.json")


@pytest.fixture(scope="module")
def slow() -> History:
    return History(month(factor=slower_since(48)))


def looked(history: History, file: StateFile, hour: float = 0, *changes: dict[str, Any], **table: Any) -> Look:
    settings = rules(*(changes or ({"send": "webhook:ONE"},)), **table)
    found = watch_once(history, settings, file, clock=lambda: seconds(hour))
    assert found is not None
    return found


def titles(server: HookServer) -> list[str]:
    return [document["title"] for _, document in server.taken]


def test_a_transition_is_told_once_however_often_one_looks(slow: History, file: StateFile, server: HookServer) -> None:
    assert [alert.state for alert in looked(slow, file, -24).told] == ["firing"]
    for hour in range(-23, 1, 4):
        assert not looked(slow, file, hour).told
    assert titles(server) == ["Alert firing: slow"]
    document = server.taken[0][1]
    assert document["kind"] == "alert"
    assert document["alerts"][0]["state"] == "firing"
    assert "More: benchmark-recorder show v1 --by hour" in " ".join(document["text"].split())


def test_firing_recovery_and_silence_are_told_each(file: StateFile, server: HookServer) -> None:
    history = History(month(factor=lambda hour: 1.5 if -120 <= hour < -72 else 1.0))
    for hour in range(-122, 40, 8):
        looked(history, file, hour)
    assert titles(server) == ["Alert firing: slow", "Alert recovered: slow", "Alert no data: slow"]
    assert len({document["id"] for _, document in server.taken}) == 3
    assert len({document["thread"] for _, document in server.taken}) == 1


def test_a_channel_that_is_down_stops_no_other_and_gets_its_message_later(
    slow: History, file: StateFile, server: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWO", "https://127.0.0.1:1/x")
    both = {"send": ["webhook:TWO", "webhook:ONE"]}
    found = looked(slow, file, 0, both)
    assert titles(server) == ["Alert firing: slow"]
    assert len(found.complaints) == 1
    assert "Connection refused" in found.alerts[0].delivery["webhook:TWO"]
    assert problems_of(Path(file.path).parent.with_suffix("")) == ["webhook:TWO: 127.0.0.1:1 (TWO): Connection refused"]
    monkeypatch.setenv("TWO", server.url("/two"))
    assert not looked(slow, file, 0.001, both).complaints  # it is not time yet
    assert len(server.taken) == 1
    assert not looked(slow, file, 0.5, both).complaints
    assert [path for path, _ in server.taken][1:] == ["/two"]
    assert server.taken[0][1]["id"] == server.taken[1][1]["id"]


def test_a_server_that_asks_to_wait_is_left_alone_for_so_long(
    slow: History, file: StateFile, server: HookServer
) -> None:
    server.answers = [(429, "1800")]
    looked(slow, file, 0)
    looked(slow, file, 0.4)
    assert server.asked == 1
    looked(slow, file, 0.6)
    assert server.asked == 2
    assert len(server.taken) == 1


def test_many_rules_that_fire_at_once_are_one_message(slow: History, file: StateFile, server: HookServer) -> None:
    many = [{"name": f"rule {number}", "send": "webhook:ONE"} for number in range(8)]
    looked(slow, file, 0, *many)
    assert titles(server) == ["8 alerts: 8 firing"]
    assert len(server.taken[0][1]["alerts"]) == 8
    assert all(f"rule {number}" in server.taken[0][1]["text"] for number in range(8))


def test_beyond_the_budget_messages_wait_and_come_together(file: StateFile, server: HookServer) -> None:
    state = file.read()

    def told(name: str, now: float) -> None:
        message = plain_message("alert", name, name, alerts=[{"state": "firing"}])
        state["outbox"] += entries_for(message, ("webhook:ONE",), now)
        deliver(state, lambda: file.write(state), now, 2)

    for minute in range(5):
        told(f"m{minute}", 60.0 * minute)
    assert titles(server) == ["m0", "m1"]
    deliver(state, lambda: file.write(state), 3700.0, 2)
    assert titles(server)[2:] == ["3 alerts: 3 firing"]
    assert state["outbox"] == []


def test_what_fails_for_a_day_is_given_up_and_that_is_said(file: StateFile, server: HookServer) -> None:
    state, now, complaints, tries = file.read(), 0.0, [], 0
    state["outbox"] = entries_for(plain_message("alert", "t", "t"), ("webhook:ONE",), now)

    def fails(address: str, message: Message) -> None:
        nonlocal tries
        tries += 1
        raise ChannelError("down", temporary=True)

    while state["outbox"]:
        complaints = deliver(state, lambda: file.write(state), now, 10, fails)
        now += 300
    assert GIVE_UP < now < GIVE_UP + 1200
    assert complaints == ["webhook:ONE: gave up 1 of its messages after a day: down"]
    assert 80 < tries < 120
    assert problems_of(Path(file.path).parent.with_suffix("")) == ["webhook:ONE: down; 1 given up"]


def test_a_channel_that_hangs_is_left_behind(file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("benchmark_recorder.alerts.delivery.DEADLINE", 0.2)
    released, sent = threading.Event(), []
    state = file.read()
    state["outbox"] = entries_for(plain_message("alert", "t", "t"), ("webhook:ONE", "webhook:TWO"), 0.0)

    def attempt(address: str, message: Message) -> None:
        if address == "webhook:ONE":
            released.wait(30)
        sent.append(address)

    complaints = deliver(state, lambda: file.write(state), 0.0, 10, attempt)
    assert sent == ["webhook:TWO"]
    assert [complaint[:36] for complaint in complaints] == ["webhook:ONE: no answer within 0.2 s;"]
    released.set()


def in_a_child(work: Callable[[], object]) -> Any:
    child = CONTEXT.Process(target=work)
    child.start()
    return child


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_watcher_that_is_killed_while_it_sends_is_followed_by_one_that_sends_again(
    moment: str, slow: History, file: StateFile, server: HookServer
) -> None:
    def killed(address: str, message: Message) -> None:
        if moment == "after":
            from benchmark_recorder.alerts.delivery import send

            send(address, message)
        os.kill(os.getpid(), signal.SIGKILL)

    settings = rules({"send": "webhook:ONE"})
    child = in_a_child(lambda: watch_once(slow, settings, file, clock=lambda: seconds(0), attempt=killed))
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert [entry["status"] for entry in file.read()["outbox"]] == ["sending"]
    looked(slow, file, 0.01)
    assert titles(server) == ["Alert firing: slow"] * (2 if moment == "after" else 1)
    assert len({document["id"] for _, document in server.taken}) == 1  # so that a reader can tell
    assert file.read()["outbox"] == []


def test_of_two_watchers_at_once_one_leaves_the_work_to_the_other(
    slow: History, file: StateFile, server: HookServer
) -> None:
    reading, writing = os.pipe()

    def waits(address: str, message: Message) -> None:
        os.write(writing, b"x")
        signal.pause()

    settings = rules({"send": "webhook:ONE"})
    child = in_a_child(lambda: watch_once(slow, settings, file, clock=lambda: seconds(0), attempt=waits))
    try:
        assert os.read(reading, 1) == b"x"
        assert watch_once(slow, settings, file, clock=lambda: seconds(0)) is None
        assert server.taken == []
    finally:
        child.kill()
        child.join()
        os.close(reading)
        os.close(writing)
    looked(slow, file, 0)
    assert titles(server) == ["Alert firing: slow"]


@pytest.mark.parametrize("back", [-1, -12, -24])
def test_a_clock_that_goes_back_repeats_nothing_and_stops_nothing(
    back: int, slow: History, file: StateFile, server: HookServer
) -> None:
    looked(slow, file, 0)
    for hour in (back, back + 1, 0, 1):
        looked(slow, file, hour)
    assert titles(server).count("Alert firing: slow") == 1
    looked(slow, file, 24)
    assert titles(server)[-1] == "Alert no data: slow"


def test_a_clock_that_was_a_year_ahead_does_not_silence_the_watcher(
    slow: History, file: StateFile, server: HookServer
) -> None:
    looked(slow, file, 24 * 365)
    assert titles(server) == ["Alert broken: slow"]
    looked(slow, file, 0)
    assert titles(server)[1:] == ["Alert firing: slow"]


def test_nothing_is_sent_that_cannot_be_noted(slow: History, server: HookServer) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "metrics.json.d")
        folder.mkdir()
        Path(place).chmod(0o755)
        folder.chmod(0o555)
        file = StateFile(Path(place, "metrics.json"))

        def watches() -> None:
            if os.geteuid() == 0:  # who may write anywhere
                os.setuid(65534)
            with pytest.raises(StoreUnavailableError, match=r"cannot write .*: Permission denied; give this user"):
                looked(slow, file, 0)

        for _ in range(2):
            child = in_a_child(watches)
            child.join(60)
            assert child.exitcode == 0
        assert server.asked == 0
        folder.chmod(0o755)
        looked(slow, file, 0)
        assert titles(server) == ["Alert firing: slow"]


def test_a_folder_that_is_a_file_is_said(slow: History, tmp_path: Path, server: HookServer) -> None:
    (tmp_path / "metrics.json.d").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match=r"alerts\.lock"):
        looked(slow, StateFile(tmp_path / "metrics.json"), 0)
    assert server.asked == 0


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rules": 5}', "\x00"])
def test_a_damaged_state_is_begun_anew_with_a_warning(
    content: str, slow: History, file: StateFile, server: HookServer, caplog: pytest.LogCaptureFixture
) -> None:
    looked(slow, file, 0)
    Path(file.path).write_text(content)
    looked(slow, file, 0)
    assert "alerts may be repeated" in caplog.text
    assert titles(server) == ["Alert firing: slow"] * 2


def test_a_rule_that_says_something_else_now_begins_anew(slow: History, file: StateFile, server: HookServer) -> None:
    looked(slow, file, 0)
    looked(slow, file, 0.1, {"send": "webhook:ONE", "margin": 0.2})
    looked(slow, file, 0.2, {"send": "webhook:ONE", "margin": 0.9})
    assert titles(server) == ["Alert firing: slow"] * 2
    assert len(file.read()["rules"]) == 1


def test_the_state_holds_no_secret_and_is_private(slow: History, file: StateFile, server: HookServer) -> None:
    server.answers = [500] * 9
    looked(slow, file, 0)
    text = Path(file.path).read_text()
    assert json.loads(text)["outbox"]
    assert "TOKEN" not in text
    assert Path(file.path).stat().st_mode & 0o777 == 0o600
