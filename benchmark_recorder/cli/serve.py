"""``serve``: the live page."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark_recorder.cli.app import app, confirm
from benchmark_recorder.cli.options import resolved
from benchmark_recorder.history import History


@app.command(epilog="Example: benchmark-recorder serve --last-days 7")
@resolved
def serve(
    history: History,
    *,
    port: Annotated[int, typer.Option(metavar="NUMBER", min=0, max=65535, help="0: any that is free.")] = 8787,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Of this machine; others can reach it only if not a loopback address."),
    ] = "127.0.0.1",
    version: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="The baseline first; default: the latest two. May be repeated."),
    ] = None,
    last_days: Annotated[float, typer.Option(metavar="DAYS", help="Only the last so many days.")] = 7.0,
) -> None:
    """Serve a page that shows how the versions are doing now, until Ctrl-C."""
    from benchmark_recorder.serve.running import serve as run
    from benchmark_recorder.serve.sections import View

    view = View.of(version or (), last_days, "")
    run(history, view, host=host, port=port, folder=Path(typer.get_app_dir("benchmark-recorder")), say=confirm)
