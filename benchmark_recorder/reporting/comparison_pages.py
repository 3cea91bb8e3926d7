"""The tables of a report, and the tasks that stand out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import (
    PERCENT,
    UNDEFINED,
    Unit,
    count,
    dollars,
    moment,
    number,
    seconds,
    signed,
    size,
)
from benchmark_recorder.reporting.page import Card, Cards, Line, Page, Paragraph, Status, Table, Untrusted
from benchmark_recorder.reporting.wording import LABELS, TONES, UNITS, WORDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Comparison, Estimate, Interval, JointComparison, Summary, TaskRow

MOST_OF_TASK: Final = 60
"""Characters of a task's text."""
MOST_TASKS: Final = 3
"""Tasks that are named for each metric; the whole list is in the result."""


def comparison_table(comparisons: Sequence[Comparison]) -> Page:
    """A row for each metric, and what its signs mean; all are of the same two versions."""
    if not comparisons:
        return ()
    first = comparisons[0]
    table = Table(
        header=(
            ("",),
            (Untrusted(first.v1),),
            (Untrusted(first.v2),),
            ("change",),
            ("95 % interval",),
            ("runs",),
            ("verdict",),
        ),
        rows=tuple(map(_comparison_row, comparisons)),
        align="lrrrrrl",
    )
    return table, Paragraph((_legend(comparisons),))


def _legend(comparisons: Sequence[Comparison]) -> str:
    parts = ["change: from the first version to the second, by the method that fits the runs"]
    if any(c.kind == "points" for c in comparisons):
        parts.append("pt: percentage points")
    if any(c.verdict == "inconclusive" for c in comparisons):
        parts.append("~: the runs do not tell")
    return f"({'; '.join(parts)})"


def _comparison_row(comparison: Comparison) -> tuple[Line, ...]:
    unit = UNITS[comparison.metric]((comparison.v1_value, comparison.v2_value))
    better = METRICS[comparison.metric].better
    suffix = " %" if comparison.kind == "ratio" else " pt"
    change = None if comparison.effect is None else better * comparison.effect
    return (
        (f"{LABELS[comparison.metric]} ({unit.symbol})",),
        (number(comparison.v1_value, unit),),
        (number(comparison.v2_value, unit),),
        (signed(change, suffix),),
        (change_interval(comparison.interval, better),),
        (f"{count(comparison.v1_count)}+{count(comparison.v2_count)}",),
        (Status("~" if comparison.verdict == "inconclusive" else comparison.verdict, TONES[comparison.verdict]),),
    )


def change_interval(interval: Interval | None, better: int) -> str:
    """An effect's interval, in the direction in which the values change."""
    if interval is None:
        return UNDEFINED
    low, high = interval.low, interval.high
    if better < 0:
        low, high = (None if high is None else -high), (None if low is None else -low)
    if low is None:
        return f"below {signed(high)}"
    return f"{signed(low)} to {signed(high)}" if high is not None else f"above {signed(low)}"


def comparison_cards(joint: JointComparison) -> Page:
    """Each metric at a glance."""
    told = [c for c in joint.comparisons.values() if c.v1_count and c.v2_count]
    return (Cards(tuple(map(_card, told)), Status(joint.verdict, TONES[joint.verdict])),) if told else ()


def _card(comparison: Comparison) -> Card:
    unit = UNITS[comparison.metric]((comparison.v1_value, comparison.v2_value))
    better = METRICS[comparison.metric].better
    noun = METRICS[comparison.metric].noun
    change = None if comparison.effect is None else better * comparison.effect
    interval = change_interval(comparison.interval, better)
    values = (
        f"{number(comparison.v1_value, unit)} \N{RIGHTWARDS ARROW} {number(comparison.v2_value, unit)} {unit.symbol}"
    )
    return Card(
        label=f"{noun[0].upper()}{noun[1:]}",
        status=Status(comparison.verdict, TONES[comparison.verdict]),
        figure=signed(change, " %" if comparison.kind == "ratio" else " pt"),
        details=((f"95 %: {interval}" if comparison.interval else "no interval",), (values,)),
    )


