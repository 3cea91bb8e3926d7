"""One version week over week: what each week was like, and whether it was better or worse than the one before.

Weeks are those of ISO 8601 in UTC: they begin on Monday at 00:00. So a week has the same figures in every report from
its end on, two readers speak of the same one, and all versions have the same weeks. The newest one is seldom over; it
is compared like the others, with the wider interval of the fewer runs that it has so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.result import Doubt, Estimate, Interval, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

WEEKS: Final = 8
"""Weeks in a trend at most, the newest ones."""

NOTEWORTHY: Final = 0.10
"""A week that is worse by more than this is flagged, one that is better by more celebrated, if the runs bear it out."""

TREND_METRICS: Final = ("execution_time", "success_rate", "cost", "routing_accuracy")
"""What is followed: the keys of ``Week.figures`` and ``Week.changes``."""


@dataclass(frozen=True, slots=True)
class Change(Result):
    """One metric in a week against the latest week before it that has runs.

    Attributes:
        metric: one of ``TREND_METRICS``.
        effect: relative to the earlier week's value, a fraction, positive where the later week is better: 0.12 is
            12 % faster, cheaper, or 12 % (not points) more successes. By the method of ``compare``, so tasks are
            compared with themselves. ``None`` where undefined.
        interval: 95 %, of ``effect``; ``None`` where none can be given.
        p_value: two-sided, of no change; ``None`` where there is no test.
        q_value: the same adjusted for looking at all weeks of this metric (Benjamini & Hochberg 1995).
        verdict: of the comparison: ``"improved"``, ``"regressed"``, ``"equivalent"`` or ``"inconclusive"``.
        flag: ``"worse"`` or ``"better"`` where ``effect`` is beyond 10 %, the verdict says the same, no change is
            outside of ``interval``, and ``q_value`` is at most 0.10; else ``None``.
        earlier_n: runs of the earlier week that count for the metric.
        later_n: of the later one.
        method: of ``effect`` and ``interval``.
        warnings: doubts about a flagged change; empty for any other, of which nothing is claimed.
    """

    metric: str
    effect: float | None
    interval: Interval | None
    p_value: float | None
    q_value: float | None
    verdict: Literal["improved", "regressed", "equivalent", "inconclusive"]
    flag: Literal["worse", "better"] | None
    earlier_n: int
    later_n: int
    method: str
    warnings: tuple[Doubt, ...]


@dataclass(frozen=True, slots=True)
class Week(Result):
    """One version's runs of one week.

    Attributes:
        start: Monday 00:00 UTC, in microseconds since 1970.
        end: the Monday after, which is not in the week any more.
        is_over: whether the week was over when the trend was made.
        runs: in the week; 0 is possible between two weeks that have some.
        figures: by metric (``TREND_METRICS``) the plain one with its 95 % interval: mean duration (s), success rate,
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
    warnings: tuple[Doubt, ...]
