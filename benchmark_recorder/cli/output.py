"""How an answer leaves: as JSON, as plain text through a pipe, with coloured verdicts on a terminal, or as a file."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, TextIO, TypeVar

import typer

from benchmark_recorder.cli.app import complain, say_aside, settle, working
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import preview
from benchmark_recorder.exchange import holds
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.base import Store
from benchmark_recorder.stores.json_file import JSONFileStore

Form = TypeVar("Form", bound=str)

MOST_NAMED: Final = 10
"""Versions that are listed; more of them are counted."""
_MOST_OF_NAME: Final = 60

STYLES: Final = {
    "green": ("improved", "equivalent", "pass", "PROVEN", "SUPPORTED"),
    "red": ("regressed", "block", "REFUTED"),
    "yellow": ("inconclusive", "warn", "NOT SHOWN", "~"),
}


def print_text(text: str) -> None:
    """A text on stdout, already escaped for a terminal."""
    settle()
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
    settle()
    typer.echo(json_text({"schema_version": SCHEMA_VERSION, **answer}, indent=2))


class Answer(NamedTuple):
    """What a reading command found; ``options.resolved`` prints it.

    Attributes:
        json: the answer for programs, under its name.
        shown: what is printed for people; nothing where its text is empty.
        versions: those that were asked for, if any.
        found: whether there were runs of each of them; if not, stderr says what there is instead.
        code: the exit code if they were found.
    """

    json: dict[str, Any]
    shown: object
    versions: Sequence[str]
    found: bool
    code: Code = Code.FINE


def knows_versions(result: Any) -> bool:  # noqa: ANN401 - a result of analysis
    """Whether a result found runs of each version that it is about."""
    return all(warning.code != "unknown_version" for warning in result.warnings)


def print_answer(answer: Answer, store: Store, *, as_json: bool) -> None:
    """An answer on stdout, for programs or for people.

    Raises:
        typer.Exit: with another code than 0.
    """
    if as_json:
        print_json(**answer.json)
    elif text := str(answer.shown):
        print_text(f"{text}\n")
    if not answer.found:
        no_data(store, answer.versions)
    if answer.code:
        raise typer.Exit(answer.code)


def no_data(store: Store, versions: Sequence[str] = ()) -> NoReturn:
    """Say why nothing was found, and what there is instead.

    Raises:
        typer.Exit: always.
    """
    firsts: dict[str, int] = {}
    for cell in store.summarize(Query(runs="all")).cells:
        firsts[cell.version] = min(cell.first, firsts.get(cell.version, cell.first))
    known = sorted(firsts, key=lambda version: (firsts[version], version))
    unknown = [version for version in dict.fromkeys(versions) if version not in known]
    if isinstance(store, JSONFileStore) and not store.path.exists():
        complain(f"{store.name}: there is no such file")
    elif not known:
        complain(f"there are no records in {store.name}")
    elif unknown:
        which = f"version {_named(unknown)}" if len(unknown) == 1 else f"the versions {_named(unknown)}"
        older = len(known) - MOST_NAMED
        there = f"{_named(known[-MOST_NAMED:])}{f' and {older:,} older ones' if older > 0 else ''}"
        complain(f"there are no runs of {which} in {store.name}; there are {there}{''.join(_hints(unknown, known))}")
    else:
        complain(f"no records match in {store.name}")
    raise typer.Exit(Code.NO_DATA)


def _hints(unknown: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """What was probably meant by names that no version has."""
    if "latest" in unknown:
        yield "; for the latest, leave the name out"
    for name in unknown:
        for other in known:
            if name.split() == other.split():
                yield f"; {preview(name)} and {preview(other)} differ by blanks only"


def _named(names: Sequence[str]) -> str:
    shown = [name if len(name) <= _MOST_OF_NAME else f"{name[:_MOST_OF_NAME]}…" for name in names[:MOST_NAMED]]
    return ", ".join([*shown, *([f"{len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else [])])


def form_of(given: Form | None, output: str, by_ending: Mapping[str, Form], default: Form) -> Form:
    """The form that was asked for, else the one that the file's ending stands for.

    Raises:
        typer.BadParameter: the ending is unknown.
    """
    ending = Path(output).suffix.lower()
    if given is None and ending and ending not in by_ending:
        raise typer.BadParameter(
            f"unknown ending {terminal(ending)}; known are {', '.join(by_ending)}; or name the form with --format",
            param_hint="--output",
        )
    return given or by_ending.get(ending, default)


@contextmanager
def interruptible(state: str) -> Iterator[None]:
    """Work that may take long, and that Ctrl-C may end: the command then says in which state that leaves things."""
    try:
        with working():
            yield
    except KeyboardInterrupt as error:
        raise error if error.args else KeyboardInterrupt(state) from None


@contextmanager
def progress(total: int | None, done: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; if it is interrupted, the command says how many were done, and that re-running is safe.

    Args:
        total: how many records there are, or ``None`` if unknown.
        done: what was done with each.
    """
    from benchmark_recorder.harness.progress import progress_bar  # it needs more than most commands

    count = 0
    try:
        with progress_bar(total, "records") as report:

            def counted(more: int) -> None:
                nonlocal count
                count += more
                report(more)

            yield counted
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"at least {records(count)} {done}; re-running is safe and does the rest") from None


def records(n: int) -> str:
    """A number of records, in words."""
    return f"{n:,} record{'' if n == 1 else 's'}"


def page_text(name: str, result: Any, form: str) -> str:  # noqa: ANN401 - a view
    """A result as text, Markdown, a whole document of HTML, or JSON under its name."""
    if form == "json":
        return json_text({"schema_version": SCHEMA_VERSION, name: result}, indent=2)
    text: str = result.render(form)
    return text


def write_text(text: str, output: str, store: Store, option: str = "--output") -> None:
    """A text into the file that the user named with an option, or onto the terminal for ``-``."""
    if output == "-":
        print_text(text if text.endswith("\n") else f"{text}\n")
        return
    with opened(output, store, option) as file:
        file.write(text)
    say_aside(f"wrote {terminal(output)}")


@contextmanager
def opened(output: str, store: Store, option: str = "--output") -> Iterator[TextIO]:
    """The file that the user named with an option, or stdout for ``-``; never the store itself.

    A regular file is replaced by rename once all of it is written, so that a reader, or a failure, never meets half a
    file. A pipe or a device is written to as it is.

    Raises:
        typer.BadParameter: the store's own file.
        typer.Exit: a file that cannot be written.
    """
    if output == "-":
        settle()
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        path = Path(output)
        if holds(store, path):
            raise typer.BadParameter(f"cannot write {terminal(output)}: the records live there", param_hint=option)
        target = path.resolve()  # a link stays one
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("w", encoding="utf-8", newline="") as file:
                yield file
        else:
            with _replacing(target) as file:
                yield file
    except (OSError, RuntimeError) as error:  # the latter: a circle of links, before Python 3.13
        complain(f"{option}: cannot write {output}: {getattr(error, 'strerror', None) or error}")
        raise typer.Exit(Code.NO_DATA) from error


@contextmanager
def _replacing(target: Path) -> Iterator[TextIO]:
    """A new file that takes the target's place, and its permissions, at the end."""
    if target.is_symlink():  # a circle of links: before Python 3.13 to resolve it has failed
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
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
