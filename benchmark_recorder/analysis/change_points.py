"""Change points: where a metric moved, in a series of days or of commits.

A point of the series is what its runs have in common once each task's own level is taken out, so tasks that come and go
do not move it. The series is cut where that lowers the squared distances from the pieces' means by more than a penalty
(optimal partitioning, the penalty in units of the noise between neighbours). A cut stays if ranks confirm it against
random orders of the same points, in blocks where neighbours are alike, and if it is large enough to matter.

Sources: Jackson et al. (2005) and Killick, Fearnhead & Eckley (2012) for the partition; Carlstein (1986) for the length
of the blocks; Hansen (2000) for the places that a cut may have.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import NO_SPREAD, Student
from benchmark_recorder.analysis.metrics import METRICS, metric_named, run_values
from benchmark_recorder.analysis.results import Caveat, Interval, Result, finite, interval_of, ratio_of
from benchmark_recorder.analysis.segments import (
    ALIKE,
    PENALTY,
    Cut,
    chance_of,
    correlation,
    drifts,
    levels_of,
    noise,
    partition,
    places_of,
)
from benchmark_recorder.errors import InvalidQueryError, one_of
from benchmark_recorder.grouping import DAY, REST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.metrics import Metric
    from benchmark_recorder.cells import Cell, Cells

    Floats = NDArray[np.float64]

FOLLOWED: Final = tuple(name for name, metric in METRICS.items() if metric.counts or metric.moments)
"""The metrics that cells are enough for."""

SERIES: Final = ("commit", "day")
"""What a point of a series is made of."""

FEWEST: Final = 6
"""Points below which nothing is looked for: two pieces of the shortest length."""

LEVEL: Final = 0.01
"""A cut stays where random orders reach its statistic at most this often."""

MATTERS: Final = {"ratio": 0.05, "points": 0.02}
"""Smaller changes are no findings: 5% of a time or cost, 2 points of a rate."""

DRIFTS: Final = 15
"""With more than one cut in so many points, and more than two, a series drifts: no place is one of change."""

GAP: Final = 14 * DAY
"""Microseconds without a run from which on a change that lies there says so."""


@dataclass(frozen=True, slots=True)
class SeriesPoint(Result):
    """The runs of one day or commit.

    Attributes:
        label: the day (ISO 8601) or the commit.
        first: microseconds since 1970 of the earliest run.
        last: of the latest.
        runs: that count for the metric.
        value: the geometric mean (s, USD) or the rate that all tasks together would have had.
    """

    label: str
    first: int
    last: int
    runs: int
    value: float


@dataclass(frozen=True, slots=True)
class ChangePoint(Result):
    """One finding.

    Attributes:
        kind: ``"step"``; ``"drift"`` where a series has so many steps that none is a place of change.
        metric: what moved.
        at: label of the first point after the likeliest place; of a drift, the series' last point.
        time: of its first run, in microseconds since 1970.
        before: the last point that is surely before the change (95%); of a drift, the series' first one.
        after: the first point that is surely after it.
        effect: relative, or in points for a rate; positive where the metric became better: 0.12 is 12% faster.
        interval: 95%, of ``effect`` if the change is at this place; ``None`` where none can be given.
        p_value: of the test by ranks; at least 0.005. ``None`` of a drift.
        before_value: of the points before it, back to the change before; as ``SeriesPoint.value``.
        after_value: of those after it.
        before_points: how many those are.
        after_points: the same after it.
        before_runs: their runs.
        after_runs: the same after it.
        cause: ``"commits"``, ``"environment"``: not the code; or ``"unknown"``.
        commits: those that were first measured between ``before`` and ``after``; commits without runs are not known.
        evidence: what speaks for the cause, or against another, as codes and figures.
        warnings: caveats.
        sentence: for people.
    """

    kind: Literal["step", "drift"]
    metric: str
    at: str
    time: int
    before: str
    after: str
    effect: float | None
    interval: Interval | None
    p_value: float | None
    before_value: float | None
    after_value: float | None
    before_points: int
    after_points: int
    before_runs: int
    after_runs: int
    cause: Literal["commits", "environment", "unknown"] = "unknown"
    commits: tuple[str, ...] = ()
    evidence: tuple[Caveat, ...] = ()
    warnings: tuple[Caveat, ...] = ()
    sentence: str = ""

    def __str__(self) -> str:
        return self.sentence or f"{self.metric} changed at {self.at}"


@dataclass(frozen=True, slots=True)
class ChangePoints(Result):
    """Where one metric moved.

    Attributes:
        version: whose runs; several are listed.
        metric: what was followed.
        by: ``"commit"`` or ``"day"``.
        changes: oldest first.
        series: the points; days in order, commits in that of their first runs.
        warnings: caveats.
    """

    version: str
    metric: str
    by: Literal["commit", "day"]
    changes: tuple[ChangePoint, ...]
    series: tuple[SeriesPoint, ...]
    warnings: tuple[Caveat, ...]


def followed_metric(name: object) -> Metric:
    """The metric of that name.

    Raises:
        InvalidQueryError: it is unknown, or cells are not enough for it.
    """
    metric = metric_named(name)
    if metric.name not in FOLLOWED:
        raise InvalidQueryError(f"metric: changes are found in {', '.join(FOLLOWED)}; {metric.name} is not followed")
    return metric


def check_series(by: object) -> str:
    """The key of a series; ``InvalidQueryError`` if it is none."""
    return one_of("by", by, SERIES)


class Line(NamedTuple):
    """A series as numbers, logarithms or rates, above and below a level."""

    values: Floats
    level: float
    series: tuple[SeriesPoint, ...]
    metric: Metric


def find_changes(
    cells: Cells, version: str, metric: str = "execution_time", *, by: str, warnings: Sequence[Caveat] = ()
) -> ChangePoints:
    """Where a metric moved; for the causes see ``attribution``.

    Args:
        cells: the runs, grouped by ``by``, whatever their versions.
        version: what they are called.
        metric: one of ``FOLLOWED``.
        by: ``"commit"`` or ``"day"``.
        warnings: caveats that are known already.
    """
    spec = followed_metric(metric)
    key: Any = check_series(by)
    line, left_out = line_of(cells, spec)
    series = line.series
    caveats = [*(Caveat(*note) for note in cells.caveats), *warnings]
    if left_out:
        caveats.append(Caveat("outside_series", figures={"runs": left_out, "by": by}))
    changes: tuple[ChangePoint, ...] = ()
    if not cells.cells:
        caveats.append(Caveat("unknown_version", figures={"version": version}))
    elif len(series) < FEWEST:
        caveats.append(Caveat("too_few_points", figures={"points": len(series), "needed": FEWEST, "by": by}))
    elif float(np.ptp(line.values)) < NO_SPREAD:
        caveats.append(Caveat("no_movement", figures={"metric": spec.name, "points": len(series)}))
    else:
        changes = cut_line(line)
    return ChangePoints(version, spec.name, key, changes, series, tuple(caveats))


def line_from(series: tuple[SeriesPoint, ...], metric: Metric) -> Line:
    """A series as numbers again."""
    values = np.array([point.value for point in series])
    return Line(values if metric.kind == "points" else np.log(values), 0.0, series, metric)


def line_of(cells: Cells, metric: Metric) -> tuple[Line, int]:
    """The points of grouped cells in the order of their first runs, and how many runs belong to none."""
    read = run_values(metric)
    groups: defaultdict[str, list[Cell]] = defaultdict(list)
    left_out = 0
    for cell in cells.cells:
        if (label := cell.group[0]) is None or label == REST:
            left_out += cell.n
        elif read(cell).n:
            groups[label].append(cell)
    if any(cell.task_id is not None for own in groups.values() for cell in own):
        # What is pooled is of other tasks in each point, and counts where nothing else is there.
        named = {label: [cell for cell in own if cell.task_id is not None] for label, own in groups.items()}
        groups = defaultdict(list, {label: own for label, own in named.items() if own})
    order = sorted(groups, key=lambda label: (min(cell.first for cell in groups[label]), label))
    levels = levels_of([[(cell.task_id, read(cell)) for cell in groups[label]] for label in order])
    series = tuple(
        SeriesPoint(
            label,
            min(cell.first for cell in groups[label]),
            max(cell.last for cell in groups[label]),
            sum(read(cell).n for cell in groups[label]),
            _plain(level, metric),
        )
        for label, level in zip(order, levels.tolist(), strict=True)
    )
    level = float(levels.mean()) if series else 0.0
    # Rounded, so that points that are equal stay equal in any unit.
    return Line(np.round(levels - level, 9), level, series, metric), left_out


def _plain(level: float, metric: Metric) -> float:
    return min(max(round(level, 9), 0.0), 1.0) if metric.kind == "points" else ratio_of(level)


def cut_line(line: Line) -> tuple[ChangePoint, ...]:
    """The cuts that stay, or that the series drifts."""
    n, scale = len(line.values), noise(line.values)
    penalty = PENALTY * math.log(n) * scale**2
    found = partition(line.values, penalty)
    cuts = _kept(line, found)
    many = len(cuts) > max(2, n / DRIFTS)
    if many or drifts(line.values, cuts, penalty) or drifts(line.values, found, penalty):
        return _drift(line, cuts if many else found)
    return tuple(_step(line, cut, scale) for cut in _between(cuts, n))


def _between(places: Sequence[int], n: int) -> list[Cut]:
    ends = [0, *places, n]
    return [Cut(*three) for three in zip(ends, ends[1:], ends[2:], strict=False)]


def _kept(line: Line, places: list[int]) -> list[int]:
    """The places that ranks confirm and that matter.

    Those that fail are removed, but not two neighbours at once: without one, the other's pieces are longer.
    """
    known: dict[Cut, tuple[float, float]] = {}
    while places:
        cuts = _between(places, len(line.values))
        for cut in cuts:
            if cut not in known:
                known[cut] = chance_of(line.values, cut), _size(line, cut)
        failing = [known[cut][0] if known[cut][0] > LEVEL else -math.inf for cut in cuts]
        if max(failing) < 0:
            failing = [-known[cut][1] if known[cut][1] < MATTERS[line.metric.kind] else -math.inf for cut in cuts]
        around = [-math.inf, *failing, -math.inf]
        worst = {
            cut.place
            for cut, before, own, after in zip(cuts, around, failing, around[2:], strict=False)
            if own > before and own >= after and own > -math.inf
        }
        if not worst:
            break
        places = [place for place in places if place not in worst]
    return places


def _size(line: Line, cut: Cut) -> float:
    effect = effect_of(line.metric, difference(line, cut.start, cut.place, cut.place, cut.end)[0])
    return abs(effect)


def difference(line: Line, start: int, end: int, later: int, last: int) -> tuple[float, Student | None]:
    """What two pieces differ by, weighted by runs: Welch's t on the points, wider where neighbours are alike."""
    sides = [_mean(line, start, end), _mean(line, later, last)]
    difference = sides[1][0] - sides[0][0]
    variance = sides[0][1] + sides[1][1]
    if not math.sqrt(variance) > NO_SPREAD:
        return difference, None
    alike = correlation(line.values, Cut(start, end, last)) if later == end else 0.0
    widening = (1 + alike) / (1 - alike) if alike >= ALIKE else 1.0
    freedom = variance**2 / sum(part**2 / own for _, part, own in sides)
    return difference, Student(difference, math.sqrt(widening * variance), freedom, "Welch's t on the points")


