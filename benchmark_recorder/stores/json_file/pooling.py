"""Cells of records whose tasks hardly repeat: pooled before they are made, not after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np

from benchmark_recorder.cells import Cell, Coded, are_matched, tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.grouping import Groups
    from benchmark_recorder.records import Query


def tabulate_pooled(
    columns: Mapping[str, NDArray[np.generic] | Coded], query: Query, groups: Groups | None = None
) -> list[Cell]:
    """The same as ``collect`` of ``tabulate`` makes, without a cell for each task that gets none of its own.

    Args:
        columns: ``CELL_FIELDS``, the texts coded.
        query: what is asked for.
        groups: of the same records, if there are groups.
    """
    task = cast("Coded", columns["task_id"])
    matched = _matched(task, cast("Coded", columns["version"]), query.versions)
    if query.own_cells:
        matched |= np.fromiter((text in query.own_cells for text in task.vocabulary), np.bool_, len(task.vocabulary))
    rows = matched[task.codes]
    if rows.all():
        return tabulate(columns, groups)
    own, others = (groups and groups._replace(codes=groups.codes[some]) for some in (rows, ~rows))
    return tabulate(_rows(columns, rows), own) + _pool(_rows(columns, ~rows), others)


def _matched(task: Coded, version: Coded, versions: tuple[str, ...] | None) -> NDArray[np.bool_]:
    """Whether each task of the vocabulary gets cells of its own."""
    count = len(task.vocabulary)
    asked = len(np.unique(version.codes)) if versions is None else len(set(versions))
    pairs = np.unique(task.codes.astype(np.int64) * len(version.vocabulary) + version.codes)
    seen = np.bincount(pairs // len(version.vocabulary), minlength=count)
    return are_matched(task.vocabulary, np.bincount(task.codes, minlength=count), seen, asked)


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
    columns: Mapping[str, NDArray[np.generic] | Coded], rows: NDArray[np.bool_]
) -> dict[str, NDArray[np.generic] | Coded]:
    return {
        name: Coded(column.codes[rows], column.vocabulary) if isinstance(column, Coded) else column[rows]
        for name, column in columns.items()
    }
