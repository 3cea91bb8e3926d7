"""What is made of the columns: durations in rising order, cells of single runs, and of tasks that hardly repeat."""

from __future__ import annotations

import math
from dataclasses import replace
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

import numpy as np

from benchmark_recorder.cells import CELL_FIELDS, Cell, Cells, Coded, Moments, collect, tabulate
from benchmark_recorder.columns import logs_of, moment_columns_by, routings
from benchmark_recorder.fields import BLOCK
from benchmark_recorder.grouping import Blocks, Groups, most_groups
from benchmark_recorder.matching import LISTED, NUMBERS, BeyondTasks, UnmatchedTasks, are_matched, compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.queries import Query

    Times: TypeAlias = NDArray[np.float64]

# Durations, kept in order while records are added: percentiles without sorting anew -----------------------------------

MAX_SAVED_VERSIONS: Final = 4_000
"""Versions whose order is saved: where there are more, each is but a few records, and soon sorted."""


class Rows(Protocol):
    """Records, of which some came later."""

    def __len__(self) -> int: ...

    def since(self, name: str, start: int) -> NDArray[np.generic]:
        """A column of the records from number ``start`` on."""

    def sound_since(self, names: Iterable[str], start: int) -> dict[str, NDArray[np.generic] | Coded]:
        """Columns of the valid runs among these that were not parts of others."""


class Ordered:
    """The finite durations of each version in rising order.

    Args:
        count: records that are in what is saved.
        saved: gives a version's durations of these; ``None`` where nothing is saved.
    """

    def __init__(self, count: int = 0, saved: Callable[[int], Times] | None = None) -> None:
        self._count, self._saved = count, saved
        self._kept: dict[int | None, tuple[int, Times]] = {}

    def of(self, version: int | None, rows: Rows) -> Times:
        """Those of one version, by its code (``None``: of all), read-only, with all that came since the last call."""
        seen, times = self._kept.get(version) or self._begun(version)
        if seen < len(rows):
            new = rows.since("execution_time", seen)
            if version is not None:
                new = new[rows.since("version", seen) == version]
            new = _in_order(new)
            times = _read_only(np.insert(times, times.searchsorted(new), new) if len(times) else new)
            self._kept[version] = len(rows), times
        return times

    def _begun(self, version: int | None) -> tuple[int, Times]:
        if self._saved is None or version is None:
            return 0, np.empty(0)
        return self._count, _read_only(self._saved(version))

    def by_version(self, versions: int, rows: Rows) -> list[Times] | None:
        """Those of each version, by code; ``None`` where these are too many."""
        if versions > MAX_SAVED_VERSIONS:
            return None
        # Few enough for short numbers, which numpy sorts by radix; those of records that do not count sort first.
        codes = np.maximum(rows.since("version", 0), -1).astype(np.int16)
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes + 1, minlength=versions + 1))
        parts = np.split(rows.since("execution_time", 0)[order], ends)[1:-1]
        ordered = [_read_only(_in_order(part)) for part in parts]
        self._kept.update((code, (len(rows), times)) for code, times in enumerate(ordered))
        return ordered


def _in_order(times: NDArray[np.generic]) -> Times:
    finite: Times = times[np.isfinite(times)]
    finite.sort()
    return finite


def _read_only(times: Times) -> Times:
    times.flags.writeable = False
    return times


# Cells that are kept up to date ---------------------------------------------------------------------------------------

MAX_KEPT_CELLS: Final = 4_000
"""Cells that are kept up to date: where tasks hardly repeat, cells are as many as records, and save nothing."""

MAX_BLOCK_CELLS: Final = 40_000
"""The same by block: some 40 MB."""

Label: TypeAlias = tuple[str, str | None, bool, tuple[str | None, ...]]


def label_of(cell: Cell) -> Label:
    """What tells cells apart."""
    return cell.version, cell.task_id, cell.success, cell.group


