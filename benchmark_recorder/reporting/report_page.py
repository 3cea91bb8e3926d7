"""The report's page: verdicts, figures, what to look at, trends, caveats, and what it all rests on, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.analysis import METRICS, TREND_METRICS, WEEK
from benchmark_recorder.reporting.comparison_pages import adjusted_note, comparison_section, slices_section, task_name
from benchmark_recorder.reporting.numbers import (
    PERCENT,
    UNDEFINED,
    amount,
    day,
    dollars,
    moment,
    money,
    number,
    rate,
    seconds,
    signed,
    size,
)
from benchmark_recorder.reporting.page import (
    Bullets,
    Footnotes,
    Heading,
    Line,
    Page,
    Paragraph,
    Prose,
    Table,
    Untrusted,
    joined,
)
from benchmark_recorder.reporting.version_pages import estimate_text, groups_section, versions_section
from benchmark_recorder.reporting.wording import LABELS, UNITS, WORDINGS, range_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark_recorder.analysis import Attention, Caveat, Change, Summary, Trend, Week, WorstTask
    from benchmark_recorder.reporting.numbers import Unit
    from benchmark_recorder.reporting.report import Health, Report


class Pictures(NamedTuple):
    """What only a document shows; see ``chart_figures.report_pictures``.

    Attributes:
        comparisons: for each comparison its figures.
        versions: about the versions.
        trends: about the weeks.
    """

    comparisons: tuple[Page, ...]
    versions: Page
    trends: Page


def report_page(report: Report, pictures: Pictures | None = None) -> Page:
    """The report as blocks, with pictures where the output shows them."""
    footnotes = Footnotes()
    pictures = pictures or Pictures(((),) * len(report.comparisons), (), ())
    verdicts = [
        block
        for joint, drawn in zip(report.comparisons, pictures.comparisons, strict=True)
        for block in (*comparison_section(joint, footnotes, report.texts), *drawn)
    ]
    figures = (*versions_section(report.summaries, footnotes), *pictures.versions)
    return (
        Heading(("Benchmark report: ", *joined((Untrusted(s.version),) for s in report.summaries)), level=1),
        *adjusted_note(len(report.comparisons) if len({c.v1 for c in report.comparisons}) == 1 else 0),
        *(verdicts or figures),
        *attention_section(report.attention, report.texts),
        *trend_section(report.trends, footnotes),
        *pictures.trends,
        *(figures if verdicts else ()),
        *(by_section(report, report.by, footnotes) if report.by is not None else ()),
        *footnotes.notes(),
        Heading(("Based on",)),
        Bullets(tuple(_basis_lines(report))),
    )


def by_section(report: Report, by: str, footnotes: Footnotes) -> Page:
    """What a report says of groups."""
    return (
        *(block for one in report.slices for block in slices_section(one, footnotes)),
        *(
            block
            for summary, groups in zip(report.summaries, report.groups, strict=True)
            for block in groups_section(summary.version, by, groups, footnotes)
        ),
    )


def _basis_lines(report: Report) -> list[Line]:
    basis = report.basis
    firsts = [s.first for s in report.summaries if s.first is not None]
    lasts = [s.last for s in report.summaries if s.last is not None]
    total = sum({s.version: s.count for s in report.summaries}.values())
    journals = [caveat.figures["journal"] for caveat in _outages(report.summaries) if "journal" in caveat.figures]
    where: Line = (Untrusted(journals[0]), ", the local journal of ") if journals else ()
    lines: list[Line] = [(f"{total:,} record{'' if total == 1 else 's'} in ", *where, Untrusted(basis.store))]
    if firsts:
        lines.append((f"from {moment(min(firsts))} to {moment(max(lasts))} UTC",))
    asked = {name: value for name, value in basis.query.items() if value is not None}
    if asked:
        parts = joined((f"{name} is ", Untrusted(_shown(value))) for name, value in asked.items())
        lines.append(("only where ", *parts))
    if "last_days" in asked and any(len(trend.weeks) > 1 for trend in report.trends):
        lines.append(("week over week looks back further than that, at whole weeks",))
    return [*lines, *_left_out_lines(report.summaries), *health_lines(basis.health), *_outage_lines(report.summaries)]


def _left_out_lines(summaries: Sequence[Summary]) -> Iterator[Line]:
    """Records that the store holds, but that no answer counts, of whatever version they are."""
    counts = {d.figures["left_out"] for s in summaries for d in s.warnings if d.code == "records_left_out"}
    if counts:
        yield (f"not included: {max(counts):,} with a missing field or a field of the wrong type",)


def health_lines(health: Health) -> Iterator[Line]:
    """What is missing from the figures, and what they include although the remote store does not have it."""
    for n, what in (
        (health.waiting, "in memory, not written yet"),
        (health.lost, "lost because they could not be written"),
        (health.invalid, "rejected as invalid"),
    ):
        if n:
            yield (f"not included: {n:,} {what}",)
    if health.pending:
        oldest: Line = (", the oldest of ", Untrusted(health.pending_since)) if health.pending_since else ()
        yield f"included: {health.pending:,} kept locally until that store confirms them", *oldest
    if health.quarantined:
        yield (f"included: {health.quarantined:,} refused by that store and kept locally",)
    if health.failing_since:
        yield (f"writes to it have failed since {health.failing_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC",)


def _outage_lines(summaries: Sequence[Summary]) -> Iterator[Line]:
    """Stores that were out of reach: since when, and what is missing because of it."""
    for figures in (caveat.figures for caveat in _outages(summaries)):
        last = figures["last_confirmed"]
        reached: Line = ("last reached at ", Untrusted(last)) if last else ("never reached from here",)
        missing = "), so records of other machines are missing; how many is unknown"
        yield "not included: ", Untrusted(figures["store"]), " could not be asked (", *reached, missing


def _outages(summaries: Sequence[Summary]) -> list[Caveat]:
    caveats = {caveat.sentence: caveat for summary in summaries for caveat in summary.warnings}
    return [caveat for caveat in caveats.values() if caveat.code == "store_out_of_reach"]


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, value))
    return str(value)


MOST_FLAGS: Final = 5
"""Changes that are put into words for each version; the result has all of them."""

_SIGNS: Final = {"worse": "!", "better": "*"}


def trend_section(trends: Sequence[Trend], footnotes: Footnotes) -> Page:
    """The weeks that changed by more than 10%, and all weeks of the newest version that has some."""
    heading = Heading(("Week over week",))
    trends = tuple({trend.version: trend for trend in trends}.values())
    compared = [trend for trend in trends if any(week.changes for week in trend.weeks)]
    if not compared:
        return _no_trend(heading, trends)
    lines = tuple(line for trend in reversed(compared) for line in _flags(trend, footnotes))
    flags = Bullets(lines) if lines else Paragraph((_NOTHING,))
    newest = [trend for trend in trends if trend.weeks][-1]
    short = (Paragraph(("All runs of ", Untrusted(newest.version), " are from one week; a trend needs two.")),)
    return heading, flags, *(() if newest in compared else short), *_weeks(compared[-1]), *_reasons(trends)


_NOTHING: Final = "No week is shown to differ from those before it by more than 10%."


def _no_trend(heading: Heading, trends: Sequence[Trend]) -> Page:
    short = any(trend.weeks for trend in trends)
    needs = (Paragraph(("The runs of each version are from one week; a trend needs two.",)),) if short else ()
    reasons = (*needs, *_reasons(trends))
    return (heading, *reasons) if reasons else ()


def _reasons(trends: Sequence[Trend]) -> Page:
    """Why there are no weeks, and which runs are in none."""
    sentences = dict.fromkeys(caveat.sentence for trend in trends for caveat in trend.warnings)
    return tuple(Paragraph((Prose(sentence),)) for sentence in sentences)


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
        lines.append((f"{len(found) - MOST_FLAGS} more of ", Untrusted(trend.version)))
    return lines


def _flag(trend: Trend, week: Week, change: Change, footnotes: Footnotes) -> Line:
    assert change.flag is not None
    assert change.effect is not None
    assert week.against is not None
    wording = WORDINGS[change.metric]
    word = wording.worse if change.flag == "worse" else wording.better
    earlier = [one.start for one in trend.weeks if one.runs and week.against <= one.start < week.start]
    before = f"in the week of {day(week.against)}" if week.start - week.against > WEEK else "in the week before"
    if len(earlier) > 1:
        before = f"in the {len(earlier)} weeks before"
    return (
        f"{_SIGNS[change.flag]} week of {day(week.start)}: ",
        Untrusted(trend.version),
        f" {wording.verb} {size(change.effect)}% {word} than {before}",
        f"{range_text(wording, '%', change.interval)}; {change.earlier_n:,}+{change.later_n:,} runs",
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
    return Paragraph((Untrusted(trend.version), ":")), table, Paragraph((_legend(trend),))


def _column(weeks: Sequence[Week], metric: str, unit: Unit) -> list[str]:
    """Each week's figure and the sign of its change, aligned."""
    marks = [_mark(week, metric) for week in weeks]
    room = max(map(len, marks))
    figures = [number(_value(week, metric), unit) for week in weeks]
    return [f"{figure} {mark:>{room}}" if room else figure for figure, mark in zip(figures, marks, strict=True)]


