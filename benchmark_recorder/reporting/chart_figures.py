"""The figures of a report: each a chart, what it shows in words, and the same numbers in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.charts import (
    MOST_VERSIONS,
    Timeline,
    Tradeoff,
    cost_against_success,
    course,
    ranked_tasks,
    spread,
    task_effects,
)
from benchmark_recorder.reporting.comparison_pages import change_interval, estimate_text, task_name
from benchmark_recorder.reporting.numbers import PERCENT, number, seconds, signed
from benchmark_recorder.reporting.page import Figure, Line, Page, Table, Untrusted
from benchmark_recorder.reporting.wording import UNITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Comparison, Distribution, Summary, TaskRow, Trend

_PERCENTILES = (5, 25, 50, 75, 95)


def effect_figures(comparisons: Sequence[Comparison], texts: Mapping[str, str]) -> Page:
    """The change of each task, for those metrics that are ratios or have a task that stands out.

    Args:
        comparisons: of the same two versions.
        texts: of tasks whose ids were made from them, by id.
    """
    told = [c for c in comparisons if c.kind == "ratio" or any(row.stands_out for row in c.tasks)]
    figures = (_effects(comparison, texts) for comparison in told)
    return tuple(figure for figure in figures if figure is not None)


def _effects(comparison: Comparison, texts: Mapping[str, str]) -> Figure | None:
    chart = task_effects(comparison, texts)
    if chart is None:
        return None
    noun = METRICS[comparison.metric].noun
    rows = ranked_tasks(comparison)
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
        ". Lines are 95 % intervals; the band is what does not matter.",
    )
    header: tuple[Line, ...] = (("task",), ("change",), ("95 % interval",), ("runs",))
    cells = tuple(
        (
            task_name(row.task_id, texts),
            (_change(comparison, row),),
            (change_interval(row.interval, METRICS[comparison.metric].better),),
            (f"{row.v1_count:,}+{row.v2_count:,}",),
        )
        for row in rows
    )
    return Figure(chart, caption, description, Table(header, cells, "lrrr"))


def _change(comparison: Comparison, row: TaskRow) -> str:
    suffix = " %" if comparison.kind == "ratio" else " pt"
    return signed(None if row.effect is None else METRICS[comparison.metric].better * row.effect, suffix)


def spread_figure(distributions: Sequence[Distribution]) -> Page:
    """How long the runs of each version took."""
    chart = spread(distributions)
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


def tradeoff_figure(summaries: Sequence[Summary]) -> Page:
    """Cost against success."""
    chart = cost_against_success(summaries)
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
        *(Untrusted(cheapest), " costs least, ", Untrusted(surest), " succeeds most often. Lines are 95 % intervals."),
    )


def trend_figures(trends: Sequence[Trend]) -> Page:
    """Execution time, success and cost, week by week."""
    values = {
        metric: [week.figures[metric].value for trend in trends for week in trend.weeks if metric in week.figures]
        for metric in ("execution_time", "success_rate", "cost")
    }
    names = {"execution_time": "mean execution time", "success_rate": "success rate", "cost": "cost a run"}
    figures: list[Figure] = []
    for metric, name in names.items():
        unit = UNITS[metric](values[metric])
        chart = course(trends, metric, unit, name)
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
        return (f"{len(chart.weeks)} weeks; none is flagged. Lines are 95 % intervals.",)
    parts: list[str | Untrusted] = []
    for name, week, flag in flagged:
        parts += [", ", Untrusted(name), f" {'worse' if flag == 'bad' else 'better'} in the week of {week}"]
    return (f"{len(chart.weeks)} weeks; flagged (triangles): ", *parts[1:], ". Lines are 95 % intervals.")


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
