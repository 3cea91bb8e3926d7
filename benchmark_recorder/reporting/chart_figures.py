"""The charts of results, and the figures of a report: a chart, what it shows in words, and its numbers in a table.

Names stay as they were recorded; the code that draws encodes them.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.charts import DurationBars, Forest, Marker, Series, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.comparison_pages import task_name
from benchmark_recorder.reporting.numbers import PERCENT, dollars, limits, moment, number, seconds, signed
from benchmark_recorder.reporting.page import Figure, Line, Page, Table, Untrusted
from benchmark_recorder.reporting.report_page import Pictures
from benchmark_recorder.reporting.version_pages import estimate_text
from benchmark_recorder.reporting.wording import LABELS, TONES, UNITS, WORDINGS, short_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import (
        Comparison,
        Distribution,
        Estimate,
        Interval,
        JointComparison,
        Summary,
        TaskRow,
        Trend,
    )
    from benchmark_recorder.reporting.charts import Colour
    from benchmark_recorder.reporting.numbers import Unit
    from benchmark_recorder.reporting.report import Report

MOST_ROWS: Final = 20
"""Rows of a chart, so that it fits a screen; the tables hold more."""
MOST_VERSIONS: Final = 8
"""Of a chart that has a row or a line for each, the newest ones."""
_GREATEST: Final = 1e9
"""On any axis: what is greater is drawn at the edge."""


_PERCENTILES = (5, 25, 50, 75, 95)


def _scaled(value: float | None, scale: float) -> float | None:
    """A figure on an axis; ``None`` where it is none."""
    if value is None or math.isnan(value):
        return None
    return max(-_GREATEST, min(_GREATEST, value * scale))


def _marker(
    name: str, value: float | None, interval: Interval | None, scale: float, colour: Colour = "calm"
) -> Marker | None:
    """A figure in the unit of its axis; ``None`` where it is undefined. A negative scale turns the interval round."""
    at = _scaled(value, scale)
    if at is None:
        return None
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    if scale < 0:
        low, high = high, low
    return Marker(name, at, _scaled(low, scale), _scaled(high, scale), colour)


def _ranked_tasks(comparison: Comparison) -> list[TaskRow]:
    """The tasks that a chart shows: those that change most."""
    known = (row for row in comparison.tasks if row.effect is not None)
    return sorted(known, key=lambda row: (-abs(row.effect or 0), row.task_id))[:MOST_ROWS]


def task_effects(comparison: Comparison, texts: Mapping[str, str] = MappingProxyType({})) -> Forest | None:
    """The change of each task, the greatest first; ``None`` where fewer than two can be told apart.

    Args:
        comparison: whose tasks.
        texts: of tasks whose ids were made from them, by id.
    """
    scale = 100 * METRICS[comparison.metric].better
    marks = [
        _marker(texts.get(row.task_id, row.task_id), row.effect, row.interval, scale, _colour(row))
        for row in _ranked_tasks(comparison)
    ]
    found = tuple(one for one in marks if one is not None)
    if len(found) < 2:
        return None
    return Forest(found, _change_axis(comparison), _ends(comparison.metric), 100 * comparison.margin)


def _colour(row: TaskRow) -> Colour:
    if not row.stands_out:
        return "calm"
    return "good" if (row.effect or 0) > 0 else "bad"


def whole_effect(comparison: Comparison) -> Forest:
    """The change over all tasks."""
    one = _marker(
        comparison.v2,
        comparison.effect,
        comparison.interval,
        100 * METRICS[comparison.metric].better,
        TONES[comparison.verdict],
    )
    return Forest(
        () if one is None else (one,), _change_axis(comparison), _ends(comparison.metric), 100 * comparison.margin
    )


def metric_effects(joint: JointComparison) -> Forest:
    """The improvement in each metric."""
    marks = (
        _marker(f"{METRICS[c.metric].noun} ({_symbol(c)})", c.effect, c.interval, 100, TONES[c.verdict])
        for c in joint.comparisons.values()
    )
    return Forest(tuple(one for one in marks if one is not None), "improvement", ("worse", "better"))


def _symbol(comparison: Comparison) -> str:
    return "%" if comparison.kind == "ratio" else "points"


def _change_axis(comparison: Comparison) -> str:
    return f"change in {LABELS[comparison.metric]} ({_symbol(comparison)})"


def _ends(metric: str) -> tuple[str, str]:
    wording = WORDINGS[metric]
    return (wording.worse, wording.better) if METRICS[metric].better > 0 else (wording.better, wording.worse)


def durations(summary: Summary) -> Forest:
    """Mean and percentiles of one version's durations."""
    unit = seconds((summary.mean, summary.p99))
    named = (("mean", "mean"), ("median", "p50"), ("p90", "p90"), ("p95", "p95"), ("p99", "p99"))
    marks = (_of(summary.estimates.get(key), name, unit) for name, key in named)
    return Forest(tuple(one for one in marks if one is not None), f"execution time ({unit.symbol})")


