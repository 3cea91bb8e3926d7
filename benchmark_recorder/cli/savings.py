"""``savings``: where money can be saved."""

from typing import Annotated, Any, Literal

import typer

from benchmark_recorder.cli.app import app
from benchmark_recorder.cli.load import FORMS
from benchmark_recorder.cli.options import AsJSON, Output, resolved
from benchmark_recorder.cli.output import form_of, no_data, page_text, write_text
from benchmark_recorder.history import History


@app.command(epilog="Example: benchmark-recorder savings --last-days 30")
@resolved
def savings(  # noqa: PLR0913 - options
    history: History,
    query_with_version: dict[str, Any],
    *,
    margin: Annotated[
        float, typer.Option(metavar="SHARE", help="By how much the rate of success may fall: 0.02 is 2 points.")
    ] = 0.02,
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "html", "json"] | None,
        typer.Option(metavar="FORMAT", help="text, markdown, html or json; default: FILE's ending."),
    ] = None,
    output: Output = "-",
    as_json: AsJSON = False,
) -> None:
    """Suggest cheaper models or agents on tasks that both did, and show what failures cost.

    Looks at the last 30 days unless --last-days says otherwise.
    """
    form = "json" if as_json else form_of(format, output, FORMS, "text")
    found = history.suggest_savings(quality_margin=margin, **query_with_version)
    write_text(page_text("savings", found, form), output, history.store)
    if not found.runs:
        no_data(history.store, query_with_version.get("version", ()))
