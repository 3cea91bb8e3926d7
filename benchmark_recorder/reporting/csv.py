"""Records as CSV, for spreadsheets and for scripts."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Final, TextIO, TypedDict

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.fields import METRIC_FIELDS, of_kind
from benchmark_recorder.grouping import UNKNOWN
from benchmark_recorder.reporting.escaping import csv_cell, terminal
from benchmark_recorder.reporting.json import json_text, plain
from benchmark_recorder.reporting.numbers import day

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.analysis import (
        Attention,
        Caveat,
        Change,
        Comparison,
        Estimate,
        Interval,
        Pooled,
        Summary,
        TaskRow,
        Trend,
        Week,
    )
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting.report import Report

CSV_FIELDS: Final = (*METRIC_FIELDS[:10], *METRIC_FIELDS[11:], "metadata")
"""The columns of an export: the first ten are those that the files always had."""


def write_csv(columns: Columns, path: str | os.PathLike[str]) -> None:
    """Write columns to a file, under a row of their names; see ``print_csv``.

    Raises:
        OSError: the file cannot be written.
    """
    with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - takes any path
        print_csv(columns, file)


def print_csv(columns: Columns, file: TextIO) -> None:
    """Write columns as RFC 4180 has it.

    Numbers stay numbers, what is absent is an empty cell, metadata is JSON. A text that a spreadsheet would take for
    a formula has an apostrophe before it.
    """
    writer = csv.writer(file)
    writer.writerow(columns)
    cells = (map(_whole if name in _COUNTS else _cell, column.tolist()) for name, column in columns.items())
    writer.writerows(zip(*cells, strict=True))


_COUNTS: Final = of_kind("count")


def _whole(value: float) -> int | None:
    """A count from a column that holds floats because there are gaps."""
    return int(value) if math.isfinite(value) else None


def _cell(value: Any) -> str | float | None:  # noqa: ANN401 - what a column holds
    if isinstance(value, str):
        return csv_cell(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return csv_cell(json_text(value))


MOST_OF_NAME: Final = 4096
"""Characters."""


class Row(TypedDict, total=False):
    """One figure; what does not apply to it is an empty cell.

    Attributes:
        kind: ``"version"``: a figure of a version; ``"comparison"``: a version against the one before it; ``"week"``: a
            figure of a version in a week; ``"week_change"``: a week against those before it; ``"task"``: one that
            stands out in a comparison; ``"group"``: a figure of a group of a version's runs; ``"slice"``: a comparison
            of the runs of one group; ``"pooled_slices"``: of all slices together; ``"worst_task"``,
            ``"failure_class"``, ``"confusion"``: what to look at in a version; ``"warning"``: of the report;
            ``"basis"``: what it rests on.
        version: whose figure; the candidate of a comparison.
        baseline: the version that it is compared with.
        week: the Monday of the week, ISO 8601.
        baseline_week: of the oldest week that it is compared with, as with all after that.
        metric: what the figure is, as ``Summary.estimates`` and ``Comparison.metric`` call it.
        unit: of the values: ``"s"``, ``"USD"``, ``"fraction"``, or ``"1"`` for counts.
        n: runs behind ``value``.
        value: the plain figure.
        value_low: lower end of its 95% interval.
        value_high: upper end.
        baseline_n: runs behind ``baseline_value``.
        baseline_value: the plain figure of the baseline, or of the earlier weeks.
        effect_kind: ``"ratio"``: a part of the baseline's value; ``"points"``: a difference of rates, 0.02 is 2 points.
        effect: the change by the method that fits the runs; positive is better.
        effect_low: lower end of its 95% interval.
        effect_high: upper end.
        p_value: two-sided, of no change.
        margin: a smaller change does not matter; in the unit of ``effect``.
        verdict: ``"improved"``, ``"regressed"``, ``"equivalent"`` or ``"inconclusive"``; ``"differs"`` where
            slices do not share one effect.
        flag: ``"worse"`` or ``"better"`` of a week that changed by more than 10% where the runs bear it out, and of a
            task that stands out; ``"begins_to_fail"`` or ``"repaired"`` of a task that does.
        method: of the interval, or of the effect where there is one.
        task: a task's id.
        expected_agent: of runs that were routed wrong.
        agent_selected: where they went.
        error_type: of failed runs.
        text: a task's text where its id was made from it, a warning's sentence, a place's name.
        by: the key of the groups.
        group: a group's label; ``"(none)"`` for runs that say nothing.
    """

    kind: str
    version: str
    baseline: str
    week: str
    baseline_week: str
    metric: str
    unit: str
    n: int
    value: float | None
    value_low: float | None
    value_high: float | None
    baseline_n: int
    baseline_value: float | None
    effect_kind: str
    effect: float | None
    effect_low: float | None
    effect_high: float | None
    p_value: float | None
    margin: float
    verdict: str
    flag: str | None
    method: str
    task: str
    expected_agent: str
    agent_selected: str
    error_type: str | None
    text: str | None
    by: str
    group: str


COLUMNS: Final = tuple(Row.__annotations__)
"""In their order; new columns go to the end."""

_FIGURE_UNITS: Final = {"execution_time": "s", "cost": "USD", "input_tokens": "tokens", "output_tokens": "tokens"}

_UNITS: Final = {
    **dict.fromkeys(
        ("execution_time", "mean", "geometric_mean", "p50", "p90", "p95", "p99", "seconds_per_success"), "s"
    ),
    **dict.fromkeys(("cost", "mean_cost", "cost_per_success"), "USD"),
    **{name: _FIGURE_UNITS[m.figure] for name, m in METRICS.items() if m.figure in _FIGURE_UNITS},
}
"""Of the metrics that are not rates."""


def report_csv(report: Report) -> str:
    """The report's figures as RFC 4180 has it, under a row of the names of ``COLUMNS``.

    Numbers stay numbers, and what is undefined is an empty cell. Names are on one line each; one that a spreadsheet
    would take for a formula has an apostrophe before it.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows([_report_cell(row.get(name)) for name in COLUMNS] for row in _rows(report))
    return file.getvalue()


