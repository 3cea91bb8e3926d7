"""Cells: the sufficient statistics of the runs of one task in one version, successes and failures apart.

A comparison needs nothing else, so a store answers it with a few kilobytes however many records it holds. Cells merge
(Chan, Golub & LeVeque 1983), so they can be kept up to date, computed in parts, or computed where the records are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import numpy as np

from benchmark_recorder._lazy import lazy_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns

MAX_MATCHED_TASKS: Final = 10_000
"""Tasks that get cells of their own; the rest of a version is pooled."""

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


class Moments(NamedTuple):
    """Count, mean, and sum of squared deviations from the mean."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the values."""
        return self.n * self.mean

    @property
    def variance(self) -> float | None:
        """The unbiased sample variance; ``None`` below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else None

    def merge(self, other: Moments) -> Moments:
        """The moments of both samples together."""
        left, mean, own = self
        right, other_mean, others = other
        if not right:
            return self
        if not left:
            return other
        n, delta = left + right, other_mean - mean
        return Moments(n, mean + delta * right / n, own + others + delta * delta * left * right / n)

    @staticmethod
    def together(samples: Iterable[Moments]) -> Moments:
        """The moments of all samples together."""
        there = [sample for sample in samples if sample.n]
        if len(there) < 2:
            return there[0] if there else Moments()
        # Around one of the means, so that a large offset costs no digits.
        origin, count, shift, m2 = there[0].mean, 0, 0.0, 0.0
        for n, mean, _ in there:
            count, shift = count + n, shift + n * (mean - origin)
        whole = origin + shift / count
        for n, mean, own in there:
            m2 += own + n * (off := mean - whole) * off
        return Moments(count, whole, m2)


Range: TypeAlias = tuple[str, str] | None
"""The least and the greatest of some texts: equal where there is only one; ``None`` where there is none."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The runs of one task in one version that all succeeded, or all failed.

    Attributes:
        version: of the orchestrator.
        task_id: the task, or ``None`` where the cell pools what is left of a version.
        success: whether these runs succeeded.
        n: runs.
        tasks: different tasks (1, but for a pooled cell).
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

    @property
    def unknown_cost(self) -> int:
        """Runs whose cost is not known."""
        return self.n - self.cost.n

    def merge(self, other: Cell) -> Cell:
        """Both cells' runs together, under this one's labels; ``tasks`` is left to the caller."""
        return replace(
            self,
            n=self.n + other.n,
            time=self.time.merge(other.time),
            log_time=self.log_time.merge(other.log_time),
            max_time=max(self.max_time, other.max_time),
            cost=self.cost.merge(other.cost),
            log_cost=self.log_cost.merge(other.log_cost),
            max_cost=max(self.max_cost, other.max_cost),
            routed=self.routed + other.routed,
            routed_right=self.routed_right + other.routed_right,
            git_commit=_merge_range(self.git_commit, other.git_commit),
            host=_merge_range(self.host, other.host),
            first=min(self.first, other.first),
            last=max(self.last, other.last),
        )


def _merge_range(left: Range, right: Range) -> Range:
    if left is None or right is None:
        return left or right
    return min(left[0], right[0]), max(left[1], right[1])


class StoreNote(NamedTuple):
    """What a reader must know of the place that cells come from; analysis makes a caveat of it.

    Attributes:
        code: stable, for programs.
        sentence: for people.
        figures: the numbers in it.
    """

    code: str
    sentence: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cells:
    """What ``Store.summarize`` returns.

    Cells of their own have the tasks seen in at least two of the asked-for versions (where one version is asked for:
    at least twice in it), at most the 10,000 with the most runs, ties by id. The rest of each version is pooled in
    one cell for its successes and one for its failures, with ``task_id`` ``None``. All records are in exactly one
    cell, so a version's total is the merge of its cells.

    Attributes:
        cells: by version and task, the pooled ones at the end.
        caveats: what a reader must know of their origin: a server out of reach, records that cannot be read.
    """

    cells: tuple[Cell, ...] = ()
    caveats: tuple[StoreNote, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that have runs, in the order of their names."""
        return tuple(sorted({cell.version for cell in self.cells}))

    def of(self, version: str) -> tuple[Cell, ...]:
        """One version's cells."""
        return tuple(cell for cell in self.cells if cell.version == version)

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
        git_commit=reduce(_merge_range, {cell.git_commit for cell in cells}),
        host=reduce(_merge_range, {cell.host for cell in cells}),
        first=min([cell.first for cell in cells]),
        last=max([cell.last for cell in cells]),
    )


