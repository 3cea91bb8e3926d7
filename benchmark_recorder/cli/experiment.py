"""``experiment check`` and ``experiment list``."""

from typing import Annotated, Any

import typer

from benchmark_recorder.cli.app import app
from benchmark_recorder.cli.decide import margins_of
from benchmark_recorder.cli.options import resolved
from benchmark_recorder.cli.output import Answer
from benchmark_recorder.codes import Code
from benchmark_recorder.history import History

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at experiments.")
app.add_typer(commands, name="experiment")


@commands.command(epilog="Example: benchmark-recorder experiment check router-v2")
@resolved
def check(
    history: History,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the experiment.")],
    query: dict[str, Any],
    *,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="Let time, failures, ... decide alone.")] = None,
    margin: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=SHARE", help="Changes below it do not matter. May be repeated.")
    ] = None,
) -> Answer:
    """Say whether to go on (exit 3), who wins, or what is broken (exit 0)."""
    found = history.check_experiment(name, metric, margins=margins_of(margin), **query)
    code = {"continue": Code.INCONCLUSIVE, "no_data": Code.NO_DATA}.get(found.state, Code.FINE)
    return Answer({"experiment": found}, found, (), True, code)  # noqa: FBT003


@commands.command("list", epilog="Example: benchmark-recorder experiment list")
@resolved
def list_(history: History, query: dict[str, Any]) -> Answer:
    """List the experiments that runs name, with their plans."""
    found = history.list_experiments(**query)
    return Answer({"experiments": found.experiments}, found, (), True)  # noqa: FBT003
