"""``doctor``, ``prune``, ``rename-version`` and ``vertex``: is the store sound, and what is in it?"""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import app, complain, confirm
from benchmark_recorder.cli.options import AsJSON, resolved
from benchmark_recorder.cli.output import interruptible, no_data, print_json, records
from benchmark_recorder.codes import Code
from benchmark_recorder.errors import InvalidQueryError, StoreError, without_secrets
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.settings import Settings, effective_settings
from benchmark_recorder.stores.base import Store
from benchmark_recorder.stores.cursors import cursor_files_of
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.json_file.taking_over import take_over_behind
from benchmark_recorder.stores.vertex import DATASET, LOCATION, TABLE, VertexStore

WHOLE: Final = "the file is replaced as a whole or not at all; re-running is safe"
"""Said where rewriting it is interrupted."""


@app.command(epilog="Example: benchmark-recorder doctor --repair")
@resolved
def doctor(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    place: dict[str, str | None],
    *,
    connect: Annotated[bool, typer.Option("--connect/--no-connect", help="Try the server.")] = True,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair truncated records, damaged lines and duplicates."),
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Convert a file of an older format now, rather than behind appends.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Show the state of the file and the server, and the settings in force. Exits 5 if there are problems.

    Nothing is changed without --repair or --take-over.
    """
    store = _json_file(recorder.store)
    with interruptible(WHOLE):
        if take_over:
            _take_over(store.name)
        repaired = {name: _plain(value) for name, value in asdict(store.repair()).items()} if repair else {}
    inspection = asdict(store.inspect())
    settings = _settings(place)
    condition = recorder.store.condition()
    delivery = {} if condition is None else {name: _plain(value) for name, value in asdict(condition).items()}
    problems = [inspection["problem"]]
    for trouble in _troubles_of_alerts(store):
        complain(f"alerts: {trouble}")
        problems.append(trouble)
    if condition is not None:
        delivery["question"], is_down = _outcome_of_a_question(recorder.store) if connect else ("not asked", False)
        since = "" if condition.failing_since is None else f" since {condition.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        if is_down or since:
            complain(
                f"{recorder.store.name} is down{since}: {delivery['question'] if is_down else condition.last_error}"
            )
        problems += [is_down, condition.failing_since, condition.quarantined, condition.elsewhere]
    if as_json:
        print_json(file=inspection, delivery=delivery or None, repaired=repaired or None, settings=settings)
    else:
        _print_facts("file", inspection if inspection["exists"] else {"path": store.name, "exists": False})
        if delivery:
            _print_facts("delivery", delivery)
        if repaired:
            _print_facts("repaired", repaired)
        _print_facts("settings", {name: f"{_setting(s['value'])} ({s['origin']})" for name, s in settings.items()})
    if not inspection["exists"]:
        complain(f"{store.name}: there is no such file yet; the first record creates it")
    _advise(inspection, store.name)
    if any(problems):
        raise typer.Exit(Code.PROBLEMS)


def _troubles_of_alerts(store: JSONFileStore) -> list[str]:
    """What keeps alerts from arriving, asked only where somebody watches."""
    if not (Path(f"{store.name}.d") / "alerts.json").exists():
        return []
    from benchmark_recorder.alerts.state import problems_of

    return problems_of(store.name)


def _take_over(path: str) -> None:
    """Convert a file of an older format now."""
    if Path(path).exists() and not take_over_behind(path):
        complain(f"{path}: another process is converting it; try again later")


def _advise(inspection: Mapping[str, Any], path: str) -> None:
    """Say which command mends what was found."""
    if inspection["damaged"] or inspection["unseparated"] or inspection["duplicates"]:
        complain(f"to repair the file: benchmark-recorder doctor --repair --store {shlex.quote(path)}")
    if inspection["beside"]:
        complain(
            f"{records(inspection['beside'])} beside the file, and counted, until it is converted: benchmark-recorder "
            f"doctor --take-over --store {shlex.quote(path)}"
        )


def _outcome_of_a_question(store: Store) -> tuple[str, bool]:
    """What comes of a question to the remote store, one whose answer is empty; and whether it fails."""
    remote: Store = getattr(store, "remote", store)
    try:
        remote.summarize(Query.of(version="doctor"))
    except StoreError as error:
        return str(error), True
    return remote.limitation or "answered", False


_LABELS: Final = {
    "form": "format",
    "torn": "truncated bytes",
    "damaged": "invalid lines",
    "unseparated": "missing commas",
    "duplicates": "duplicate records",
    "keyed": "ids from keys",
    "beside": "waiting beside",
    "sidecar": "cache",
}
"""How people read the names of an inspection."""


def _print_facts(heading: str, facts: Mapping[str, Any]) -> None:
    """One name and value per line; a path is never cut or wrapped, so that it can be copied."""
    typer.echo(heading)
    for name, value in facts.items():
        typer.echo(f"  {_LABELS.get(name, name):<17} {terminal(_shown(value), 4096)}")


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case dict():
            return "; ".join(f"{count:,} wait for {name}" for name, count in value.items()) or "none"
        case tuple() | list():
            return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _setting(value: object) -> str:
    """A value as it was set; a table is shown as TOML does, without quotes."""
    if isinstance(value, Mapping):
        items = ((name, _setting(item), isinstance(item, Mapping)) for name, item in value.items())
        return (
            ", ".join(f"{name} = {{{text}}}" if inner else f"{name} = {text}" for name, text, inner in items) or "none"
        )
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _shown(value)


def _plain(value: object) -> object:
    return value if isinstance(value, int | Mapping | None) else str(value)


def _settings(place: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Each setting in force and where it came from, secrets hidden."""
    settings = effective_settings(**place)
    origins = dict(settings.origins)
    values = {f.name: getattr(settings, f.name) for f in fields(Settings) if f.name != "origins"}
    rules = values["alerts"].get("rules", ())
    # A table in which somebody may have put a secret.
    values["alerts"] = f"{len(rules)} rule{'' if len(rules) == 1 else 's'}" if rules else None
    shown = {name: without_secrets(value) if isinstance(value, str) else value for name, value in values.items()}
    return {name: {"value": value, "origin": origins.get(name, "default")} for name, value in shown.items()}


@app.command(epilog="Example: benchmark-recorder prune --older-than 90 --yes")
@resolved
def prune(
    recorder: BenchmarkRecorder,
    *,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Remove records older than so many days.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Remove records from before this time (ISO 8601).")
    ] = None,
    version: Annotated[str | None, typer.Option(metavar="NAME", help="Remove records of this version.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it, only count them.")] = False,
) -> None:
    """Permanently remove old records, or those of a version, from the file."""
    if older_than is not None and before is not None:
        raise typer.BadParameter("give either --older-than or --before")
    if older_than is None and before is None and version is None:
        raise typer.BadParameter("give --older-than, --before or --version")
    try:
        limit = Query.of(since=before, last_days=older_than).since
    except InvalidQueryError as error:
        option = "--older-than" if before is None else "--before"
        raise InvalidQueryError(f"{option}:{str(error).partition(':')[2]}") from error
    store = _json_file(recorder.store) if version is None else _own_file(recorder.store)
    count = 0 if yes and version is None else _count(store, version, limit)
    if version is not None and not count:
        no_data(store, [version])
    if yes:
        with interruptible(WHOLE):
            removed = store.prune(limit, version=version)
        confirm(f"removed {records(removed)} from {terminal(store.name)}")
        return
    (verb, them), of_version = ("is", "it") if count == 1 else ("are", "them"), f"of version {version}"
    which = (
        terminal(of_version)
        if limit is None
        else "that old"
        if version is None
        else f"that old and {terminal(of_version)}"
    )
    typer.echo(f"{records(count)} in {terminal(store.name)} {verb} {which}; remove {them} for good with --yes")