def task_lines(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> tuple[Line, ...]:
    """The tasks that stand out: those that got worse (``!``), then those that got better (``*``), by size.

    Args:
        comparisons: whose tasks.
        texts: of the tasks whose ids were made from them, by id.
    """
    lines: list[Line] = []
    for comparison in comparisons:
        rows = [row for row in comparison.tasks if (row.stands_out or row.turn) and row.effect]
        rows.sort(key=lambda row: ((row.effect or 0.0) > 0, -abs(row.effect or 0.0)))
        lines += [_task_line(comparison, row, texts) for row in rows[:MOST_TASKS]]
        if len(rows) > MOST_TASKS:
            lines.append((f"{len(rows) - MOST_TASKS:,} more in {METRICS[comparison.metric].noun}",))
    return tuple(lines)


def _task_line(comparison: Comparison, row: TaskRow, texts: Mapping[str, str]) -> Line:
    assert row.effect is not None
    wording = WORDINGS[comparison.metric]
    sign, word = ("!", wording.worse) if row.effect < 0 else ("*", wording.better)
    name = task_name(row.task_id, texts)
    if row.turn:
        failed, fails = _failed(comparison, row.v1_value, row.v1_count), _failed(comparison, row.v2_value, row.v2_count)
        turned = "begins to fail" if row.turn == "begins_to_fail" else "is repaired"
        return f"{sign} ", *name, f" {turned} ({failed} runs failed before, {fails} now)"
    unit = " %" if comparison.kind == "ratio" else " percentage points"
    runs = f"({row.v1_count:,}+{row.v2_count:,} runs)"
    return f"{sign} ", *name, f" {wording.verb} {size(row.effect)}{unit} {word} {runs}"


def _failed(comparison: Comparison, rate: float | None, n: int) -> str:
    """How many of a task's runs failed, from one of the two rates that tell."""
    assert rate is not None
    hits = round(rate * n)
    return f"{hits if comparison.metric == 'failure_rate' else n - hits:,} of {n:,}"


def task_name(task_id: str, texts: Mapping[str, str]) -> Line:
    """A task's id, behind its text where the id was made from it."""
    text = texts.get(task_id)
    if text is None:
        return (Untrusted(task_id),)
    shown = text if len(text) <= MOST_OF_TASK else f"{text[:MOST_OF_TASK]}…"
    return Untrusted(shown), " (", Untrusted(task_id), ")"


def version_table(summaries: Sequence[Summary]) -> Table:
    """A row for each figure, a column for each version."""
    rows: list[tuple[Line, ...]] = [
        (("runs",), *((f"{s.count:,}",) for s in summaries)),
        (("tasks",), *((f"{s.tasks:,}",) for s in summaries)),
        _figure_row("success", PERCENT, [s.estimates["success_rate"] for s in summaries]),
    ]
    times = seconds(s.mean for s in summaries)
    for label, name in (("mean time", "mean"), ("median time", "p50"), ("p95 time", "p95"), ("p99 time", "p99")):
        rows.append(_figure_row(label, times, [s.estimates.get(name) for s in summaries]))
    costs = dollars(s.mean_cost for s in summaries)
    if any(s.estimates["mean_cost"].n for s in summaries):
        totals = dollars(s.total_cost for s in summaries)
        rows += [
            _figure_row("cost a run", costs, [s.estimates["mean_cost"] for s in summaries]),
            _figure_row("cost a success", costs, [s.estimates["cost_per_success"] for s in summaries]),
            ((f"total cost ({totals.symbol})",), *((number(s.total_cost, totals),) for s in summaries)),
        ]
    if any(s.estimates["routing_accuracy"].n for s in summaries):
        rows.append(_figure_row("right agent", PERCENT, [s.estimates["routing_accuracy"] for s in summaries]))
    header: tuple[Line, ...] = (("",), *((Untrusted(s.version),) for s in summaries))
    return Table(header, tuple(rows), align="l" * len(header), splits=True)


def list_table(summaries: Sequence[Summary]) -> Table:
    """A row for each version."""
    names = ("version", "runs", "tasks", "success (%)", "first (UTC)", "last")
    header: tuple[Line, ...] = tuple((name,) for name in names)
    rows = tuple(
        (
            (Untrusted(s.version),),
            (f"{s.count:,}",),
            (f"{s.tasks:,}",),
            (number(s.success_rate, PERCENT),),
            (moment(s.first),),
            (moment(s.last),),
        )
        for s in summaries
    )
    return Table(header, rows, "lrrrll")


def _figure_row(label: str, unit: Unit, estimates: Sequence[Estimate | None]) -> tuple[Line, ...]:
    return ((f"{label} ({unit.symbol})",), *((estimate_text(estimate, unit),) for estimate in estimates))


def estimate_text(estimate: Estimate | None, unit: Unit) -> str:
    """A figure with its interval in brackets."""
    if estimate is None or estimate.value is None:
        return UNDEFINED
    text, interval = number(estimate.value, unit), estimate.interval
    if interval is None or interval.low is None or interval.high is None:
        return text
    return f"{text} [{number(interval.low, unit)}, {number(interval.high, unit)}]"
