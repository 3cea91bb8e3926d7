"""``list``, ``show``, ``compare`` and ``report``: what happened, and how versions compare."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import app, complain
from benchmark_recorder.cli.options import (
    AllowPartial,
    AsJSON,
    By,
    Latest,
    Method,
    OptionalBaseline,
    OptionalCandidates,
    OptionalVersion,
    Output,
    Scope,
    Sequential,
    check_different,
    latest,
    resolved,
)
from benchmark_recorder.cli.output import Answer, form_of, knows_versions, no_data, write_text
from benchmark_recorder.codes import Code
from benchmark_recorder.history import History
from benchmark_recorder.reporting.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from benchmark_recorder.analysis import Comparison, JointComparison, Summary


LISTED: Final = ("version", "count", "tasks", "success_rate", "mean", "p50", "mean_cost", "total_cost", "first", "last")
"""What ``list --json`` says about a version, under the names of ``Summary``; the times as ISO 8601."""
FORMS: Final = {
    ".txt": "text",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
    ".csv": "csv",
}
"""A report's form by the ending of its file."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@app.command("list", epilog="Example: benchmark-recorder list --last-days 30")
@resolved
def list_versions(history: History, query_with_version: dict[str, Any]) -> Answer:
    """List the versions in the order of their first runs."""
    found = history.versions(**query_with_version)
    for note in found.warnings:
        complain(note.sentence)
    return Answer(
        {
            "versions": [_listed(summary) for summary in found.values()],
            "future": found.future,
            "warnings": found.warnings,
        },
        found,
        query_with_version.get("version", ()),
        found=bool(found),
    )


def _listed(summary: "Summary") -> dict[str, Any]:
    listed = {name: summary[name] for name in LISTED}
    return listed | {name: _iso(listed[name]) for name in ("first", "last")}


def _iso(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")


@app.command(epilog="Example: benchmark-recorder show v2.0 --last-days 30")
@resolved
def show(
    history: History,
    query: dict[str, Any],
    *,
    version: OptionalVersion = None,
    by: By = None,
    scope: Scope = "suite",
) -> Answer:
    """Show the figures of one version, each with its interval."""
    if version is None:
        (version,) = latest(history, 1, query)
    if by is not None:
        groups = history.get_historical_metrics(version, by=by, scope=scope, **query)
        listed = [{"group": group, "summary": summary} for group, summary in groups.items()]
        return Answer({"by": by, "groups": listed}, groups, [version], found=bool(groups))
    summary = history.get_historical_metrics(version, scope=scope, **query)
    return Answer({"summary": summary}, summary, [version], found=summary.count > 0)


@app.command(epilog="Example: benchmark-recorder compare v1.0 v2.0 --metric execution_time")
@resolved
def compare(  # noqa: PLR0913 - options
    history: History,
    query: dict[str, Any],
    *,
    v1: OptionalBaseline = None,
    v2: OptionalCandidates = None,
    number: Latest = None,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="time, success, failures, cost, routing, input_tokens, output_tokens, or a statistic: p95, time.mean, "
            "cost.median; default: time, failures, cost and routing.",
        ),
    ] = None,
    by: By = None,
    scope: Scope = "suite",
    method: Method = "auto",
    sequential: Sequential = False,
    margin: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Changes below it do not matter: 0.05 is 5%, or 5 points; needs --metric."),
    ] = None,
) -> Answer:
    """Compare a candidate, or several, with a baseline: effect, interval, verdict."""
    if v1 is not None and number:
        raise typer.BadParameter("name versions, or give --latest, not both", param_hint="--latest")
    if v1 is None:
        v1, *v2 = latest(history, number or 2, query)
    if not v2:
        raise typer.BadParameter("name two versions, or none for the latest two", param_hint="V2")
    if len(v2) > 1:
        if (metric, by, margin, sequential) != (None, None, None, False):
            raise typer.BadParameter(
                "several candidates are compared on all metrics, at one look: leave out --metric, --by, --margin and "
                "--sequential"
            )
        return _compare_each(history, v1, v2, {"scope": scope, "method": method, **query})
    (candidate,) = v2
    check_different(v1, candidate)
    asked: dict[str, Any] = {"scope": scope, "method": method, "sequential": sequential, **query}
    if by is not None:
        sliced = history.compare_versions(v1, candidate, metric or "execution_time", by=by, margin=margin, **asked)
        code = Code.FINE if sliced.slices else Code.NO_DATA
        found = bool(sliced.slices or sliced.only_v1 or sliced.only_v2)
        return Answer({"comparison": sliced}, sliced, [v1, candidate], found, code)
    answer: Comparison | JointComparison
    if metric is not None:
        answer = comparison = history.compare_versions(v1, candidate, metric, margin=margin, **asked)
        compared: Collection[Comparison] = [comparison]
    elif margin is not None:
        raise typer.BadParameter("each metric has its own: name one with --metric", param_hint="--margin")
    else:
        answer = joint = history.compare_all(v1, candidate, **asked)
        compared = joint.comparisons.values()
    return Answer({"comparison": answer}, answer, [v1, candidate], knows_versions(answer), _code(compared))


