"""Nothing was found: why, and what there is instead."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import AsJSON, resolved, two_versions
from benchmark_recorder.cli.output import form_of, opened, print_json, print_page, print_text
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.stores.json_file import JSONFileStore

if TYPE_CHECKING:
    from benchmark_recorder.analysis import Comparison, JointComparison, Summary

MOST_NAMED: Final = 10
"""Versions that are listed; more of them are counted."""
_MOST_OF_NAME: Final = 60


def no_data(recorder: BenchmarkRecorder, versions: Sequence[str] = ()) -> NoReturn:
    """Say why nothing was found, and end so.

    Args:
        recorder: that was asked.
        versions: that were asked for, if any were.
    """
    store = recorder.store
    place = store.name
    known = sorted({cell.version for cell in store.summarize(Query()).cells})
    unknown = [version for version in dict.fromkeys(versions) if version not in known]
    if isinstance(store, JSONFileStore) and not store.path.exists():
        complain(f"{place}: there is no such file")
    elif not known:
        complain(f"there are no records in {place}")
    elif unknown:
        which = f"version {_named(unknown)}" if len(unknown) == 1 else f"the versions {_named(unknown)}"
        complain(f"there are no runs of {which} in {place}; there are {_named(known)}")
    else:
        complain(f"no records match in {place}")
    raise typer.Exit(Code.NO_DATA)


def _named(names: Sequence[str]) -> str:
    shown = [name if len(name) <= _MOST_OF_NAME else f"{name[:_MOST_OF_NAME]}…" for name in names[:MOST_NAMED]]
    return ", ".join([*shown, *([f"{len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else [])])


class Scope(StrEnum):
    """What a comparison is about."""

    SUITE = "suite"
    TASKS = "tasks"


Baseline = Annotated[str, typer.Argument(metavar="V1", help="The baseline.")]
Candidate = Annotated[str, typer.Argument(metavar="V2", help="The candidate.")]
ScopeOption = Annotated[
    Scope, typer.Option(help="suite: these tasks are all that matters; tasks: they stand for others of their kind.")
]


LISTED: Final = ("version", "count", "tasks", "success_rate", "mean", "total_cost", "first", "last")
"""What ``list --json`` says about a version, under the names of ``Summary``; the times as ISO 8601."""
FORMS: Final = {".md": "markdown", ".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}
"""A report's form by the ending of its file."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@app.command("list", epilog="Example: benchmark-recorder list --last-days 30")
@resolved
def list_versions(recorder: BenchmarkRecorder, query_with_version: dict[str, Any], *, as_json: AsJSON = False) -> None:
    """List the versions with their counts."""
    from benchmark_recorder.analysis import summarize_version
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.reporting.version_pages import list_page

    cells = recorder.store.summarize(Query.of(**query_with_version))
    versions = sorted({cell.version for cell in cells.cells})
    summaries = [summarize_version(version, Cells(cells.of(version))) for version in versions]
    summaries.sort(key=lambda summary: summary.first or 0)
    if as_json:
        print_json(versions=[_listed(summary) for summary in summaries])
    elif summaries:
        print_page(list_page(summaries))
    if not summaries:
        no_data(recorder, query_with_version.get("version", ()))


def _listed(summary: "Summary") -> dict[str, Any]:
    listed = {name: summary[name] for name in LISTED}
    return listed | {name: _iso(listed[name]) for name in ("first", "last")}


def _iso(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")


@app.command(epilog="Example: benchmark-recorder show v2.0 --last-days 30")
@resolved
def show(
    recorder: BenchmarkRecorder,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Which version.")],
    query: dict[str, Any],
    *,
    as_json: AsJSON = False,
) -> None:
    """Show the figures of one version, each with its interval."""
    from benchmark_recorder.reporting.version_pages import summary_page

    summary = recorder.get_historical_metrics(version, **query)
    if as_json:
        print_json(summary=summary)
    else:
        print_page(summary_page(summary))
    if not summary.count:
        no_data(recorder, [version])


@app.command(epilog="Example: benchmark-recorder compare v1.0 v2.0 --metric execution_time")
@resolved
def compare(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    v1: Baseline,
    v2: Candidate,
    query: dict[str, Any],
    *,
    metric: Annotated[
        str | None,
        typer.Option(
            help="execution_time, success_rate, failure_rate, cost or routing_accuracy; the usual four unless given."
        ),
    ] = None,
    scope: ScopeOption = Scope.SUITE,
    margin: Annotated[
        float | None,
        typer.Option(help="A smaller change does not matter: 0.05 is 5 %, or 5 points. Only with --metric."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Compare a candidate with a baseline: effect, interval, verdict."""
    from benchmark_recorder.reporting.comparison_pages import comparison_page, joint_page
    from benchmark_recorder.reporting.task_texts import task_texts

    two_versions(v1, v2)
    if metric is None:
        if margin is not None:
            raise typer.BadParameter("each metric has its own: name one with --metric", param_hint="--margin")
        joint = recorder.compare_all(v1, v2, scope=scope.value, **query)
        compared = tuple(joint.comparisons.values())
        page = joint_page(joint, task_texts(recorder.store.scan, compared))
        answer: Comparison | JointComparison = joint
    else:
        comparison = recorder.compare_versions(v1, v2, metric, scope=scope.value, margin=margin, **query)
        compared = (comparison,)
        page = comparison_page(comparison, task_texts(recorder.store.scan, compared))
        answer = comparison
    if as_json:
        print_json(comparison=answer)
    else:
        print_page(page)
    if any(warning.code == "unknown_version" for warning in answer.warnings):
        no_data(recorder, [v1, v2])
    if not any(c.v1_count and c.v2_count for c in compared):
        raise typer.Exit(Code.NO_DATA)


@app.command(epilog="Example: benchmark-recorder report v1.0 v2.0 --last-days 7 --format markdown")
@resolved
def report(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    versions: Annotated[list[str], typer.Argument(metavar="VERSION", help="One or more, oldest first.")],
    query: dict[str, Any],
    *,
    format: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(help="text, markdown, html, json or csv; by FILE's ending unless given, else text.")
    ] = None,
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write it; - is the terminal.")] = "-",
    gate: Annotated[bool, typer.Option("--gate", help="End as `gate` does on the last two versions.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Report on versions, each compared with the one before it."""
    if gate and len(versions) < 2:
        raise typer.BadParameter("a gate needs two versions", param_hint="--gate")
    form = "json" if as_json else form_of(format, output, FORMS, "text")
    text = recorder.generate_report(versions, form, **query)
    if output == "-" and form == "html":
        typer.echo(text, nl=False)
    elif output == "-":
        print_text(text if text.endswith("\n") else f"{text}\n")
    else:
        with opened(output, recorder) as file:
            file.write(text)
    if not recorder.get_historical_metrics(versions, **query).count:
        no_data(recorder, versions)
    if gate:
        result = recorder.check_gate(versions[-2], versions[-1], **query)
        complain(result.sentence)
        raise typer.Exit(result.exit_code)
