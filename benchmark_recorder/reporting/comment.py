"""A gate as the body of a comment on a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.reporting.decisions import gate_page
from benchmark_recorder.reporting.markdown import render_markdown

if TYPE_CHECKING:
    from benchmark_recorder.analysis import GateResult

MARKER: Final = "<!-- benchmark-recorder: gate -->"
"""The first line, which readers do not see: by it a bot finds its comment again, to replace it."""

MOST_BYTES: Final = 65_536
"""Of a body: GitHub takes so many characters."""

_CUT: Final = "The rest of the gate's page did not fit here.\n"


def gate_comment(result: GateResult) -> str:
    """The marker, and as many whole parts of the gate's page as there is room for."""
    body = f"{MARKER}\n"
    for block in gate_page(result):
        longer = f"{body}\n{render_markdown((block,))}"
        if len(longer.encode()) + len(_CUT) + 1 > MOST_BYTES:
            return f"{body}\n{_CUT}"
        body = longer
    return body
