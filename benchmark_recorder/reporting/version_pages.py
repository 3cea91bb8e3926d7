"""Pages about versions on their own: one, all in a list, or one by groups of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.grouping import UNKNOWN
from benchmark_recorder.reporting.numbers import PERCENT, UNDEFINED, amount, count, dollars, moment, number, seconds
from benchmark_recorder.reporting.page import (
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Table,
    Untrusted,
    absences,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Estimate, Summary
    from benchmark_recorder.reporting.numbers import Unit


MOST_LISTED: Final = 100
"""Versions; a result and ``--json`` have all of them."""


def summary_page(summary: Summary) -> Page:
    """One version."""
    footnotes = Footnotes()
    section = versions_section([summary], footnotes)[1:]
    return Heading((Untrusted(summary.version),), level=1), *section, *footnotes.notes()


def list_page(summaries: Sequence[Summary], future: int = 0) -> Page:
    """The newest versions, a line each, and what is left out: older ones, and runs that are dated in the future."""
    runs = "1 run is" if future == 1 else f"{future:,} runs are"
    left_out = (Paragraph((f"{runs} dated in the future, and left out.",)),) if future else ()
    older = len(summaries) - MOST_LISTED
    more = (Paragraph((f"{older:,} older version{'' if older == 1 else 's'} not shown.",)),) if older > 0 else ()
    return (*((list_table(summaries[-MOST_LISTED:]),) if summaries else ()), *more, *left_out)


def versions_section(summaries: Sequence[Summary], footnotes: Footnotes) -> Page:
    """The figures of each version, and their caveats."""
    there = [summary for summary in summaries if summary.count]
    missing = tuple(block for s in summaries if not s.count for block in absences(s.warnings))
    uncertain = [s for s in there if s.warnings]
    caveats = tuple(("About ", Untrusted(s.version), f": see{footnotes.mark(s.warnings)}.") for s in uncertain)
    return (
        Heading(("Versions",)),
        *missing,
        *((version_table(there), Paragraph(("In brackets: 95% intervals.",))) if there else ()),
        *((Bullets(caveats),) if caveats else ()),
    )


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
            _figure_row("cost per run", costs, [s.estimates["mean_cost"] for s in summaries]),
            _figure_row("cost per success", costs, [s.estimates["cost_per_success"] for s in summaries]),
            ((f"total cost ({totals.symbol})",), *((number(s.total_cost, totals),) for s in summaries)),
        ]
    if any(s.estimates["routing_accuracy"].n for s in summaries):
        rows.append(_figure_row("routing accuracy", PERCENT, [s.estimates["routing_accuracy"] for s in summaries]))
    header: tuple[Line, ...] = (("",), *((Untrusted(s.version),) for s in summaries))
    return Table(header, tuple(rows), align="l" * len(header), splits=True)


def list_table(summaries: Sequence[Summary]) -> Table:
    """A row for each version."""
    times, costs = seconds(s.p50 for s in summaries), dollars(s.mean_cost for s in summaries)
    figures = (f"median ({times.symbol})", f"cost ({costs.symbol})")
    names = ("version", "runs", "success (%)", *figures, "first (UTC)", "last")
    header: tuple[Line, ...] = tuple((name,) for name in names)
    rows = tuple(
        (
            (Untrusted(s.version),),
            (f"{s.count:,}",),
            (number(s.success_rate, PERCENT),),
            (number(s.p50, times),),
            (number(s.mean_cost, costs),),
            (moment(s.first),),
            (moment(s.last),),
        )
        for s in summaries
    )
    return Table(header, rows, "lrrrrll")


def _figure_row(label: str, unit: Unit, estimates: Sequence[Estimate | None]) -> tuple[Line, ...]:
    return ((f"{label} ({unit.symbol})",), *((estimate_text(estimate, unit),) for estimate in estimates))


def estimate_text(estimate: Estimate | None, unit: Unit, suffix: str = "") -> str:
    """A figure with its interval in brackets."""
    if estimate is None or estimate.value is None:
        return UNDEFINED
    text, interval = f"{number(estimate.value, unit)}{suffix}", estimate.interval
    if interval is None or interval.low is None or interval.high is None:
        return text
    return f"{text} [{number(interval.low, unit)}, {number(interval.high, unit)}]"


def group_name(group: str | None) -> Line:
    """A group as a reader sees it."""
    return (UNKNOWN if group is None else Untrusted(group),)


def groups_page(version: str, by: str, groups: Mapping[str | None, Summary]) -> Page:
    """One version's figures, a row for each group."""
    footnotes = Footnotes()
    return *groups_section(version, by, groups, footnotes, level=1), *footnotes.notes()


def groups_section(
    version: str, by: str, groups: Mapping[str | None, Summary], footnotes: Footnotes, level: int = 2
) -> Page:
    """A row for each group of a version's runs, and whether there are more."""
    names = ("runs", "success (%)", "mean time", "median time", "p95 time", "cost per run")
    header: tuple[Line, ...] = ((Untrusted(by),), *((name,) for name in names))
    times, costs = seconds(s.mean for s in groups.values()), dollars(s.mean_cost for s in groups.values())
    rows = tuple(
        (
            group_name(group),
            (count(s.count),),
            (number(s.success_rate, PERCENT),),
            *((amount(value, times),) for value in (s.mean, s.p50, s.p95)),
            (amount(s.mean_cost, costs),),
        )
        for group, s in groups.items()
    )
    marks = footnotes.mark([w for s in groups.values() for w in s.warnings if w.code == "groups_pooled"])
    note = (Paragraph((f"Not every group has a row.{marks}",)),) if marks else ()
    heading = Heading((Untrusted(version), " by ", Untrusted(by)), level)
    return heading, Table(header, rows, "lrrrrrr", splits=True), *note