def _value(week: Week, metric: str) -> float | None:
    return week.figures[metric].value if metric in week.figures else None


def _mark(week: Week, metric: str) -> str:
    """A change in the table, in the direction in which the value changes."""
    change = week.changes.get(metric)
    if change is None or change.effect is None:
        return ""
    if change.verdict == "inconclusive":
        return "~"
    if change.verdict == "equivalent":
        return "="
    moved = signed(METRICS[metric].better * change.effect, "%")
    return f"{_SIGNS[change.flag]} {moved}" if change.flag else moved


def _legend(trend: Trend) -> str:
    parts = [
        "each week against all before it, task by task, relative to the earlier figure",
        "!: more than 10% worse, or rates by 5 points",
        "*: as much better",
        "=: the same, within the margin",
        "~: inconclusive",
        "weeks begin on Monday, 00:00 UTC",
    ]
    if not trend.weeks[-1].is_over:
        parts.append(f"that of {day(trend.weeks[-1].start)} is not over")
    return f"({'; '.join(parts)})"


MOST_TASKS: Final = 3
"""Worst tasks that are listed; the result has more."""

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
        *_table("failed runs by error type", there, _classes(there)),
        *_table("expected -> selected agent", there, _routes(there)),
        *((Bullets(costs),) if costs else ()),
    )


