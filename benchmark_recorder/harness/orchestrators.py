"""Orchestrators around what you have: a function, or a command line."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark_recorder.harness.tasks import Task


class CommandError(Exception):
    """A command exited with a status other than 0, or its last line is not JSON."""


class FunctionOrchestrator:
    """A function from a task to a result as an orchestrator.

    An async function is awaited. A plain function runs in a thread of its own, so that it cannot block the run; at its
    timeout the thread is left behind, because Python cannot stop it.
    """

    def __init__(self, version: str, function: Callable[[Task], Any]) -> None:
        self.version = version
        self._function = function

    async def execute_task(self, task: Task) -> Any:  # noqa: ANN401
        """Call the function."""
        if inspect.iscoroutinefunction(self._function):
            return await self._function(task)
        result = await _in_thread(self._function, task)
        return await result if inspect.isawaitable(result) else result


async def _in_thread(function: Callable[[Task], Any], task: Task) -> Any:  # noqa: ANN401
    """Call in a daemon thread, so that a hanging function does not keep the interpreter from exiting."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    def call() -> None:
        result: Any = None
        raised: BaseException | None = None
        try:
            result = function(task)
        except StopIteration as error:
            raised = RuntimeError(f"the function raised {error!r}")  # a future takes no StopIteration
        except BaseException as error:  # noqa: BLE001 - handed to the loop, whole
            raised = error
        with suppress(RuntimeError):  # the loop was closed: the run went on without this call
            loop.call_soon_threadsafe(settle, result, raised)

    threading.Thread(target=call, name="benchmark task", daemon=True).start()
    return await answer


class CommandOrchestrator:
    """A command line as an orchestrator: one process per execution.

    The command reads the task as JSON from its standard input, and prints a result as a JSON object on the
    last line of its standard output: ``{"success": true, "agent_selected": "builder_agent", "cost": 0.002}``.
    No shell is involved. At the timeout, the process and everything in its process group are killed.

    Args:
        version: the version of its records.
        command: the program and its arguments.
        environment: variables to add to those of this process.

    Raises:
        ConfigurationError: the command is one string, which only a shell could split.
    """

    def __init__(self, version: str, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        if isinstance(command, str):
            raise ConfigurationError(f"command: expected a list of the program and its arguments, got {command!a}")
        self.version = version
        self._command = tuple(command)
        self._environment = dict(environment or {})

    async def execute_task(self, task: Task) -> Any:  # noqa: ANN401
        """Run the command.

        Raises:
            CommandError: its status is not 0, or its last line is not JSON.
            OSError: it cannot be started.
        """
        process = await self._start()
        try:
            output, _ = await process.communicate(json.dumps(task).encode())
        finally:
            await _end(process)
        if process.returncode:
            raise CommandError(f"status {process.returncode}")
        lines = output.decode("utf-8", "replace").strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            raise CommandError("its last line is not JSON") from None

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the process; a cancellation meanwhile leaves nothing of its group behind."""
        starting = asyncio.create_task(
            asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # asyncio itself would kill only the process, and not its children.
            with suppress(OSError):
                await _end(await starting)
            raise


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
