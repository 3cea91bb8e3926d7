"""Cells: the sufficient statistics of the runs of one task in one version, successes and failures apart.

A comparison needs nothing else, so a store answers it with a few kilobytes however many records it holds. Cells merge
(Chan, Golub & LeVeque 1983), so they can be kept up to date, computed in parts, or computed where the records are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np

from benchmark_recorder._lazy import lazy_names
from benchmark_recorder.columns import Coded as Coded
from benchmark_recorder.columns import Moments as Moments
from benchmark_recorder.columns import Range as Range
from benchmark_recorder.columns import Units as Units
from benchmark_recorder.columns import (
    distinct,
    extremes_by,
    log_moments_by,
    merged_range,
    moments_by,
    range_of,
    ranges_by,
    routings,
)
from benchmark_recorder.columns import encode as encode
from benchmark_recorder.grouping import Groups, all_kept
from benchmark_recorder.grouping import StoreNote as StoreNote
from benchmark_recorder.grouping import group_notes as group_notes
from benchmark_recorder.matching import NUMBERS, compared, matched_tasks
from benchmark_recorder.matching import BeyondTasks as BeyondTasks
from benchmark_recorder.matching import UnmatchedTasks as UnmatchedTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from benchmark_recorder.records import Columns

CELL_FIELDS: Final = (
    "version",
    "task_id",
    "success",
    "execution_time",
    "cost",
    "expected_agent",
    "agent_selected",
    "git_commit",
    "host",
    "time",
)
"""The columns that ``tabulate`` needs."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one task in one version that all succeeded, or all failed; or the units of one version.

    Attributes:
        version: of the orchestrator.
        task_id: the task, or ``None`` where the cell pools what is left of a version.
        success: whether these runs succeeded; ``True`` in a cell of units, whose times are those of successful runs.
        n: runs, or units.
        tasks: different tasks (1, but for a pooled cell; 0 in a cell of units, which is of any tasks).
        group: of these runs, a text, ``None`` or ``grouping.REST`` for each key that was asked for.
        time: moments of the duration in seconds.
        log_time: moments of its natural logarithm; runs of zero duration are left out.
        max_time: the longest, in seconds.
        cost: moments of the known costs in USD.
        log_cost: moments of the logarithm of those above zero.
        max_cost: the greatest known cost; 0.0 where none is known.
        routed: runs whose selected and whose expected agent are both known.
        routed_right: those where they are the same.
        git_commit: least and greatest.
        host: least and greatest.
        first: microseconds since 1970 of the earliest run.
        last: of the latest.
        units: what a cell of units has besides; ``None`` in any other.
    """

    version: str
    task_id: str | None
    success: bool
    n: int
    time: Moments
    log_time: Moments
    max_time: float
    cost: Moments
    log_cost: Moments
    max_cost: float
    routed: int
    routed_right: int
    git_commit: Range
    host: Range
    first: int
    last: int
    tasks: int = 1
    group: tuple[str | None, ...] = ()
    units: Units | None = None

    @property
    def unknown_cost(self) -> int:
        """Runs whose cost is not known; units without a run whose cost is."""
        return self.n - self.cost.n

    def merge(self, other: Cell) -> Cell:
        """Both cells' runs together, under this one's labels; ``tasks`` is left to the caller."""
        return cast("Cell", total((self, other)))


Runs: TypeAlias = "Callable[[Collection[str], bool | None], Columns]"


@dataclass(frozen=True, slots=True, eq=False)
class BlockQuestion:
    """How to find the blocks of some runs: those that have more in common than their version.

    Attributes:
        keys: that blocks are made of.
        ask: the cells by these keys; those of all versions, where they are at hand.
        are_virtual: whether all of the runs are of virtual time, which knows no blocks.
        sd: between blocks, on logarithms of times; ``None`` where the runs are to show it.
    """

    keys: tuple[str, ...]
    ask: Callable[[], Cells]
    are_virtual: Callable[[], bool]
    sd: float | None = None


@dataclass(frozen=True, slots=True)
class Cells:
    """What ``Store.summarize`` returns.

    Cells of their own have the tasks seen in at least two of the asked-for versions (where one version is asked for:
    at least twice in it), at most the 10,000 with the most runs, ties by id. The rest of each version is pooled in
    one cell for its successes and one for its failures, with ``task_id`` ``None``. All records are in exactly one
    cell, so a version's total is the merge of its cells.

    Where two versions are asked for, they are compared: every matched task counts, so those that are beyond the 10,000
    are there once more, without their ids; and tasks that only one version ran are listed, over all groups. Tasks that
    were named as ``Query.own_cells`` have cells that say it, and are in neither.

    Where ``Query.unit`` is given, the matching records are grouped twice. First by version, group and unit, whatever
    their tasks: a unit's value is the mean over its runs, of the time and its logarithm over those that succeeded, of
    the known cost and its logarithm over all; and its rates of success and right routing. Then by version and group:
    ``n`` counts units, moments and maxima are of the units' values (each counts once, and not at all where it has no
    such run), and ``Cell.units`` has the rates. ``routed`` and ``routed_right`` still count runs, and ranges and times
    are those of all runs. A unit that is in several groups counts once in each. Runs without a unit are in no cell; a
    note says how many they are. These cells are all, also of two versions.

    Attributes:
        cells: by version and task, the pooled ones at the end.
        caveats: what readers must know about their origin: an unreachable server, records that cannot be read.
        beyond: matched tasks without cells of their own; ``None`` where there are none, or no two versions.
        unmatched: for each version that ran tasks that the other one did not, by version: how many, and the first ids.
        blocks: how to find the runs' blocks; ``None`` where there are none.
        runs: reads columns of the same runs, of all or of those with one outcome; ``None`` where they are not at hand.
    """

    cells: tuple[Cell, ...] = ()
    caveats: tuple[StoreNote, ...] = ()
    beyond: BeyondTasks | None = None
    unmatched: tuple[UnmatchedTasks, ...] = ()
    runs: Runs | None = field(default=None, compare=False, repr=False)
    blocks: BlockQuestion | None = field(default=None, compare=False, repr=False)
    _by_version: dict[str, tuple[Cell, ...]] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that have runs, in the order of their names."""
        return tuple(sorted({cell.version for cell in self.cells}))

    def of(self, version: str) -> tuple[Cell, ...]:
        """One version's cells."""
        if not self._by_version:
            parts: defaultdict[str, list[Cell]] = defaultdict(list)
            for cell in self.cells:
                parts[cell.version].append(cell)
            self._by_version.update({name: tuple(part) for name, part in parts.items()})
        return self._by_version.get(version, ())

    @property
    def is_partial(self) -> bool:
        """Whether a store that could not be reached is missing from them."""
        return any(note.code == "store_out_of_reach" for note in self.caveats)

    @property
    def groups(self) -> tuple[tuple[str | None, ...], ...]:
        """The groups that have runs: by their labels, ``None`` at the end."""
        return tuple(sorted({cell.group for cell in self.cells}, key=_group_order))

    def has_all_groups(self, keys: Sequence[str]) -> bool:
        """Whether no group was put into the rest for being one too many, by some keys."""
        return all_kept(keys, self.groups, self.caveats)

    def within(self, group: tuple[str | None, ...]) -> Cells:
        """One group's cells, as a question about its runs alone would give them."""
        return replace(
            self,
            cells=tuple(replace(cell, group=()) for cell in self.cells if cell.group == group),
            beyond=self.beyond and self.beyond.within(group),
            unmatched=(),
            runs=None,
            blocks=None,
        )

    def by_task(self, version: str) -> dict[str, tuple[Cell, ...]]:
        """One version's cells by task, without the pooled ones."""
        tasks: defaultdict[str, list[Cell]] = defaultdict(list)
        for cell in self.of(version):
            if cell.task_id is not None:
                tasks[cell.task_id].append(cell)
        return {task: tuple(cells) for task, cells in tasks.items()}


