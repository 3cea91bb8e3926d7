"""The application: exit codes, and what an error becomes."""

import logging
import sys
from enum import IntEnum
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmark_recorder import __version__
from benchmark_recorder.errors import BenchmarkRecorderError, StoreError
from benchmark_recorder.reporting.escaping import terminal


class Code(IntEnum):
    """Exit codes."""

    FINE = 0
    BLOCKED = 1
    WRONG_USAGE = 2
    INCONCLUSIVE = 3
    NO_DATA = 4


class Commands(TyperGroup):
    """Turns our errors into one line on stderr and an exit code; any other error is a bug and keeps its traceback."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """By name."""
        return sorted(super().list_commands(ctx))

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401 - as the base has it
        """Run a command."""
        try:
            return super().invoke(ctx)
        except BenchmarkRecorderError as error:
            complain(str(error))
            code = Code.NO_DATA if isinstance(error, StoreError) else Code.WRONG_USAGE
            raise typer.Exit(code) from error


app = typer.Typer(
    name="benchmark-recorder",
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 gate blocked, 2 wrong usage, 3 gate inconclusive (if asked to fail on it), "
    "4 no data or store unreadable.",
)

StorePath = Annotated[
    str | None,
    typer.Option("--store", metavar="PATH", help="JSON file or URL; default: the configured one."),
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
    typer.echo(f"benchmark-recorder: {terminal(message, 1000)}", err=True)


class _Complaints(logging.Handler):
    """Prints the library's warnings to stderr, like any other complaint."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        complain(record.getMessage())


def main() -> None:
    """The entry point."""
    logging.getLogger("benchmark_recorder").addHandler(_Complaints(logging.WARNING))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # characters that its encoding lacks are printed as escapes
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="benchmark-recorder")