@app.command("rename-version", epilog="Example: benchmark-recorder rename-version v1.0 v1 --yes")
@resolved
def rename_version(
    recorder: BenchmarkRecorder,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name that its records get.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Rename it; without it, only count its records.")] = False,
) -> None:
    """Give all records of a version another version's name in the file."""
    store = _own_file(recorder.store)
    count, there = _count(store, old), _count(store, new)
    if old == new:
        raise typer.BadParameter("the same name twice", param_hint="NEW")
    if not count:
        no_data(store, [old])
    if there:
        complain(f"{new} has {records(there)} already: nothing will tell them apart from those of {old}")
    if yes:
        with interruptible(WHOLE):
            renamed = store.rename_version(old, new)
        confirm(f"renamed {records(renamed)} from {terminal(old)} to {terminal(new)} in {terminal(store.name)}")
    else:
        typer.echo(f"{records(count)} in {terminal(store.name)}: rename with --yes")


def _count(store: JSONFileStore, version: str | None, before: int | None = None) -> int:
    versions = None if version is None else (version,)
    return len(store.scan(Query(versions=versions, until=before, runs="all"), ("version",))["version"])


def _json_file(store: Store) -> JSONFileStore:
    """The file that records go to first: the store itself, or a remote one's journal."""
    store = getattr(store, "journal", store)
    if not isinstance(store, JSONFileStore):  # a third party's store
        raise typer.BadParameter(f"{terminal(store.name)} is not a JSON file: this command works on JSON files only")
    return store