def _cost_against_success(summaries: Sequence[Summary]) -> Tradeoff | None:
    """Cost a run and success rate of each version; ``None`` where fewer than two have both."""
    unit = dollars(s.mean_cost for s in summaries)
    shown = summaries[-MOST_VERSIONS:]
    found = []
    for summary, colour in zip(shown, _colours(len(shown)), strict=True):
        cost = _of(summary.estimates["mean_cost"], summary.version, unit, colour)
        success = _of(summary.estimates["success_rate"], summary.version, PERCENT, colour)
        if cost is not None and success is not None:
            found.append((cost, success))
    if len(found) < 2:
        return None
    return Tradeoff(tuple(found), (f"cost a run ({unit.symbol})", "success (%)"))


def _spread(distributions: Sequence[Distribution]) -> Spread | None:
    """How long the runs of each version took; ``None`` where there are none, or an axis cannot hold what they took."""
    shown = [d for d in distributions if d.n][-MOST_VERSIONS:]
    if not shown:
        return None
    unit = seconds(d.percentiles[95] for d in shown)
    bars = tuple(
        DurationBars(d.version, tuple(count / d.n for count in d.counts), d.percentiles[50] * unit.scale, colour)
        for d, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    logarithmic = shown[0].scale == "log"
    least = 1 / _GREATEST if logarithmic else 0.0
    edges = tuple(min(max(edge * unit.scale, least), _GREATEST) for edge in shown[0].edges)
    if not edges[0] < edges[-1]:
        return None
    return Spread(bars, edges, f"execution time ({unit.symbol})", logarithmic)


def _timeline(trends: Sequence[Trend], metric: str, unit: Unit, axis: str) -> Timeline | None:
    """One metric week by week; ``None`` where there are not two weeks.

    Args:
        trends: of the versions, oldest first; all have the same weeks.
        metric: one of ``TREND_METRICS``.
        unit: of the axis.
        axis: what it is.
    """
    shown = [trend for trend in trends if any(metric in week.figures for week in trend.weeks)][-MOST_VERSIONS:]
    starts = sorted({week.start for trend in shown for week in trend.weeks})
    if len(starts) < 2:
        return None
    lines = tuple(
        _series(trend, metric, unit, starts, colour) for trend, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    if not any(one for line in lines for one in line.marks):
        return None
    return Timeline(lines, tuple(moment(start)[:10] for start in starts), f"{axis} ({unit.symbol})")


def _series(trend: Trend, metric: str, unit: Unit, starts: Sequence[int], colour: Colour) -> Series:
    weeks = {week.start: week for week in trend.weeks}
    there = [weeks.get(start) for start in starts]
    marks = tuple(_of(week.figures.get(metric), trend.version, unit, colour) if week else None for week in there)
    words: dict[str | None, Literal["good", "bad"] | None] = {"worse": "bad", "better": "good", None: None}
    flags = tuple(words[week.changes[metric].flag] if week and metric in week.changes else None for week in there)
    return Series(trend.version, marks, flags, colour)


def _of(estimate: Estimate | None, name: str, unit: Unit, colour: Colour = "calm") -> Marker | None:
    return None if estimate is None else _marker(name, estimate.value, estimate.interval, unit.scale, colour)


def _colours(versions: int) -> list[Colour]:
    """The newest version in the strongest colour."""
    newest: list[Colour] = ["second", "accent"]
    if versions < 2:
        return newest[2 - versions :]
    return [*(["calm"] * (versions - 2)), *newest]  # type: ignore[list-item]


def report_pictures(report: Report) -> Pictures:
    """The figures of a report, in the order of its page."""
    return Pictures(
        tuple(_effect_figures(joint, report.texts) for joint in report.comparisons),
        (
            *_spread_figure(report.distributions),
            *_tradeoff_figure([summary for summary in report.summaries if summary.count]),
        ),
        _trend_figures(report.trends),
    )


def _effect_figures(joint: JointComparison, texts: Mapping[str, str]) -> Page:
    """The change of each task, for those metrics that are ratios or have a task that stands out."""
    told = [c for c in joint.comparisons.values() if c.kind == "ratio" or any(row.stands_out for row in c.tasks)]
    figures = (_effects(comparison, texts) for comparison in told)
    return tuple(figure for figure in figures if figure is not None)


def _effects(comparison: Comparison, texts: Mapping[str, str]) -> Figure | None:
    chart = task_effects(comparison, texts)
    if chart is None:
        return None
    noun = METRICS[comparison.metric].noun
    rows = _ranked_tasks(comparison)
    out = [row for row in rows if row.stands_out]
    worse = sum((row.effect or 0) < 0 for row in out)
    hidden = sum(row.effect is not None for row in comparison.tasks) - len(rows)
    more = f", the {len(rows)} greatest of {len(rows) + hidden:,}" if hidden else ""
    caption: Line = (f"Change in {noun} by task{more}",)
    description: Line = (
        *(Untrusted(comparison.v2), " against ", Untrusted(comparison.v1)),
        f": {len(rows)} tasks, {len(out)} stand out: {worse} worse, {len(out) - worse} better. ",
        f"The greatest change is {_change(comparison, rows[0])} in ",
        Untrusted(chart.rows[0].name),
        ". Lines are 95% intervals; the band is what does not matter.",
    )
    header: tuple[Line, ...] = (("task",), ("change",), ("95% interval",), ("runs",))
    cells = tuple(
        (
            task_name(row.task_id, texts),
            (_change(comparison, row),),
            (limits(row.interval, better=METRICS[comparison.metric].better),),
            (f"{row.v1_count:,}+{row.v2_count:,}",),
        )
        for row in rows
    )
    return Figure(chart, caption, description, Table(header, cells, "lrrr"))


def _change(comparison: Comparison, row: TaskRow) -> str:
    suffix = short_unit(comparison.kind)
    return signed(None if row.effect is None else METRICS[comparison.metric].better * row.effect, suffix)


def _spread_figure(distributions: Sequence[Distribution]) -> Page:
    """How long the runs of each version took."""
    chart = _spread(distributions)
    if chart is None:
        return ()
    shown = [d for d in distributions if d.n][-MOST_VERSIONS:]
    unit = seconds(d.percentiles[95] for d in shown)
    medians: list[str | Untrusted] = []
    for d in shown:
        medians += [", ", Untrusted(d.version), f" {number(d.percentiles[50], unit)} {unit.symbol}"]
    description: Line = (
        "Histograms in the same bins",
        *((", on a logarithmic axis",) if chart.logarithmic else ()),
        "; upright lines are medians: ",
        *medians[1:],
        ".",
    )
    header: tuple[Line, ...] = (("version",), ("runs",), *((f"p{p} ({unit.symbol})",) for p in _PERCENTILES))
    rows: tuple[tuple[Line, ...], ...] = tuple(
        (
            (Untrusted(d.version),),
            (f"{d.n:,}",),
            *((number(d.percentiles[p], unit),) for p in _PERCENTILES),
        )
        for d in shown
    )
    table = Table(header, rows, "l" + "r" * (len(header) - 1))
    return (Figure(chart, ("How execution times are spread",), description, table),)


def _tradeoff_figure(summaries: Sequence[Summary]) -> Page:
    """Cost against success."""
    chart = _cost_against_success(summaries)
    if chart is None:
        return ()
    header: tuple[Line, ...] = (("version",), (chart.axes[0],), (chart.axes[1],))
    unit = UNITS["cost"](s.mean_cost for s in summaries)
    shown = {s.version: s for s in summaries}
    rows = tuple(
        (
            (Untrusted(x.name),),
            (estimate_text(shown[x.name].estimates["mean_cost"], unit),),
            (estimate_text(shown[x.name].estimates["success_rate"], PERCENT),),
        )
        for x, _ in chart.points
    )
    return (Figure(chart, ("Cost against success",), _corners(chart), Table(header, rows, "lrr")),)


def _corners(chart: Tradeoff) -> Line:
    cheapest = min(chart.points, key=lambda point: point[0].value)[0].name
    surest = max(chart.points, key=lambda point: point[1].value)[1].name
    return (
        "Up and to the left is better: ",
        *(Untrusted(cheapest), " costs least, ", Untrusted(surest), " succeeds most often. Lines are 95% intervals."),
    )


def _trend_figures(trends: Sequence[Trend]) -> Page:
    """Execution time, success and cost, week by week."""
    values = {
        metric: [week.figures[metric].value for trend in trends for week in trend.weeks if metric in week.figures]
        for metric in ("execution_time", "success_rate", "cost")
    }
    names = {"execution_time": "mean execution time", "success_rate": "success rate", "cost": "cost a run"}
    figures: list[Figure] = []
    for metric, name in names.items():
        unit = UNITS[metric](values[metric])
        chart = _timeline(trends, metric, unit, name)
        if chart is not None:
            table = _weeks_table(trends, metric, chart)
            figures.append(Figure(chart, (f"{name[0].upper()}{name[1:]} by week",), _flags(chart), table))
    return tuple(figures)


def _flags(chart: Timeline) -> Line:
    flagged = [
        (line.name, week, flag)
        for line in chart.lines
        for week, flag in zip(chart.weeks, line.flags, strict=True)
        if flag is not None
    ]
    if not flagged:
        return (f"{len(chart.weeks)} weeks; none is flagged. Lines are 95% intervals.",)
    parts: list[str | Untrusted] = []
    for name, week, flag in flagged:
        parts += [", ", Untrusted(name), f" {'worse' if flag == 'bad' else 'better'} in the week of {week}"]
    return (f"{len(chart.weeks)} weeks; flagged (triangles): ", *parts[1:], ". Lines are 95% intervals.")


def _weeks_table(trends: Sequence[Trend], metric: str, chart: Timeline) -> Table:
    values = {(t.version, w.start): w.figures.get(metric) for t in trends for w in t.weeks}
    starts = sorted({start for _, start in values})
    unit = UNITS[metric](e.value for e in values.values() if e is not None)
    header: tuple[Line, ...] = (("week of",), *((Untrusted(line.name),) for line in chart.lines))
    rows = tuple(
        (
            (week,),
            *((estimate_text(values.get((line.name, start)), unit),) for line in chart.lines),
        )
        for week, start in zip(chart.weeks, starts, strict=True)
    )
    return Table(header, rows, "l" + "r" * len(chart.lines))
