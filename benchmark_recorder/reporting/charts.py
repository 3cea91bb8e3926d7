"""What is drawn, before it is drawn: frozen figures, scaled to the axis that they stand on.

Names stay as they were recorded; who draws encodes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import PERCENT, Unit, dollars, moment, seconds
from benchmark_recorder.reporting.wording import LABELS, WORDINGS

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

MOST_ROWS: Final = 20
"""Rows of a chart, so that it fits a screen; the tables hold more."""
MOST_VERSIONS: Final = 8
"""Of a chart that has a row or a line for each, the newest ones."""
_GREATEST: Final = 1e9
"""On any axis: what is greater is drawn at the edge."""

Colour: TypeAlias = Literal["good", "bad", "doubt", "calm", "accent", "second"]
"""A verdict's tone, or, where versions are told apart: the newest, the one before it, and all others."""

VERDICT_COLOURS: Final[dict[str, Colour]] = {
    "improved": "good",
    "regressed": "bad",
    "inconclusive": "doubt",
    "equivalent": "calm",
}


@dataclass(frozen=True, slots=True)
class Marker:
    """A figure with its interval.

    Attributes:
        name: of a task, a version or a figure, as recorded.
        value: on the axis.
        low: ``None`` where the interval is open at this end, or there is none.
        high: as ``low``.
        colour: what it is drawn in.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    colour: Colour = "calm"

    @property
    def reach(self) -> tuple[float, float]:
        """The interval's ends: infinite where it is open, twice the value where there is none."""
        if self.low is None and self.high is None:
            return self.value, self.value
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True, slots=True)
class Forest:
    """Marks below each other.

    Attributes:
        rows: from the top.
        axis: what the figures are, with their unit.
        ends: what lies to the left and to the right of no change; empty where the axis begins at 0.
        margin: a change as small as that does not matter, on the axis; ``None`` for none.
    """

    rows: tuple[Marker, ...]
    axis: str
    ends: tuple[str, str] | tuple[()] = ()
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Marks in a plane.

    Attributes:
        points: for each version its mark on the horizontal and on the vertical axis.
        axes: what the two are, with their units.
    """

    points: tuple[tuple[Marker, Marker], ...]
    axes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class DurationBars:
    """How often something took how long.

    Attributes:
        name: of the version.
        shares: of its runs in each bin.
        median: on the axis.
        colour: what it is drawn in.
    """

    name: str
    shares: tuple[float, ...]
    median: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Spread:
    """Histograms below each other, in the same bins.

    Attributes:
        heaps: from the top, oldest first.
        edges: of the bins, on the axis.
        axis: what it is, with its unit.
        logarithmic: whether the axis is.
    """

    heaps: tuple[DurationBars, ...]
    edges: tuple[float, ...]
    axis: str
    logarithmic: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One version over the weeks.

    Attributes:
        name: of the version.
        marks: one for each week; ``None`` where there is none.
        flags: for each week what it is flagged as.
        colour: what it is drawn in.
    """

    name: str
    marks: tuple[Marker | None, ...]
    flags: tuple[Literal["good", "bad"] | None, ...]
    colour: Colour


@dataclass(frozen=True, slots=True)
class Timeline:
    """Versions over the weeks.

    Attributes:
        lines: oldest version first.
        weeks: their first days.
        axis: what is followed, with its unit.
    """

    lines: tuple[Line, ...]
    weeks: tuple[str, ...]
    axis: str


Chart: TypeAlias = Forest | Tradeoff | Spread | Timeline


def scaled(value: float | None, scale: float) -> float | None:
    """A figure on an axis; ``None`` where it is none."""
    if value is None or math.isnan(value):
        return None
    return max(-_GREATEST, min(_GREATEST, value * scale))


def mark(
    name: str, value: float | None, interval: Interval | None, scale: float, colour: Colour = "calm"
) -> Marker | None:
    """A figure in the unit of its axis; ``None`` where it is undefined. A negative scale turns the interval round."""
    at = scaled(value, scale)
    if at is None:
        return None
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    if scale < 0:
        low, high = high, low
    return Marker(name, at, scaled(low, scale), scaled(high, scale), colour)


def ranked_tasks(comparison: Comparison) -> list[TaskRow]:
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
        mark(texts.get(row.task_id, row.task_id), row.effect, row.interval, scale, _colour(row))
        for row in ranked_tasks(comparison)
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
    one = mark(
        comparison.v2,
        comparison.effect,
        comparison.interval,
        100 * METRICS[comparison.metric].better,
        VERDICT_COLOURS[comparison.verdict],
    )
    return Forest(
        () if one is None else (one,), _change_axis(comparison), _ends(comparison.metric), 100 * comparison.margin
    )


def metric_effects(joint: JointComparison) -> Forest:
    """The improvement in each metric."""
    marks = (
        mark(f"{METRICS[c.metric].noun} ({_symbol(c)})", c.effect, c.interval, 100, VERDICT_COLOURS[c.verdict])
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


def cost_against_success(summaries: Sequence[Summary]) -> Tradeoff | None:
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


def spread(distributions: Sequence[Distribution]) -> Spread | None:
    """How long the runs of each version took; ``None`` where there are none, or an axis cannot hold what they took."""
    shown = [d for d in distributions if d.n][-MOST_VERSIONS:]
    if not shown:
        return None
    unit = seconds(d.percentiles[95] for d in shown)
    heaps = tuple(
        DurationBars(d.version, tuple(count / d.n for count in d.counts), d.percentiles[50] * unit.scale, colour)
        for d, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    logarithmic = shown[0].scale == "log"
    least = 1 / _GREATEST if logarithmic else 0.0
    edges = tuple(min(max(edge * unit.scale, least), _GREATEST) for edge in shown[0].edges)
    if not edges[0] < edges[-1]:
        return None
    return Spread(heaps, edges, f"execution time ({unit.symbol})", logarithmic)


def course(trends: Sequence[Trend], metric: str, unit: Unit, axis: str) -> Timeline | None:
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
        _line(trend, metric, unit, starts, colour) for trend, colour in zip(shown, _colours(len(shown)), strict=True)
    )
    if not any(one for line in lines for one in line.marks):
        return None
    return Timeline(lines, tuple(moment(start)[:10] for start in starts), f"{axis} ({unit.symbol})")


def _line(trend: Trend, metric: str, unit: Unit, starts: Sequence[int], colour: Colour) -> Line:
    weeks = {week.start: week for week in trend.weeks}
    there = [weeks.get(start) for start in starts]
    marks = tuple(_of(week.figures.get(metric), trend.version, unit, colour) if week else None for week in there)
    words: dict[str | None, Literal["good", "bad"] | None] = {"worse": "bad", "better": "good", None: None}
    flags = tuple(words[week.changes[metric].flag] if week and metric in week.changes else None for week in there)
    return Line(trend.version, marks, flags, colour)


def _of(estimate: Estimate | None, name: str, unit: Unit, colour: Colour = "calm") -> Marker | None:
    return None if estimate is None else mark(name, estimate.value, estimate.interval, unit.scale, colour)


def _colours(versions: int) -> list[Colour]:
    """The newest version in the strongest colour."""
    newest: list[Colour] = ["second", "accent"]
    if versions < 2:
        return newest[2 - versions :]
    return [*(["calm"] * (versions - 2)), *newest]  # type: ignore[list-item]
