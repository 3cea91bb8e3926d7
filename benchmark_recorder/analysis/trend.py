"""One version week over week: what each week was like, and whether it was better or worse than all before it.

Weeks are those of ISO 8601 in UTC: they begin on Monday at 00:00. So a week has the same figures in every report from
its end on, two readers speak of the same one, and all versions have the same weeks.

The runs of a day have more in common than their version, so days are blocks: how much they differ widens each interval
(see ``blocks``). Against all earlier weeks a change is seen whatever weekday it begins on: the week before may hold
half of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from benchmark_recorder.analysis.blocks import added, by_task, spread_between
from benchmark_recorder.analysis.comparison import Verdict, conclude, verdict_of
from benchmark_recorder.analysis.evidence import FALSE_DISCOVERY_RATE, Extra, Point, benjamini_hochberg, widened
from benchmark_recorder.analysis.measured import Measured, interval_on, is_significant, measure
from benchmark_recorder.analysis.metrics import METRICS, run_values
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result, finite
from benchmark_recorder.analysis.summary import summarize_version
from benchmark_recorder.cells import Cells, merged
from benchmark_recorder.grouping import WEEK, period_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmark_recorder.analysis.blocks import Between, Table
    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.cells import Cell

WEEKS: Final = 8
"""Weeks in a trend at most, the newest ones."""

NOTEWORTHY: Final = 0.10
"""A change beyond this is flagged, worse or better, if the runs support it."""

NOTEWORTHY_POINTS: Final = 0.05
"""The same for rates, as a difference: 10% of a rate of success hides that failures rose from 1% to 9%."""

ONLY_BEGUN: Final = 0.5
"""A week that is not over is not flagged below this part of the runs that an earlier week has on average."""

TREND_METRICS: Final = ("execution_time", "success_rate", "cost", "routing_accuracy")
"""What is followed: the keys of ``Week.figures`` and ``Week.changes``."""


@dataclass(frozen=True, slots=True)
class Change(Result):
    """One metric in a week against all weeks of the trend before it.

    Attributes:
        metric: one of ``TREND_METRICS``.
        effect: relative to the earlier value, a fraction, positive where the later week is better: 0.12 is 12%
            faster, cheaper, or 12% (not points) more successes. By the method of ``compare``, so tasks are compared
            with themselves. ``None`` where undefined.
        interval: 95%, of ``effect``; ``None`` where none can be given.
        p_value: two-sided, of no change; ``None`` where there is no test.
        q_value: the same adjusted for looking at all weeks and metrics of a version (Benjamini & Hochberg 1995).
        verdict: of the comparison: ``"improved"``, ``"regressed"``, ``"equivalent"`` or ``"inconclusive"``.
        flag: ``"worse"`` or ``"better"`` where ``effect`` is beyond 10% (of a rate: the difference beyond 5 points),
            the verdict says the same, no change is outside of ``interval`` (values that are fixed by design have none,
            and a test alone), ``q_value`` is at most 0.10, and the week has not only begun; else ``None``.
        earlier_value: plain value of the earlier weeks together, as ``Week.figures`` has it.
        earlier_n: runs of the earlier weeks that count for the metric.
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
    earlier_value: float | None
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
        against: ``start`` of the oldest week that this one is compared with, as it is with all after that;
            ``None`` where none before it has runs.
        changes: by metric, those that both sides have values of; empty where ``against`` is ``None``.
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
        warnings: why there are no weeks, if there are none, and what was left out.
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
        weekly: the runs of each week by its start, those of each day in a group of their own; cells of other versions
            are passed over.
        now: the present, in microseconds since 1970.
        warnings: why there are no weeks, if there are none, and what was left out.
    """
    daily = {start: _days(weekly[start].of(version)) for start in sorted(weekly)}
    cells = {start: merged(cell for day in days for cell in day) for start, days in daily.items()}
    there = [start for start, own in cells.items() if own]
    runs = {start: sum(cell.n for cell in own) for start, own in cells.items()}
    begun = {
        start
        for place, start in enumerate(there)
        if now < start + WEEK and runs[start] * place < ONLY_BEGUN * sum(runs[earlier] for earlier in there[:place])
    }
    changes = _changes(cells, daily, there, begun)
    weeks = tuple(
        Week(
            start=start,
            end=start + WEEK,
            is_over=start + WEEK <= now,
            runs=runs[start],
            figures=_figures(version, own),
            against=there[0] if own and start > there[0] else None,
            changes=changes.get(start, {}),
        )
        for start, own in cells.items()
        if there and there[0] <= start <= there[-1]
    )
    return Trend(version, weeks, tuple(warnings))


def _days(own: Iterable[Cell]) -> list[list[Cell]]:
    days: defaultdict[tuple[str | None, ...], list[Cell]] = defaultdict(list)
    for cell in own:
        days[cell.group].append(replace(cell, group=()))
    return [*days.values()]


class _Side(NamedTuple):
    """What is compared under a name: cells by task and outcome, and for each metric the runs of each day by task."""

    name: str
    cells: list[Cell]
    days: dict[str, list[Table]]


def _changes(
    cells: Mapping[int, list[Cell]], daily: Mapping[int, list[list[Cell]]], there: Sequence[int], begun: set[int]
) -> dict[int, dict[str, Change]]:
    """By week and metric, the changes against all weeks before it."""
    measured: dict[tuple[int, str], tuple[Measured, Cells]] = {}
    earlier = _Side("", [], {metric: [] for metric in TREND_METRICS})
    for place, start in enumerate(there):
        days = {
            name: [by_task(day, day[0].version, run_values(METRICS[name])) for day in daily[start]]
            for name in earlier.days
        }
        later = _Side(_label(start), cells[start], days)
        if place:
            measured |= {(start, name): found for name, found in _measured(earlier, later).items()}
        name = _label(start) if not place else f"the {place + 1} weeks before"
        days = {metric: earlier.days[metric] + own for metric, own in days.items()}
        earlier = _Side(name, merged([*earlier.cells, *later.cells]), days)
    q_values = benjamini_hochberg([_p_value(one.change) for one, _ in measured.values()])
    changes: dict[int, dict[str, Change]] = {later: {} for later in there[1:]}
    for ((start, metric), (one, both)), q in zip(measured.items(), q_values, strict=True):
        changes[start][metric] = _change(one, both, q, begun=start in begun)
    return changes


def _measured(earlier: _Side, later: _Side) -> dict[str, tuple[Measured, Cells]]:
    """Both sides as if they were versions, on each metric that both have values of, with the spread between days."""
    both = Cells(tuple(replace(cell, version=side.name) for side in (earlier, later) for cell in side.cells))
    found = {metric: measure(both, earlier.name, later.name, METRICS[metric], "suite") for metric in TREND_METRICS}
    return {
        metric: (_with_days(one, earlier.days[metric], later.days[metric]), both)
        for metric, one in found.items()
        if one.left[1] and one.right[1]
    }


def _with_days(measured: Measured, before: list[Table], after: list[Table]) -> Measured:
    """The change with what days add to its variance; where too few days show it, that is assumed of times alone."""
    known = spread_between((before, after))
    if measured.change is None or (known is None and not measured.metric.of_successes):
        return measured
    between = added([*before, *({} for _ in after)], [*({} for _ in before), *after], known, None)
    if between is None:
        return measured
    scale = measured.left[0] * measured.right[0] if measured.metric.kind == "points" else 1.0
    ratio = measured.ratio
    if ratio is not None and scale:
        ratio = _widened(ratio, between, between.extra.variance / scale)
    change = _widened(measured.change, between, between.extra.variance)
    return replace(measured, change=change, ratio=ratio, between=between if between.assumed else None)


def _widened(evidence: Evidence, between: Between, variance: float) -> Evidence:
    """With this variance, which holds that of the runs themselves unless it is assumed, or with their own if larger."""
    extra = variance if between.assumed else variance - evidence.error**2
    return widened(evidence, Extra(extra, between.extra.freedom))


def _label(start: int) -> str:
    """What a week is called where a sentence about versions needs a name."""
    return f"the week of {datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start):%Y-%m-%d}"


def _p_value(change: Evidence | None) -> float | None:
    return None if change is None or isinstance(change, Point) else change.p_value


def _change(measured: Measured, both: Cells, q_value: float | None, *, begun: bool) -> Change:
    margin = measured.metric.margin
    p_value = _p_value(measured.change)
    verdict = verdict_of(measured, margin, significant=is_significant(p_value, measured.interval(0.95)))
    effect, interval = _relative(measured)
    flag = None
    if not begun and effect is not None and _is_noteworthy(measured, effect, q_value):
        flag = _FLAGS.get((verdict, effect > 0)) if is_significant(p_value, interval) else None
    return Change(
        metric=measured.metric.name,
        effect=effect,
        interval=interval,
        p_value=p_value,
        q_value=q_value,
        verdict=verdict,
        flag=flag,
        earlier_value=finite(measured.left[0]),
        earlier_n=measured.left[1],
        later_n=measured.right[1],
        method="none: a value is missing" if measured.ratio is None else measured.ratio.method,
        warnings=_caveats(measured, both, margin) if flag else (),
    )


def _caveats(measured: Measured, both: Cells, margin: float) -> tuple[Caveat, ...]:
    """All but that weeks are not the same time."""
    return tuple(caveat for caveat in conclude(measured, both, margin).warnings if caveat.code != "not_overlapping")


_FLAGS: Final[Mapping[tuple[str, bool], Literal["worse", "better"]]] = {
    ("regressed", False): "worse",
    ("improved", True): "better",
}
"""By the verdict, and whether the relative change is one for the better."""


def _is_noteworthy(measured: Measured, effect: float, q_value: float | None) -> bool:
    """Whether a change is so large, and surprising among all."""
    if q_value is None or q_value > FALSE_DISCOVERY_RATE or measured.change is None:
        return False
    if measured.metric.kind == "points":
        return abs(measured.change.estimate) >= NOTEWORTHY_POINTS
    return abs(effect) > NOTEWORTHY


def _relative(measured: Measured) -> tuple[float | None, Interval | None]:
    """The change in parts of the earlier value, positive where the later one is better."""
    if measured.ratio is None:
        return None, None
    return finite(measured.relative(measured.ratio.estimate)), interval_on(measured.ratio, measured.relative)


def _figures(version: str, own: Sequence[Cell]) -> dict[str, Estimate]:
    if not own:
        return {}
    estimates = summarize_version(version, Cells(tuple(own))).estimates
    names = {"execution_time": "mean", "cost": "mean_cost"}
    return {metric: estimates[names.get(metric, metric)] for metric in TREND_METRICS}
