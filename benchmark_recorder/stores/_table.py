"""The columns that most questions are about, kept while records are added."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np

from benchmark_recorder.cells import CELL_FIELDS, Cell, Cells, Coded, collect, tabulate
from benchmark_recorder.stores._pooling import tabulate_pooled
from benchmark_recorder.stores._row import Row, decode_rows
from benchmark_recorder.stores._timestamps import micros_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.records import Query

TEXTS: Final = ("version", "task_id", "expected_agent", "agent_selected", "git_commit", "host")
"""Columns of texts, kept as codes into a vocabulary; -1 is ``None``."""

DTYPES: Final = {
    **dict.fromkeys(TEXTS, "int32"),
    "time": "int64",
    "execution_time": "float64",
    "cost": "float64",
    "success": "bool",
}
assert DTYPES.keys() == set(CELL_FIELDS)

MAX_KEPT_CELLS: Final = 4_000
"""Cells that are kept up to date: where tasks hardly repeat, cells are as many as records, and are no shortcut."""

PIECE: Final = 1 << 18
"""Bytes decoded at a time: the rows stay in the processor's cache, which is twice as fast as some MB (measured)."""

PART_ROWS: Final = 50_000
"""Rows counted at a time: enough that numpy's cost per call is nothing."""

Part: TypeAlias = "Callable[[str], NDArray[np.generic]]"
"""Some consecutive records: a function from a column's name to its values."""


