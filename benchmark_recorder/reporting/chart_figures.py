"""The charts of results, and the figures of a report: a chart, what it shows in words, and its numbers in a table.

Names stay as they were recorded; the code that draws encodes them.
"""

from __future__ import annotations

import math
from dataclasses import fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis import METRICS, Interval
from benchmark_recorder.grouping import UNKNOWN
from benchmark_recorder.reporting.charts import DurationBars, Forest, Marker, Series, Spread, Timeline, Tradeoff
from benchmark_recorder.reporting.comparison_pages import change_text, task_name
from benchmark_recorder.reporting.numbers import PERCENT, amount, day, dollars, given, limits, number, seconds
from benchmark_recorder.reporting.page import Figure, Line, Page, Table, Untrusted, joined
from benchmark_recorder.reporting.report_page import Pictures
from benchmark_recorder.reporting.version_pages import estimate_text
from benchmark_recorder.reporting.wording import LABELS, TONES, UNITS, WORDINGS, short_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmark_recorder.analysis import (
        ClaimReport,
        Comparison,
        Distribution,
        EachComparison,
        Estimate,
        FalseBlocks,
        GateResult,
        JointComparison,
        Result,
        SelfTest,
        SlicedComparison,
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
_PERCENTILES: Final = (5, 25, 50, 75, 95)
_WEEKLY: Final = {"execution_time": "mean execution time", "success_rate": "success rate", "cost": "cost per run"}
_FLAGS: Final[Mapping[str | None, Literal["good", "bad"] | None]] = {"worse": "bad", "better": "good", None: None}


def task_effects(comparison: Comparison, texts: Mapping[str, str] = MappingProxyType({})) -> Forest | None:
    """The change of each task, the largest first, by its text in ``texts`` if it has one; ``None`` below two tasks."""
    rows = _ranked_tasks(comparison)
    forest = _forest(
        comparison,
        ((texts.get(row.task_id, row.task_id), row.effect, row.interval, _colour(row)) for row in rows),
    )
    return forest if len(forest.rows) >= 2 else None


def whole_effect(comparison: Comparison) -> Forest:
    """The change over all tasks."""
    whole = (comparison.v2, comparison.effect, comparison.interval, TONES[comparison.verdict])
    return _forest(comparison, [whole])


def comparison_effects(comparison: Comparison) -> Forest:
    """The change of each task, or of all runs where tasks cannot be told apart."""
    return task_effects(comparison) or whole_effect(comparison)


def metric_effects(joint: JointComparison) -> Forest:
    """The change in each metric, in the direction in which its values change."""
    marks = (
        _marker(
            f"{METRICS[c.metric].noun} ({_symbol(c)})",
            c.effect,
            c.interval,
            100 * METRICS[c.metric].better,
            TONES[c.verdict],
        )
        for c in joint.comparisons.values()
    )
    return Forest(tuple(filter(None, marks)), "change", ("lower", "higher"))


def candidate_effects(each: EachComparison) -> Forest:
    """The change of execution time in each candidate."""
    comparisons = [joint.comparisons["execution_time"] for joint in each.comparisons.values()]
    return _forest(comparisons[0], ((c.v2, c.effect, c.interval, TONES[c.verdict]) for c in comparisons))


def slice_effects(sliced: SlicedComparison) -> Forest:
    """The change in each slice."""
    found = [(UNKNOWN if one.group is None else one.group, one.comparison) for one in sliced.slices]
    if not found:
        return Forest((), f"change in {METRICS[sliced.metric].noun}")
    changes = ((group, c.effect, c.interval, TONES[c.verdict]) for group, c in found)
    return _forest(found[0][1], changes)


def claim_effects(report: ClaimReport) -> Forest:
    """The change that each claim is about, in the direction in which its values change."""
    tones: Mapping[str, Colour] = {"PROVEN": "good", "SUPPORTED": "good", "REFUTED": "bad"}
    marks = (
        _marker(
            r.text,
            r.improvement,
            r.equivalence_interval or r.interval,
            METRICS[r.claim.metric].better,
            tones.get(r.status, "doubt"),
        )
        for r in report.results
    )
    return Forest(tuple(filter(None, marks)), "change (%)", ("lower", "higher"))


def guardrail_effects(result: GateResult) -> Forest:
    """The change in each guardrail, up to the bound of what it may be at worst."""
    tones: Mapping[str, Colour] = {"pass": "good", "block": "bad"}
    marks = (
        _marker(
            f"{METRICS[c.metric].noun} ({short_unit(METRICS[c.metric].kind).strip()}, limit {given(c.margin)})",
            c.worsening,
            None if c.bound is None else Interval(None, c.bound),
            -100 * METRICS[c.metric].better,
            tones.get(c.state, "doubt"),
        )
        for c in result.checks
    )
    return Forest(tuple(filter(None, marks)), "change, and at worst", ("lower", "higher"))


def false_blocks(result: SelfTest) -> Forest:
    """How often the gate blocked without a true change, and how often it was inconclusive."""
    marks = (
        _marker(f"{found.kind}: {word}", share, None, 100.0, colour)
        for found in (result.within_tasks, result.by_day)
        if found is not None
        for word, share, colour in _outcomes(found)
    )
    return Forest(tuple(filter(None, marks)), "splits without a true change (%)")


def _outcomes(found: FalseBlocks) -> tuple[tuple[str, float, Colour], ...]:
    return ("blocked", found.rate, "bad"), ("inconclusive", found.inconclusive_rate, "doubt")


def title_of(result: Result) -> tuple[str, ...]:
    """The versions that a chart is about, the candidate first."""
    there = {field.name: getattr(result, field.name) for field in fields(result) if field.name in _NAMED}  # type: ignore[arg-type]
    return tuple(there[name] for name in _NAMED if name in there)


_NAMED: Final = ("v2", "candidate", "v1", "baseline", "version")


def durations(summary: Summary) -> Forest:
    """Mean and percentiles of one version's durations."""
    unit = seconds((summary.mean, summary.p99))
    named = {"mean": "mean", "median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}
    marks = (_estimated(name, summary.estimates.get(key), unit) for name, key in named.items())
    return Forest(tuple(filter(None, marks)), f"execution time ({unit.symbol})")


def report_pictures(report: Report) -> Pictures:
    """The figures of a report, in the order of its page."""
    return Pictures(
        tuple(_effect_figures(joint, report.texts) for joint in report.comparisons),
        (
            *_spread_figure([d for d in report.distributions if d.n][-MOST_VERSIONS:]),
            *_tradeoff_figure([s for s in report.summaries if s.count][-MOST_VERSIONS:]),
        ),
        tuple(figure for metric in _WEEKLY for figure in _trend_figure(report.trends, metric)),
    )


def _ranked_tasks(comparison: Comparison) -> list[TaskRow]:
    """The tasks that a chart shows: those that change most."""
    known = (row for row in comparison.tasks if row.effect is not None)
    return sorted(known, key=lambda row: (-abs(row.effect or 0), row.task_id))[:MOST_ROWS]


def _colour(row: TaskRow) -> Colour:
    if not row.stands_out:
        return "calm"
    return "good" if (row.effect or 0) > 0 else "bad"


def _forest(comparison: Comparison, changes: Iterable[tuple[str, float | None, Interval | None, Colour]]) -> Forest:
    """Changes in one metric, in the direction in which its values change."""
    better, wording = METRICS[comparison.metric].better, WORDINGS[comparison.metric]
    marks = (_marker(name, effect, interval, 100 * better, colour) for name, effect, interval, colour in changes)
    return Forest(
        tuple(filter(None, marks)),
        f"change in {LABELS[comparison.metric]} ({_symbol(comparison)})",
        (wording.worse, wording.better) if better > 0 else (wording.better, wording.worse),
        100 * comparison.margin,
    )


def _symbol(comparison: Comparison) -> str:
    return "%" if comparison.kind == "ratio" else "points"


def _estimated(name: str, estimate: Estimate | None, unit: Unit, colour: Colour = "calm") -> Marker | None:
    return None if estimate is None else _marker(name, estimate.value, estimate.interval, unit.scale, colour)


def _marker(name: str, value: float | None, interval: Interval | None, scale: float, colour: Colour) -> Marker | None:
    """A figure in the unit of its axis; ``None`` where it is undefined. A negative scale reverses the interval."""
    at = _scaled(value, scale)
    if at is None:
        return None
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    if scale < 0:
        low, high = high, low
    return Marker(name, at, _scaled(low, scale), _scaled(high, scale), colour)


def _scaled(value: float | None, scale: float) -> float | None:
    if value is None or math.isnan(value):
        return None
    return max(-_GREATEST, min(_GREATEST, value * scale))


def _colours(versions: int) -> list[Colour]:
    """The newest version in the strongest colour."""
    newest: list[Colour] = ["second", "accent"]
    if versions < 2:
        return newest[2 - versions :]
    return [*(["calm"] * (versions - 2)), *newest]  # type: ignore[list-item]


def _effect_figures(joint: JointComparison, texts: Mapping[str, str]) -> Page:
    """The change of each task, for those metrics that are ratios or have a task that stands out."""
    shown = [c for c in joint.comparisons.values() if c.kind == "ratio" or any(row.stands_out for row in c.tasks)]
    charts = ((comparison, task_effects(comparison, texts)) for comparison in shown)
    return tuple(_effect_figure(comparison, chart, texts) for comparison, chart in charts if chart is not None)


def _effect_figure(comparison: Comparison, chart: Forest, texts: Mapping[str, str]) -> Figure:
    rows = _ranked_tasks(comparison)
    out = [row for row in rows if row.stands_out]
    worse = sum((row.effect or 0) < 0 for row in out)
    known = sum(row.effect is not None for row in comparison.tasks)
    more = f", the {len(rows)} largest of {known:,}" if known > len(rows) else ""
    caption: Line = (f"Change in {METRICS[comparison.metric].noun} by task{more}",)
    description: Line = (
        *(Untrusted(comparison.v2), " against ", Untrusted(comparison.v1)),
        f": {len(rows)} tasks, {len(out)} stand out: {worse} worse, {len(out) - worse} better. ",
        f"The largest change is {change_text(comparison, rows[0].effect)} in ",
        Untrusted(chart.rows[0].name),
        ". Lines are 95% intervals; the band marks changes too small to matter.",
    )
    header: tuple[Line, ...] = (("task",), ("change",), ("95% interval",), ("runs",))
    cells = tuple(
        (
            task_name(row.task_id, texts),
            (change_text(comparison, row.effect),),
            (limits(row.interval, better=METRICS[comparison.metric].better),),
            (f"{row.v1_count:,}+{row.v2_count:,}",),
        )
        for row in rows
    )
    return Figure(chart, caption, description, Table(header, cells, "lrrr"))


def _spread_figure(shown: Sequence[Distribution]) -> Page:
    """How long the runs of each version took; none where there are no runs, or their times do not fit an axis."""
    if not shown:
        return ()
    unit = seconds(d.percentiles[95] for d in shown)
    logarithmic = shown[0].scale == "log"
    least = 1 / _GREATEST if logarithmic else 0.0
    edges = tuple(min(max(edge * unit.scale, least), _GREATEST) for edge in shown[0].edges)
    if not edges[0] < edges[-1]:
        return ()
    bars = tuple(
        DurationBars(d.version, tuple(count / d.n for count in d.counts), d.percentiles[50] * unit.scale, colour)
        for d, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    medians = joined((Untrusted(d.version), f" {amount(d.percentiles[50], unit)}") for d in shown)
    description: Line = (
        f"Histograms in the same bins{', on a logarithmic axis' if logarithmic else ''}; vertical lines are medians: ",
        *(*medians, "."),
    )
    header: tuple[Line, ...] = (("version",), ("runs",), *((f"p{p} ({unit.symbol})",) for p in _PERCENTILES))
    rows: tuple[tuple[Line, ...], ...] = tuple(
        ((Untrusted(d.version),), (f"{d.n:,}",), *((number(d.percentiles[p], unit),) for p in _PERCENTILES))
        for d in shown
    )
    chart = Spread(bars, edges, f"execution time ({unit.symbol})", logarithmic)
    table = Table(header, rows, "l" + "r" * (len(header) - 1))
    return (Figure(chart, ("Distribution of execution times",), description, table),)


def _tradeoff_figure(shown: Sequence[Summary]) -> Page:
    """Cost per run against success; none where fewer than two versions have both."""
    unit = dollars(s.mean_cost for s in shown)
    points: list[tuple[Marker, Marker]] = []
    rows: list[tuple[Line, ...]] = []
    for summary, colour in zip(shown, _colours(len(shown)), strict=True):
        cost, success = summary.estimates["mean_cost"], summary.estimates["success_rate"]
        x, y = _estimated(summary.version, cost, unit, colour), _estimated(summary.version, success, PERCENT, colour)
        if x and y:
            points.append((x, y))
            texts = estimate_text(cost, unit), estimate_text(success, PERCENT)
            rows.append(((Untrusted(summary.version),), *((text,) for text in texts)))
    if len(points) < 2:
        return ()
    chart = Tradeoff(tuple(points), (f"cost per run ({unit.symbol})", "success (%)"))
    cheapest = min(points, key=lambda point: point[0].value)[0].name
    surest = max(points, key=lambda point: point[1].value)[1].name
    description: Line = (
        "Up and to the left is better: ",
        *(Untrusted(cheapest), " costs least, ", Untrusted(surest), " succeeds most often. Lines are 95% intervals."),
    )
    table = Table((("version",), *((axis,) for axis in chart.axes)), tuple(rows), "lrr")
    return (Figure(chart, ("Cost against success",), description, table),)


def _trend_figure(trends: Sequence[Trend], metric: str) -> Page:
    """One metric week by week; none where there are not two weeks. All versions have the same weeks."""
    shown = [trend for trend in trends if any(metric in week.figures for week in trend.weeks)][-MOST_VERSIONS:]
    figures = {(t.version, w.start): w.figures.get(metric) for t in shown for w in t.weeks}
    unit = UNITS[metric](estimate.value for estimate in figures.values() if estimate)
    starts = sorted({start for _, start in figures})
    lines = tuple(
        Series(
            trend.version,
            tuple(_estimated(trend.version, figures.get((trend.version, start)), unit, colour) for start in starts),
            _flags(trend, metric, starts),
            colour,
        )
        for trend, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    if len(starts) < 2 or not any(mark for line in lines for mark in line.marks):
        return ()
    name, weeks = _WEEKLY[metric], tuple(map(day, starts))
    rows = tuple(
        ((week,), *((estimate_text(figures.get((trend.version, start)), unit),) for trend in shown))
        for week, start in zip(weeks, starts, strict=True)
    )
    header: tuple[Line, ...] = (("week of",), *((Untrusted(trend.version),) for trend in shown))
    chart = Timeline(lines, weeks, f"{name} ({unit.symbol})")
    table = Table(header, rows, "l" + "r" * len(shown))
    return (Figure(chart, (f"{name[0].upper()}{name[1:]} by week",), _flagged(chart), table),)


def _flags(trend: Trend, metric: str, starts: Sequence[int]) -> tuple[Literal["good", "bad"] | None, ...]:
    changes = {week.start: week.changes.get(metric) for week in trend.weeks}
    found = (changes.get(start) for start in starts)
    return tuple(_FLAGS[change.flag] if change else None for change in found)


def _flagged(chart: Timeline) -> Line:
    flagged = [
        (Untrusted(line.name), f" {'worse' if flag == 'bad' else 'better'} in the week of {week}")
        for line in chart.lines
        for week, flag in zip(chart.weeks, line.flags, strict=True)
        if flag is not None
    ]
    if not flagged:
        return (f"{len(chart.weeks)} weeks; none is flagged. Lines are 95% intervals.",)
    return (f"{len(chart.weeks)} weeks; flagged (triangles): ", *joined(flagged), ". Lines are 95% intervals.")