def collect(cells: Iterable[Cell], versions: tuple[str, ...] | None, own_cells: Collection[str] = frozenset()) -> Cells:
    """Cells that may share labels, merged, and pooled where a task is not matched.

    Args:
        cells: of any tasks; a pooled one stays pooled.
        versions: what was asked for; ``None`` for all that are there.
        own_cells: tasks that get cells of their own in any case.
    """
    together = merged(cells)
    matched = _matched(together, versions).union(own_cells)
    own = [cell for cell in together if cell.task_id in matched]
    rest = _pooled(cell for cell in together if cell.task_id not in matched)
    return Cells(tuple(sorted(own, key=_order)) + rest)


def merged(cells: Iterable[Cell]) -> list[Cell]:
    """Cells with the same version, task and success as one."""
    by_key: dict[tuple[str, str | None, bool], Cell] = {}
    for cell in cells:
        key = (cell.version, cell.task_id, cell.success)
        there = by_key.get(key)
        by_key[key] = cell if there is None else there.merge(cell)
    return list(by_key.values())


def _order(cell: Cell) -> tuple[str, str, bool]:
    return cell.version, cell.task_id or "", cell.success


def _matched(cells: Iterable[Cell], versions: tuple[str, ...] | None) -> frozenset[str]:
    """The tasks that get cells of their own."""
    runs: defaultdict[str, int] = defaultdict(int)
    seen: defaultdict[str, set[str]] = defaultdict(set)
    present = set()
    for cell in cells:
        present.add(cell.version)
        if cell.task_id is not None:
            runs[cell.task_id] += cell.n
            seen[cell.task_id].add(cell.version)
    if len(set(versions) if versions is not None else present) <= 1:
        tasks = [task for task, n in runs.items() if n >= 2]
    else:
        tasks = [task for task, where in seen.items() if len(where) >= 2]
    tasks.sort(key=lambda task: (-runs[task], task))
    return frozenset(tasks[:MAX_MATCHED_TASKS])