def add_to(cells: dict[Label, Cell], cell: Cell) -> None:
    """Merge a cell into the one with its label, if there is one."""
    there = cells.get(label := label_of(cell))
    cells[label] = cell if there is None else there.merge(cell)


class KeptBlocks:
    """The cells of all runs by block (see ``grouping.Blocks``).

    Attributes:
        cells: by label; ``None`` where these, or the blocks, are too many to be kept.
    """

    def __init__(self) -> None:
        self.cells: dict[Label, Cell] | None = {}
        self._count, self._blocks, self._known = 0, Blocks(), set[str]()

    def read_on(self, rows: Rows) -> None:
        """Add the records that came since the last call.

        Raises:
            DisorderError: some are of an earlier hour; begin anew.
        """
        if self.cells is None or self._count == len(rows):
            return
        columns = rows.sound_since(CELL_FIELDS, self._count)
        codes, names = self._blocks.of(cast("Any", columns["time"]), cast("Coded", columns["host"]))
        groups = Groups(codes.astype(np.int64), tuple((name,) for name in names), {})
        for cell in tabulate(columns, groups):
            add_to(self.cells, cell)
        self._known.update(names)
        self._count = len(rows)
        if len(self.cells) > MAX_BLOCK_CELLS or len(self._known) > most_groups(BLOCK):
            self.cells = None


# Cells of single runs -------------------------------------------------------------------------------------------------


def cell_of_run(run: Mapping[str, Any]) -> Cell:
    """What ``tabulate`` makes of one run, a value for each of ``CELL_FIELDS``, without the cost of arrays."""
    time, cost, selected, expected = run["execution_time"], run["cost"], run["agent_selected"], run["expected_agent"]
    routed = selected is not None and expected is not None
    commit, host, moment = run["git_commit"], run["host"], run["time"]
    return Cell(
        version=run["version"],
        task_id=run["task_id"],
        success=run["success"],
        n=1,
        time=_moments(time),
        log_time=_log_moments(time),
        max_time=max(0.0, time) if math.isfinite(time) else 0.0,
        cost=_moments(cost),
        log_cost=_log_moments(cost),
        max_cost=max(0.0, cost) if math.isfinite(cost) else 0.0,
        routed=int(routed),
        routed_right=int(routed and selected == expected),
        git_commit=None if commit is None else (commit, commit),
        host=None if host is None else (host, host),
        first=moment,
        last=moment,
    )


def _moments(value: float) -> Moments:
    return Moments(1, value, 0.0) if math.isfinite(value) else Moments()


def _log_moments(value: float) -> Moments:
    # By numpy, whose logarithm may differ from the standard library's in the last digit.
    return Moments(1, float(np.log(value)), 0.0) if math.isfinite(value) and value > 0 else Moments()


# Cells, pooled before they are made, not after ------------------------------------------------------------------------


def tabulate_pooled(
    columns: Mapping[str, NDArray[np.generic] | Coded], query: Query, groups: Groups | None = None
) -> Cells:
    """``collect`` of ``tabulate`` for coded texts, without a cell for each task that is not matched."""
    task, version = cast("Coded", columns["task_id"]), cast("Coded", columns["version"])
    count = len(task.vocabulary)
    asked = len(np.unique(version.codes)) if query.versions is None else len(set(query.versions))
    pairs = np.unique(task.codes.astype(np.int64) * len(version.vocabulary) + version.codes)
    tasks, versions = np.divmod(pairs, len(version.vocabulary))
    seen = np.bincount(tasks, minlength=count)
    own, beyond = are_matched(task.vocabulary, np.bincount(task.codes, minlength=count), seen, asked)
    if query.own_cells:
        own |= np.fromiter((text in query.own_cells for text in task.vocabulary), np.bool_, count)
    rows = own[task.codes]
    if rows.all():
        return collect(tabulate(columns, groups), query.versions, query.own_cells)
    cells = tabulate(*_rows(columns, groups, rows)) + _pool(*_rows(columns, groups, ~rows))
    if not compared(query.versions):
        return collect(cells, query.versions, query.own_cells)
    alone = [
        _alone(version.vocabulary[code], task.vocabulary, tasks[(versions == code) & ~(own | beyond)[tasks]])
        for code in np.unique(versions).tolist()
    ]
    return collect(
        cells,
        query.versions,
        query.own_cells,
        beyond=_beyond(*_rows(columns, groups, (beyond & ~own)[task.codes])),
        unmatched=[one for one in alone if one.tasks],
    )