def total(cells: Iterable[Cell]) -> Cell | None:
    """The merge of some cells, under the first one's labels; ``None`` for none."""
    cells = tuple(cells)
    if len(cells) < 2:
        return cells[0] if cells else None
    # All at once: a comparison asks for this often, and merging one by one makes as many cells as there are tasks.
    return replace(
        cells[0],
        n=sum([cell.n for cell in cells]),
        time=Moments.together([cell.time for cell in cells]),
        log_time=Moments.together([cell.log_time for cell in cells]),
        max_time=max([cell.max_time for cell in cells]),
        cost=Moments.together([cell.cost for cell in cells]),
        log_cost=Moments.together([cell.log_cost for cell in cells]),
        max_cost=max([cell.max_cost for cell in cells]),
        routed=sum([cell.routed for cell in cells]),
        routed_right=sum([cell.routed_right for cell in cells]),
        git_commit=reduce(merged_range, {cell.git_commit for cell in cells}),
        host=reduce(merged_range, {cell.host for cell in cells}),
        first=min([cell.first for cell in cells]),
        last=max([cell.last for cell in cells]),
        units=Units.together([cell.units for cell in cells if cell.units is not None]),
    )


def cell_of(row: Mapping[str, Any], moments: Mapping[str, Moments]) -> Cell:
    """A server's row as a cell.

    Args:
        row: a cell's fields under their names, ``group`` where there are groups; a range as ``least_host`` and
            ``greatest_host``; ``units`` in a cell of units.
        moments: of ``time``, ``log_time``, ``cost`` and ``log_cost``.
    """
    names = ("version", "task_id", "n", "routed", "routed_right", "first", "last", "tasks")
    fields: dict[str, Any] = {name: row[name] for name in names} | {**moments}
    return Cell(
        group=row.get("group", ()),
        units=row.get("units"),
        success=bool(row["success"]),
        max_time=row["max_time"] or 0.0,
        max_cost=row["max_cost"] or 0.0,
        git_commit=range_of(row["least_git_commit"], row["greatest_git_commit"]),
        host=range_of(row["least_host"], row["greatest_host"]),
        **fields,
    )


