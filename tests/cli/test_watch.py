"""``watch`` and ``report --send``: what they print, send and exit with; no secret in any of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.cli import app
from tests.alerts.servers import HookServer, hooks, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "T0TOKEN/B0TOKEN/xoxb-t0ken"
RULES = """
[[tool.benchmark_recorder.alerts.rules]]
name = "slow"
version = "v1"
baseline_days = 7
send = "webhook:HOOK"
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookServer]:
    """With a version that became slower, and a rule about it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(RULES)
    now = datetime.now(UTC)
    with BenchmarkRecorder("benchmarks/metrics.json") as recorder:
        for hours_ago in range(12 * 24, 0, -1):
            for seconds in (1.0, 1.1, 1.2):
                slow = 2 if hours_ago <= 24 else 1
                moment = now - timedelta(hours=hours_ago)
                recorder.record_execution("task", seconds * slow, True, "v1", timestamp=moment)
    with hooks() as server:
        monkeypatch.setenv("HOOK", server.url(f"/{TOKEN}"))
        monkeypatch.setattr("benchmark_recorder.alerts.delivery._pause", lambda _: 0.0)
        yield server


def ran(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*arguments])
    assert TOKEN not in done.output
    return done.exit_code, done.stdout, done.stderr


def test_watch_once_prints_each_rule_and_sends_what_changed(server: HookServer) -> None:
    code, out, err = ran("watch", "--once")
    assert (code, err) == (0, "")
    assert "slow firing time" in " ".join(out.split())
    assert [document["title"] for _, document in server.taken] == ["Alert firing: slow"]
    code, out, _ = ran("watch", "--once", "--json")
    assert json.loads(out)["alerts"][0]["state"] == "firing"
    assert len(server.taken) == 1


def test_a_channel_that_fails_is_code_4_on_stderr_and_in_doctor(server: HookServer) -> None:
    server.answers = [500] * 9
    code, out, err = ran("watch", "--once")
    assert code == 4
    assert "answered 500" in err
    assert "failed: " in out
    code, out, err = ran("doctor")
    assert code == 5
    assert "alerts: webhook:HOOK: " in err


def test_watch_test_sends_a_message_to_each_channel_and_says_what_came_of_it(server: HookServer) -> None:
    assert ran("watch", "--test") == (0, "", "webhook:HOOK: sent\n")
    server.answers = [404]
    code, _, err = ran("watch", "--test")
    assert code == 4
    assert "webhook:HOOK: not sent: 127.0.0.1" in err
    assert [document["kind"] for _, document in server.taken] == ["test"]


def test_a_report_is_sent_to_each_channel_instead_of_printed(
    server: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK", server.url(f"/services/{TOKEN}"))
    code, out, err = ran("report", "v1", "--send", "webhook:HOOK", "--send", "slack:SLACK")
    assert (code, out) == (0, "")
    assert err == "webhook:HOOK: sent\nslack:SLACK: sent\n"
    (_, document), (path, slack) = server.taken
    assert document["title"] == "Benchmark report: v1"
    assert document["text"].startswith("Benchmark report")
    assert path == f"/services/{TOKEN}"
    assert len(slack["blocks"][1]["text"]["text"]) <= 3000
    server.answers = [403]
    code, _, err = ran("report", "v1", "--send", "webhook:HOOK", "--send", "slack:SLACK")
    assert code == 4
    assert "answered 403 Forbidden" in err
    assert "slack:SLACK: sent" in err


@pytest.mark.parametrize(
    ("arguments", "rules", "message"),
    [
        (["watch", "--once"], "[tool.benchmark_recorder]\n", "there are no rules"),
        (["watch", "--test"], RULES.replace("send", "# send"), "no rule names a channel"),
        (["watch", "--once"], RULES.replace('"v1"', "1"), "version: expected a text"),
        (["watch", "--json"], RULES, "only with --once"),
        (["watch", "--test"], RULES.replace("webhook:HOOK", f"https://hooks.slack.com/{TOKEN}"), "is a secret"),
        (["report", "v1", "--send", f"https://hooks.slack.com/{TOKEN}"], RULES, "is a secret"),
    ],
)
@pytest.mark.usefixtures("server")
def test_wrong_usage_is_named(arguments: list[str], rules: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(rules)
    code, out, err = ran(*arguments)
    assert (code, out) == (2, "")
    assert message in " ".join(err.replace("│", " ").split())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watch_goes_on_until_a_signal(number: signal.Signals, server: HookServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmark_recorder", "watch", "--every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as child:
        until(lambda: server.taken, 120)
        child.send_signal(number)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert out.startswith("slow: firing: v1 is ")
    assert TOKEN not in out + err


def test_recording_imports_nothing_of_alerts(tmp_path: Path) -> None:
    program = (
        "import sys; from benchmark_recorder import get_benchmark_recorder\n"
        "r = get_benchmark_recorder(); r.record_execution('x', 1.0, True, 'v1'); r.close()\n"
        "assert not [name for name in sys.modules if name.startswith('benchmark_recorder.alerts')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
