"""When the runs of a load are due, and which version's turn it is: fixed by a seed before anything runs.

An open model (Schroeder, Wierman & Harchol-Balter, NSDI 2006): when a run begins does not depend on when others end, so
that runs that wait behind a slow one are seen to wait.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Arrival(NamedTuple):
    """One run to come.

    Attributes:
        due: seconds since the turn began.
        task: the index of its task.
    """

    due: float
    task: int


class Slot(NamedTuple):
    """A turn of one version at one rate.

    Attributes:
        number: from 1, in the order of the turns.
        rate: runs a second.
        round: from 0; all versions have the same arrivals in a round of a rate.
        side: the index of the version.
    """

    number: int
    rate: float
    round: int
    side: int


def slots(rates: Sequence[float], rounds: int, sides: int) -> list[Slot]:
    """The turns in order: each rate in rounds; every other round goes through the versions backwards."""
    found: list[Slot] = []
    for rate in rates:
        for number in range(rounds):
            order = range(sides) if number % 2 == 0 else range(sides - 1, -1, -1)
            found += [Slot(len(found) + 1 + place, rate, number, side) for place, side in enumerate(order)]
    return found


def arrivals(slot: Slot, seconds: float, tasks: int, seed: int, *, even: bool) -> Iterator[Arrival]:
    """The runs of a turn; the same for each version in a round.

    Args:
        slot: whose rate and round count.
        seconds: after which nothing is due any more.
        tasks: how many there are; each comes up once before one comes up again.
        seed: of the load.
        even: at even distances, and not as a Poisson process.
    """
    chance = Random(f"{seed} {slot.rate!r} {slot.round}")  # noqa: S311
    due, order = 0.0, list[int]()
    while True:
        due += 1 / slot.rate if even else chance.expovariate(slot.rate)
        if due >= seconds:
            return
        order = order or chance.sample(range(tasks), tasks)
        yield Arrival(due, order.pop())
