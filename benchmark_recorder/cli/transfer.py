"""``export``: records for other programs."""

from enum import StrEnum
from itertools import chain, count
from typing import Annotated, Any

import typer

from benchmark_recorder.cli.absence import no_data
from benchmark_recorder.cli.app import app
from benchmark_recorder.cli.options import resolved
from benchmark_recorder.cli.output import opened, records
from benchmark_recorder.predecessor import CSV_FIELDS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import Query
from benchmark_recorder.reporting import print_csv, print_json, print_jsonl
from benchmark_recorder.reporting.encoders import terminal


class Format(StrEnum):
    """What an export can be."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"


@app.command(epilog="Example: benchmark-recorder export --format csv --version v2.0 --output v2.csv")
@resolved
def export(
    recorder: BenchmarkRecorder,
    query_with_version: dict[str, Any],
    *,
    format: Annotated[Format, typer.Option(help="json is the form of the store's own file.")] = Format.CSV,  # noqa: A002
    output: Annotated[str, typer.Option(metavar="FILE", help="Where to write it; - is the terminal.")] = "-",
) -> None:
    """Export records: JSON with every field of theirs, CSV with those that we know."""
    query = Query.of(**query_with_version)
    documents = recorder.store.documents(query)
    first = next(documents, None)
    if first is None:
        no_data(recorder, query.versions or ())
    with opened(output, recorder) as file:
        if format is Format.CSV:
            columns = recorder.store.scan(query, CSV_FIELDS)
            written = len(columns[CSV_FIELDS[0]])
            print_csv(columns, file)
        else:
            numbers = count(1)
            numbered = zip(chain([first], documents), numbers, strict=False)
            write = print_json if format is Format.JSON else print_jsonl
            write((document for document, _ in numbered), file)
            written = next(numbers) - 1
    if output != "-":
        typer.echo(f"wrote {records(written)} to {terminal(output)}", err=True)
