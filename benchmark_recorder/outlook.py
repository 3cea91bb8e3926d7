"""Questions about the time before and ahead: what changed, and what is to be expected."""

from __future__ import annotations

from benchmark_recorder.decisions import Decisions


class Outlook(Decisions):
    """Looks back and ahead over the executions in a store; ``History`` has all questions."""
