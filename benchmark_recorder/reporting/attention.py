"""What to look at: the tasks that fail most, wrong routes, kinds of failures, and what a success costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.reporting.figures import PERCENT, UNDEFINED, dollars, number, seconds
from benchmark_recorder.reporting.page import Bullets, Heading, Line, Page, Paragraph, Recorded, Table
from benchmark_recorder.reporting.tables import estimate_text, task_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Attention, WorstTask

MOST_TASKS: Final = 3
"""Worst tasks that are told; more are in the result."""

MOST_ROWS: Final = 5
"""Routes, and classes of failures."""


class _Row(NamedTuple):
    """A route or a class: what it is called, and its runs in each version; ``None`` where these were not listed."""

    label: Line
    cells: tuple[str, ...]
    order: tuple[int, ...]


def attention_section(attention: Sequence[Attention], texts: Mapping[str, str]) -> Page:
    """The newest version's worst tasks, and the rest side by side for all versions."""
    there = [one for one in {one.version: one for one in attention}.values() if one.runs]
    if not there:
        return ()
    newest = there[-1]
    costs = tuple(_cost_line(one) for one in there if one.cost_per_success.value is not None)
    return (
        Heading(("What to look at",)),
        *_worst(newest, texts),
        *_table("failed runs, by class", there, _classes(there)),
        *_table("expected -> selected agent", there, _routes(there)),
        *((Bullets(costs),) if costs else ()),
    )


def _worst(one: Attention, texts: Mapping[str, str]) -> Page:
    if not one.failures:
        return (Paragraph(("No run of ", Recorded(one.version), " failed.")),)
    if not one.worst_tasks:
        return ()
    head = ("Tasks of ", Recorded(one.version), " that fail most:")
    return Paragraph(head), Bullets(tuple(_task_line(task, texts) for task in one.worst_tasks[:MOST_TASKS]))


def _task_line(task: WorstTask, texts: Mapping[str, str]) -> Line:
    time, cost = seconds([task.mean_time]), dollars([task.cost_per_success])
    success = estimate_text(task.success_rate, PERCENT)
    parts = [f" failed in {task.failures:,} of {task.runs:,} runs ({success} % succeed)"]
    if task.mean_time is not None:
        parts.append(f"{number(task.mean_time, time)} {time.symbol} a run")
    if task.cost_per_success is not None:
        parts.append(f"{cost.symbol}{number(task.cost_per_success, cost)} a success")
    return *task_name(task.task_id, texts), ", ".join(parts)


def _cost_line(one: Attention) -> Line:
    unit = dollars([one.cost_per_success.value])
    told = f" costs {unit.symbol}{estimate_text(one.cost_per_success, unit)}"
    if one.failed_cost and one.known_cost:
        told += f"; of all costs {number(one.failed_cost / one.known_cost, PERCENT)} % went into failed runs"
    return "A success of ", Recorded(one.version), told


def _classes(there: Sequence[Attention]) -> list[_Row]:
    kinds = dict.fromkeys(found.error_type for one in reversed(there) for found in one.failure_classes)
    listed = [{found.error_type: found.runs for found in one.failure_classes} for one in there]
    return [
        _row(
            ("(no class)",) if kind is None else (Recorded(kind),),
            [(own.get(kind, _absent(one.unlisted_failures)), "") for one, own in zip(there, listed, strict=True)],
        )
        for kind in kinds
    ]


def _routes(there: Sequence[Attention]) -> list[_Row]:
    pairs = dict.fromkeys((found.expected, found.selected) for one in reversed(there) for found in one.confusions)
    rows = []
    for pair in pairs:
        runs: list[tuple[int | None, str]] = []
        for one in there:
            found = next((c for c in one.confusions if (c.expected, c.selected) == pair), None)
            unlisted = one.misrouted - sum(c.runs for c in one.confusions)
            runs.append((found.runs, f" of {found.of:,}") if found else (_absent(unlisted), ""))
        rows.append(_row((Recorded(pair[0]), " -> ", Recorded(pair[1])), runs))
    return rows


def _absent(unlisted: int) -> int | None:
    """The runs of what is not listed: none, unless there are some that are not."""
    return None if unlisted else 0


def _row(label: Line, runs: Sequence[tuple[int | None, str]]) -> _Row:
    cells = tuple(UNDEFINED if n is None else f"{n:,}{of}" for n, of in runs)
    return _Row(label, cells, tuple(-(n or 0) for n, _ in reversed(runs)))


def _table(name: str, there: Sequence[Attention], rows: list[_Row]) -> Page:
    """The rows with the most runs in the newest version first."""
    if not rows:
        return ()
    rows.sort(key=lambda row: row.order)
    header: tuple[Line, ...] = ((name,), *((Recorded(one.version),) for one in there))
    shown = tuple((row.label, *((cell,) for cell in row.cells)) for row in rows[:MOST_ROWS])
    table = Table(header, shown, "l" + "r" * len(there), splits=True)
    more = len(rows) - MOST_ROWS
    return (table, Paragraph((f"(and {more:,} more)",))) if more > 0 else (table,)