def collect(
    cells: Iterable[Cell],
    versions: tuple[str, ...] | None,
    own_cells: Collection[str] = frozenset(),
    *,
    beyond: BeyondTasks | None = None,
    unmatched: Iterable[UnmatchedTasks] = (),
) -> Cells:
    """Cells that may share labels, merged, and pooled where a task is not matched.

    Args:
        cells: of any tasks; a pooled one stays pooled.
        versions: what was asked for; ``None`` for all that are there.
        own_cells: tasks that get cells of their own in any case.
        beyond: what is known already of the matched tasks in pooled cells.
        unmatched: the same of those that only one version ran.
    """
    together = merged(cells)
    seen: defaultdict[str, set[str]] = defaultdict(set)
    runs: defaultdict[str, int] = defaultdict(int)
    for cell in together:
        if cell.task_id is not None:
            seen[cell.task_id].add(cell.version)
            runs[cell.task_id] += cell.n
    asked = {cell.version for cell in together} if versions is None else set(versions)
    own, others = matched_tasks(seen, runs, len(asked))
    own |= {*own_cells}
    others -= own
    pair = compared(versions)
    if pair and beyond is None:
        beyond = beyond_of([cell for cell in together if cell.task_id in others])
    alone = seen.keys() - own - others if pair else ()
    parts = [*unmatched, *(UnmatchedTasks(version, 1, (task,)) for task in alone for version in seen[task])]
    cells = [cell for cell in together if cell.task_id in own]
    pooled = _pooled(cell for cell in together if cell.task_id not in own)
    return Cells(ordered([*cells, *pooled]), (), beyond, UnmatchedTasks.together(parts))


def beyond_of(cells: Sequence[Cell]) -> BeyondTasks | None:
    """The cells of matched tasks that get none of their own, as bare numbers; ``None`` for no cells."""
    labels = ((c.version, cast("str", c.task_id), c.success, c.group) for c in cells)
    rows = [(c.n, *c.log_time, *c.cost, *c.log_cost, c.routed, c.routed_right) for c in cells]
    return BeyondTasks.of(labels, dict(zip(NUMBERS, zip(*rows, strict=True), strict=True))) if rows else None


