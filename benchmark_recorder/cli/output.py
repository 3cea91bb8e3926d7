"""How an answer leaves: plain where it is piped, with its verdicts coloured where a person looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

import typer

from benchmark_recorder.exchange import holds
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.encoders import terminal
from benchmark_recorder.reporting.page import Page
from benchmark_recorder.reporting.text import render_text

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


def records(n: int) -> str:
    """So many records, in words."""
    return f"{n:,} record{'' if n == 1 else 's'}"


@contextmanager
def opened(output: str, recorder: BenchmarkRecorder, option: str = "--output") -> Iterator[TextIO]:
    """The file that the user named with an option, or stdout for ``-``; never the store itself."""
    if output == "-":
        yield sys.stdout
        return
    path = Path(output)
    if holds(recorder.store, path):
        raise _bad_output(output, option, "the records live there")
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise _bad_output(output, option, error.strerror or str(error)) from error
    with file:
        yield file


def _bad_output(output: str, option: str, reason: str) -> typer.BadParameter:
    return typer.BadParameter(f"cannot write {terminal(output)}: {reason}", param_hint=option)
