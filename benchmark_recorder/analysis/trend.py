"""One version week over week: what each week was like, and whether it was better or worse than the one before.

Weeks are those of ISO 8601 in UTC: they begin on Monday at 00:00. So a week has the same figures in every report from
its end on, two readers speak of the same one, and all versions have the same weeks. The newest one is seldom over; it
is compared like the others, with the wider interval of the fewer runs that it has so far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.comparison import Verdict, conclude, verdict_of
from benchmark_recorder.analysis.evidence import FALSE_DISCOVERY_RATE, Point, benjamini_hochberg
from benchmark_recorder.analysis.measured import Measured, interval_on, is_significant, measure
from benchmark_recorder.analysis.metrics import METRICS
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result, finite
from benchmark_recorder.analysis.summary import summarize_version
from benchmark_recorder.cells import Cells
from benchmark_recorder.grouping import WEEK, period_start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.cells import Cell

WEEKS: Final = 8
"""Weeks in a trend at most, the newest ones."""

NOTEWORTHY: Final = 0.10
"""A change beyond this is flagged, worse or better, if the runs support it."""

TREND_METRICS: Final = ("execution_time", "success_rate", "cost", "routing_accuracy")
"""What is followed: the keys of ``Week.figures`` and ``Week.changes``."""


@dataclass(frozen=True, slots=True)
class Change(Result):
    """One metric in a week against the latest week before it that has runs.

    Attributes:
        metric: one of ``TREND_METRICS``.
        effect: relative to the earlier week's value, a fraction, positive where the later week is better: 0.12 is
            12% faster, cheaper, or 12% (not points) more successes. By the method of ``compare``, so tasks are
            compared with themselves. ``None`` where undefined.
        interval: 95%, of ``effect``; ``None`` where none can be given.
        p_value: two-sided, of no change; ``None`` where there is no test.
        q_value: the same adjusted for looking at all weeks and metrics of a version (Benjamini & Hochberg 1995).
        verdict: of the comparison: ``"improved"``, ``"regressed"``, ``"equivalent"`` or ``"inconclusive"``.
        flag: ``"worse"`` or ``"better"`` where ``effect`` is beyond 10%, the verdict says the same, no change is
            outside of ``interval`` (values that are fixed by design have none, and a test alone), and ``q_value`` is
            at most 0.10; else ``None``.
        earlier_n: runs of the earlier week that count for the metric.
        later_n: of the later one.
        method: of ``effect`` and ``interval``.
        warnings: caveats about a flagged change; empty for any other, of which nothing is claimed.
    """

    metric: str
    effect: float | None
    interval: Interval | None
    p_value: float | None
    q_value: float | None
    verdict: Verdict
    flag: Literal["worse", "better"] | None
    earlier_n: int
    later_n: int
    method: str
    warnings: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True)
class Week(Result):
    """One version's runs of one week.

    Attributes:
        start: Monday 00:00 UTC, in microseconds since 1970.
        end: the Monday after, which is not in the week any more.
        is_over: whether the week was over when the trend was made.
        runs: in the week; 0 is possible between two weeks that have some.
        figures: by metric (``TREND_METRICS``) the plain one with its 95% interval: mean duration (s), success rate,
            mean known cost (USD), share of right routings. Empty without runs; a ``value`` is ``None`` where unknown.
        against: ``start`` of the week that this one is compared with; ``None`` where there is none before it.
        changes: by metric, those that both weeks have values of; empty where ``against`` is ``None``.
    """

    start: int
    end: int
    is_over: bool
    runs: int
    figures: Mapping[str, Estimate]
    against: int | None
    changes: Mapping[str, Change]


@dataclass(frozen=True, slots=True)
class Trend(Result):
    """One version week over week.

    Attributes:
        version: whose runs.
        weeks: oldest first, without gaps, from the first week with runs to the last, of the ``WEEKS`` newest weeks of
            the whole report; empty where the version has no runs in these, or where they could not be asked for.
        warnings: why there are no weeks, if there are none.
    """

    version: str
    weeks: tuple[Week, ...]
    warnings: tuple[Caveat, ...]


def week_starts(first: int, last: int) -> tuple[int, ...]:
    """The Mondays of all weeks between two moments, of the ``WEEKS`` newest at most, oldest first."""
    newest = period_start("week", last)
    oldest = max(period_start("week", first), newest - (WEEKS - 1) * WEEK)
    return tuple(range(oldest, newest + 1, WEEK))


def trend_of(version: str, weekly: Mapping[int, Cells], now: int, warnings: Sequence[Caveat] = ()) -> Trend:
    """One version week over week.

    Args:
        version: whose runs.
        weekly: the runs of each week by its start; cells of other versions are passed over.
        now: the present, in microseconds since 1970.
        warnings: why there are no weeks, if there are none.
    """
    cells = {start: weekly[start].of(version) for start in sorted(weekly)}
    there = [start for start, own in cells.items() if own]
    against = {later: earlier for earlier, later in pairwise(there)}
    changes = _changes(cells, against)
    weeks = tuple(
        Week(
            start=start,
            end=start + WEEK,
            is_over=start + WEEK <= now,
            runs=sum(cell.n for cell in own),
            figures=_figures(version, own),
            against=against.get(start),
            changes=changes.get(start, {}),
        )
        for start, own in cells.items()
        if there and there[0] <= start <= there[-1]
    )
    return Trend(version, weeks, tuple(warnings))


def _changes(cells: Mapping[int, tuple[Cell, ...]], against: Mapping[int, int]) -> dict[int, dict[str, Change]]:
    """By week and metric, the changes against the weeks that they are compared with."""
    measured = {
        (later, metric): found
        for later, earlier in against.items()
        for metric, found in _measured(cells[earlier], earlier, cells[later], later).items()
    }
    q_values = benjamini_hochberg([_p_value(one.change) for one, _ in measured.values()])
    changes: dict[int, dict[str, Change]] = {later: {} for later in against}
    for ((later, metric), (one, both)), q in zip(measured.items(), q_values, strict=True):
        changes[later][metric] = _change(one, both, q)
    return changes


def _measured(
    before: Sequence[Cell], earlier: int, after: Sequence[Cell], later: int
) -> dict[str, tuple[Measured, Cells]]:
    """Both weeks side by side, as if they were versions, on each metric that both have values of."""
    names = _label(earlier), _label(later)
    both = Cells(
        tuple(replace(cell, version=name) for name, own in zip(names, (before, after), strict=True) for cell in own)
    )
    found = {metric: measure(both, *names, METRICS[metric], "suite") for metric in TREND_METRICS}
    return {metric: (one, both) for metric, one in found.items() if one.left[1] and one.right[1]}


def _label(start: int) -> str:
    """What a week is called where a sentence about versions needs a name."""
    return f"the week of {datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start):%Y-%m-%d}"


def _p_value(change: Evidence | None) -> float | None:
    return None if change is None or isinstance(change, Point) else change.p_value


def _change(measured: Measured, both: Cells, q_value: float | None) -> Change:
    margin = measured.metric.margin
    p_value = _p_value(measured.change)
    verdict = verdict_of(measured, margin, significant=is_significant(p_value, measured.interval(0.95)))
    effect, interval = _relative(measured)
    flag = _flag(effect, interval, p_value, q_value, verdict)
    return Change(
        metric=measured.metric.name,
        effect=effect,
        interval=interval,
        p_value=p_value,
        q_value=q_value,
        verdict=verdict,
        flag=flag,
        earlier_n=measured.left[1],
        later_n=measured.right[1],
        method="none: a value is missing" if measured.ratio is None else measured.ratio.method,
        warnings=conclude(measured, both, margin).warnings if flag else (),
    )


def _relative(measured: Measured) -> tuple[float | None, Interval | None]:
    """The change in parts of the earlier value, positive where the later one is better."""
    if measured.ratio is None:
        return None, None
    return finite(measured.relative(measured.ratio.estimate)), interval_on(measured.ratio, measured.relative)


def _flag(
    effect: float | None, interval: Interval | None, p_value: float | None, q_value: float | None, verdict: Verdict
) -> Literal["worse", "better"] | None:
    if effect is None or q_value is None or abs(effect) <= NOTEWORTHY:
        return None
    if q_value > FALSE_DISCOVERY_RATE or not is_significant(p_value, interval):
        return None
    if effect < 0:
        return "worse" if verdict == "regressed" else None
    return "better" if verdict == "improved" else None


def _figures(version: str, own: Sequence[Cell]) -> dict[str, Estimate]:
    if not own:
        return {}
    estimates = summarize_version(version, Cells(tuple(own))).estimates
    names = {"execution_time": "mean", "cost": "mean_cost"}
    return {metric: estimates[names.get(metric, metric)] for metric in TREND_METRICS}
