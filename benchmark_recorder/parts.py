"""What readers must know of the runs that were parts of others: questions about roots leave them out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark_recorder.cells import StoreNote
from benchmark_recorder.queries import Query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.records import Columns
    from benchmark_recorder.stores.base import Store


def with_parts(store: Store, asked: Query, cells: Cells) -> Cells:
    """The same cells, and notes on parts that no root stands for.

    Parts whose root has no record were left by a run that never ended, such as a killed one: what they cost is in no
    figure. Parts that ended after their root are not in its sums. Where there are no parts, one question says so.

    Raises:
        StoreError: the store cannot be read.
    """
    if asked.runs != "roots":
        return cells
    about = Query(versions=asked.versions, since=asked.since, until=asked.until, runs="children")
    parts = store.summarize(about)
    if not parts.cells:
        return cells
    columns = store.scan(about, ("version", "parent_id", "time", "cost"))
    roots = store.scan(Query(runs="roots"), ("record_id", "time"))
    ended = dict(zip(roots["record_id"].tolist(), roots["time"].tolist(), strict=True))
    mine = np.array([ended.get(parent, -1) for parent in columns["parent_id"].tolist()], np.int64)
    known = np.array([parent in ended for parent in columns["parent_id"].tolist()], np.bool_)
    notes = []
    for version in parts.versions:
        own = columns["version"] == version
        if not cells.of(version):
            notes.append(_only_parts(version, int(np.count_nonzero(own))))
        notes += _unfinished(version, columns, own & ~known)
        notes += _late(version, int(np.count_nonzero(own & known & (columns["time"] > mine))))
    return replace(cells, caveats=(*cells.caveats, *notes))


def _only_parts(version: str, parts: int) -> StoreNote:
    sentence = (
        f"{version} has no runs that match, but {parts:,} that were parts of other runs: they are left out; "
        'runs="children" (--runs children) asks for them, and root=True records a run of its own inside another.'
    )
    return StoreNote("only_parts", sentence, {"version": version, "parts": parts})


def _unfinished(version: str, columns: Columns, lost: NDArray[np.bool_]) -> Iterator[StoreNote]:
    parts = int(np.count_nonzero(lost))
    if parts:
        runs, cost = len(set(columns["parent_id"][lost].tolist())), float(np.nansum(columns["cost"][lost]))
        sentence = (
            f"{runs:,} run{'' if runs == 1 else 's'} of {version} never ended, as where a program is killed: "
            f"{parts:,} part{'' if parts == 1 else 's'}, with a known cost of {cost:.4g} USD, "
            f"{'is' if parts == 1 else 'are'} in no figure."
        )
        yield StoreNote("unfinished", sentence, {"version": version, "runs": runs, "parts": parts, "cost": cost})


def _late(version: str, parts: int) -> Iterator[StoreNote]:
    if parts:
        sentence = (
            f"{parts:,} part{'' if parts == 1 else 's'} of runs of {version} ended after "
            f"{'its run' if parts == 1 else 'their runs'}, and {'is' if parts == 1 else 'are'} not in the sums of cost "
            "and tokens."
        )
        yield StoreNote("late_children", sentence, {"version": version, "parts": parts})
