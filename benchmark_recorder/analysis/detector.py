"""Has a version become worse than its baseline, however often one looks: an e-detector over hours.

An hour's runs give an e-value: a likelihood ratio whose expectation is at most 1 while the version is no worse than the
margin allows. Evidence adds up as ``R = (1 + R) * e`` (Shiryaev and Roberts), on the mean over several sizes of change.
While nothing is wrong, ``R`` grows by at most 1 an hour on average, so it takes at least A hours on average until it
reaches A. The variance includes what hours and days share, and the margin begins where the baseline's doubt ends.

Sources: Shin, Ramdas & Rinaldo (2024), "E-detectors"; Page (1954); Lorden (1971).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import special

from benchmark_recorder.analysis.blocks import ENOUGH, USUAL
from benchmark_recorder.analysis.metrics import failures, log_cost, log_time_of_successes, metric_named
from benchmark_recorder.cells import Moments
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.metrics import Runs
    from benchmark_recorder.cells import Cell

RATIOS: Final = tuple(math.log(factor) for factor in (1.1, 1.25, 1.6))
"""Sizes of a change beyond the margin that evidence is gathered for, on logarithms."""

POINTS: Final = (0.02, 0.05, 0.1)
"""The same for rates."""

RECOVERY_HOURS: Final = 7 * 24
"""A recovery that is none may be reported once in so many hours."""

SPANS: Final = (1, 4, 8, 24)
"""Hours over which runs may have more in common than their version."""

DOUBT: Final = 0.9
"""One-sided confidence of the baseline's bound that the margin is added to."""


class Hour(NamedTuple):
    """One cell of one hour; hours are counted from 1970."""

    hour: int
    cell: Cell


class Hours(NamedTuple):
    """The runs of each hour, on the mean over their tasks.

    Attributes:
        hour: since 1970, in rising order.
        n: runs.
        value: their mean, less what the baseline expects of ratios; as it is for rates.
        expected: what the baseline expects of rates; 0 for ratios.
        square: mean square of ``value`` over single runs, for ratios: one wild run weakens its hour.
        mix: runs of each task, in the order of the baseline's tasks.
    """

    hour: NDArray[np.int64]
    n: NDArray[np.float64]
    value: NDArray[np.float64]
    expected: NDArray[np.float64]
    square: NDArray[np.float64]
    mix: NDArray[np.float64]

    def part(self, which: slice | NDArray[np.bool_]) -> Hours:
        """Only some of the hours."""
        return Hours(
            self.hour[which], self.n[which], self.value[which], self.expected[which], self.square[which], self.mix
        )


class Baseline(NamedTuple):
    """What the runs are held against.

    Attributes:
        tasks: the runs of each task; ``None`` for those that are pooled.
        is_rate: whether values are rates of bad outcomes; logarithms otherwise.
        level: the overall rate; 0 for ratios.
        variance: of one run, within its task.
        inflation: by what runs of the same hours and days share, at least 1.
        days: on which there were runs.
        assumed: whether there were too few of them to see how days differ.
    """

    tasks: Mapping[str | None, Moments]
    is_rate: bool
    level: float
    variance: float
    inflation: float
    days: int
    assumed: bool

    @property
    def runs(self) -> int:
        """How many there are."""
        return sum(moments.n for moments in self.tasks.values())

    def error(self, mix: NDArray[np.float64]) -> float:
        """The variance of what the baseline expects of runs in this mix of tasks."""
        if not mix.sum():
            return self.variance * self.inflation / self.runs
        shares = mix / mix.sum()
        sizes = np.array([moments.n for moments in self.tasks.values()])
        return float(self.variance * self.inflation * (shares**2 / sizes).sum())

    def doubt(self, mix: NDArray[np.float64]) -> float:
        """How far the baseline may truly lie above what was seen of it."""
        if self.is_rate:
            n, bad = self.runs / self.inflation, self.level * self.runs / self.inflation
            return float(special.betaincinv(bad + 1, n - bad, DOUBT)) - self.level if bad < n else 0.0
        freedom = max(1, self.days - 1) if self.inflation > 1 and not self.assumed else max(1, self.runs - 1)
        return float(special.stdtrit(freedom, DOUBT)) * math.sqrt(self.error(mix))


class Reading(NamedTuple):
    """What the hours say.

    Attributes:
        firing: whether the version is worse than the margin allows.
        changed: the hour after which that last changed; ``None`` where it never did.
        since: the hour at which the change of the runs began that this shows, as far as can be told.
        strength: logarithm of the hours in which chance reached the evidence for it once, at most.
        onset: the same hour for the evidence that is there now, for or against; ``None`` without hours.
        evidence: its logarithm.
        transitions: how often it began or ceased to fire.
    """

    firing: bool
    changed: int | None = None
    since: int | None = None
    strength: float = 0.0
    onset: int | None = None
    evidence: float = 0.0
    transitions: int = 0


