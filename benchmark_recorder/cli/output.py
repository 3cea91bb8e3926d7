"""How an answer leaves: plain where it is piped, with its verdicts coloured where a person looks."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import typer

from benchmark_recorder.exchange import holds
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.reporting.page import Page
from benchmark_recorder.reporting.text import render_text

Form = TypeVar("Form", bound=str)

STYLES: Final = {
    "green": ("improved", "equivalent", "pass", "PROVEN", "SUPPORTED"),
    "red": ("regressed", "block", "REFUTED"),
    "yellow": ("inconclusive", "warn", "NOT SHOWN", "~"),
}


def print_page(page: Page) -> None:
    """A page on stdout."""
    print_text(render_text(page))


def print_text(text: str) -> None:
    """A text that is encoded for a terminal already, on stdout."""
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.text import Text

    # A Text is never read as markup, whatever was recorded.
    styled = Text(text.rstrip("\n"))
    for style, words in STYLES.items():
        styled.highlight_words([f"  {word}" for word in words], style)
    Console(highlight=False).print(styled, soft_wrap=True)


def print_json(**answer: Any) -> None:  # noqa: ANN401
    """An answer for programs on stdout."""
    typer.echo(json_text({"schema_version": SCHEMA_VERSION, **answer}, indent=2))


def form_of(given: Form | None, output: str, by_ending: Mapping[str, Form], default: Form) -> Form:
    """The form that was asked for, else the one that the file's ending means."""
    return given or by_ending.get(Path(output).suffix.lower(), default)


def records(n: int) -> str:
    """So many records, in words."""
    return f"{n:,} record{'' if n == 1 else 's'}"


@contextmanager
def opened(output: str, recorder: BenchmarkRecorder, option: str = "--output") -> Iterator[TextIO]:
    """The file that the user named with an option, or stdout for ``-``; never the store itself.

    A file is replaced by rename once all of it is written: who reads it meanwhile, and whoever comes after a failure,
    finds what stood there before. What is no file (a pipe, a device) is written to as it is.
    """
    if output == "-":
        yield sys.stdout
        return
    path = Path(output)
    if holds(recorder.store, path):
        raise _bad_output(output, option, "the records live there")
    try:
        target = path.resolve()  # a link stays one
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
        else:
            with _replacing(target) as file:
                yield file
    except OSError as error:
        raise _bad_output(output, option, error.strerror or str(error)) from error


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    """A new file that takes the target's place, and its permissions, at the end."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            if target.exists():
                beside.chmod(stat.S_IMODE(target.stat().st_mode))
            yield file
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _bad_output(output: str, option: str, reason: str) -> typer.BadParameter:
    return typer.BadParameter(f"cannot write {terminal(output)}: {reason}", param_hint=option)
