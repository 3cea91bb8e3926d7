"""Cuts of a series of numbers: where its level moves, whether that can be chance, and where it may have been.

A series is cut where that lowers the squared distances from the pieces' means by more than a penalty. A cut is then
held against random orders of its two pieces, by ranks, so that neither outliers nor heavy tails make one; where
neighbours are alike, they stay together in blocks.

Sources: Jackson et al. (2005) and Killick, Fearnhead & Eckley (2012) for the partition; Carlstein (1986) for the length
of the blocks; Hansen (2000) for the places that a cut may have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmark_recorder.analysis.evidence import NO_SPREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.cells import Moments

    Floats = NDArray[np.float64]

SHORTEST: Final = 3
"""Points of a piece."""

PENALTY: Final = 3.0
"""Of a cut, times the logarithm of the number of points, in variances of the noise."""

ORDERS: Final = 199
"""Random orders that a cut is held against."""

ALIKE: Final = 0.1
"""Correlation of neighbours below which they are taken as independent."""

PLACES: Final = 7.35
"""A cut may be where it is worse by less than this, in variances of the noise: 95% (Hansen 2000)."""


ROUNDS: Final = 200
"""Of the least squares at most, where few tasks connect the points."""


class Cut(NamedTuple):
    """A place between two pieces: the first one's start, the second one's start and end."""

    start: int
    place: int
    end: int


def levels_of(points: Sequence[Sequence[tuple[str | None, Moments]]]) -> Floats:
    """Each point's level without that of its tasks: least squares over points and tasks, weighted by runs."""
    rows = [(p, task, m.n, m.mean) for p, own in enumerate(points) for task, m in own]
    if not rows:
        return np.empty(0)
    where, names, runs, means = zip(*rows, strict=True)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    point, task = np.array(where), np.array([numbers[name] for name in names])
    weight, mean = np.array(runs, float), np.array(means)
    per_point, per_task = np.bincount(point, weight), np.bincount(task, weight)
    level, own = np.zeros(len(points)), np.zeros(len(numbers))
    for _ in range(ROUNDS):
        before = level
        level = np.bincount(point, weight * (mean - own[task])) / per_point
        own = np.bincount(task, weight * (mean - level[point])) / per_task
        if np.abs(level - before).max() < NO_SPREAD / 10:
            break
    return level + float(weight @ mean - per_point @ level) / float(weight.sum())


def noise(values: Floats) -> float:
    """The standard deviation of single points, from what neighbours differ by, of which steps are few."""
    steps = np.diff(values)
    robust = 1.4826 * float(np.median(np.abs(steps - np.median(steps))))
    return (robust if robust > NO_SPREAD else float(steps.std())) / math.sqrt(2)


def partition(values: Floats, penalty: float, shortest: int = SHORTEST) -> list[int]:
    """The places where pieces after the first begin: those with the least squared distances and penalties."""
    n = len(values)
    sums, squares = _sums(values)
    best, origin = np.full(n + 1, math.inf), np.zeros(n + 1, np.int64)
    best[0] = -penalty
    for end in range(shortest, n + 1):
        starts = np.arange(end - shortest + 1)
        cost = squares[end] - squares[starts] - (sums[end] - sums[starts]) ** 2 / (end - starts)
        total = best[starts] + cost + penalty
        origin[end] = int(total.argmin())
        best[end] = total[origin[end]]
    cuts, end = [], int(origin[n])
    while end:
        cuts.append(end)
        end = int(origin[end])
    return cuts[::-1]


def drifts(values: Floats, cuts: Sequence[int], penalty: float) -> bool:
    """Whether a straight line follows the values better than two or more steps, at the price of one of them."""
    if len(cuts) < 2:
        return False
    where = np.arange(len(values)) - (len(values) - 1) / 2
    apart = values - values.mean()
    line = float(apart @ apart - (where @ apart) ** 2 / (where @ where))
    pieces = np.split(values, cuts)
    return line + penalty < sum(float(((own - own.mean()) ** 2).sum()) + penalty for own in pieces) - penalty


def _sums(values: Floats) -> tuple[Floats, Floats]:
    """Running sums of the values, centred against rounding, and of their squares; each begins with 0."""
    centred = values - values.mean()
    return np.concatenate(([0.0], centred.cumsum())), np.concatenate(([0.0], (centred**2).cumsum()))


def chance_of(values: Floats, cut: Cut) -> float:
    """How often random orders of two pieces have a cut as clear as the clearest one that they have."""
    own = values[cut.start : cut.end]
    n, length = len(own), _block_length(values, cut)
    places = np.arange(SHORTEST, n - SHORTEST + 1)
    _, place, ties = np.unique(own, return_inverse=True, return_counts=True)
    ranks = (ties.cumsum() - (ties - 1) / 2)[place] - (n + 1) / 2

    def clearest(orders: Floats) -> Floats:
        sums = orders.cumsum(axis=1)[:, places - 1]
        found: Floats = (np.abs(sums) / np.sqrt(places * (n - places))).max(axis=1)
        return found

    chance = np.random.default_rng(0)
    blocks = np.arange(n) // length
    order = np.argsort(chance.random((ORDERS, int(blocks[-1]) + 1))[:, blocks], axis=1, kind="stable")
    shuffled = ranks[(order + chance.integers(n, size=(ORDERS, 1))) % n]  # blocks begin anywhere
    there = float(clearest(ranks[None])[0])
    return float((1 + (clearest(shuffled) >= there - NO_SPREAD).sum()) / (1 + ORDERS))


def _block_length(values: Floats, cut: Cut) -> int:
    """How many neighbours stay together in a random order."""
    alike = correlation(values, cut)
    if alike < ALIKE:
        return 1
    n = cut.end - cut.start
    best = 1.1447 * n ** (1 / 3) * (2 * alike / (1 - alike**2)) ** (2 / 3)
    return max(1, min(int(best + 0.5), n // 4))


def correlation(values: Floats, cut: Cut) -> float:
    """Of neighbours, within two pieces."""
    pieces = [values[cut.start : cut.place], values[cut.place : cut.end]]
    apart = [piece - piece.mean() for piece in pieces]
    whole = sum(float(own @ own) for own in apart)
    return min(0.99, sum(float(own[1:] @ own[:-1]) for own in apart) / whole) if whole > NO_SPREAD**2 else 0.0


def places_of(values: Floats, cut: Cut, scale: float) -> tuple[int, int]:
    """The least and the greatest place that the cut may have."""
    own = values[cut.start : cut.end]
    sums, _ = _sums(own)
    places, n = np.arange(1, len(own)), len(own)
    gained = sums[places] ** 2 / places + sums[places] ** 2 / (n - places)  # the whole is centred
    likely = places[gained >= gained[cut.place - cut.start - 1] - PLACES * scale**2]
    return cut.start + int(likely.min()), cut.start + int(likely.max())
