"""Units of which some have runs on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark_recorder.cells import Cell, merged
from benchmark_recorder.columns import columns_of
from benchmark_recorder.grouping import groups_of
from benchmark_recorder.queries import UnitFilter, unit_key, unit_of
from benchmark_recorder.tabulation import NO_UNIT, cells_of_units, fields_of, tabulate_units

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.base import Store
    from benchmark_recorder.stores.replication.state import Undelivered


def count_units(remote: Store, query: Query, here: Undelivered, most_named: int) -> Cells | None:
    """The cells of both sides' units: those with a run on this side are counted here, all others by the remote store.

    At most so many units or ids are named in one question. ``None`` where this needs the records of both sides: there
    are too many units here, or too many groups.
    """
    assert query.unit is not None
    unit = query.unit
    if query.units is not None or len(here.ids) > most_named:
        return None
    query = replace(query, exclude_ids=query.exclude_ids | here.ids)
    key, documents = unit_key(unit), list(here.matching())
    units = frozenset(one for own in documents if (one := unit_of(own.get("metadata"), key)) is not None)
    if len(units) > most_named:
        return None
    answer = remote.summarize(replace(query, units=UnitFilter(key, units, inside=False)) if units else query)
    if not documents:
        return answer
    columns = columns_of(documents, fields_of(query))
    if units:
        theirs = remote.scan(replace(query, units=UnitFilter(key, units, inside=True)), fields_of(query))
        columns = {name: np.concatenate([theirs[name], column]) for name, column in columns.items()}
    own = tabulate_units(columns, unit, groups_of(query.by, columns) if query.by else None)
    together = merged([*answer.cells, *(part for part in own if isinstance(part, Cell))])
    left_out = [part for part in own if isinstance(part, int)]
    left_out += [note.figures["runs"] for note in answer.caveats if note.code == NO_UNIT]
    notes = tuple(note for note in answer.caveats if note.code != NO_UNIT)
    found = cells_of_units([*together, *left_out], query, notes)
    return found if found.has_all_groups(query.by) else None
