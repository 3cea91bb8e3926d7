"""The columns that most questions are about, kept while records are added."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np
from msgspec.structs import astuple

from benchmark_recorder.cells import (
    CELL_FIELDS,
    Cell,
    Cells,
    Coded,
    collect,
    group_notes,
    tabulate,
)
from benchmark_recorder.grouping import DisorderError, groups_of
from benchmark_recorder.queries import TEXT_FILTERS
from benchmark_recorder.stores.json_file.derived import (
    MAX_KEPT_CELLS,
    KeptBlocks,
    Ordered,
    add_to,
    cell_of_run,
    label_of,
    tabulate_pooled,
)
from benchmark_recorder.stores.json_file.lines import (
    KEY_BYTES,
    Key,
    Row,
    Rows,
    Vocabulary,
    micros_of,
    micros_of_each,
    repeated,
)
from benchmark_recorder.tabulation import fields_of, summarize_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.queries import Query

TEXTS: Final = tuple(TEXT_FILTERS)
"""Columns of texts, kept as codes into a vocabulary; -1 is ``None``."""

DTYPES: Final = {
    **dict.fromkeys(TEXTS, "int32"),
    "id_high": "uint64",
    "id_low": "uint64",
    "time": "int64",
    "execution_time": "float64",
    "cost": "float64",
    "success": "bool",
    "is_child": "bool",
}
"""What is kept of each record, and how; an id is kept as the halves of a 128-bit number."""

KEPT: Final = DTYPES.keys() - {"id_high", "id_low", "is_child"}
"""The fields among these: those of cells, and those that a query can name texts of."""
assert set(CELL_FIELDS) <= KEPT

PART_ROWS: Final = 50_000
"""Rows counted at a time: enough that numpy's cost per call is nothing."""

FEW_RUNS: Final = 4
"""Up to this count, cells made one by one cost less than numpy's calls."""

INVALID: Final = -1
"""The code of the version of a record that has a field missing or of another type."""

COPY: Final = -2
"""The same of a record whose id is that of an earlier one."""

Part: TypeAlias = "Callable[[str], NDArray[np.generic]]"
"""Some consecutive records: a function from a column's name to its values."""