class Change(NamedTuple):
    """How much worse some runs are than the baseline.

    Attributes:
        value: a difference of logarithms, or of rates.
        low: of its 95% interval.
        high: of the same.
        runs: how many.
    """

    value: float
    low: float
    high: float
    runs: int


def _bad(hits: float, n: int) -> Moments:
    return Moments(n, hits / n, hits * (n - hits) / n) if n else Moments()


def _failed(cell: Runs) -> Moments:
    counts = failures(cell)
    return _bad(counts.hits, counts.n)


def _misrouted(cell: Runs) -> Moments:
    return _bad(cell.routed - cell.routed_right, cell.routed)


READS: Final[dict[str, Callable[[Any], Moments]]] = {
    "execution_time": log_time_of_successes,
    "cost": log_cost,
    "failure_rate": _failed,
    "success_rate": _failed,
    "routing_accuracy": _misrouted,
}
"""What is watched of each metric: more of it is worse."""


def watched_metric(name: object) -> str:
    """The full name of a metric that can be watched.

    Raises:
        InvalidQueryError: it is unknown, or needs the values of single runs.
    """
    found = metric_named(name).name
    if found not in READS:
        raise InvalidQueryError(
            f"metric: {found} needs the values of single runs, which are not watched; take one of {', '.join(READS)}"
        )
    return found


