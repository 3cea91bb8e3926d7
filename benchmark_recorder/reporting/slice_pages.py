"""Pages about groups of runs: one version's figures group by group, and two versions slice by slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.grouping import UNKNOWN
from benchmark_recorder.reporting.comparison_pages import change_cells, verdict_cells
from benchmark_recorder.reporting.numbers import (
    PERCENT,
    UNDEFINED,
    amount,
    count,
    dollars,
    limits,
    number,
    p_value,
    seconds,
    signed,
)
from benchmark_recorder.reporting.page import (
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Table,
    Untrusted,
    joined,
)
from benchmark_recorder.reporting.wording import UNITS, noun_of, short_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis import SlicedComparison, Summary
    from benchmark_recorder.reporting.report import Report


MOST_NAMED: Final = 20
"""Groups that are named in a sentence."""


def group_name(group: str | None) -> Line:
    """A group as a reader sees it."""
    return (UNKNOWN if group is None else Untrusted(group),)


def groups_page(version: str, by: str, groups: Mapping[str | None, Summary]) -> Page:
    """One version's figures, a row for each group."""
    footnotes = Footnotes()
    heading = Heading((Untrusted(version), " by ", Untrusted(by)), level=1)
    return heading, *_groups(by, groups, footnotes), *footnotes.notes()


def slices_page(sliced: SlicedComparison) -> Page:
    """Two versions on one metric, slice by slice."""
    footnotes = Footnotes()
    return Heading(_title(sliced), level=1), *_slices(sliced, footnotes), *footnotes.notes()


def by_section(report: Report, by: str, footnotes: Footnotes) -> Page:
    """What a report says of groups."""
    return (
        *(block for one in report.slices for block in (Heading(_title(one)), *_slices(one, footnotes))),
        *(
            block
            for summary, groups in zip(report.summaries, report.groups, strict=True)
            for block in (
                Heading((Untrusted(summary.version), " by ", Untrusted(by))),
                *_groups(by, groups, footnotes),
            )
        ),
    )


def _title(sliced: SlicedComparison) -> Line:
    noun = f", {METRICS[sliced.metric].noun} by "
    return Untrusted(sliced.v2), " against ", Untrusted(sliced.v1), noun, Untrusted(sliced.by)


def _groups(by: str, groups: Mapping[str | None, Summary], footnotes: Footnotes) -> Page:
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
    return Table(header, rows, "lrrrrrr", splits=True), *note


def _slices(sliced: SlicedComparison, footnotes: Footnotes) -> Page:
    legend = Paragraph(("q: the p-value, adjusted for the number of slices.",))
    return (
        Paragraph((*pooled_sentence(sliced), footnotes.mark(sliced.warnings))),
        *((_table(sliced, footnotes), legend) if sliced.slices else ()),
        *_lonely(sliced.only_v1, sliced.v1),
        *_lonely(sliced.only_v2, sliced.v2),
    )


def pooled_sentence(sliced: SlicedComparison) -> Line:
    """What all slices together say."""
    pooled, noun = sliced.pooled, noun_of(sliced.metric)
    if not sliced.slices:
        return (f"{noun}: no slice has runs of both versions.",)
    if pooled is None:
        return (f"{noun}: fewer than two slices can be pooled.",)
    test = f"Cochran's Q {pooled.q:.1f}, {p_value(pooled.q_p_value)}, I2 = {100 * pooled.i2:.0f}%"
    if pooled.verdict == "differs":
        return (f"{noun}: the slices differ ({test}), so no change over all of them is given.",)
    kind = sliced.slices[0].comparison.kind
    better = METRICS[sliced.metric].better
    change = signed(None if pooled.effect is None else better * pooled.effect, short_unit(kind))
    interval = limits(pooled.interval, better=better)
    return (f"{noun}: {pooled.verdict}; {change} over all slices (95%: {interval}; {pooled.method}; {test}).",)


def _table(sliced: SlicedComparison, footnotes: Footnotes) -> Table:
    compared = [one.comparison for one in sliced.slices]
    values = UNITS[sliced.metric](value for c in compared for value in (c.v1_compared, c.v2_compared))
    header = (sliced.by, sliced.v1, sliced.v2)
    return Table(
        header=(
            *((Untrusted(name),) for name in header),
            *((name,) for name in ("change", "95% interval", "q", "runs", "verdict")),
        ),
        rows=tuple(
            (
                (*group_name(one.group), footnotes.mark(one.comparison.warnings)),
                *change_cells(one.comparison, values),
                (UNDEFINED if one.q_value is None else p_value(one.q_value).removeprefix("p = "),),
                *verdict_cells(one.comparison),
            )
            for one in sliced.slices
        ),
        align="lrrrrrrl",
    )


def _lonely(groups: tuple[str | None, ...], version: str) -> Page:
    """The groups that only one version has runs in."""
    if not groups:
        return ()
    shown = joined([group_name(group) for group in groups[:MOST_NAMED]])
    more = f" and {len(groups) - MOST_NAMED:,} more" if len(groups) > MOST_NAMED else ""
    return (Paragraph(("Not compared, because only ", Untrusted(version), " has runs there: ", *shown, f"{more}.")),)