class Vocabulary(dict[str | None, int]):
    """The code of each text, in the order of appearance."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        super().__init__({None: -1})
        for text in texts:
            self[text] = len(self) - 1

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self) - 1
        return code

    @property
    def texts(self) -> tuple[str, ...]:
        """By code."""
        return cast("tuple[str, ...]", tuple(self)[1:])


class Table:
    """Columns and cells of the records of one document, from its first on.

    Args:
        vocabularies: the texts of each column of ``TEXTS``, by code.
        cells: of all records; ``None`` where they are too many to be kept.
        parts: the records, with the count of each part.
    """

    def __init__(
        self,
        vocabularies: Mapping[str, Iterable[str]] | None = None,
        cells: Iterable[Cell] | None = (),
        parts: Iterable[tuple[int, Part]] = (),
    ) -> None:
        self.vocabularies = {name: Vocabulary((vocabularies or {}).get(name, ())) for name in TEXTS}
        self._cells = None if cells is None else {_label(cell): cell for cell in cells}
        self._parts = list(parts)

    def __len__(self) -> int:
        return sum(count for count, _ in self._parts)

    # In ---------------------------------------------------------------------------------------------------------------

    def extend(self, blocks: Iterable[bytes]) -> None:
        """Add the records of some blocks of lines.

        Raises:
            msgspec.DecodeError: a line is not a record.
            ValueError: a time is none.
        """
        pieces: list[dict[str, NDArray[np.generic]]] = []
        times: list[str] = []
        for block in blocks:
            rows = decode_rows(b"[%b]" % block)
            pieces.append(self._columns_of(rows))
            times += [row.timestamp for row in rows]
            if len(times) >= PART_ROWS:
                self._add(pieces, times)
                pieces, times = [], []
        if pieces:
            self._add(pieces, times)

    def _add(self, pieces: list[dict[str, NDArray[np.generic]]], times: list[str]) -> None:
        columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        columns["time"] = micros_of(times)
        self._count(columns)
        self._parts.append((len(times), columns.__getitem__))
        # Merged as they grow, so that there are few, and each record is copied a few times at most.
        while len(self._parts) > 2 and self._parts[-2][0] < 2 * self._parts[-1][0]:
            self._merge_last()

    def _columns_of(self, rows: list[Row]) -> dict[str, NDArray[np.generic]]:
        cost = np.array([row.cost_estimated or 0.0 for row in rows], np.float64)
        if not cost.all():
            free = np.array([bool(row.cost_known) for row in rows])
            cost[(cost == 0) & ~free] = np.nan
        return {
            "execution_time": np.array([row.execution_time for row in rows], np.float64),
            "success": np.array([row.success for row in rows], np.bool_),
            "cost": cost,
            "version": self._code("version", [row.version for row in rows]),
            "task_id": self._code("task_id", [row.task_id for row in rows]),
            "expected_agent": self._code("expected_agent", [row.expected_agent for row in rows]),
            "agent_selected": self._code("agent_selected", [row.agent_selected for row in rows]),
            "git_commit": self._code("git_commit", [row.git_commit for row in rows]),
            "host": self._code("host", [row.host for row in rows]),
        }

    def _code(self, name: str, texts: Sequence[str | None]) -> NDArray[np.int32]:
        vocabulary = self.vocabularies[name]
        if texts.count(texts[0]) == len(texts):  # as the commit and the host mostly are; a comparison is no hash
            return np.full(len(texts), vocabulary[texts[0]], np.int32)
        return np.fromiter(map(vocabulary.__getitem__, texts), np.int32, len(texts))

    def _count(self, columns: Mapping[str, NDArray[np.generic]]) -> None:
        """Bring the cells up to date."""
        if self._cells is None:
            return
        if len(self.vocabularies["task_id"]) > MAX_KEPT_CELLS:
            self._cells = None
            return
        for cell in tabulate(self._coded(columns)):
            there = self._cells.get(label := _label(cell))
            self._cells[label] = cell if there is None else there.merge(cell)
        if len(self._cells) > MAX_KEPT_CELLS:
            self._cells = None

    def _merge_last(self) -> None:
        (one, first), (other, second) = self._parts[-2:]
        merged = {name: np.concatenate([first(name), second(name)]) for name in DTYPES}
        self._parts[-2:] = [(one + other, merged.__getitem__)]

    # Out --------------------------------------------------------------------------------------------------------------

    @property
    def cells(self) -> tuple[Cell, ...] | None:
        """Of all records, where they are kept."""
        return None if self._cells is None else tuple(self._cells.values())

    def column(self, name: str, rows: NDArray[np.bool_] | None = None) -> NDArray[np.generic]:
        """One column of some records (``None``: of all), the texts as codes; read-only."""
        parts = [part(name) for _, part in self._parts]
        if rows is not None:
            # Part by part, because to join the whole column first takes longer than all the rest.
            ends = np.cumsum([len(part) for part in parts])
            parts = [part[rows[end - len(part) : end]] for part, end in zip(parts, ends.tolist(), strict=True)]
        column = parts[0].view() if len(parts) == 1 else np.concatenate(parts or [np.empty(0, DTYPES[name])])
        column.flags.writeable = False
        return column

    def texts(self, name: str, codes: NDArray[np.generic]) -> NDArray[np.generic]:
        """Codes of a column as texts and ``None``."""
        vocabulary = np.array([*self.vocabularies[name].texts, None], dtype=object)
        return cast("NDArray[np.generic]", vocabulary[codes])

    def select(self, query: Query) -> NDArray[np.bool_] | None:
        """Which records match, as far as these columns tell; ``None`` for all."""
        masks = [
            self._is_any(name, wanted)
            for name, wanted in (
                ("version", query.versions),
                ("task_id", query.task_ids),
                ("agent_selected", query.agents),
            )
            if wanted is not None
        ]
        if query.success is not None:
            masks.append(self._where("success", lambda success: success == query.success))
        if query.since is not None:
            masks.append(self._where("time", lambda time: time >= query.since))
        if query.until is not None:
            masks.append(self._where("time", lambda time: time < query.until))
        return np.logical_and.reduce(masks) if masks else None

    def _where(self, name: str, test: Callable[[NDArray[Any]], NDArray[np.bool_]]) -> NDArray[np.bool_]:
        return np.concatenate([test(part(name)) for _, part in self._parts] or [np.empty(0, np.bool_)])

    def _is_any(self, name: str, wanted: tuple[str, ...]) -> NDArray[np.bool_]:
        vocabulary = self.vocabularies[name]
        codes = [vocabulary[text] for text in dict.fromkeys(wanted) if text in vocabulary]
        if len(codes) == 1:
            return self._where(name, lambda column: column == codes[0])
        return self._where(name, lambda column: np.isin(column, codes))

    def summarize(self, query: Query, mask: NDArray[np.bool_] | None) -> Cells:
        """The cells of the records in ``mask`` (``None``: all)."""
        codes = {name: self.column(name, mask) for name in CELL_FIELDS}
        coded = self._coded(codes)
        few = len(self.vocabularies["task_id"]) <= MAX_KEPT_CELLS
        cells = tabulate(coded) if few else tabulate_pooled(coded, query.versions, query.apart)
        return collect(cells, query.versions, query.apart)

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


def _label(cell: Cell) -> tuple[str, str | None, bool]:
    return cell.version, cell.task_id, cell.success
