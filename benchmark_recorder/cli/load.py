"""``load``: orchestrators under load."""

import json
import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from benchmark_recorder.cli.app import app
from benchmark_recorder.cli.options import AsJSON, Output, resolved
from benchmark_recorder.cli.output import form_of, page_text, write_text
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import ConfigurationError, preview
from benchmark_recorder.recorder import BenchmarkRecorder

if TYPE_CHECKING:
    from benchmark_recorder.harness import LoadSettings

UNITS: Final = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_QUANTITY: Final = re.compile(r"\s*([0-9.eE+-]+)\s*(?:/\s*)?(ms|s|min|m|h|)\s*", re.IGNORECASE)


def _quantity(text: str, option: str, example: str) -> tuple[float, float]:
    """A number, and the seconds of the unit behind it.

    Raises:
        ConfigurationError: it is something else.
    """
    found = _QUANTITY.fullmatch(text)
    try:
        return float(found[1] if found else text), UNITS[found[2].lower() if found else ""]
    except ValueError:
        raise ConfigurationError(f"{option}: expected {example}, got {preview(text)}") from None


def rate_of(text: str, option: str = "--rate") -> float:
    """Runs a second of ``50/s``, ``50`` or ``90/min``."""
    number, unit = _quantity(text, option, "runs in a time, such as 50/s or 90/min")
    return number / unit


def named(place: str, option: str) -> Any:  # noqa: ANN401 - whatever has that name
    """What ``module:name`` stands for; modules in the working directory are found.

    Raises:
        ConfigurationError: there is no such module, or no such name in it.
    """
    module, _, name = place.partition(":")
    if not (module and name):
        raise ConfigurationError(f"{option}: expected module:name, such as my_agents:v2, got {preview(place)}")
    if os.getcwd() not in sys.path:  # noqa: PTH109 - a text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
    try:
        found = import_module(module)
    except ImportError as error:
        raise ConfigurationError(f"{option}: cannot import {preview(module)}: {error}") from error
    try:
        return getattr(found, name)
    except AttributeError:
        raise ConfigurationError(f"{option}: {preview(module)} has no {preview(name)}") from None


def _orchestrators(places: Iterable[str]) -> list[Any]:
    """The orchestrators of some names: of one, of a list, or of what makes one when it is called."""
    found: list[Any] = []
    for place in places:
        one = named(place, "ORCHESTRATOR")
        if callable(one) and (isinstance(one, type) or not hasattr(one, "execute_task")):
            one = one()
        found += one if isinstance(one, list | tuple) else [one]
    return found


def _tasks(place: str | None) -> Any:  # noqa: ANN401 - checked before anything runs
    """The tasks of a JSON file or of ``module:name``."""
    if place is None or not place.endswith(".json"):
        return None if place is None else named(place, "--tasks")
    try:
        return json.loads(Path(place).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"--tasks: {place} is not JSON: {error}") from error


FORMS: Final = {".txt": "text", ".md": "markdown", ".html": "html", ".htm": "html", ".json": "json"}


@app.command(epilog="Example: benchmark-recorder load my_agents:v1 my_agents:v2 --rate 50/s --for 2m --max-cost 5")
@resolved
def load(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    orchestrators: Annotated[
        list[str], typer.Argument(metavar="MODULE:NAME...", help="An orchestrator, what makes one, or a list of them.")
    ],
    *,
    rate: Annotated[
        list[str] | None,
        typer.Option(metavar="N/s", help="Runs a second; default: 50. Several are tried one after the other."),
    ] = None,
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="At each rate, for each version: 90s, 2m, 1h.")
    ] = "2m",
    tasks: Annotated[
        str | None, typer.Option(metavar="PLACE", help="A .json file or MODULE:NAME; default: the suite.")
    ] = None,
    turns: Annotated[int, typer.Option(metavar="N", help="Of each version at each rate.")] = 4,
    max_concurrency: Annotated[int, typer.Option(metavar="N", help="Runs under way at once; others wait.")] = 5_000,
    max_cost: Annotated[float | None, typer.Option(metavar="USD", help="End before the runs cost more.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Of a run.")] = 300.0,
    pacing: Annotated[
        Literal["poisson", "even"], typer.Option(metavar="PACING", help="poisson, as many users come, or even.")
    ] = "poisson",
    seed: Annotated[int, typer.Option(metavar="N", help="Of the arrivals.")] = 0,
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "html", "json"] | None,
        typer.Option(metavar="FORMAT", help="text, markdown, html or json; default: FILE's ending."),
    ] = None,
    output: Output = "-",
    as_json: AsJSON = False,
) -> None:
    """Put orchestrators under load: runs begin at a rate, whether or not others have ended.

    Versions take turns. Every run is recorded. Ctrl-C ends it, and shows what ran.
    """
    from benchmark_recorder.harness import run_load

    form = "json" if as_json else form_of(format, output, FORMS, "text")
    number, unit = _quantity(duration, "--for", "a time, such as 90s, 2m or 1h")
    settings: LoadSettings = {
        "steps": [rate_of(text) for text in rate or ["50/s"]],
        "duration": number * unit,
        "turns": turns,
        "max_concurrency": max_concurrency,
        "max_cost": max_cost,
        "timeout": timeout,
        "pacing": pacing,
        "seed": seed,
    }
    result = run_load(_orchestrators(orchestrators), _tasks(tasks), recorder=recorder, **settings)
    write_text(page_text("load", result, form), output, recorder.store)
    if result.ended == "interrupted":
        raise typer.Exit(Code.INTERRUPTED)
