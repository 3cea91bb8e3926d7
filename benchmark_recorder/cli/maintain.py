"""``doctor`` and ``prune``: the store's state, and its size."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import AsJSON, resolved
from benchmark_recorder.cli.output import print_json, records
from benchmark_recorder.config import Settings, effective_settings
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.secrets import without_secrets
from benchmark_recorder.stores.vertex import DATASET, LOCATION, TABLE, VertexStore


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


commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(commands, name="vertex")

Project = Annotated[str, typer.Option("--project", help="The Google Cloud project.")]
Location = Annotated[str, typer.Option("--location", help="The region of the dataset and the feature group.")]
Dataset = Annotated[str, typer.Option("--dataset", help="BigQuery's dataset.")]
Table = Annotated[str, typer.Option("--table", help="Its table, whose name is the feature group's too.")]

_MAX_LINE: Final = 1000


@commands.callback()
def vertex() -> None:
    """Set up and check the Vertex AI store.

    It is a BigQuery table that is registered as a feature group.
    """


@commands.command(epilog="Example: benchmark-recorder vertex setup --project genesis-production --dry-run")
def setup(  # noqa: PLR0913 - options
    ctx: typer.Context,
    project: Project,
    location: Location = LOCATION,
    dataset: Dataset = DATASET,
    table: Table = TABLE,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be created, and create nothing.")] = False,
) -> None:
    """Create what is missing of dataset, table, feature group and features.

    To run it again changes nothing.
    """
    with _store(ctx, project, location, dataset, table) as store:
        for step in store.set_up(dry_run=dry_run):
            typer.echo(f"{terminal(step.part, _MAX_LINE)}: {terminal(step.done, _MAX_LINE)}")


@commands.command(epilog="Example: benchmark-recorder vertex check --project genesis-production")
def check(  # noqa: PLR0913 - options
    ctx: typer.Context,
    project: Project,
    location: Location = LOCATION,
    dataset: Dataset = DATASET,
    table: Table = TABLE,
    *,
    as_json: AsJSON = False,
) -> None:
    """Tell what is missing, and how to mend it; nothing is changed. Exits 4 where something is."""
    with _store(ctx, project, location, dataset, table) as store:
        findings = list(store.check())
    if as_json:
        print_json(store=store.name, findings=[asdict(finding) for finding in findings])
    else:
        for finding in findings:
            state = f"{finding.problem}\n  -> {finding.fix}" if finding.problem else "is as it should be"
            typer.echo("\n".join(terminal(line, _MAX_LINE) for line in f"{finding.part}: {state}".split("\n")))
    if any(finding.problem for finding in findings):
        raise typer.Exit(Code.NO_DATA)


def _store(ctx: typer.Context, project: str, location: str, dataset: str, table: str) -> VertexStore:
    """The store that the options name; who runs the command from Python may give another in ``obj``."""
    if isinstance(ctx.obj, VertexStore):
        return ctx.obj
    return VertexStore(project, location, dataset, table)
