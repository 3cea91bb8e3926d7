"""``record``, ``import`` and ``export``: records into the store, and out of it."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import AsJSON, MetadataOption, Output, parse_metadata, resolved
from benchmark_recorder.cli.output import form_of, no_data, opened, print_json, records
from benchmark_recorder.config import effective_settings
from benchmark_recorder.exchange import export_records, import_file
from benchmark_recorder.history import History
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.reporting.escaping import terminal


@app.command(
    epilog='Example: benchmark-recorder record "Fix CSS" --duration 3.4 --success --version v2.0 --cost 0.00012'
)
@resolved
def record(  # noqa: PLR0913 - one option for each field
    recorder: BenchmarkRecorder,
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's text.")],
    *,
    duration: Annotated[float, typer.Option(metavar="SECONDS", help="How long it took.")],
    version: Annotated[str, typer.Option(help="Of the orchestrator.")],
    success: Annotated[
        bool | None, typer.Option("--success/--failure", help="How it ended; one must be given.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The agent that was selected.")] = None,
    expected_agent: Annotated[str | None, typer.Option(help="The agent that would have been right.")] = None,
    cost: Annotated[float | None, typer.Option(metavar="USD", help="0 where free; unknown unless given.")] = None,
    difficulty: Annotated[float | None, typer.Option(help="From 0 to 1.")] = None,
    task_id: Annotated[str | None, typer.Option(help="Made from the task's text unless given.")] = None,
    error_type: Annotated[str | None, typer.Option(help="The class of the failure.")] = None,
    model: Annotated[str | None, typer.Option(help="The language model.")] = None,
    input_tokens: Annotated[int | None, typer.Option(help="Read by the model.")] = None,
    output_tokens: Annotated[int | None, typer.Option(help="Written by the model.")] = None,
    timestamp: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; now unless given.")] = None,
    metadata: MetadataOption = None,
) -> None:
    """Record one execution."""
    if success is None:
        raise typer.BadParameter("say how it ended: --success or --failure")
    known: dict[str, Any] = {
        "expected_agent": expected_agent,
        "task_id": task_id,
        "error_type": error_type,
        "model": model,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "timestamp": timestamp,
    }
    recorder.record_execution(
        task, duration, success, version, agent, cost, difficulty, parse_metadata(metadata), **known
    )
    if effective_settings().disabled:
        complain("not recorded: recording is switched off (BENCHMARK_RECORDER_DISABLED)")
        return
    typer.echo(f"recorded in {terminal(recorder.store.name)}")


class Format(StrEnum):
    """What an export can be."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    JUNIT = "junit"
    SMALLER = "customSmallerIsBetter"
    BIGGER = "customBiggerIsBetter"


FORMS: Final = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".json": Format.JSON, ".xml": Format.JUNIT}
"""An export's form by the ending of its file."""


@app.command(epilog="Example: benchmark-recorder export --format csv --version v2.0 --output v2.csv")
@resolved
def export(
    history: History,
    query_with_version: dict[str, Any],
    *,
    format: Annotated[  # noqa: A002
        Format | None,
        typer.Option(
            help="By FILE's ending unless given, else csv. csv, jsonl and json (the form of the store's own file) can "
            "be imported; junit has a test case for each run; the last two are what github-action-benchmark calls its "
            "tool, and take one --version."
        ),
    ] = None,
    output: Output = "-",
) -> None:
    """Export records, or figures for other programs.

    JSON has every field of theirs, CSV those that we know.
    """
    query = Query.of(**query_with_version)
    form = form_of(format, output, FORMS, Format.CSV)
    if form in {Format.SMALLER, Format.BIGGER} and len(query.versions or ()) != 1:
        raise typer.BadParameter(f"{form.value} tells the figures of one version; name it", param_hint="--version")
    if next(history.store.documents(query), None) is None:
        no_data(history, query.versions or ())
    with opened(output, history.store) as file:
        written = export_records(history.store, file, form.value, query)
    if output != "-":
        typer.echo(f"wrote {records(written)} to {terminal(output)}", err=True)


@app.command("import", epilog="Example: benchmark-recorder import runs.jsonl")
@resolved
def import_(
    recorder: BenchmarkRecorder,
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="JSON lines, CSV, our JSON or pytest-benchmark's JSON, told apart by its content.",
        ),
    ],
    *,
    version: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of records that name none; for pytest-benchmark's files instead of the commit."
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Import the records of a file; what is there already is not added again.

    All of the file is checked first: where a line is wrong, nothing is imported.
    """
    settings = effective_settings()
    if settings.disabled:
        complain("not imported: recording is switched off (BENCHMARK_RECORDER_DISABLED)")
        return
    done = import_file(path, recorder.store, version=version, keep_text=settings.store_task_text)
    for note in done.notes:
        complain(note)
    if as_json:
        print_json(imported=done)
    else:
        typer.echo(
            f"{records(done.read)} in {terminal(path)} ({done.form}), {done.new:,} of them new in "
            f"{terminal(recorder.store.name)}"
        )
    if done.refused:
        complain(f"{records(len(done.refused))} refused by the store: {next(iter(done.refused.values()))}")
    if done.refused or not done.read:
        raise typer.Exit(Code.NO_DATA)