def merged(cells: Iterable[Cell]) -> list[Cell]:
    """Cells with the same version, task, success and group as one."""
    by_key: defaultdict[tuple[str, str | None, bool, tuple[str | None, ...]], list[Cell]] = defaultdict(list)
    for cell in cells:
        by_key[cell.version, cell.task_id, cell.success, cell.group].append(cell)
    return [cast("Cell", total(own)) for own in by_key.values()]


def ordered(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """By version, task and group, the pooled ones at the end."""
    return tuple(
        sorted(cells, key=lambda c: (c.task_id is None, c.version, c.task_id or "", c.success, _group_order(c.group)))
    )


def _group_order(group: tuple[str | None, ...]) -> tuple[tuple[bool, str], ...]:
    return tuple((label is None, label or "") for label in group) if group else ()


def _pooled(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """One cell for each version's and group's successes and one for their failures."""
    pools: defaultdict[tuple[str, bool, tuple[str | None, ...]], list[Cell]] = defaultdict(list)
    for cell in cells:
        pools[cell.version, cell.success, cell.group].append(cell)
    return tuple(replace(reduce(Cell.merge, pool), task_id=None, tasks=_count_tasks(pool)) for pool in pools.values())


def _count_tasks(group: list[Cell]) -> int:
    return len({c.task_id for c in group if c.task_id is not None}) + sum(c.tasks for c in group if c.task_id is None)


# From columns ------------------------------------------------------------------------------------------------------


def tabulate(columns: Columns | Mapping[str, Any], groups: Groups | None = None) -> list[Cell]:
    """One cell for each (version, task, success) in ``columns``, and for each group, if there are groups.

    Args:
        columns: ``CELL_FIELDS``, the texts as object arrays or as ``Coded``.
        groups: of the same records.
    """
    coded = {
        name: column if isinstance(column := columns[name], Coded) else encode(column)
        for name in ("version", "task_id", "expected_agent", "agent_selected", "git_commit", "host")
    }
    version, task, success = coded["version"], coded["task_id"], columns["success"]
    if not len(success):
        return []
    key = (version.codes.astype(np.int64) * (len(task.vocabulary) + 1) + task.codes + 1) * 2 + success
    bound = len(version.vocabulary) * (len(task.vocabulary) + 1) * 2
    if groups is not None:
        key, bound = key * len(groups.labels) + groups.codes, bound * len(groups.labels)
    keys, first_row, group = distinct(key, bound)
    count = len(keys)
    time, cost, moment = columns["execution_time"], columns["cost"], columns["time"]
    known, timed = np.isfinite(cost), np.isfinite(time)  # older files may have neither
    ranges = {name: ranges_by(group, coded[name], count) for name in ("git_commit", "host")}
    routed, right = routings(coded["expected_agent"], coded["agent_selected"])
    parts = zip(
        np.bincount(group, minlength=count).tolist(),
        moments_by(group, time, timed, count),
        log_moments_by(group, time, time > 0, count),
        extremes_by(np.maximum, group[timed], time[timed], 0.0, count),
        moments_by(group, cost, known, count),
        log_moments_by(group, cost, known & (cost > 0), count),
        extremes_by(np.maximum, group[known], cost[known], 0.0, count),
        np.bincount(group[routed], minlength=count).tolist(),
        np.bincount(group[right], minlength=count).tolist(),
        ranges["git_commit"],
        ranges["host"],
        extremes_by(np.minimum, group, moment, np.iinfo(np.int64).max, count),
        extremes_by(np.maximum, group, moment, np.iinfo(np.int64).min, count),
        strict=True,
    )
    labels = (
        (version.vocabulary[version.codes[row]], task.vocabulary[task.codes[row]], bool(success[row]))
        for row in first_row.tolist()
    )
    own: Iterable[tuple[str | None, ...]] = (
        repeat(()) if groups is None else (groups.labels[code] for code in groups.codes[first_row].tolist())
    )
    rows: Iterator[tuple[Any, ...]] = ((*label, *part, 1, group) for label, part, group in zip(labels, parts, own))  # noqa: B905 - one may repeat
    return [Cell(*row) for row in rows]


__getattr__ = lazy_names(__name__, {}, renamed={"Caveat": "StoreNote"})