def _pooled(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """One cell for each version's successes and one for its failures."""
    groups: defaultdict[tuple[str, bool], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.version, cell.success].append(cell)
    return tuple(
        replace(reduce(Cell.merge, group), task_id=None, tasks=_count_tasks(group))
        for _, group in sorted(groups.items())
    )


def _count_tasks(group: list[Cell]) -> int:
    return len({c.task_id for c in group if c.task_id is not None}) + sum(c.tasks for c in group if c.task_id is None)


# From columns ------------------------------------------------------------------------------------------------------


class Coded(NamedTuple):
    """A column of texts as numbers: ``vocabulary[code]``, and -1 for ``None``."""

    codes: NDArray[np.int32]
    vocabulary: tuple[str, ...]


def encode(column: NDArray[np.generic]) -> Coded:
    """An object column of texts and ``None``, coded in the order of appearance."""
    index: dict[str | None, int] = {None: -1}
    codes = np.fromiter((index.setdefault(text, len(index) - 1) for text in column.tolist()), np.int32, len(column))
    return Coded(codes, tuple(cast("Iterable[str]", list(index)[1:])))


def tabulate(columns: Columns | Mapping[str, Any]) -> list[Cell]:
    """One cell for each (version, task, success) in ``columns``.

    Args:
        columns: ``CELL_FIELDS``, the texts as object arrays or as ``Coded``.
    """
    coded = {
        name: column if isinstance(column := columns[name], Coded) else encode(column)
        for name in ("version", "task_id", "expected_agent", "agent_selected", "git_commit", "host")
    }
    version, task, success = coded["version"], coded["task_id"], columns["success"]
    if not len(success):
        return []
    key = (version.codes.astype(np.int64) * (len(task.vocabulary) + 1) + task.codes + 1) * 2 + success
    keys, first_row, group = np.unique(key, return_index=True, return_inverse=True)
    count = len(keys)
    time, cost, moment = columns["execution_time"], columns["cost"], columns["time"]
    known, timed = np.isfinite(cost), np.isfinite(time)  # older files may have neither
    ranges = {name: _ranges(group, coded[name], count) for name in ("git_commit", "host")}
    routed, right = _routings(coded["expected_agent"], coded["agent_selected"])
    parts = zip(
        np.bincount(group, minlength=count).tolist(),
        _moments(group, time, timed, count),
        _log_moments(group, time, time > 0, count),
        _extreme(np.maximum, group[timed], time[timed], 0.0, count),
        _moments(group, cost, known, count),
        _log_moments(group, cost, known & (cost > 0), count),
        _extreme(np.maximum, group[known], cost[known], 0.0, count),
        np.bincount(group[routed], minlength=count).tolist(),
        np.bincount(group[right], minlength=count).tolist(),
        ranges["git_commit"],
        ranges["host"],
        _extreme(np.minimum, group, moment, np.iinfo(np.int64).max, count),
        _extreme(np.maximum, group, moment, np.iinfo(np.int64).min, count),
        strict=True,
    )
    labels = (
        (version.vocabulary[version.codes[row]], task.vocabulary[task.codes[row]], bool(success[row]))
        for row in first_row.tolist()
    )
    return [Cell(*label, *part) for label, part in zip(labels, parts, strict=True)]


def _moments(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> list[Moments]:
    """Two passes, so that a large offset costs no digits."""
    group, values = group[where], values[where]
    n = np.bincount(group, minlength=count)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and so undefined
        mean = np.bincount(group, values, count) / np.maximum(n, 1)
        deviation = values - mean[group]
        # The mean of the deviations is what rounding left of the first pass.
        mean += np.bincount(group, deviation, count) / np.maximum(n, 1)
        m2 = np.bincount(group, (values - mean[group]) ** 2, count)
    return list(map(Moments, n.tolist(), mean.tolist(), m2.tolist()))


def _log_moments(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> list[Moments]:
    logs = np.log(values, out=np.zeros_like(values), where=where)
    return _moments(group, logs, where, count)


def _extreme(better: np.ufunc, group: NDArray[np.intp], values: NDArray[Any], start: float, count: int) -> list[Any]:
    found = np.full(count, start, dtype=values.dtype)
    better.at(found, group, values)
    return cast("list[Any]", found.tolist())


def _ranges(group: NDArray[np.intp], column: Coded, count: int) -> list[Range]:
    """Least and greatest text of each group."""
    if not column.vocabulary:
        return [None] * count
    by_name = sorted(range(len(column.vocabulary)), key=column.vocabulary.__getitem__)
    rank = np.empty(len(by_name), np.int64)
    rank[by_name] = np.arange(len(by_name))
    known = column.codes >= 0
    group, ranks = group[known], rank[column.codes[known]]
    least = _extreme(np.minimum, group, ranks, len(by_name), count)
    greatest = _extreme(np.maximum, group, ranks, -1, count)
    return [
        (column.vocabulary[by_name[low]], column.vocabulary[by_name[high]]) if high >= 0 else None
        for low, high in zip(least, greatest, strict=True)
    ]


def _routings(expected: Coded, selected: Coded) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where both agents are known, and where they are the same."""
    routed = (expected.codes >= 0) & (selected.codes >= 0)
    place = {agent: code for code, agent in enumerate(selected.vocabulary)}
    translation = np.array([place.get(agent, -2) for agent in expected.vocabulary] or [-2], np.int32)
    return routed, routed & (translation[expected.codes] == selected.codes)


__getattr__ = lazy_names(__name__, {}, renamed={"Caveat": "StoreNote"})