class Table:
    """Columns and cells of the records of one document, from its first on.

    An invalid record and a copy keep their place here, but no question finds them: their version has a code below 0,
    and their duration is NaN.

    Args:
        vocabularies: the texts of each column of ``TEXTS``, by code.
        cells: of all records; ``None`` where they are too many to be kept.
        parts: the records, with the count of each part.
        ordered: the durations of these by version, where they are known in rising order.
        invalid: how many of these have a field missing or of another type; also an attribute.
        copied: the ids that more than one of these has, as in ``keys_of``; also an attribute.
        last: the greatest of their ids; also an attribute.
        children: how many of these were parts of other runs; also an attribute.
        damaged: how many lines among these were no records; also an attribute.
    """

    def __init__(  # noqa: PLR0913 - what is saved
        self,
        vocabularies: Mapping[str, Iterable[str]] | None = None,
        cells: Iterable[Cell] | None = (),
        parts: Iterable[tuple[int, Part]] = (),
        *,
        ordered: Ordered | None = None,
        invalid: int = 0,
        copied: Iterable[bytes] = (),
        last: Key = (-1, -1),
        children: int = 0,
        damaged: int = 0,
    ) -> None:
        self.vocabularies = {name: Vocabulary((vocabularies or {}).get(name, ())) for name in TEXTS}
        self._cells = None if cells is None else {label_of(cell): cell for cell in cells}
        self._parts = list(parts)
        self._ordered = ordered or Ordered()
        self._blocks: KeptBlocks | None = None
        self.invalid, self.copied, self.last, self.children = invalid, set(copied), last, children
        self.damaged = damaged

    def __len__(self) -> int:
        return sum(count for count, _ in self._parts)

    # In ---------------------------------------------------------------------------------------------------------------

    def extend(self, records: Iterable[Rows]) -> None:
        """Add further records."""
        begun = len(self._parts)
        pieces: list[dict[str, NDArray[np.generic]]] = []
        times: list[str] = []
        keys: list[bytes] = []
        for rows, own_keys, damaged in records:
            self.damaged += damaged
            if not rows:
                continue
            values = dict(zip(Row.__struct_fields__, zip(*map(astuple, rows), strict=True), strict=True))
            pieces.append(self._columns_of(values))
            times += values["timestamp"]
            keys.append(own_keys)
            if len(times) >= PART_ROWS:
                self._add(pieces, times, b"".join(keys))
                pieces, times, keys = [], [], []
        if pieces:
            self._add(pieces, times, b"".join(keys))
        self._merge_from(begun)
        # Merged as they grow, so that there are few, and each record is copied a few times at most.
        while len(self._parts) > 2 and self._parts[-2][0] < 2 * self._parts[-1][0]:
            self._merge_from(len(self._parts) - 2)

    def _add(self, pieces: list[dict[str, NDArray[np.generic]]], times: list[str], keys: bytes) -> None:
        columns: dict[str, NDArray[Any]] = {**pieces[0]}
        if len(pieces) > 1:
            columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in columns}
        try:
            columns["time"] = micros_of(times)
        except ValueError:
            columns["time"], invalid = micros_of_each(times)
            columns["version"][invalid] = INVALID
        self.invalid += int(np.count_nonzero(columns["version"] == INVALID))
        columns["id_high"], columns["id_low"] = np.frombuffer(keys, ">u8").reshape(-1, 2).T.astype(np.uint64, "C")
        for row in self._copies(columns):
            columns["version"][row] = COPY
            self.copied.add(keys[KEY_BYTES * row : KEY_BYTES * (row + 1)])
        sound, is_child = columns["version"] >= 0, columns["is_child"]
        counted, children = columns, int(np.count_nonzero(is_child))
        self.children += children
        if children or not sound.all():
            columns["execution_time"][~sound] = np.nan
            roots = sound & ~is_child
            counted = {name: column[roots] for name, column in columns.items()}
        self._count(counted)
        self._parts.append((len(times), columns.__getitem__))

    def _copies(self, columns: Mapping[str, NDArray[Any]]) -> list[int]:
        """Which of some further records have the id of an earlier one; invalid ones are neither."""
        rows = np.flatnonzero(columns["version"] >= 0)
        if not len(rows):
            return []
        high, low = columns["id_high"][rows], columns["id_low"][rows]
        before, first = self.last, (int(high[0]), int(low[0]))
        rise = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1])) if len(rows) > 1 else np.True_
        if rise.all():
            greatest = int(high[-1]), int(low[-1])
            if first > before:  # as where one process records: ids rise with time
                self.last = greatest
                return []
        else:
            greatest = int(high.max()), int(low[high == high.max()].max())
        self.last = max(before, greatest)
        least = high.min()
        later_ids = self._where("id_high", lambda ids: ids >= least)
        earlier = self.places(later_ids & self._where("version", lambda codes: codes >= 0))
        found = repeated(
            np.concatenate([self.column("id_high", earlier), high]),
            np.concatenate([self.column("id_low", earlier), low]),
        )
        start = sum(map(len, earlier))
        return [int(rows[place - start]) for place in found if place >= start]

    def _columns_of(self, values: Mapping[str, tuple[Any, ...]]) -> dict[str, NDArray[np.generic]]:
        parents, count = values["parent_id"], len(values["parent_id"])
        cost = np.array(values["cost_estimated"], np.float64)  # None becomes NaN
        if not (cost > 0).all():
            known = np.array(values["cost_known"], np.bool_)
            none = (cost == 0) | np.isnan(cost)
            cost[none] = np.where(known[none], 0.0, np.nan)
        return {
            "execution_time": np.array(values["execution_time"], np.float64),
            "success": np.array(values["success"], np.bool_),
            "is_child": np.zeros(count, np.bool_)
            if parents.count(None) == count
            else np.array([parent is not None for parent in parents], np.bool_),
            "cost": cost,
            **{name: self._code(name, values[name]) for name in TEXTS},
        }

    def _code(self, name: str, texts: Sequence[str | None]) -> NDArray[np.int32]:
        vocabulary = self.vocabularies[name]
        is_worthwhile = len(texts) > FEW_RUNS and texts[0] == texts[-1]
        if is_worthwhile and texts.count(texts[0]) == len(texts):  # comparing is cheaper than hashing
            return np.full(len(texts), vocabulary[texts[0]], np.int32)
        return np.fromiter(map(vocabulary.__getitem__, texts), np.int32, len(texts))

    def _count(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Bring the cells up to date."""
        if self._cells is None:
            return
        if len(self.vocabularies["task_id"]) > MAX_KEPT_CELLS:
            self._cells = None
            return
        few = len(columns["time"]) <= FEW_RUNS
        for cell in map(cell_of_run, self._runs(columns)) if few else tabulate(self._coded(columns)):
            add_to(self._cells, cell)
        if len(self._cells) > MAX_KEPT_CELLS:
            self._cells = None

    def _runs(self, columns: Mapping[str, NDArray[np.generic]]) -> Iterator[dict[str, Any]]:
        """A few records one by one, with what cells need of them."""
        values = [columns[name].tolist() for name in CELL_FIELDS]
        for place, name in enumerate(CELL_FIELDS):
            if name in TEXTS:
                values[place] = list(map(self.vocabularies[name].text_of, values[place]))
        return (dict(zip(CELL_FIELDS, run, strict=True)) for run in zip(*values, strict=True))

    def _merge_from(self, start: int) -> None:
        """Make one part of all from number ``start`` on."""
        parts = self._parts[start:]
        if len(parts) > 1:
            merged = {name: np.concatenate([part(name) for _, part in parts]) for name in DTYPES}
            self._parts[start:] = [(sum(count for count, _ in parts), merged.__getitem__)]

    # Out --------------------------------------------------------------------------------------------------------------

    @property
    def cells(self) -> tuple[Cell, ...] | None:
        """Of all records, where they are kept."""
        return None if self._cells is None else tuple(self._cells.values())

    def places(self, rows: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Where some records are in each part: by number, which each column takes faster than by mask."""
        found = np.flatnonzero(rows)
        starts = np.cumsum([0, *(count for count, _ in self._parts)])
        cuts = pairwise(found.searchsorted(starts).tolist())
        return [found[first:last] - start for start, (first, last) in zip(starts.tolist(), cuts, strict=False)]

    def column(self, name: str, places: list[NDArray[np.intp]] | None = None) -> NDArray[np.generic]:
        """One column of the records at some places (``None``: of all), the texts as codes; read-only."""
        parts = [part(name) for _, part in self._parts]
        if places is not None:
            parts = [part.take(own) for part, own in zip(parts, places, strict=True)]
        column = parts[0].view() if len(parts) == 1 else np.concatenate(parts or [np.empty(0, DTYPES[name])])
        column.flags.writeable = False
        return column

    def since(self, name: str, start: int) -> NDArray[np.generic]:
        """One column of the records from number ``start`` on; what was before is not touched."""
        parts: list[NDArray[np.generic]] = [np.empty(0, DTYPES[name])]
        end = len(self)
        for count, part in reversed(self._parts):
            if end <= start:
                break
            end -= count
            parts.append(part(name)[max(0, start - end) :])
        return np.concatenate(parts[::-1])

    def durations(self, versions: tuple[str, ...] | None) -> NDArray[np.float64]:
        """The finite durations of whole versions (``None``: of all) in rising order; read-only."""
        if versions is None:
            return self._ordered.of(None, self)
        vocabulary = self.vocabularies["version"]
        codes = [vocabulary[version] for version in dict.fromkeys(versions) if version in vocabulary]
        if len(codes) == 1:
            return self._ordered.of(codes[0], self)
        times = np.concatenate([np.empty(0), *(self._ordered.of(code, self) for code in codes)])
        times.sort()
        times.flags.writeable = False
        return times

    def durations_by_version(self) -> list[NDArray[np.float64]] | None:
        """The same of each version, by code; ``None`` where these are too many."""
        return self._ordered.by_version(len(self.vocabularies["version"].texts), self)

    def texts(self, name: str, codes: NDArray[np.generic]) -> NDArray[np.generic]:
        """Codes of a column as texts and ``None``."""
        vocabulary = np.array([*self.vocabularies[name].texts, None], dtype=object)
        return cast("NDArray[np.generic]", vocabulary[codes])

    def select(self, query: Query) -> NDArray[np.bool_] | None:
        """Which records match, as far as these columns can decide; ``None`` for all."""
        masks = [self._is_any(name, wanted) for name, wanted in query.texts.items()]
        if (self.invalid or self.copied) and query.versions is None:
            masks.append(self._where("version", lambda version: version >= 0))
        if query.runs == "children" or (query.runs == "roots" and self.children):
            masks.append(self._where("is_child", lambda is_child: is_child == (query.runs == "children")))
        if query.success is not None:
            masks.append(self._where("success", lambda success: success == query.success))
        if query.since is not None:
            masks.append(self._where("time", lambda time: time >= query.since))
        if query.until is not None:
            masks.append(self._where("time", lambda time: time < query.until))
        return reduce(np.logical_and, masks) if masks else None

    def _where(self, name: str, test: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        return np.concatenate([test(part(name)) for _, part in self._parts] or [np.empty(0, np.bool_)])

    def _is_any(self, name: str, wanted: tuple[str, ...]) -> NDArray[np.bool_]:
        vocabulary = self.vocabularies[name]
        codes = [vocabulary[text] for text in dict.fromkeys(wanted) if text in vocabulary]
        if len(codes) == 1:
            return self._where(name, lambda column: column == codes[0])
        is_wanted = np.zeros(len(vocabulary) + 2, np.bool_)  # the last two are for codes below 0
        is_wanted[codes] = True
        return self._where(name, is_wanted.__getitem__)

    def summarize(
        self, query: Query, mask: NDArray[np.bool_] | None, others: Mapping[str, NDArray[np.generic] | Coded]
    ) -> Cells:
        """The cells of the records in ``mask`` (``None``: all).

        Args:
            query: what is asked for.
            mask: which records.
            others: what ``groups_of`` needs beside, of the same records.
        """
        places = None if mask is None else self.places(mask)
        kept = {name: self.column(name, places) for name in fields_of(query) if name in KEPT}
        columns = {**self._coded(kept), **others}
        if query.unit is not None or len(self.vocabularies["task_id"]) <= MAX_KEPT_CELLS:
            return summarize_columns(columns, query)
        groups = groups_of(query.by, columns) if query.by else None
        cells = tabulate_pooled(columns, query, groups)
        return cells if groups is None else replace(cells, caveats=group_notes(groups.rest))

    def summarize_blocks(self) -> Cells | None:
        """The cells of all runs by block, which are kept up to date; ``None`` where these are too many."""
        # Read anew after an error, so that no record is counted twice.
        kept, self._blocks = self._blocks or KeptBlocks(), None
        try:
            kept.read_on(self)
        except DisorderError:
            kept = KeptBlocks()
            kept.read_on(self)
        self._blocks = kept
        return None if kept.cells is None else collect(kept.cells.values(), None)

    def sound_since(self, names: Iterable[str], start: int) -> dict[str, NDArray[np.generic] | Coded]:
        """Some columns of the valid runs from number ``start`` on that were not parts of others, the texts coded."""
        version, is_child = (cast("NDArray[Any]", self.since(name, start)) for name in ("version", "is_child"))
        counted = (version >= 0) & ~is_child
        columns = {name: self.since(name, start) for name in names}
        return self._coded(columns if counted.all() else {name: column[counted] for name, column in columns.items()})

    def summarize_kept(self, versions: tuple[str, ...] | None) -> Cells | None:
        """The cells of whole versions, where they are kept."""
        if self._cells is None:
            return None
        wanted = None if versions is None else set(versions)
        return collect((c for c in self._cells.values() if wanted is None or c.version in wanted), versions)

    def _coded(self, columns: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic] | Coded]:
        return {
            name: Coded(cast("NDArray[np.int32]", column), self.vocabularies[name].texts) if name in TEXTS else column
            for name, column in columns.items()
        }