def _mean(line: Line, start: int, end: int) -> tuple[float, float, float]:
    """The mean of a piece, its variance, and the degrees of freedom of that."""
    own, runs = line.values[start:end], np.array([point.runs for point in line.series[start:end]], float)
    shares = runs / runs.sum()
    mean = float(shares @ own)
    n = len(own)
    variance = float(shares**2 @ (own - mean) ** 2) * n / (n - 1)
    return mean, variance, max(1.0, 1 / float(shares @ shares) - 1)


def effect_of(metric: Metric, difference: float) -> float:
    """Positive where the metric became better."""
    return metric.better * (difference if metric.kind == "points" else ratio_of(difference) - 1)


def _step(line: Line, cut: Cut, scale: float) -> ChangePoint:
    first, last = places_of(line.values, cut, scale)
    found = _found(line, (cut.start, cut.place), (cut.place, cut.end))
    series = line.series
    return replace(
        found,
        at=series[cut.place].label,
        time=series[cut.place].first,
        before=series[first - 1].label,
        after=series[last].label,
        p_value=chance_of(line.values, cut),
        warnings=_gaps(series[first - 1 : last + 1]),
    )


def _drift(line: Line, cuts: Sequence[int]) -> tuple[ChangePoint, ...]:
    """From the first piece of a series to its last one, if that matters."""
    found = _found(line, (0, cuts[0]), (cuts[-1], len(line.values)))
    matters = found.effect is None or abs(found.effect) >= MATTERS[line.metric.kind]
    return (replace(found, kind="drift", interval=None),) if matters else ()