def _worst(one: Attention, texts: Mapping[str, str]) -> Page:
    if not one.failures:
        return (Paragraph(("No run of ", Untrusted(one.version), " failed.")),)
    if not one.worst_tasks:
        return ()
    head = ("Tasks of ", Untrusted(one.version), " that fail most:")
    return Paragraph(head), Bullets(tuple(_task_line(task, texts) for task in one.worst_tasks[:MOST_TASKS]))


def _task_line(task: WorstTask, texts: Mapping[str, str]) -> Line:
    success = estimate_text(task.success_rate, PERCENT, "%")
    parts = [f" failed in {task.failures:,} of {task.runs:,} runs (success rate {success})"]
    if task.mean_time is not None:
        parts.append(f"{amount(task.mean_time, seconds([task.mean_time]))} per run")
    if task.cost_per_success is not None:
        parts.append(f"{money(task.cost_per_success)} per success")
    return *task_name(task.task_id, texts), ", ".join(parts)


def _cost_line(one: Attention) -> Line:
    unit = dollars([one.cost_per_success.value])
    text = f": {unit.symbol}{estimate_text(one.cost_per_success, unit)} per success"
    if one.failed_cost and one.known_cost:
        text += f"; {rate(one.failed_cost / one.known_cost)} of all costs went into failed runs"
    return Untrusted(one.version), text


def _classes(there: Sequence[Attention]) -> list[_Row]:
    kinds = dict.fromkeys(found.error_type for one in reversed(there) for found in one.failure_classes)
    listed = [{found.error_type: found.runs for found in one.failure_classes} for one in there]
    return [
        _row(
            ("(not given)",) if kind is None else (Untrusted(kind),),
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
        rows.append(_row((Untrusted(pair[0]), " -> ", Untrusted(pair[1])), runs))
    return rows


def _absent(unlisted: int) -> int | None:
    """The runs of a kind that is not listed: none, or unknown where some runs are not listed."""
    return None if unlisted else 0


def _row(label: Line, runs: Sequence[tuple[int | None, str]]) -> _Row:
    cells = tuple(UNDEFINED if n is None else f"{n:,}{of}" for n, of in runs)
    return _Row(label, cells, tuple(-(n or 0) for n, _ in reversed(runs)))


def _table(name: str, there: Sequence[Attention], rows: list[_Row]) -> Page:
    """The rows with the most runs in the newest version first."""
    if not rows:
        return ()
    rows.sort(key=lambda row: row.order)
    header: tuple[Line, ...] = ((name,), *((Untrusted(one.version),) for one in there))
    shown = tuple((row.label, *((cell,) for cell in row.cells)) for row in rows[:MOST_ROWS])
    table = Table(header, shown, "l" + "r" * len(there), splits=True)
    more = len(rows) - MOST_ROWS
    return (table, Paragraph((f"(and {more:,} more)",))) if more > 0 else (table,)
