"""How often an unchanged version fires an alert, and how soon a worse one does, by simulated months.

``python -m tests.perf.alerts [--quick]`` prints the table of ``docs/alerts.md``, and exits 1 where a rate or a delay
is exceeded. A plain threshold, and the same threshold with a t-test, look at the same months.
"""

from __future__ import annotations

import math
import sys
import zlib
from typing import NamedTuple

import numpy as np
from scipy import stats

from benchmark_recorder.analysis.detector import Baseline, Hours, _inflation, read_hours
from benchmark_recorder.cells import Moments

PER_HOUR, DAYS, ALARM_DAYS = 20, 30, 365
LEARNED = 28
"""Days of the baseline."""


class Month(NamedTuple):
    """How runs vary, and what happens after two days.

    Attributes:
        sd: of the logarithm of a run's time.
        day_sd: of the days.
        lag: correlation of a day with the one before.
        change: of the logarithm, or of the failure rate.
        failures: rate, where that is watched.
        tail: of the runs: ``"normal"``, ``"t3"`` or ``"timeouts"`` (one in twenty takes ten times as long).
    """

    sd: float = 0.5
    day_sd: float = 0.0
    lag: float = 0.0
    change: float = 0.0
    failures: float | None = None
    tail: str = "normal"


def drawn(month: Month, rng: np.random.Generator) -> tuple[Baseline, Hours]:
    """A baseline of four weeks, and the month after it."""
    hours = np.arange((LEARNED + DAYS) * 24)
    start = (LEARNED + 2) * 24
    n = np.full(len(hours), float(PER_HOUR))
    moved = np.where(hours >= start, month.change, 0.0)
    mix = np.array([float(PER_HOUR * DAYS * 24)])
    if month.failures is not None:
        rate = rng.binomial(PER_HOUR, month.failures + moved) / PER_HOUR
        learned = rate[: LEARNED * 24]
        level = float(learned.mean())
        runs = len(learned) * PER_HOUR
        whole = Hours(hours, n, rate, np.full(len(hours), level), n * 0, mix)
        variance = level * (1 - level)
        moments = Moments(runs, level, runs * variance)
        inflation = _inflation(whole.part(slice(0, LEARNED * 24)), variance)
        baseline = Baseline({None: moments}, True, level, variance, inflation, LEARNED, assumed=False)
        return baseline, whole.part(slice(LEARNED * 24, len(hours)))
    size = (len(hours), PER_HOUR)
    noise = rng.standard_t(3, size) / math.sqrt(3) if month.tail == "t3" else rng.standard_normal(size)
    runs_of = month.sd * noise
    if month.tail == "timeouts":
        runs_of = runs_of + np.where(rng.random(size) < 0.05, math.log(10), 0.0)
    days, past = np.empty(LEARNED + DAYS), rng.standard_normal()
    for day in range(len(days)):
        past = month.lag * past + math.sqrt(1 - month.lag**2) * rng.standard_normal()
        days[day] = month.day_sd * past
    values = runs_of + np.repeat(days, 24)[:, None] + moved[:, None]
    learned = values[: LEARNED * 24]
    value = values.mean(1) - learned.mean()
    square = ((values - learned.mean()) ** 2).mean(1)
    whole = Hours(hours, n, value, n * 0, square, mix)
    variance = float(learned.var(ddof=1))
    inflation = _inflation(whole.part(slice(0, LEARNED * 24)), variance)
    moments = Moments(learned.size, float(learned.mean()), variance * (learned.size - 1))
    baseline = Baseline({None: moments}, False, 0.0, variance, inflation, LEARNED, assumed=False)
    return baseline, whole.part(slice(LEARNED * 24, len(hours)))


def fired(month: Month, margin: float, rng: np.random.Generator) -> tuple[float, int, int, int]:
    """Hours from the change to the alert, how often it changed, and how often both thresholds fired."""
    baseline, hours = drawn(month, rng)
    reading = read_hours(hours, baseline, margin, alarm_hours=24 * ALARM_DAYS)
    delay = math.inf
    if reading.transitions:
        first = read_hours(_until_first(hours, baseline, margin), baseline, margin, alarm_hours=24 * ALARM_DAYS)
        assert first.changed is not None
        delay = first.changed - (LEARNED + 2) * 24
    if baseline.is_rate:
        above = hours.value > hours.expected + margin
        tested = stats.binom.sf(hours.n * hours.value - 1, hours.n, hours.expected) < 0.05
    else:
        above = hours.value > math.log1p(margin)
        tested = hours.value / math.sqrt(baseline.variance / PER_HOUR) > stats.norm.ppf(0.95)
    return delay, reading.transitions, int(above.sum()), int((above & tested).sum())


