"""A gate inside GitHub Actions: annotations for its verdicts, and the job's summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmark_recorder.reporting.decisions import gate_page
from benchmark_recorder.reporting.encoders import visible, workflow_message, workflow_property
from benchmark_recorder.reporting.markdown import render_markdown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.analysis import GateResult

MOST_BYTES: Final = 900 * 1024
"""Of a job summary; GitHub takes none of it beyond 1,024 KiB."""


def commands(result: GateResult) -> Iterator[str]:
    """Workflow commands: an error where the gate fails the job, warnings for what it only tells."""
    if result.exit_code or result.state in {"warn", "inconclusive"}:
        yield _command("error" if result.exit_code else "warning", f"Benchmark gate: {result.state}", result.sentence)
    if result.state != "warn":
        for alert in result.alerts:
            yield _command("warning", "Benchmark alert", alert.sentence)


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={workflow_property(visible(title))}::{workflow_message(visible(message, 1000))}"


def append_summary(result: GateResult, environment: Mapping[str, str]) -> None:
    """Append the gate's page to the job's summary, inside GitHub Actions and if there is room.

    Raises:
        OSError: the summary cannot be written.
    """
    place = environment.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    text = render_markdown(gate_page(result)).encode()
    with Path(place).open("ab") as file:
        room = MOST_BYTES - os.fstat(file.fileno()).st_size
        file.write(text if len(text) <= room else b"\nThe benchmark gate's page did not fit here.\n")