def _own_file(store: Store) -> JSONFileStore:
    """The file that has all records of a version: the store itself."""
    if not isinstance(store, JSONFileStore):
        raise typer.BadParameter(
            f"{terminal(store.name)} is not a JSON file, and versions are renamed and removed in JSON files only: use "
            "the server's own tools (the field is called version), or copy the records first: benchmark-recorder sync "
            "--from URL --to FILE"
        )
    for cursor in filter(None, (file.read() for file in cursor_files_of(store.name))):
        complain(f"what was delivered to {cursor.remote} stays there as it is")
    return store


commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(commands, name="vertex")

Project = Annotated[str, typer.Option("--project", help="Google Cloud project.")]
Location = Annotated[str, typer.Option("--location", help="Region of the dataset and the feature group.")]
Dataset = Annotated[str, typer.Option("--dataset", help="BigQuery dataset.")]
Table = Annotated[str, typer.Option("--table", help="Its table; the feature group has the same name.")]

_MAX_LINE: Final = 1000


@commands.callback()
def vertex() -> None:
    """Set up and check the Vertex AI store.

    The store is a BigQuery table that is registered as a feature group.
    """


@commands.command(epilog="Example: benchmark-recorder vertex setup --project my-project --dry-run")
def setup(  # noqa: PLR0913 - options
    ctx: typer.Context,
    project: Project,
    location: Location = LOCATION,
    dataset: Dataset = DATASET,
    table: Table = TABLE,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be created, and create nothing.")
    ] = False,
) -> None:
    """Create the dataset, table, feature group and features that are missing.

    Running it again changes nothing.
    """
    with _store(ctx, project, location, dataset, table) as store:
        for step in store.set_up(dry_run=dry_run):
            line = f"{terminal(step.part, _MAX_LINE)}: {terminal(step.done, _MAX_LINE)}"
            typer.echo(line) if dry_run else confirm(line)


@commands.command(epilog="Example: benchmark-recorder vertex check --project my-project")
def check(  # noqa: PLR0913 - options
    ctx: typer.Context,
    project: Project,
    location: Location = LOCATION,
    dataset: Dataset = DATASET,
    table: Table = TABLE,
    *,
    as_json: AsJSON = False,
) -> None:
    """Show what is missing and how to fix it, and change nothing. Exits 4 if anything is missing."""
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
    """The store that the options name; code that runs the command from Python may pass another in ``obj``."""
    if isinstance(ctx.obj, VertexStore):
        return ctx.obj
    return VertexStore(project, location, dataset, table)
