"""Documents turned on their side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_recorder.records import COLUMNS, known_cost, timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns, Document


def columns_of(documents: Sequence[Document], fields: Collection[str]) -> Columns:
    """Documents as arrays; see ``records.COLUMNS``."""
    return {name: _column(documents, name) for name in fields}


def _column(documents: Sequence[Document], name: str) -> NDArray[np.generic]:
    kind = COLUMNS[name]
    values: list[Any]
    if name == "time":
        values = [timestamp_micros(document["timestamp"]) for document in documents]
    elif name == "cost":
        values = [known_cost(document) for document in documents]
    else:
        values = [document.get(name) for document in documents]
    if kind == "float64":
        values = [np.nan if value is None else value for value in values]
    column: NDArray[np.generic] = np.empty(len(values), dtype=kind)
    column[:] = values
    return column


class GrowingColumn:
    """A column that values are added to.

    It grows in its place: to copy texts from array to array, as joining parts does, touches each of them twice, which
    takes longer than all the rest.

    Args:
        kind: the dtype; ``None`` is NaN in a column of floats.
    """

    def __init__(self, kind: str) -> None:
        self._values = np.empty(1024, kind)
        self._count = 0

    def extend(self, values: Sequence[object]) -> None:
        """Add some values.

        Raises:
            TypeError: one is of another kind.
            ValueError: the same.
        """
        end = self._count + len(values)
        if end > len(self._values):
            self._values.resize(max(end, 2 * len(self._values)), refcheck=False)
        self._values[self._count : end] = values
        self._count = end

    def finished(self) -> NDArray[np.generic]:
        """The column."""
        self._values.resize(self._count, refcheck=False)
        return self._values
