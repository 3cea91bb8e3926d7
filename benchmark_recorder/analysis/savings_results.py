"""Suggestions where money can be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark_recorder.analysis.results import Caveat, Estimate, Result


@dataclass(frozen=True, slots=True)
class Suggestion(Result):
    """A way to save money.

    Attributes:
        kind: ``"model"`` or ``"agent"`` (another one on some tasks), ``"failures"``, ``"retries"``.
        replaced: the model or agent; the class of the failures; ``None`` for failures without a class.
        by: what would do it instead; ``None`` for failures and retries.
        tasks: tasks that it is about.
        task_ids: the first 1,000 of them.
        difficulty: up to which they are, where not all common tasks are meant.
        runs: that it rests on.
        saving: USD a month; of failures and retries what they cost, which is the most that could be saved.
        success: what happens to the rate of success, as a difference: -0.01 is one point less.
        success_at_worst: its one-sided 95% bound, allowing for the number of suggestions.
        time: what happens to the time, as a fraction.
        strength: ``"evidence"``: success surely falls by less than the margin, and the time does not grow by a tenth;
            or ``"try"``.
        needed: runs on each side that would show it, for ``"try"``.
        command: what tests it, or shows the runs.
    """

    kind: Literal["model", "agent", "failures", "retries"]
    replaced: str | None
    by: str | None
    tasks: int
    task_ids: tuple[str, ...]
    difficulty: float | None
    runs: int
    saving: Estimate
    success: Estimate | None
    success_at_worst: float | None
    time: Estimate | None
    strength: Literal["evidence", "try"]
    needed: int | None
    command: str


@dataclass(frozen=True, slots=True)
class Savings(Result):
    """Where money can be saved.

    Attributes:
        suggestions: the largest saving first.
        days: that the runs are from.
        runs: all.
        cost: USD of them, where known.
        quality_margin: by how much the rate of success may fall.
        warnings: caveats that the reader must know.
    """

    suggestions: tuple[Suggestion, ...]
    days: float
    runs: int
    cost: float
    quality_margin: float
    warnings: tuple[Caveat, ...]
