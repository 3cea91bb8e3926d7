"""Histories that are looked at after each round of runs: how often any look is wrong, with thousands of looks.

A look takes the package a millisecond, and there are millions of them. So the odds at each look are reckoned here once
more, for all histories together, and the package is asked at the looks that count: the first one, the one with the
greatest odds, and one at random, at which its interval must hold the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import special

from benchmark_recorder.analysis.anytime import EFFECT, FEWEST, POINTS
from benchmark_recorder.analysis.measured import measure
from benchmark_recorder.analysis.metrics import METRICS
from benchmark_recorder.cells import Cell, Cells, Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.measured import Measured

    Values = NDArray[np.float64]
    Draw = Callable[[np.random.Generator, tuple[int, ...]], Values]

AT_ONCE: Final = 2_000_000
"""Runs that are drawn together."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Log-normal times, log-sd 0.5."""
    return rng.normal(0, 0.5, shape)


def student(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Heavy tails on both sides."""
    return rng.standard_t(3, shape) / 2


def timeouts(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """One run in twenty takes ten times as long."""
    return np.asarray(rng.normal(0, 0.5, shape) + np.log(10) * (rng.random(shape) < 0.05))


def ties(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Times of a clock with few ticks."""
    return np.asarray(np.round(rng.normal(0, 0.5, shape) * 2) / 2)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Values:
    """Exponential logarithms."""
    return rng.exponential(0.5, shape) - 0.5


@dataclass(frozen=True)
class Looked:
    """What is drawn, round after round.

    Attributes:
        tasks: that both versions run in each round.
        draw: logarithms of the times; of rates, leave it out.
        each: runs of each task and round, of the baseline and of the candidate.
        scale: of the candidate's spread against the baseline's.
        matched: whether tasks are compared with themselves; otherwise there is one, and it is each time another.
        change: of the candidate's logarithms.
        rates: of failures, from the least task's to the greatest's; ``None`` for times.
    """

    tasks: int
    draw: Draw = normal
    each: tuple[int, int] = (1, 1)
    scale: float = 1.0
    matched: bool = True
    change: float = 0.0
    rates: tuple[float, float] | None = None


class Looks(NamedTuple):
    """What all looks found.

    Attributes:
        wrong: for each history, whether any look finds a change, by the package.
        held: whether the interval holds the truth at a random look; also where there is none yet.
        naive: whether any look finds one by a test for one look.
        ten: the same of the first ten looks at which there is a test.
        stops: the round of the first look that finds a change, by the odds reckoned here; 0 where none does.
    """

    wrong: NDArray[np.bool_]
    held: NDArray[np.bool_]
    naive: NDArray[np.bool_]
    ten: NDArray[np.bool_]
    stops: NDArray[np.int64]


def look(design: Looked, histories: int, rounds: int, seed: int) -> Looks:
    """Draw histories, and look at each after each round."""
    rng = np.random.default_rng(seed)
    at_once = max(1, AT_ONCE // (design.tasks * rounds * sum(design.each)))
    parts = []
    for start in range(0, histories, at_once):
        size = (min(at_once, histories - start), design.tasks, rounds)
        if design.rates is None:
            sides = [design.draw(rng, (*size, n)) for n in design.each]
            sides[1] = sides[1] * design.scale + design.change
        else:
            chance = np.linspace(*design.rates, design.tasks)[:, None, None]
            sides = [(rng.random((*size, n)) < chance).astype(np.float64) for n in design.each]
        parts.append(_looks(design, [Grown.of(side) for side in sides], rng))
    return Looks(*(np.concatenate(part) for part in zip(*parts, strict=True)))


class Grown(NamedTuple):
    """One version's runs up to each round: how many; by history, task and round sums and squared deviations."""

    n: Values
    sums: Values
    deviations: Values

    @classmethod
    def of(cls, runs: Values) -> Grown:
        """From runs by history, task and round."""
        n = runs.shape[3] * np.arange(1, runs.shape[2] + 1, dtype=np.float64)
        sums = runs.sum(3).cumsum(2)
        return cls(n, sums, np.maximum(0.0, (runs * runs).sum(3).cumsum(2) - sums**2 / n))

    @property
    def mean(self) -> Values:
        """Of the runs so far."""
        return np.asarray(self.sums / self.n)


def _looks(design: Looked, sides: list[Grown], rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    odds, p_values = (_of_times if design.rates is None else _of_rates)(*sides)
    count, rounds = odds.shape
    least = 0 if design.matched else int(np.argmax(np.minimum(sides[0].n, sides[1].n) >= FEWEST))
    odds[:, :least] = 0
    found = odds > np.log(20)
    naive = p_values[:, max(1, least) :] < 0.05
    wrong, held = np.zeros(count, bool), np.zeros(count, bool)
    at_random = np.exp(rng.uniform(np.log(least + 1), np.log(rounds + 1), count)).astype(int) - 1
    for history, (top, random) in enumerate(zip(odds.argmax(1), at_random, strict=True)):
        wrong[history] = any(_finds(package(design, sides, history, n)) for n in {0, int(top)})
        held[history] = _holds(package(design, sides, history, int(random)), design.change)
    stops = np.where(found.any(1), found.argmax(1) + 1, 0)
    return wrong, held, np.asarray(naive.any(1)), np.asarray(naive[:, :10].any(1)), stops


def _of_times(left: Grown, right: Grown) -> tuple[Values, Values]:
    """The logarithm of the odds, and the p-value at one look, by history and round: stratified Welch's t."""
    tasks = left.sums.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [side.deviations / (side.n - 1) / side.n / tasks**2 for side in (left, right)]
        own = sum(part.sum(1) for part in parts)
        alike = sum(side.deviations for side in (left, right)) / (left.n + right.n - 2) * (1 / left.n + 1 / right.n)
        variance = np.maximum(own, alike.sum(1) / tasks**2)
        freedom = own**2 / sum((part**2).sum(1) / (side.n - 1) for part, side in zip(parts, (left, right), strict=True))
        pooled = sum(side.deviations.sum(1) for side in (left, right)) / (tasks * (left.n + right.n - 2))
        t = (right.mean - left.mean).mean(1) / np.sqrt(variance)
        share = 1 / (1 + EFFECT**2 * pooled / variance)
        odds = np.log(share) / 2 + (freedom + 1) / 2 * np.log((1 + t * t / freedom) / (1 + share * t * t / freedom))
        p_values = 2 * special.stdtr(freedom, -abs(t) * np.sqrt(variance / own))
    return np.nan_to_num(odds, nan=0.0, posinf=0.0), np.nan_to_num(p_values, nan=1.0)


def _of_rates(left: Grown, right: Grown) -> tuple[Values, Values]:
    """The same of rates: Mantel & Haenszel's difference, with as many runs of each task in both versions."""
    tasks = left.sums.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        own = [side.mean * (1 - side.mean) / side.n for side in (left, right)]
        variance = sum(part.sum(1) for part in own) / tasks**2
        z = (right.mean - left.mean).mean(1) / np.sqrt(variance)
        share = variance / (variance + POINTS**2)
        odds = np.log(share) / 2 + (1 - share) * z * z / 2
        p_values = 2 * special.ndtr(-abs(z))
    return np.nan_to_num(odds, nan=0.0, posinf=0.0), np.nan_to_num(p_values, nan=1.0)


def package(design: Looked, sides: list[Grown], history: int, place: int) -> Measured:
    """What the package makes of one look."""
    cells = Cells(tuple(_cells(design, sides, history, place)))
    metric = METRICS["execution_time" if design.rates is None else "failure_rate"]
    return measure(cells, "v1", "v2", metric, "suite", sequential=True)


def _cells(design: Looked, sides: list[Grown], history: int, place: int) -> Iterator[Cell]:
    for version, side in zip(("v1", "v2"), sides, strict=True):
        n, sums, deviations = int(side.n[place]), side.sums[history, :, place], side.deviations[history, :, place]
        for task in range(design.tasks):
            name = f"task-{task}" if design.matched else None
            if design.rates is None:
                yield _cell(version, name, n, Moments(n, float(sums[task]) / n, float(deviations[task])), success=True)
                continue
            failed = round(float(sums[task]))
            for runs, success in ((n - failed, True), (failed, False)):
                if runs:
                    yield _cell(version, name, runs, Moments(runs), success=success)


def _cell(version: str, task: str | None, n: int, logs: Moments, *, success: bool) -> Cell:
    times = Moments(n, 1.0)
    return Cell(version, task, success, n, times, logs, 1.0, Moments(), Moments(), 0.0, 0, 0, None, None, 0, 0)


def _finds(measured: Measured) -> bool:
    change = measured.change
    return change is not None and change.p_value <= 0.05


def _holds(measured: Measured, truth: float) -> bool:
    limits = None if measured.change is None else measured.change.limits(0.95)
    return limits is None or limits[0] <= truth <= limits[1]
