"""``record``, ``import`` and ``export``: records into the store, and out of it."""

from collections.abc import Collection
from typing import Annotated, Any, Final, Literal

import typer

from benchmark_recorder.cli.app import app, complain, confirm, say_aside
from benchmark_recorder.cli.options import AsJSON, MetadataOption, Output, parse_metadata, resolved
from benchmark_recorder.cli.output import form_of, no_data, opened, print_json, progress, records
from benchmark_recorder.codes import Code
from benchmark_recorder.exchange import FIGURES, WHOLE_FORMS, export_records, import_file
from benchmark_recorder.history import History
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.settings import effective_settings
from benchmark_recorder.stores.completing import completed


@app.command(
    epilog='Example: benchmark-recorder record "Fix CSS" --duration 3.4 --success --version v2.0 --cost 0.00012'
)
@resolved
def record(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's text.")],
    fields: dict[str, Any],
    *,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="How long it took.")],
    version: Annotated[
        str | None, typer.Option(metavar="NAME", help="Version of the orchestrator; default: the configured one.")
    ] = None,
    success: Annotated[bool | None, typer.Option("--success/--failure", help="How it ended; required.")] = None,
    cost: Annotated[float | None, typer.Option(metavar="USD", help="0 if free; default: unknown.")] = None,
    metadata: MetadataOption = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Record it once for each key, version and task, however often it is run."),
    ] = None,
) -> None:
    """Record one execution."""
    if success is None:
        raise typer.BadParameter("say how it ended: --success or --failure")
    recorder.record_execution(
        task,
        duration,
        success,
        version,
        cost=cost,
        metadata=parse_metadata(metadata),
        idempotency_key=idempotency_key,
        **fields,
    )
    if effective_settings().disabled:
        complain("not recorded: recording is switched off (BENCHMARK_RECORDER_DISABLED)")
        return
    confirm(f"recorded in {terminal(recorder.store.name)}")


FORMS: Final = {".csv": "csv", ".jsonl": "jsonl", ".json": "json", ".xml": "junit", ".prom": "prometheus"}
"""An export's form by the ending of its file."""


@app.command(epilog="Example: benchmark-recorder export --format csv --version v2.0 --output v2.csv")
@resolved
def export(
    history: History,
    query_with_version: dict[str, Any],
    *,
    format: Annotated[  # noqa: A002
        Literal["csv", "jsonl", "json", "junit", "prometheus", "customSmallerIsBetter", "customBiggerIsBetter"] | None,
        typer.Option(
            metavar="FORMAT",
            help="csv, jsonl or json (import reads these), junit (one test case per run), prometheus (figures by "
            "version and agent), customSmallerIsBetter or customBiggerIsBetter (for github-action-benchmark; with one "
            "--version). Default: by FILE's ending, else csv.",
        ),
    ] = None,
    all_fields: Annotated[
        bool,
        typer.Option("--all-fields", help="In JSON lines: every field in every line, for readers that infer columns."),
    ] = False,
    output: Output = "-",
) -> None:
    """Export records, or figures for other programs.

    JSON keeps every field, CSV those listed in the documentation.
    """
    form = form_of(format, output, FORMS, "csv")
    if all_fields and form != "jsonl":
        raise typer.BadParameter("only --format jsonl has lines that may lack a field", param_hint="--all-fields")
    query = Query.of(**{"runs": "roots" if form == "prometheus" else "all", **query_with_version})
    if form in FIGURES and len(query.versions or ()) != 1:
        raise typer.BadParameter(f"{form} has the figures of one version; name it", param_hint="--version")
    if next(history.store.documents(query), None) is None:
        no_data(history.store, query.versions or ())
    with opened(output, history.store) as file:
        written = export_records(history.store, file, form, query, all_fields=all_fields)
    if output != "-":
        say_aside(f"wrote {records(written)} to {terminal(output)}")
    if form not in WHOLE_FORMS:
        for note in completed(history.store).summarize(Query()).caveats:
            complain(note.sentence)


def _columns(pairs: Collection[str]) -> dict[str, str]:
    wrong = next((pair for pair in pairs if not all(pair.partition("="))), None)
    if wrong is not None:
        raise typer.BadParameter(f"expected THEIRS=OURS, got {terminal(wrong)}", param_hint="--map")
    return {theirs: ours for theirs, _, ours in (pair.partition("=") for pair in pairs)}


@app.command("import", epilog="Example: benchmark-recorder import runs.jsonl")
@resolved
def import_(  # noqa: PLR0913 - options
    recorder: BenchmarkRecorder,
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="JSON lines, a JSON array, CSV, Parquet, Arrow, our JSON, or a file of pytest-benchmark, hyperfine, "
            "promptfoo, Langfuse or Inspect; recognised by content, also if it is packed. - is standard input.",
        ),
    ],
    *,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="For records without a version; for other tools' files, instead of the commit."
        ),
    ] = None,
    map: Annotated[  # noqa: A002
        list[str] | None,
        typer.Option(metavar="THEIRS=OURS", help="The file's name for a field: latency=duration. May be repeated."),
    ] = None,
    unit: Annotated[
        Literal["s", "ms", "us", "ns"], typer.Option(metavar="UNIT", help="Of durations: s, ms, us or ns.")
    ] = "s",
    scorer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose score says what succeeded (Inspect, Langfuse).")
    ] = None,
    source: Annotated[
        str, typer.Option(metavar="NAME", help="Tells equal records without ids of several files apart: shard-1.")
    ] = "",
    as_new: Annotated[
        bool, typer.Option("--as-new", help="Add records without ids although equal ones are there.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Import records from a file; records that the store already has are not added again.

    The whole file is checked first: if a line is wrong, nothing is imported.
    """
    settings = effective_settings()
    if settings.disabled:
        complain("not imported: recording is switched off (BENCHMARK_RECORDER_DISABLED)")
        return
    with progress(None, "were imported") as report:
        done = import_file(
            path,
            recorder.store,
            version=version,
            columns=_columns(map or ()),
            unit=unit,
            scorer=scorer,
            source=source,
            as_new=as_new,
            keep_text=settings.store_task_text,
            report=report,
        )
    for note in done.notes:
        complain(note)
    if as_json:
        print_json(imported=done)
    else:
        confirm(
            f"{records(done.read)} in {terminal(path)} ({done.form}), {done.new:,} of them new in "
            f"{terminal(recorder.store.name)}"
        )
    if done.refused:
        complain(f"{records(len(done.refused))} refused by the store: {next(iter(done.refused.values()))}")
    if done.refused or not done.read:
        raise typer.Exit(Code.NO_DATA)
