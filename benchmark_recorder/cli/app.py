"""The application: exit codes, and what an error becomes."""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, Final, TextIO

import typer
from typer.core import TyperGroup

from benchmark_recorder import __version__
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import BenchmarkRecorderError, StoreError
from benchmark_recorder.reporting.escaping import terminal


class Commands(TyperGroup):
    """Turns our errors and the system's into one line on stderr and an exit code; any other error is a bug."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """By name."""
        return sorted(super().list_commands(ctx))

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the base has it
        """Read the arguments; ``--help`` and ``--version`` print here."""
        with _errors_as_codes():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401 - as the base has it
        """Run a command."""
        with _errors_as_codes():
            return super().invoke(ctx)


@contextmanager
def _errors_as_codes() -> Iterator[None]:
    try:
        yield
    except BenchmarkRecorderError as error:
        complain(str(error))
        raise typer.Exit(Code.NO_DATA if isinstance(error, StoreError) else Code.WRONG_USAGE) from error
    except KeyboardInterrupt as error:
        complain(f"interrupted: {error}" if error.args else "interrupted")
        raise typer.Exit(Code.INTERRUPTED) from error
    except OSError as error:  # a file that vanishes, a full disk; what is written to stdout has no name
        complain(f"{error.filename or 'cannot write to standard output'}: {error.strerror or error}")
        give_up(sys.stdout)
        raise typer.Exit(Code.NO_DATA) from error


app = typer.Typer(
    name="benchmark-recorder",
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 gate blocked, 2 wrong usage, 3 gate inconclusive (if asked to fail on it), "
    "4 no data, store unreadable or output not writable, 5 doctor found problems.",
)

StorePath = Annotated[
    str | None,
    typer.Option("--store", metavar="PATH", help="JSON file or URL; default: the configured one."),
]

JournalPath = Annotated[
    str | None,
    typer.Option("--journal", metavar="PATH", help="Local file in front of a server."),
]


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's form
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    store: StorePath = None,
    *,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Record what AI-agent orchestrators do, compare their versions, and report."""
    ctx.obj = store


def complain(message: str) -> None:
    """One line on stderr."""
    say_aside(f"benchmark-recorder: {terminal(message, 1000)}")


def say_aside(line: str) -> None:
    """A line on stderr as it is; where it cannot be written, nothing else changes."""
    settle()
    try:
        typer.echo(line, err=True)
    except OSError:
        give_up(sys.stderr)


def confirm(line: str) -> None:
    """What has been done, on stdout, or else on stderr: work that is done does not fail because nobody reads."""
    settle()
    try:
        typer.echo(line)
    except OSError as error:
        complain(f"{line} (cannot write to standard output: {error.strerror or error})")
        give_up(sys.stdout)


PATIENCE: Final = 2.0
"""Seconds after which a command that still works shows it."""

_shown: Final[list[Callable[[], None]]] = []


@contextmanager
def working() -> Iterator[None]:
    """Show that a command works, on a terminal, until something is said."""
    if sys.stderr is None or not sys.stderr.isatty() or _shown:
        yield
        return

    def show() -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        # Nothing is redirected: stdout may be a file.
        live = Live(Spinner("line", "working"), console=Console(stderr=True), transient=True, redirect_stdout=False)
        live.start()
        _shown.append(live.stop)

    timer = threading.Timer(PATIENCE, show)
    timer.daemon = True

    def stop() -> None:
        timer.cancel()
        if timer.ident is not None:
            timer.join()

    _shown.append(stop)
    timer.start()
    try:
        yield
    finally:
        settle()


def settle() -> None:
    """Take away what ``working`` shows."""
    while _shown:
        _shown.pop(0)()


def give_up(stream: TextIO) -> None:
    """Drop what a stream still holds: the interpreter's last flush would fail, and end with a code of its own."""
    with suppress(OSError, ValueError):  # a test's stream has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Complaints(logging.Handler):
    """Prints the library's warnings to stderr, like any other complaint."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        complain(record.getMessage())


def main() -> None:
    """The entry point."""
    if sys.stdout is None:  # closed by the shell; reading from nowhere, so that an answer cannot be written
        sys.stdout = open(os.devnull)  # noqa: PTH123, SIM115 - it stays open
    if sys.stderr is None:  # a store must not get its number
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    logging.getLogger("benchmark_recorder").addHandler(_Complaints(logging.WARNING))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # characters that its encoding lacks are printed as escapes
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="benchmark-recorder")
    except OSError:  # only the lines about wrong usage are not written by ``complain``
        give_up(sys.stderr)
        sys.exit(Code.WRONG_USAGE)
    except Exception:  # noqa: BLE001 - whatever it is, Python's own code for it would say that the gate blocks
        traceback.print_exc()
        sys.exit(Code.BUG)
