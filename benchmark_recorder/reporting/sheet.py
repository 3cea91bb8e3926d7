"""A report as one tidy table, for spreadsheets and for scripts: a row for each figure, always the same columns."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Final, TypedDict

from benchmark_recorder.reporting.encoders import csv_cell, terminal
from benchmark_recorder.reporting.figures import day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.analysis import Change, Comparison, Estimate, Interval, Summary, Trend, Week
    from benchmark_recorder.reporting.report import Report

MOST_OF_NAME: Final = 4096
"""Characters."""


class Row(TypedDict, total=False):
    """One figure; what does not apply to it is an empty cell.

    Attributes:
        kind: ``"version"``: a figure of a version; ``"comparison"``: a version against the one before it; ``"week"``: a
            figure of a version in a week; ``"week_change"``: a week against an earlier one.
        version: whose figure; the candidate of a comparison.
        baseline: the version that it is compared with.
        week: the Monday of the week, ISO 8601.
        baseline_week: of the week that it is compared with.
        metric: what the figure is, as ``Summary.estimates`` and ``Comparison.metric`` call it.
        unit: of the values: ``"s"``, ``"USD"``, ``"fraction"``, or ``"1"`` for counts.
        n: runs behind ``value``.
        value: the plain figure.
        value_low: lower end of its 95 % interval.
        value_high: upper end.
        baseline_n: runs behind ``baseline_value``.
        baseline_value: the plain figure of the baseline, or of the earlier week.
        effect_kind: ``"ratio"``: a part of the baseline's value; ``"points"``: a difference of rates, 0.02 is 2 points.
        effect: the change by the method that fits the runs; positive is better.
        effect_low: lower end of its 95 % interval.
        effect_high: upper end.
        p_value: two-sided, of no change.
        margin: a smaller change does not matter; in the unit of ``effect``.
        verdict: ``"improved"``, ``"regressed"``, ``"equivalent"`` or ``"inconclusive"``.
        flag: ``"worse"`` or ``"better"`` where a week changed by more than 10 % and the runs bear it out.
        method: of the interval, or of the effect where there is one.
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


COLUMNS: Final = tuple(Row.__annotations__)
"""In their order; a new one will stand at the end."""

_UNITS: Final = {
    "mean": "s",
    "geometric_mean": "s",
    "p50": "s",
    "p90": "s",
    "p95": "s",
    "p99": "s",
    "seconds_per_success": "s",
    "execution_time": "s",
    "mean_cost": "USD",
    "cost_per_success": "USD",
    "cost": "USD",
}
"""Of the metrics that are no rates."""


def report_csv(report: Report) -> str:
    """The report's figures as RFC 4180 has it, under a row of the names of ``COLUMNS``.

    Numbers stay numbers, and what is undefined is an empty cell. Names are on one line each; one that a spreadsheet
    would take for a formula has an apostrophe before it.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row.get(name)) for name in COLUMNS] for row in _rows(report))
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return csv_cell(terminal(value, MOST_OF_NAME))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _rows(report: Report) -> Iterator[Row]:
    for summary in {summary.version: summary for summary in report.summaries}.values():
        yield from _of_version(summary)
    for joint in report.comparisons:
        for comparison in joint.comparisons.values():
            yield _of_comparison(comparison)
    for trend in {trend.version: trend for trend in report.trends}.values():
        for week in trend.weeks:
            yield from _of_week(trend, week)


def _of_version(summary: Summary) -> Iterator[Row]:
    for metric, unit, value in (
        ("count", "1", summary.count),
        ("tasks", "1", summary.tasks),
        ("min", "s", summary.min),
        ("max", "s", summary.max),
        ("std", "s", summary.std),
        ("total_cost", "USD", summary.total_cost),
    ):
        yield Row(kind="version", version=summary.version, metric=metric, unit=unit, n=summary.count, value=value)
    for metric, estimate in summary.estimates.items():
        yield Row(kind="version", version=summary.version, metric=metric) | _estimated(metric, estimate)


def _estimated(metric: str, estimate: Estimate) -> Row:
    low, high = _ends(estimate.interval)
    unit = _UNITS.get(metric, "fraction")
    return Row(unit=unit, n=estimate.n, value=estimate.value, value_low=low, value_high=high, method=estimate.method)


def _of_comparison(comparison: Comparison) -> Row:
    low, high = _ends(comparison.interval)
    return Row(
        kind="comparison",
        version=comparison.v2,
        baseline=comparison.v1,
        metric=comparison.metric,
        unit=_UNITS.get(comparison.metric, "fraction"),
        n=comparison.v2_count,
        value=comparison.v2_value,
        baseline_n=comparison.v1_count,
        baseline_value=comparison.v1_value,
        effect_kind=comparison.kind,
        effect=comparison.effect,
        effect_low=low,
        effect_high=high,
        p_value=comparison.p_value,
        margin=comparison.margin,
        verdict=comparison.verdict,
        method=comparison.method,
    )


def _of_week(trend: Trend, week: Week) -> Iterator[Row]:
    place = Row(version=trend.version, week=day(week.start))
    yield Row(kind="week", metric="count", unit="1", n=week.runs, value=week.runs) | place
    for metric, estimate in week.figures.items():
        yield Row(kind="week", metric=metric) | place | _estimated(metric, estimate)
    earlier = {before.start: before for before in trend.weeks}
    for metric, change in week.changes.items():
        assert week.against is not None
        yield place | _of_change(metric, change, earlier[week.against], week)


def _of_change(metric: str, change: Change, before: Week, after: Week) -> Row:
    low, high = _ends(change.interval)
    return Row(
        kind="week_change",
        baseline_week=day(before.start),
        metric=metric,
        unit=_UNITS.get(metric, "fraction"),
        n=change.later_n,
        value=after.figures[metric].value,
        baseline_n=change.earlier_n,
        baseline_value=before.figures[metric].value,
        effect_kind="ratio",
        effect=change.effect,
        effect_low=low,
        effect_high=high,
        p_value=change.p_value,
        verdict=change.verdict,
        flag=change.flag,
        method=change.method,
    )


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)
