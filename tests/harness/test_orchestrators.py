from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.errors import ConfigurationError
from benchmark_recorder.harness import CommandError, CommandOrchestrator, FunctionOrchestrator

if TYPE_CHECKING:
    from pathlib import Path

TASK = {"id": "t", "description": "Write a haiku about 'quotes' and ü", "complexity": 0.1}


def done(orchestrator: FunctionOrchestrator | CommandOrchestrator) -> Any:
    return asyncio.run(orchestrator.execute_task(TASK))


def test_an_async_function_is_an_orchestrator() -> None:
    async def answer(task: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"success": True, "id": task["id"]}

    assert done(FunctionOrchestrator("v1", answer)) == {"success": True, "id": "t"}


def test_a_plain_function_runs_outside_the_loops_thread() -> None:
    def answer(_: object) -> threading.Thread:
        return threading.current_thread()

    thread = done(FunctionOrchestrator("v1", answer))
    assert thread is not threading.current_thread()
    assert thread.daemon


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration(), KeyError("k")], ids=repr)
def test_what_a_plain_function_raises_is_raised(error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    with pytest.raises((type(error), RuntimeError)):
        done(FunctionOrchestrator("v1", fail))


def test_a_lambda_that_returns_an_awaitable_is_awaited() -> None:
    assert done(FunctionOrchestrator("v1", lambda _: asyncio.sleep(0, {"success": True}))) == {"success": True}


def test_a_command_gets_the_task_as_json_and_answers_on_its_last_line() -> None:
    program = (
        "import json, sys; task = json.load(sys.stdin); print('thinking');"
        "print(json.dumps({'success': True, 'agent_selected': task['description']}))"
    )
    result = done(CommandOrchestrator("v1", [sys.executable, "-c", program]))
    assert result == {"success": True, "agent_selected": TASK["description"]}


def test_a_command_that_reads_nothing_and_answers_is_fine() -> None:
    result = done(CommandOrchestrator("v1", [sys.executable, "-c", "print('{\"success\": false}')"]))
    assert result == {"success": False}


def test_a_command_has_the_variables_that_it_is_given() -> None:
    program = "import json, os; print(json.dumps({'success': True, 'model': os.environ['MODEL']}))"
    orchestrator = CommandOrchestrator("v1", [sys.executable, "-c", program], environment={"MODEL": "small"})
    assert done(orchestrator)["model"] == "small"


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "print('done')", "pass", "print('{')"])
def test_a_command_that_fails_or_prints_no_json_raises(program: str) -> None:
    with pytest.raises(CommandError, match=r"status 3|not JSON"):
        done(CommandOrchestrator("v1", [sys.executable, "-c", program]))


def test_a_command_that_is_not_there_raises() -> None:
    with pytest.raises(FileNotFoundError):
        done(CommandOrchestrator("v1", ["/no/such/program"]))


def test_a_cancelled_command_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    ready, pids = tmp_path / "ready", tmp_path / "pids"
    program = (
        "import json, os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(pids)!r}).write_text(json.dumps([os.getpid(), child.pid]))\n"
        f"os.rename({str(pids)!r}, {str(ready)!r})\n"
        "time.sleep(600)\n"
    )

    async def cancel() -> None:
        call = asyncio.create_task(CommandOrchestrator("v1", [sys.executable, "-c", program]).execute_task(TASK))
        while not ready.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        for pid in json.loads(ready.read_text()):
            while _is_running(pid):  # noqa: ASYNC110 - the kernel ends it
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancel(), 60))


@pytest.mark.parametrize("steps", range(2, 9))
def test_a_command_that_is_cancelled_while_it_starts_leaves_nothing_running(tmp_path: Path, steps: int) -> None:
    ready = tmp_path / "ready"
    program = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(ready)!r}).write_text(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        "time.sleep(600)\n"
    )

    async def cancel() -> None:
        call = asyncio.create_task(CommandOrchestrator("v1", [sys.executable, "-c", program]).execute_task(TASK))
        for _ in range(steps):
            await asyncio.sleep(0)
        deadline = time.monotonic() + 5
        while not (ready.exists() and ready.read_text().endswith("\n")) and time.monotonic() < deadline:
            time.sleep(0.01)  # noqa: ASYNC251 - the loop is blocked, so that it cannot take note of the start
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        for pid in ready.read_text().split() if ready.exists() else ():
            while _is_running(int(pid)):  # noqa: ASYNC110 - the kernel ends it
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancel(), 60))


def test_a_command_that_is_one_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^command: expected a list .* got 'echo hi'"):
        CommandOrchestrator("v1", "echo hi")


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
