"""Blocks: runs that have more in common than their version, such as a day on one host, and what that does to times.

A block is the runs of one host without a gap over three hours, cut 24 hours after its first run, or the runs that share
a key. All times of a block may be longer than those of another. What the versions' shares of the blocks leave of that
in the change is added to its variance; nothing is left where both ran equally often in each.

Sources: Kalibera & Jones (2013) on levels of repetition; Searle, Casella & McCulloch (1992) on the variance between
blocks of different sizes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from benchmark_recorder.analysis.evidence import Extra
from benchmark_recorder.analysis.metrics import log_time_of_successes
from benchmark_recorder.cells import Cells, Moments, total
from benchmark_recorder.fields import BLOCK
from benchmark_recorder.grouping import GAP, begins_block

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmark_recorder.analysis.metrics import Read
    from benchmark_recorder.cells import Cell

Table: TypeAlias = "Mapping[str | None, Moments]"
"""A version's runs in a block by task, ``None`` for those that are pooled; empty where it did not run."""

AUTOMATIC: Final = ("hour", "host")
"""The keys that automatic blocks are made of."""

USUAL: Final = 0.2
"""Standard deviation between blocks, on logarithms, where too few blocks show it."""

ENOUGH: Final = 4
"""Degrees of freedom from which on blocks show how much they differ."""

NOTHING: Final = 1e-6
"""Share of the variance between two blocks below which the versions' shares of the blocks are as good as equal."""


class Between(NamedTuple):
    """What blocks add to the variance of a change of times.

    Attributes:
        extra: the variance that is added, on logarithms.
        sd: between blocks.
        assumed: whether ``sd`` is not that of the runs.
        blocks: of the baseline, of the candidate, and of both.
    """

    extra: Extra
    sd: float
    assumed: bool
    blocks: tuple[int, int, int]


class Compared(NamedTuple):
    """The cells that a change of times comes from, and what blocks add to its variance, if anything."""

    cells: Cells
    between: Between | None


def by_blocks(cells: Cells, v1: str, v2: str) -> tuple[Compared, ...]:
    """How two versions can be compared: by all of their runs, and by those in blocks that both ran in."""
    asked = cells.blocks
    whole = Compared(cells, None)
    if asked is None or v1 == v2 or (asked.keys in {AUTOMATIC, (BLOCK,)} and _in_one_session(cells, v1, v2)):
        return (whole,)
    blocks = blocks_of(asked.ask(), automatic=asked.keys == AUTOMATIC)
    shared = [own for own in blocks if {v1, v2} <= {cell.version for cell in own}]
    if not blocks or (len(blocks) == len(shared) == 1):
        return (whole,)
    found = [Compared(cells, between(blocks, v1, v2, asked.sd))]
    if found[0].between and asked.are_virtual():
        return (whole,)
    if shared and found[0].between:
        within = Cells(tuple(cell for own in shared for cell in own if cell.version in {v1, v2}))
        found.append(Compared(within, between(blocks, v1, v2, asked.sd, shared)))
    return tuple(found)


def _in_one_session(cells: Cells, v1: str, v2: str) -> bool:
    """Whether all runs are of one host, and of so short a time that there can be no gap."""
    there = total(cell for cell in cells.cells if cell.version in {v1, v2})
    return there is None or (there.last - there.first <= GAP and (there.host is None or there.host[0] == there.host[1]))


def blocks_of(grouped: Cells, *, automatic: bool) -> list[tuple[Cell, ...]]:
    """The cells of each block.

    Args:
        grouped: cells by ``AUTOMATIC``, or by the key of the blocks.
        automatic: whether by ``AUTOMATIC``: hours are put together.
    """
    groups: defaultdict[tuple[str | None, ...], list[Cell]] = defaultdict(list)
    for cell in grouped.cells:
        groups[cell.group].append(cell)
    if not automatic:
        return [tuple(own) for own in groups.values()]
    blocks: list[list[Cell]] = []
    host, start, last = "", 0, 0
    for own, first, end, cells in sorted(
        ((group[1] or "", min(c.first for c in own), max(c.last for c in own), own) for group, own in groups.items()),
        key=lambda group: group[:3],
    ):
        if not blocks or own != host or begins_block(first, start, last):
            blocks.append([])
            host, start, last = own, first, end
        last = max(last, end)
        blocks[-1] += cells
    return [tuple(own) for own in blocks]


