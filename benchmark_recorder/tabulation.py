"""Cells from the columns of the matching records: what ``Store.summarize`` means."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark_recorder.cells import (
    CELL_FIELDS,
    Cell,
    Cells,
    Coded,
    Moments,
    StoreNote,
    Units,
    cell_of,
    collect,
    encode,
    group_notes,
    ordered,
    tabulate,
)
from benchmark_recorder.columns import extremes_by, logs_of, means_by, moments_by, ranges_by, routings
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.grouping import Groups, fields_for, groups_of
from benchmark_recorder.queries import MAX_UNITS, Unit, unit_key, unit_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns


def fields_of(query: Query) -> tuple[str, ...]:
    """The columns that ``summarize_columns`` needs."""
    return tuple(dict.fromkeys((*CELL_FIELDS, *fields_for((*query.by, *filter(None, [query.unit]))))))


def summarize_columns(columns: Columns | Mapping[str, Any], query: Query) -> Cells:
    """The cells of records that match a query already: what ``Store.summarize`` returns.

    Args:
        columns: ``fields_of(query)``, the texts as object arrays or as ``Coded``.
        query: what is asked for.

    Raises:
        InvalidQueryError: there are too many units.
    """
    groups = groups_of(query.by, columns) if query.by else None
    notes = () if groups is None else group_notes(groups.rest)
    if query.unit is not None:
        return cells_of_units(tabulate_units(columns, query.unit, groups), query, notes)
    return replace(collect(tabulate(columns, groups), query.versions, query.own_cells), caveats=notes)


def tabulate_by(columns: Columns, query: Query) -> list[Cell]:
    """One cell for each (version, task, success, group); of groups beyond the most, one for the rest."""
    return tabulate(columns, groups_of(query.by, columns) if query.by else None)


# By unit --------------------------------------------------------------------------------------------------------------

NO_UNIT: Final = "runs_without_unit"
"""The code of the note about runs that belong to no unit."""


UNIT_MEANS: Final = ("time", "log_time", "cost", "log_cost", "success_rate", "routing_rate")
"""What a unit has one value of."""


def cell_of_units(row: Mapping[str, Any], means: Mapping[str, Moments]) -> Cell:
    """A server's row (see ``cells.cell_of``; with ``runs`` and ``shared``) and ``UNIT_MEANS`` as a cell of units."""
    moments = {**means}
    units = Units(row["runs"], moments.pop("success_rate"), moments.pop("routing_rate"), row["shared"])
    return cell_of({**row, "task_id": None, "success": True, "tasks": 0, "units": units}, moments)


def cells_of_units(parts: Iterable[Cell | int], query: Query, notes: tuple[StoreNote, ...] = ()) -> Cells:
    """Cells of units as ``Store.summarize`` returns them.

    Args:
        parts: a cell for each version and group; and numbers of runs without a unit, which are added up.
        query: what is asked for.
        notes: what else is said of the answer.

    Raises:
        InvalidQueryError: there are too many units.
    """
    parts = tuple(parts)
    found = ordered(part for part in parts if isinstance(part, Cell))
    left_out = sum(part for part in parts if isinstance(part, int))
    if sum(cell.n for cell in found) > MAX_UNITS:
        raise InvalidQueryError(
            f"unit: there are more than {MAX_UNITS:,} units by {query.unit}, the most that one question counts; ask "
            "about fewer runs: name versions, or give since, until or last_days"
        )
    if left_out:
        runs, have, are = ("run", "has", "is") if left_out == 1 else ("runs", "have", "are")
        sentence = f"{left_out:,} {runs} {have} no unit by {query.unit} and {are} left out."
        notes = (*notes, StoreNote(NO_UNIT, sentence, {"unit": query.unit, "runs": left_out}))
    return Cells(found, notes)


