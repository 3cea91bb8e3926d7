"""``doctor`` and ``prune``: the store's state, and its size."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any

import typer

from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import AsJSON, resolved
from benchmark_recorder.cli.output import print_json, records
from benchmark_recorder.config import Settings, effective_settings
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.reporting.encoders import terminal
from benchmark_recorder.stores._secrets import without_secrets
from benchmark_recorder.stores.json_file import JSONFileStore


@app.command(epilog="Example: benchmark-recorder doctor --repair")
@resolved
def doctor(
    recorder: BenchmarkRecorder,
    place: str | None,
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend the file: cut records, damaged lines, records that stand there twice."),
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Tell the state of the file and the settings in force.

    Nothing is changed without --repair.
    """
    store = _json_file(recorder)
    repaired = {name: _plain(value) for name, value in asdict(store.repair()).items()} if repair else {}
    inspection = asdict(store.inspect())
    settings = _settings(place)
    condition = recorder.store.condition()
    delivery = {} if condition is None else {name: _plain(value) for name, value in asdict(condition).items()}
    if as_json:
        print_json(file=inspection, delivery=delivery or None, repaired=repaired or None, settings=settings)
    else:
        _print_facts("file", inspection if inspection["exists"] else {"path": store.name, "exists": False})
        if delivery:
            _print_facts("delivery", delivery)
        if repaired:
            _print_facts("repaired", repaired)
        _print_facts("settings", {name: f"{_shown(s['value'])} ({s['origin']})" for name, s in settings.items()})
    if not inspection["exists"]:
        complain(f"{store.name}: there is no such file yet; the first record makes it")
    if inspection["damaged"] or inspection["duplicates"]:
        complain(f"to mend the file: benchmark-recorder doctor --repair --store {shlex.quote(store.name)}")
    if inspection["problem"]:
        raise typer.Exit(Code.NO_DATA)


def _print_facts(heading: str, facts: Mapping[str, Any]) -> None:
    """A name and a value a line; a path is never cut or wrapped, so that it can be copied."""
    typer.echo(heading)
    for name, value in facts.items():
        typer.echo(f"  {name:<16} {terminal(_shown(value), 4096)}")


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case tuple() | list():
            return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _plain(value: object) -> object:
    return value if isinstance(value, int | None) else str(value)


def _settings(place: str | None) -> dict[str, dict[str, Any]]:
    """Each setting in force and where it came from, secrets hidden."""
    settings = effective_settings(store=place)
    origins = dict(settings.origins)
    return {
        f.name: {"value": _without_secret(getattr(settings, f.name)), "origin": origins.get(f.name, "default")}
        for f in fields(Settings)
        if f.name != "origins"
    }


def _without_secret(value: object) -> object:
    return without_secrets(value) if isinstance(value, str) else value


@app.command(epilog="Example: benchmark-recorder prune --older-than 90 --yes")
@resolved
def prune(
    recorder: BenchmarkRecorder,
    *,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Remove what is older than so many days.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Remove what is from before then (ISO 8601).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only counted.")] = False,
) -> None:
    """Remove old records from the file for good."""
    if (older_than is None) == (before is None):
        raise typer.BadParameter("give either --older-than or --before")
    try:
        limit = Query.of(since=before, last_days=older_than).since
    except InvalidQueryError as error:
        option = "--older-than" if before is None else "--before"
        raise InvalidQueryError(f"{option}:{str(error).partition(':')[2]}") from error
    assert limit is not None
    store = _json_file(recorder)
    if yes:
        typer.echo(f"removed {records(store.prune(limit))} from {terminal(store.name)}")
        return
    old = len(store.scan(Query(until=limit), ("version",))["version"])
    verb, them = ("is", "it") if old == 1 else ("are", "them")
    typer.echo(f"{records(old)} in {terminal(store.name)} {verb} that old; remove {them} for good with --yes")


def _json_file(recorder: BenchmarkRecorder) -> JSONFileStore:
    """The file that records go to first: the store itself, or a remote one's journal."""
    store = getattr(recorder.store, "journal", recorder.store)
    if not isinstance(store, JSONFileStore):  # a third party's store
        raise typer.BadParameter(
            f"{terminal(store.name)} is no JSON file, and only such a one can be looked after here"
        )
    return store