def _found(line: Line, before: tuple[int, int], after: tuple[int, int]) -> ChangePoint:
    moved, evidence = difference(line, *before, *after)
    metric = line.metric
    limits = evidence.limits(0.95) if evidence else (math.nan, math.nan)
    low, high = sorted(effect_of(metric, limit) for limit in limits)
    series = line.series
    return ChangePoint(
        kind="step",
        metric=metric.name,
        at=series[-1].label,
        time=series[-1].first,
        before=series[0].label,
        after=series[-1].label,
        effect=finite(effect_of(metric, moved)),
        interval=interval_of(low, high),
        p_value=None,
        before_value=finite(_plain(line.level + _mean(line, *before)[0], metric)),
        after_value=finite(_plain(line.level + _mean(line, *after)[0], metric)),
        before_points=before[1] - before[0],
        after_points=after[1] - after[0],
        before_runs=sum(point.runs for point in series[slice(*before)]),
        after_runs=sum(point.runs for point in series[slice(*after)]),
    )


def _gaps(around: Sequence[SeriesPoint]) -> tuple[Caveat, ...]:
    """That no run tells when it happened, for weeks."""
    longest = max(later.first - earlier.last for earlier, later in pairwise(around))
    return (Caveat("gap", figures={"days": longest // DAY}),) if longest >= GAP else ()
