"""``changes`` and ``predict``: what moved, and what is to come."""

from typing import Annotated, Any, Literal

import typer

from benchmark_recorder.cli.app import app
from benchmark_recorder.cli.options import OptionalVersion, latest, resolved
from benchmark_recorder.cli.output import Answer, knows_versions
from benchmark_recorder.history import History


@app.command(epilog="Example: benchmark-recorder changes v2.0 --metric failures --last-days 90")
@resolved
def changes(
    history: History,
    query: dict[str, Any],
    *,
    version: OptionalVersion = None,
    metric: Annotated[
        str, typer.Option(metavar="NAME", help="time, success, failures, cost or routing.")
    ] = "execution_time",
    by: Annotated[Literal["day", "commit"], typer.Option(metavar="KEY", help="Follow days, or commits.")] = "day",
) -> Answer:
    """Find when a metric moved, by how much, and whether it was the code."""
    if version is None:
        (version,) = latest(history, 1, query)
    found = history.find_changes(version, metric, by=by, **query)
    return Answer({"changes": found}, found, [version], knows_versions(found))


@app.command(epilog="Example: benchmark-recorder predict v2.0 --repeats 5 --concurrency 4")
@resolved
def predict(
    history: History,
    query: dict[str, Any],
    *,
    version: OptionalVersion = None,
    repeats: Annotated[int, typer.Option(metavar="N", min=1, help="Runs of each task.")] = 1,
    concurrency: Annotated[int, typer.Option(metavar="N", min=1, help="Runs at once.")] = 1,
) -> Answer:
    """Predict what further runs of all tasks take, cost and how many fail."""
    if version is None:
        (version,) = latest(history, 1, query)
    found = history.predict(version=version, repeats=repeats, concurrency=concurrency, **query)
    return Answer({"forecast": found}, found, [version], knows_versions(found))