def _until_first(hours: Hours, baseline: Baseline, margin: float) -> Hours:
    """The hours up to the first transition: found by halving, since evidence never forgets that it was enough."""
    low, high = 1, len(hours.n)
    while low < high:
        middle = (low + high) // 2
        if read_hours(hours.part(slice(0, middle)), baseline, margin, alarm_hours=24 * ALARM_DAYS).transitions:
            high = middle
        else:
            low = middle + 1
    return hours.part(slice(0, low))


class Row(NamedTuple):
    """One kind of month, and what must hold of it."""

    name: str
    month: Month
    margin: float = 0.05
    within: float | None = None


ROWS = (
    Row("unchanged", Month()),
    Row("unchanged, heavy tails (t3)", Month(tail="t3")),
    Row("unchanged, timeouts", Month(tail="timeouts")),
    Row("unchanged, days differ (sd 0.1)", Month(day_sd=0.1)),
    Row("unchanged, days differ and resemble (AR 0.8)", Month(day_sd=0.1, lag=0.8)),
    Row("unchanged, 2% failures", Month(failures=0.02), 0.02),
    Row("unchanged, 5% failures", Month(failures=0.05), 0.02),
    Row("unchanged, 20% failures", Month(failures=0.2), 0.02),
    Row("25% slower", Month(change=math.log(1.25)), within=12),
    Row("25% slower, days differ (sd 0.1)", Month(change=math.log(1.25), day_sd=0.1)),
    Row("25% slower, days differ and resemble (AR 0.8)", Month(change=math.log(1.25), day_sd=0.1, lag=0.8)),
    Row("2% failures, then 10%", Month(failures=0.02, change=0.08), 0.02, within=24),
    Row("5% failures, then 13%", Month(failures=0.05, change=0.08), 0.02, within=24),
    Row("20% failures, then 28%", Month(failures=0.2, change=0.08), 0.02),
    Row("at the threshold: 5% slower", Month(change=math.log(1.05))),
    Row("at the threshold: 2 points of failures", Month(failures=0.05, change=0.02), 0.02),
)


def table(months: int, rows: tuple[Row, ...] = ROWS) -> tuple[list[str], list[str]]:
    """The lines of the table, and what does not hold."""
    allowed = DAYS / ALARM_DAYS
    most = allowed + 3 * math.sqrt(allowed * (1 - allowed) / months)
    lines = [
        "| month | months with an alert | median delay, h | transitions per 1,000 runs | threshold fires a month | "
        "with a t-test |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    wrong = []
    for row in rows:
        rng = np.random.default_rng(zlib.crc32(row.name.encode()))
        found = np.array([fired(row.month, row.margin, rng) for _ in range(months)])
        share, delay = float((found[:, 1] > 0).mean()), float(np.median(found[:, 0]))
        flaps = float(found[:, 1].mean()) / (PER_HOUR * DAYS * 24) * 1000
        shown = f"{delay:.0f}" if row.month.change and math.isfinite(delay) else ""
        plain, tested = found[:, 2].mean(), found[:, 3].mean()
        lines.append(f"| {row.name} | {share:.1%} | {shown} | {flaps:.2f} | {plain:.0f} | {tested:.0f} |")
        if not row.month.change and share > most:
            wrong.append(f"{row.name}: {share:.1%} of months with an alert, above {most:.1%}")
        if row.within is not None and delay > row.within:
            wrong.append(f"{row.name}: found after {delay:.0f} h, later than {row.within:g} h")
        if flaps > 3:
            wrong.append(f"{row.name}: {flaps:.1f} transitions per 1,000 runs, above 3")
    return lines, wrong


def main(options: list[str]) -> int:
    lines, wrong = table(20 if "--quick" in options else 200)
    print("\n".join([*lines, "", *wrong]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
