"""``vertex setup`` and ``vertex check``: the one-time set-up of the Vertex AI store."""

from dataclasses import asdict
from typing import Annotated, Final

import typer

from benchmark_recorder.cli.app import Code, app
from benchmark_recorder.cli.options import AsJSON
from benchmark_recorder.cli.output import print_json
from benchmark_recorder.reporting.encoders import terminal
from benchmark_recorder.stores.vertex import DATASET, LOCATION, TABLE, VertexStore

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
