"""The trend week over week: the weeks that got better or worse, and a table of the newest ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import METRICS, TREND_METRICS, WEEK
from benchmark_recorder.reporting.figures import day, number, signed, size
from benchmark_recorder.reporting.page import Bullets, Heading, Line, Page, Paragraph, Recorded, Table
from benchmark_recorder.reporting.sentences import WORDINGS, range_text
from benchmark_recorder.reporting.tables import LABELS, UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis import Change, Trend, Week
    from benchmark_recorder.reporting.figures import Unit
    from benchmark_recorder.reporting.pages import Footnotes

MOST_FLAGS: Final = 5
"""Changes that are told in words for each version; the whole list is in the result."""

_SIGNS: Final = {"worse": "!", "better": "*"}


def trend_section(trends: Sequence[Trend], footnotes: Footnotes) -> Page:
    """What changed by more than 10 % from one week to another, and the weeks of the newest version that has some."""
    heading = Heading(("Week over week",))
    trends = tuple({trend.version: trend for trend in trends}.values())
    compared = [trend for trend in trends if any(week.changes for week in trend.weeks)]
    if not compared:
        return _no_trend(heading, trends)
    lines = tuple(line for trend in reversed(compared) for line in _flags(trend, footnotes))
    told = Bullets(lines) if lines else Paragraph((_NOTHING,))
    newest = [trend for trend in trends if trend.weeks][-1]
    short = (Paragraph(("All runs of ", Recorded(newest.version), " are of one week; a trend needs two.")),)
    return heading, told, *(() if newest in compared else short), *_weeks(compared[-1])


_NOTHING: Final = "No week differs from the one before it by more than 10 % as far as the runs can tell."


def _no_trend(heading: Heading, trends: Sequence[Trend]) -> Page:
    reasons = dict.fromkeys(doubt.sentence for trend in trends for doubt in trend.warnings)
    if not reasons and any(trend.weeks for trend in trends):
        reasons = {"The runs of each version are of one week; a trend needs two.": None}
    return (heading, *(Paragraph((reason,)) for reason in reasons)) if reasons else ()


def _flags(trend: Trend, footnotes: Footnotes) -> list[Line]:
    """The flagged changes, newest week first, in a week the worse ones first."""
    found = [
        (week, change)
        for week in reversed(trend.weeks)
        for change in sorted(week.changes.values(), key=lambda change: change.flag != "worse")
        if change.flag
    ]
    lines: list[Line] = [_flag(trend, week, change, footnotes) for week, change in found[:MOST_FLAGS]]
    if len(found) > MOST_FLAGS:
        lines.append((f"{len(found) - MOST_FLAGS} more of ", Recorded(trend.version)))
    return lines


def _flag(trend: Trend, week: Week, change: Change, footnotes: Footnotes) -> Line:
    assert change.flag is not None
    assert change.effect is not None
    assert week.against is not None
    wording = WORDINGS[change.metric]
    word = wording.worse if change.flag == "worse" else wording.better
    before = "in the week before" if week.start - week.against == WEEK else f"in the week of {day(week.against)}"
    return (
        f"{_SIGNS[change.flag]} week of {day(week.start)}: ",
        Recorded(trend.version),
        f" {wording.verb} {size(change.effect)} % {word} than {before}",
        f"{range_text(wording, ' %', change.interval)}; {change.earlier_n:,}+{change.later_n:,} runs",
        footnotes.mark(change.warnings),
    )


def _weeks(trend: Trend) -> Page:
    """A row for each week, the newest one last."""
    metrics = [metric for metric in TREND_METRICS if any(_value(week, metric) is not None for week in trend.weeks)]
    units = {metric: UNITS[metric](_value(week, metric) for week in trend.weeks) for metric in metrics}
    header: tuple[Line, ...] = (
        ("week of",),
        ("runs",),
        *((f"{LABELS[metric]} ({units[metric].symbol})",) for metric in metrics),
    )
    columns = [_column(trend.weeks, metric, units[metric]) for metric in metrics]
    rows: tuple[tuple[Line, ...], ...] = tuple(
        ((day(week.start),), (f"{week.runs:,}",), *((cell,) for cell in cells))
        for week, *cells in zip(trend.weeks, *columns, strict=True)
    )
    table = Table(header, rows, "l" + "r" * (1 + len(metrics)), splits=True)
    return Paragraph((Recorded(trend.version), ":")), table, Paragraph((_legend(trend),))


def _column(weeks: Sequence[Week], metric: str, unit: Unit) -> list[str]:
    """Each week's figure, and behind it what is said of its change, one below the other."""
    marks = [_mark(week, metric) for week in weeks]
    room = max(map(len, marks))
    figures = [number(_value(week, metric), unit) for week in weeks]
    return [f"{figure} {mark:>{room}}" if room else figure for figure, mark in zip(figures, marks, strict=True)]


def _value(week: Week, metric: str) -> float | None:
    return week.figures[metric].value if metric in week.figures else None


def _mark(week: Week, metric: str) -> str:
    """What is said of a change in the table, in the direction in which the value changes."""
    change = week.changes.get(metric)
    if change is None or change.effect is None:
        return ""
    if change.verdict == "inconclusive":
        return "~"
    if change.verdict == "equivalent":
        return "="
    moved = signed(METRICS[metric].better * change.effect, " %")
    return f"{_SIGNS[change.flag]} {moved}" if change.flag else moved


def _legend(trend: Trend) -> str:
    parts = [
        "each week against the one before it, tasks with themselves, relative to the earlier figure",
        "!: over 10 % worse",
        "*: over 10 % better",
        "=: the same, within the margin",
        "~: the runs do not tell",
        "weeks begin on Monday, 00:00 UTC",
    ]
    if not trend.weeks[-1].is_over:
        parts.append(f"that of {day(trend.weeks[-1].start)} is not over")
    return f"({'; '.join(parts)})"
