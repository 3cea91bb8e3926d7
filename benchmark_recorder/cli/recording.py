"""``record``: one execution, from a shell."""

from typing import Annotated, Any

import typer

from benchmark_recorder.cli.app import app, complain
from benchmark_recorder.cli.options import MetadataOption, parse_metadata, resolved
from benchmark_recorder.config import effective_settings
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.encoders import terminal


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