def _beyond(columns: Mapping[str, NDArray[np.generic] | Coded], groups: Groups | None) -> BeyondTasks | None:
    """The runs of some tasks as bare numbers."""
    task, version = cast("Coded", columns["task_id"]), cast("Coded", columns["version"])
    success = cast("NDArray[np.bool_]", columns["success"])
    if not len(success):
        return None
    labels, codes = (((),), np.zeros(len(success), np.int64)) if groups is None else (groups.labels, groups.codes)
    key = ((task.codes.astype(np.int64) * len(version.vocabulary) + version.codes) * 2 + success) * len(labels) + codes
    _, first, row = np.unique(key, return_index=True, return_inverse=True)
    time, cost = (cast("Times", columns[name]) for name in ("execution_time", "cost"))
    routed, right = routings(cast("Coded", columns["expected_agent"]), cast("Coded", columns["agent_selected"]))
    parts = [
        np.bincount(row),
        *moment_columns_by(row, logs_of(time, time > 0), time > 0, len(first)),
        *moment_columns_by(row, cost, np.isfinite(cost), len(first)),
        *moment_columns_by(row, logs_of(cost, cost > 0), cost > 0, len(first)),
        np.bincount(row[routed], minlength=len(first)),
        np.bincount(row[right], minlength=len(first)),
    ]
    return BeyondTasks(
        task=task.codes[first].astype(np.int64),
        version=version.codes[first].astype(np.int64),
        success=success[first],
        group=codes[first].astype(np.int64),
        numbers={name: part.astype(np.float64) for name, part in zip(NUMBERS, parts, strict=True)},
        versions=version.vocabulary,
        groups=tuple(labels),
    )


def _alone(version: str, tasks: Sequence[str], codes: NDArray[np.int64]) -> UnmatchedTasks:
    """The tasks of some codes, which only one version ran."""
    return UnmatchedTasks(version, len(codes), tuple(nsmallest(LISTED, (tasks[code] for code in codes.tolist()))))


def _pool(columns: Mapping[str, NDArray[np.generic] | Coded], groups: Groups | None) -> list[Cell]:
    """One cell for each version's and group's successes and one for their failures."""
    task, version = cast("Coded", columns["task_id"]), cast("Coded", columns["version"])
    success = cast("NDArray[np.bool_]", columns["success"])
    labels = ((),) if groups is None else groups.labels
    pool = (version.codes.astype(np.int64) * 2 + success) * len(labels) + (0 if groups is None else groups.codes)
    tasks = np.bincount(np.unique(pool * len(task.vocabulary) + task.codes) // len(task.vocabulary))
    place = {label: number for number, label in enumerate(labels)}
    one_task = Coded(np.zeros(len(success), np.int32), ("",))
    code = {text: number for number, text in enumerate(version.vocabulary)}
    return [
        replace(
            cell,
            task_id=None,
            tasks=int(tasks[(code[cell.version] * 2 + cell.success) * len(labels) + place[cell.group]]),
        )
        for cell in tabulate({**columns, "task_id": one_task}, groups)
    ]


def _rows(
    columns: Mapping[str, NDArray[np.generic] | Coded], groups: Groups | None, rows: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[np.generic] | Coded], Groups | None]:
    """Some rows, and their groups."""
    some = {
        name: Coded(column.codes[rows], column.vocabulary) if isinstance(column, Coded) else column[rows]
        for name, column in columns.items()
    }
    return some, groups and groups._replace(codes=groups.codes[rows])