def baseline_of(cells: Iterable[Hour], metric: str) -> Baseline | None:
    """What the baseline's cells by hour say; ``None`` below two runs that count."""
    read, found = READS[metric], [*cells]
    tasks: defaultdict[str | None, list[Moments]] = defaultdict(list)
    for _, cell in found:
        if (moments := read(cell)).n:
            tasks[cell.task_id].append(moments)
    together = {name: Moments.together(parts) for name, parts in tasks.items()}
    runs = sum(m.n for m in together.values())
    # A rate's m2 is that of its zeros and ones, whatever their tasks.
    is_rate = metric not in {"execution_time", "cost"}
    freedom = runs - (0 if is_rate else len(together))
    if runs < 2 or freedom < 1:
        return None
    level = math.fsum(m.total for m in together.values()) / runs if is_rate else 0.0
    variance = math.fsum(m.m2 for m in together.values()) / freedom
    least = level * (1 - level) / 10 if is_rate else 1e-8  # times may all be equal, and each task always or never fail
    rough = Baseline(together, is_rate, level, max(variance, least, 1e-8), 1.0, 0, assumed=False)
    hours = hours_of(found, metric, rough)
    days = len(np.unique(hours.hour // 24))
    if days <= ENOUGH:
        shared = 0.0 if is_rate else USUAL * USUAL * runs / max(days, 1) / rough.variance
        return rough._replace(inflation=1 + shared, days=days, assumed=True)
    return rough._replace(inflation=_inflation(hours, rough.variance), days=days)


def hours_of(cells: Iterable[Hour], metric: str, baseline: Baseline) -> Hours:
    """The runs of each hour, as the baseline sees them; tasks that it did not run are left out."""
    read, names = READS[metric], {name: number for number, name in enumerate(baseline.tasks)}
    sums: defaultdict[int, list[float]] = defaultdict(lambda: [0.0] * 4)
    mix = np.zeros(len(names))
    for hour, cell in cells:
        moments = read(cell)
        if moments.n and cell.task_id in names:
            mean, own = baseline.tasks[cell.task_id].mean, sums[hour]
            own[0] += moments.n
            if baseline.is_rate:
                own[1] += moments.total
                own[2] += moments.n * mean
            else:
                own[1] += moments.n * (moments.mean - mean)
                own[3] += moments.m2 + moments.n * (moments.mean - mean) ** 2
            mix[names[cell.task_id]] += moments.n
    numbers = np.array(sorted(sums), dtype=np.int64)
    n, value, expected, square = np.array([sums[number] for number in sorted(sums)]).reshape(-1, 4).T
    return Hours(numbers, n, value / n, expected / n, square / n, mix)


def _inflation(hours: Hours, variance: float) -> float:
    """By how much runs that share an hour, some hours or days vary more together than apart."""
    excess = hours.n * (hours.value - hours.expected)
    found = 1.0
    for span in SPANS:
        _, code = np.unique(hours.hour // span, return_inverse=True)
        sums, runs = np.bincount(code, excess), np.bincount(code, hours.n)
        freedom = len(runs) - 1
        ratio = float((sums**2 / runs).sum()) / variance / freedom if freedom else 0.0
        if freedom < ENOUGH or ratio <= special.chdtri(freedom, 0.05) / freedom:
            continue
        if span == SPANS[-1]:
            # Days that resemble the ones before vary longer together; few of them hide that, hence the correction
            # (Kendall 1954) and the standard error.
            means = sums / runs
            first = float((means[1:] * means[:-1]).sum() / (means**2).sum())
            lag = first + (1 + 3 * first) / len(means)
            lag = min(0.9, max(0.0, lag + math.sqrt(max(0.0, 1 - lag * lag) / len(means))))
            ratio = 1 + (ratio - 1) * (1 + lag) / (1 - lag)
        found = max(found, ratio)
    return found


def read_hours(hours: Hours, baseline: Baseline, margin: float, *, alarm_hours: float, firing: bool = False) -> Reading:
    """Whether the version is worse than the margin allows, by some hours in order.

    Args:
        hours: of the version.
        baseline: what it is held against.
        margin: how much worse it may be: 0.05 is 5%, or 5 points.
        alarm_hours: hours with runs between two false alarms, on average, at least.
        firing: whether it was firing when the hours begin.
    """
    doubt, found, at = baseline.doubt(hours.mix), Reading(firing), 0
    while at < len(hours.n):
        rest = hours.part(slice(at, None))
        gains = _gains(rest, baseline, margin, doubt, worse=not found.firing)
        limit = math.log(RECOVERY_HOURS if found.firing else alarm_hours)
        crossing = _crossing(gains, limit, rest, (margin / 2, baseline) if found.firing else None)
        onset = int(rest.hour[crossing.onset])
        found = found._replace(onset=onset, evidence=crossing.evidence)
        if crossing.at is None:
            break
        at += crossing.at + 1
        found = Reading(
            not found.firing,
            int(hours.hour[at - 1]) + 1,
            onset,
            crossing.evidence,
            transitions=found.transitions + 1,
        )
    return found


def change_in(hours: Hours, baseline: Baseline) -> Change | None:
    """How much worse the runs of some hours are than the baseline; ``None`` where there are none."""
    runs = float(hours.n.sum())
    if not runs:
        return None
    level = float(hours.n @ hours.value) / runs
    value = level - float(hours.n @ hours.expected) / runs
    variance = baseline.variance
    if baseline.is_rate:  # as with one run more of each kind: what never failed may fail yet
        near = (level * runs + 1) / (runs + 2)
        variance = max(variance, near * (1 - near))
    half = float(special.ndtri(0.975)) * math.sqrt(variance * baseline.inflation / runs + baseline.error(hours.mix))
    return Change(value, value - half, value + half, round(runs))


class _Crossing(NamedTuple):
    at: int | None
    onset: int
    evidence: float


def _gains(
    hours: Hours,
    baseline: Baseline,
    margin: float,
    doubt: float,
    *,
    worse: bool,
) -> NDArray[np.float64]:
    """What each hour adds to the logarithm of the evidence, by the size of the change."""
    if baseline.is_rate:
        line = np.clip(hours.expected + margin + doubt, 1e-9, 1 - 1e-9)
        level = np.minimum(hours.expected, line)
        # A rate that is 0 in the baseline need not be 0 to be well again.
        others = (
            [np.minimum(line + step, (1 + line) / 2) for step in POINTS]
            if worse
            else [(line + level) / 2, np.maximum(level, line / 10)]
        )
        bad = hours.n * hours.value
        return np.array(
            [
                (bad * np.log(other / line) + (hours.n - bad) * np.log((1 - other) / (1 - line))) / baseline.inflation
                for other in others
            ]
        )
    limit = math.log1p(margin) + doubt
    weight = hours.n / (np.maximum(baseline.variance, hours.square / 2) * baseline.inflation)
    beyond = (hours.value - limit) * (1 if worse else -1)
    sizes = RATIOS if worse else (limit / 2, limit)
    return np.array([weight * (size * beyond - size * size / 2) for size in sizes])


def _crossing(
    gains: NDArray[np.float64], limit: float, hours: Hours, within: tuple[float, Baseline] | None
) -> _Crossing:
    """The first hour at which the evidence reaches the limit, and where what it shows began.

    Args:
        gains: by size and hour.
        limit: of the logarithm of the evidence.
        hours: of the gains.
        within: where the change since then must also be small: how small.
    """
    log_sum, total = np.full(len(gains), -np.inf), 0.0
    onset = 0
    for index in range(gains.shape[1]):
        log_sum = np.logaddexp(0.0, log_sum) + gains[:, index]
        total = float(np.logaddexp.reduce(log_sum)) - math.log(len(gains))
        if total >= limit or index == gains.shape[1] - 1:
            best = gains[int(log_sum.argmax()), : index + 1]
            onset = min(index, int(np.concatenate(([0.0], best.cumsum())).argmin()))
            if total >= limit and (within is None or _is_within(hours, onset, index, *within)):
                return _Crossing(index, onset, total)
    return _Crossing(None, onset, total)


def _is_within(hours: Hours, start: int, end: int, limit: float, baseline: Baseline) -> bool:
    own = slice(start, end + 1)
    mean = float(np.average(hours.value[own] - hours.expected[own], weights=hours.n[own]))
    return (mean if baseline.is_rate else math.expm1(mean)) <= limit