def tabulate_units(columns: Columns | Mapping[str, Any], unit: str, groups: Groups | None = None) -> list[Cell | int]:
    """One cell for each version, and for each group, if there are groups; at the end, how many runs have no unit.

    Args:
        columns: ``CELL_FIELDS`` and ``metadata``, the texts as object arrays or as ``Coded``.
        unit: ``metadata.<key>``.
        groups: of the same records.
    """
    codes, count = _units_in(columns["metadata"], unit_key(unit))
    rows = codes >= 0
    left_out = len(codes) - int(np.count_nonzero(rows))
    texts = {name: _coded(columns[name], rows) for name in _TEXTS}
    codes, version = codes[rows], texts["version"]
    labels = ((),) if groups is None else groups.labels
    arm = version.codes.astype(np.int64) * len(labels) + (0 if groups is None else groups.codes[rows])
    # Both groupings as numbers: a unit's runs in one version and group, and the units of one version and group.
    own, run_own = np.unique(arm * count + codes, return_inverse=True)
    arms, own_arm = np.unique(own // count, return_inverse=True)
    versions = np.bincount(np.unique(codes * len(version.vocabulary) + version.codes) // len(version.vocabulary))
    runs = texts | {name: columns[name][rows] for name in _OTHERS}
    cells = _cells_of(runs, run_own, own_arm, versions[own % count] > 1)
    names = [(version.vocabulary[a // len(labels)], labels[a % len(labels)]) for a in arms.tolist()]
    labelled = (replace(cell, version=name, group=group) for cell, (name, group) in zip(cells, names, strict=True))
    return [*labelled, left_out]


_TEXTS: Final = ("version", "expected_agent", "agent_selected", "git_commit", "host")
_OTHERS: Final = ("execution_time", "cost", "success", "time")


def _units_in(metadata: NDArray[np.generic], key: str) -> tuple[NDArray[np.int64], int]:
    """The number of each record's unit, -1 where it has none; and how many units there are."""
    numbers: dict[Unit | None, int] = {None: -1}
    codes = (numbers.setdefault(unit_of(own, key), len(numbers) - 1) for own in metadata.tolist())
    return np.fromiter(codes, np.int64, len(metadata)), len(numbers) - 1


def _coded(column: NDArray[np.generic] | Coded, rows: NDArray[np.bool_]) -> Coded:
    codes, vocabulary = column if isinstance(column, Coded) else encode(column)
    return Coded(codes[rows], vocabulary)


def _cells_of(
    runs: Mapping[str, Any], run_own: NDArray[np.intp], own_arm: NDArray[np.intp], shared: NDArray[np.bool_]
) -> Iterator[Cell]:
    """The cells, without their labels.

    Args:
        runs: their columns, the texts as ``Coded``.
        run_own: the number of each run's unit in its version and group.
        own_arm: of each of these, the number of its version and group.
        shared: of each of these, whether another version has the same unit.
    """
    count, arms = len(own_arm), int(own_arm.max(initial=-1)) + 1
    arm, everywhere = own_arm[run_own], np.ones(len(run_own), np.bool_)
    time, cost, success = runs["execution_time"], runs["cost"], runs["success"]
    known, timed = np.isfinite(cost), np.isfinite(time) & success
    routed, right = routings(runs["expected_agent"], runs["agent_selected"])

    def moments(values: NDArray[np.float64], where: NDArray[np.bool_]) -> tuple[NDArray[np.float64], list[Moments]]:
        means = means_by(run_own, values, where, count)
        return means, moments_by(own_arm, means, np.isfinite(means), arms)

    def greatest(means: NDArray[np.float64]) -> list[float]:
        there = np.isfinite(means)
        return extremes_by(np.maximum, own_arm[there], means[there], 0.0, arms)

    times, time_moments = moments(time, timed)
    costs, cost_moments = moments(cost, known)
    above = (timed & (time > 0), known & (cost > 0))
    units = map(
        Units,
        np.bincount(arm, minlength=arms).tolist(),
        moments(success.astype(np.float64), everywhere)[1],
        moments(right.astype(np.float64), routed)[1],
        np.bincount(own_arm, shared, arms).astype(np.int64).tolist(),
    )
    columns = zip(
        np.bincount(own_arm, minlength=arms).tolist(),
        time_moments,
        moments(logs_of(time, above[0]), above[0])[1],
        greatest(times),
        cost_moments,
        moments(logs_of(cost, above[1]), above[1])[1],
        greatest(costs),
        np.bincount(arm[routed], minlength=arms).tolist(),
        np.bincount(arm[right], minlength=arms).tolist(),
        ranges_by(arm, runs["git_commit"], arms),
        ranges_by(arm, runs["host"], arms),
        extremes_by(np.minimum, arm, runs["time"], np.iinfo(np.int64).max, arms),
        extremes_by(np.maximum, arm, runs["time"], np.iinfo(np.int64).min, arms),
        repeat(0),
        repeat(()),
        units,
    )
    return (Cell("", None, True, *figures) for figures in columns)  # noqa: FBT003