def _report_cell(value: object) -> object:
    if isinstance(value, str):
        return csv_cell(terminal(value, MOST_OF_NAME))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _rows(report: Report) -> Iterator[Row]:
    for summary in {summary.version: summary for summary in report.summaries}.values():
        yield from _of_summary(summary, Row(kind="version"))
    for joint in report.comparisons:
        for comparison in joint.comparisons.values():
            yield _of_comparison(comparison)
    for trend in {trend.version: trend for trend in report.trends}.values():
        for week in trend.weeks:
            yield from _of_week(trend, week)
    for joint in report.comparisons:
        for comparison in joint.comparisons.values():
            yield from (
                _of_task(comparison, row, report.texts) for row in comparison.tasks if row.stands_out or row.turn
            )
    yield from _of_groups(report)
    for attention in {attention.version: attention for attention in report.attention}.values():
        yield from _of_attention(attention, report.texts)
    yield from _of_warnings(report)
    yield from _of_basis(report)


def _of_summary(summary: Summary, place: Row) -> Iterator[Row]:
    place = Row(version=summary.version) | place
    for metric, unit, value in (
        ("count", "1", summary.count),
        ("tasks", "1", summary.tasks),
        ("min", "s", summary.min),
        ("max", "s", summary.max),
        ("std", "s", summary.std),
        ("total_cost", "USD", summary.total_cost),
    ):
        yield place | Row(metric=metric, unit=unit, n=summary.count, value=value)
    for metric, estimate in summary.estimates.items():
        yield place | Row(metric=metric) | _estimated(metric, estimate)


def _estimated(metric: str, estimate: Estimate) -> Row:
    low, high = _ends(estimate.interval)
    unit = _UNITS.get(metric, "fraction")
    return Row(unit=unit, n=estimate.n, value=estimate.value, value_low=low, value_high=high, method=estimate.method)


def _of_comparison(comparison: Comparison) -> Row:
    decided = Row(margin=comparison.margin, verdict=comparison.verdict, method=comparison.method)
    return Row(kind="comparison") | _sides(comparison, comparison) | _changed(comparison) | decided


def _of_task(comparison: Comparison, row: TaskRow, texts: Mapping[str, str]) -> Row:
    direction = None if row.effect is None else "better" if row.effect > 0 else "worse"
    task = Row(kind="task", task=row.task_id, text=texts.get(row.task_id), flag=row.turn or direction)
    return task | _sides(comparison, row) | _changed(row)


def _sides(comparison: Comparison, counted: Comparison | TaskRow) -> Row:
    """The two versions of a comparison, and their values over all tasks or for one."""
    return Row(
        version=comparison.v2,
        baseline=comparison.v1,
        metric=comparison.metric,
        unit=_UNITS.get(comparison.metric, "fraction"),
        n=counted.v2_count,
        value=counted.v2_value,
        baseline_n=counted.v1_count,
        baseline_value=counted.v1_value,
        effect_kind=comparison.kind,
    )


