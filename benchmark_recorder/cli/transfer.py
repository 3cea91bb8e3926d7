"""``export`` and ``import``: records for other programs, and from them."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from benchmark_recorder.cli.absence import no_data
from benchmark_recorder.cli.app import Code, app, complain
from benchmark_recorder.cli.options import AsJSON, resolved
from benchmark_recorder.cli.output import form_of, opened, print_json, records
from benchmark_recorder.config import effective_settings
from benchmark_recorder.exchange import export_records, import_file
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.reporting.encoders import terminal


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
    recorder: BenchmarkRecorder,
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
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write it; - is the terminal.")] = "-",
) -> None:
    """Export records, or figures for other programs.

    JSON has every field of theirs, CSV those that we know.
    """
    query = Query.of(**query_with_version)
    form = form_of(format, output, FORMS, Format.CSV)
    if form in {Format.SMALLER, Format.BIGGER} and len(query.versions or ()) != 1:
        raise typer.BadParameter(f"{form.value} tells the figures of one version; name it", param_hint="--version")
    if next(recorder.store.documents(query), None) is None:
        no_data(recorder, query.versions or ())
    with opened(output, recorder) as file:
        written = export_records(recorder.store, file, form.value, query)
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