def _compare_each(history: History, v1: str, candidates: "Sequence[str]", asked: dict[str, Any]) -> Answer:
    each = history.compare_each(v1, candidates, **asked)
    compared = [one for joint in each.comparisons.values() for one in joint.comparisons.values()]
    return Answer({"comparison": each}, each, [v1, *candidates], knows_versions(each), _code(compared))


def _code(compared: "Collection[Comparison]") -> Code:
    """Whether there was something to compare."""
    return Code.FINE if any(one.v1_count and one.v2_count for one in compared) else Code.NO_DATA


@app.command(epilog="Example: benchmark-recorder report v1.0 v2.0 --last-days 7 --format markdown")
@resolved
def report(  # noqa: PLR0913 - options
    history: History,
    query: dict[str, Any],
    *,
    versions: Annotated[
        list[str] | None, typer.Argument(metavar="[VERSION]...", help="Oldest first; default: the latest two.")
    ] = None,
    number: Latest = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compare each with this version, not with the one before.")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(metavar="FORMAT", help="text, markdown, html, json or csv; default: FILE's ending."),
    ] = None,
    output: Output = "-",
    by: By = None,
    send: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL", help="Send it: mailto:ADDRESS, slack:VARIABLE, webhook:VARIABLE. May be repeated."
        ),
    ] = None,
    sequential: Sequential = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit like `gate` on the last two versions.")] = False,
    allow_partial: AllowPartial = False,
    as_json: AsJSON = False,
) -> None:
    """Report on versions, each compared with the one before it."""
    if versions and number:
        raise typer.BadParameter("name versions, or give --latest, not both", param_hint="--latest")
    versions = versions or latest(history, number or 2, query, least=number or 1)
    if gate and len(versions) < 2:
        raise typer.BadParameter("a gate needs two versions", param_hint="--gate")
    form = "json" if as_json else form_of(format, output, FORMS, "text")
    asked = {"by": by, "baseline": baseline, "sequential": sequential, **query}
    text = history.generate_report(versions, form, **asked)
    if send is None or output != "-":
        write_text(text, output, history.store)
    if not history.get_historical_metrics(versions, **query).count:
        no_data(history.store, versions)
    if send is not None:
        from benchmark_recorder.cli.watch import send_to

        plain = text if form in {"text", "markdown"} else history.generate_report(versions, **asked)
        html = text if form == "html" else None
        send_to(send, "report", f"Benchmark report: {', '.join(visible(v, 60) for v in versions[-3:])}", plain, html)
    if gate:
        result = history.check_gate(
            versions[-2], versions[-1], allow_partial=allow_partial, sequential=sequential, **query
        )
        complain(result.sentence)
        raise typer.Exit(result.exit_code)