def _changed(found: Comparison | TaskRow | Change | Pooled) -> Row:
    low, high = _ends(found.interval)
    return Row(effect=found.effect, effect_low=low, effect_high=high, p_value=found.p_value)


def _of_week(trend: Trend, week: Week) -> Iterator[Row]:
    place = Row(version=trend.version, week=day(week.start))
    yield Row(kind="week", metric="count", unit="1", n=week.runs, value=week.runs) | place
    for metric, estimate in week.figures.items():
        yield Row(kind="week", metric=metric) | place | _estimated(metric, estimate)
    for metric, change in week.changes.items():
        assert week.against is not None
        weeks = Row(
            kind="week_change",
            baseline_week=day(week.against),
            metric=metric,
            unit=_UNITS.get(metric, "fraction"),
            n=change.later_n,
            value=week.figures[metric].value,
            baseline_n=change.earlier_n,
            baseline_value=change.earlier_value,
            effect_kind="ratio",
        )
        decided = Row(verdict=change.verdict, flag=change.flag, method=change.method)
        yield place | weeks | _changed(change) | decided


def _of_groups(report: Report) -> Iterator[Row]:
    """What ``by=`` adds; nothing without it."""
    by = report.by or ""
    for groups in {
        summary.version: own for summary, own in zip(report.summaries, report.groups, strict=False)
    }.values():
        for group, summary in groups.items():
            yield from _of_summary(summary, Row(kind="group", by=by, group=_label(group)))
    for sliced in report.slices:
        for one in sliced.slices:
            yield _of_comparison(one.comparison) | Row(kind="slice", by=by, group=_label(one.group))
        if (pooled := sliced.pooled) is not None:
            sides = Row(version=sliced.v2, baseline=sliced.v1, metric=sliced.metric, by=by)
            decided = Row(verdict=pooled.verdict, method=pooled.method)
            yield Row(kind="pooled_slices") | sides | _changed(pooled) | decided


def _label(group: str | None) -> str:
    return UNKNOWN if group is None else group


def _of_attention(attention: Attention, texts: Mapping[str, str]) -> Iterator[Row]:
    place = Row(version=attention.version)
    for task in attention.worst_tasks:
        named = Row(kind="worst_task", metric="success_rate", task=task.task_id, text=texts.get(task.task_id))
        yield place | named | _estimated("success_rate", task.success_rate)
    for failed in attention.failure_classes:
        counted = Row(metric="failures", unit="1", n=attention.failures, value=failed.runs)
        yield Row(kind="failure_class", error_type=failed.error_type) | place | counted
    for wrong in attention.confusions:
        counted = Row(metric="misrouted", unit="1", n=wrong.of, value=wrong.runs)
        agents = Row(kind="confusion", expected_agent=wrong.expected, agent_selected=wrong.selected)
        yield agents | place | counted


def _of_warnings(report: Report) -> Iterator[Row]:
    """Each sentence once, under the first that it belongs to."""
    seen: set[str] = set()
    of_groups = (found for own in report.groups for found in own.values())
    places = [
        *((Row(version=joint.v2, baseline=joint.v1), joint.warnings) for joint in report.comparisons),
        *((Row(version=summary.version), summary.warnings) for summary in report.summaries),
        *((Row(version=trend.version), trend.warnings) for trend in report.trends),
        *((Row(version=sliced.v2, baseline=sliced.v1), sliced.warnings) for sliced in report.slices),
        *((Row(version=one.version), _about_groups(one.warnings)) for one in of_groups),
    ]
    for place, warnings in places:
        for caveat in warnings:
            if caveat.sentence not in seen:
                seen.add(caveat.sentence)
                yield Row(kind="warning", metric=caveat.code, text=caveat.sentence) | place


def _about_groups(warnings: tuple[Caveat, ...]) -> tuple[Caveat, ...]:
    """Those that are not about one group alone."""
    return tuple(caveat for caveat in warnings if caveat.code == "groups_pooled")


def _of_basis(report: Report) -> Iterator[Row]:
    yield Row(kind="basis", metric="store", text=report.basis.store)
    for name, value in report.basis.query.items():
        if value is not None:
            yield Row(kind="basis", metric=f"query_{name}", text=str(plain(value)))
    for name in ("waiting", "lost", "invalid", "pending", "quarantined"):
        yield Row(kind="basis", metric=name, unit="1", value=getattr(report.basis.health, name))


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)
