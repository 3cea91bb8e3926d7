"""The last 24 hours as a strip: median and p95 of the times, and failures, hour by hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.grouping import period_label, period_start
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting.numbers import PERCENT, amount, number, seconds
from benchmark_recorder.reporting.page import Line, Table, Untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark_recorder.stores.base import Store

HOUR: Final = 3_600_000_000
"""In microseconds."""
HOURS: Final = 24
WIDTH: Final = 960
HEIGHT: Final = 120
"""Of the strip's bars, in units of its own."""


class Hour(NamedTuple):
    """One version's runs of an hour.

    Attributes:
        start: microseconds since 1970.
        version: which.
        runs: all of them.
        failures: those that failed.
        median: of the times in seconds, to 1%.
        p95: the same.
    """

    start: int
    version: str
    runs: int
    failures: int
    median: float
    p95: float


class Bar(NamedTuple):
    """An hour as it is drawn, in units of the strip.

    Attributes:
        hour: what is drawn.
        series: the version's number.
        x: the left edge.
        width: of the bar.
        top: where p95 is, counted from above.
        middle: where the median is.
        failed: height of the share of failures below the bar.
        title: the figures in words.
    """

    hour: Hour
    series: int
    x: float
    width: float
    top: float
    middle: float
    failed: float
    title: str


def hours_of(store: Store, versions: Sequence[str], now: int) -> list[Hour]:
    """The hours with runs, of each version, the oldest first.

    Args:
        store: any.
        versions: which.
        now: microseconds since 1970; the last hour is the one that has begun.

    Raises:
        StoreError: the store cannot be read.
    """
    first = period_start("hour", now) - (HOURS - 1) * HOUR
    asked = replace(Query.of(version=versions), by=("hour",), since=first, until=first + HOURS * HOUR)
    starts = {period_label("hour", first + n * HOUR): first + n * HOUR for n in range(HOURS)}
    found = store.histogram(asked)
    failed = store.histogram(replace(asked, success=False))
    hours = []
    for (version, group), times in found.items():
        median, p95 = times.quantile(0.5), times.quantile(0.95)
        if median is None or p95 is None or group[0] not in starts:
            continue
        own = failed.get((version, group))
        failures = own.count if own else 0
        hours.append(Hour(starts[group[0]], version, times.count, failures, median.value, p95.value))
    return sorted(hours, key=lambda hour: (hour.start, versions.index(hour.version)))


def bars_of(hours: Sequence[Hour], versions: Sequence[str], now: int) -> list[Bar]:
    """The hours as they are drawn, side by side where several versions ran."""
    first = period_start("hour", now) - (HOURS - 1) * HOUR
    highest = max((hour.p95 for hour in hours), default=0.0) or 1.0
    unit = seconds([highest])
    slot = WIDTH / HOURS
    width = slot * 0.8 / max(len(versions), 1)
    return [
        Bar(
            hour,
            series := versions.index(hour.version),
            x=round((hour.start - first) / HOUR * slot + slot * 0.1 + series * width, 1),
            width=round(width * 0.85, 1),
            top=round(HEIGHT * (1 - hour.p95 / highest), 1),
            middle=round(HEIGHT * (1 - hour.median / highest), 1),
            failed=round(24 * hour.failures / hour.runs, 1),
            title=f"{_clock(hour.start)}: {hour.runs:,} runs, median {amount(hour.median, unit)}, "
            f"p95 {amount(hour.p95, unit)}, {number(hour.failures / hour.runs, PERCENT)}% failed",
        )
        for hour in hours
    ]


def hours_table(hours: Sequence[Hour]) -> Table:
    """The same figures."""
    unit = seconds([hour.p95 for hour in hours])
    names = ("hour (UTC)", "version", "runs", "failed (%)", f"median ({unit.symbol})", f"p95 ({unit.symbol})")
    return Table(tuple((name,) for name in names), tuple(_rows(hours)), "llrrrr")


def _rows(hours: Sequence[Hour]) -> Iterator[tuple[Line, ...]]:
    unit = seconds([hour.p95 for hour in hours])
    for hour in reversed(hours):
        yield (
            (_clock(hour.start),),
            (Untrusted(hour.version),),
            (f"{hour.runs:,}",),
            (number(hour.failures / hour.runs, PERCENT),),
            (number(hour.median, unit),),
            (number(hour.p95, unit),),
        )


def _clock(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%H:%M}"