def between(
    blocks: Sequence[Sequence[Cell]],
    v1: str,
    v2: str,
    sd: float | None = None,
    compared: Sequence[Sequence[Cell]] | None = None,
) -> Between | None:
    """What blocks add to the variance of a change of times; ``None`` where that is nothing.

    Args:
        blocks: of all versions: these show how much blocks differ.
        v1: the baseline.
        v2: the candidate.
        sd: between blocks, where it is known.
        compared: the blocks whose runs are compared; all of them unless given.
    """
    left, right = (
        [by_task(own, version, log_time_of_successes) for own in (blocks if compared is None else compared)]
        for version in (v1, v2)
    )
    known = None
    if sd is None:
        versions = {cell.version for own in blocks for cell in own}
        known = spread_between(
            [[by_task(own, version, log_time_of_successes) for own in blocks] for version in versions]
        )
    return added(left, right, known, sd)


def by_task(own: Sequence[Cell], version: str, read: Read[Moments]) -> Table:
    """A version's runs in a block."""
    tasks: defaultdict[str | None, list[Moments]] = defaultdict(list)
    for cell in own:
        if cell.version == version and (moments := read(cell)).n:
            tasks[cell.task_id].append(moments)
    return {name: Moments.together(moments) for name, moments in tasks.items()}


def added(left: Sequence[Table], right: Sequence[Table], known: Extra | None, sd: float | None) -> Between | None:
    """What blocks add to the variance of a change; ``None`` where that is nothing.

    Args:
        left: the baseline's runs in each block.
        right: the candidate's in the same.
        known: the variance between blocks, where it is known.
        sd: the standard deviation to take otherwise; ``None`` for the usual one.
    """
    shares = [_shares(side) for side in (left, right)]
    if not all(shares):
        return None
    contrast = math.fsum((shares[1].get(b, 0.0) - shares[0].get(b, 0.0)) ** 2 for b in range(len(left)))
    if contrast <= NOTHING:
        return None
    counts = (len(shares[0]), len(shares[1]), len(shares[0].keys() & shares[1].keys()))
    if known is None:
        sd = USUAL if sd is None else sd
        return Between(Extra(contrast * sd * sd, math.inf), sd, assumed=True, blocks=counts)
    return Between(Extra(contrast * known.variance, known.freedom), math.sqrt(known.variance), False, counts)  # noqa: FBT003


def _shares(side: Sequence[Table]) -> dict[int, float]:
    """Each block's share of a version's runs, on the mean over the tasks."""
    runs: defaultdict[str | None, dict[int, int]] = defaultdict(dict)
    for block, tasks in enumerate(side):
        for name, moments in tasks.items():
            runs[name][block] = moments.n
    found: defaultdict[int, float] = defaultdict(float)
    for by_block in runs.values():
        for block, n in by_block.items():
            found[block] += n / sum(by_block.values()) / len(runs)
    return dict(found)


def spread_between(versions: Iterable[Sequence[Table]]) -> Extra | None:
    """The variance between blocks, pooled over all versions that ran in several; ``None`` where these are too few.

    It holds that of the runs in a block, too: a test of blocks' means is right whatever their part of it is.

    Args:
        versions: the runs of each in each block.
    """
    freedom, variance = 0, 0.0
    for side in versions:
        named = any(name is not None for tasks in side for name in tasks)
        # What is pooled is of other tasks in each block, and counts where nothing else is there.
        tables = [{name: m for name, m in tasks.items() if (name is not None) == named} for tasks in side]
        tables = [tasks for tasks in tables if tasks]
        if len(tables) > 1:
            freedom += len(tables) - 1
            variance += (len(tables) - 1) * _between_means(tables)
    return Extra(variance / freedom, freedom) if freedom >= ENOUGH and variance > 0 else None


def _between_means(blocks: Sequence[Table]) -> float:
    """The variance between the means of blocks, each freed of the tasks that ran in it, for blocks of average size."""
    names = {name for own in blocks for name in own}
    means = {name: Moments.together([own[name] for own in blocks if name in own]).mean for name in names}
    sizes = [sum(m.n for m in own.values()) for own in blocks]
    runs = sum(sizes)
    square = sum(
        math.fsum(m.n * (m.mean - means[name]) for name, m in own.items()) ** 2 / n
        for own, n in zip(blocks, sizes, strict=True)
    )
    return square / (runs - math.fsum(n * n for n in sizes) / runs)
