"""Durations: what percentiles are made of, as cells are what all the other figures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from benchmark_recorder.identity import timestamp_micros
from benchmark_recorder.records import COLUMNS, known_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns, Document


@dataclass(frozen=True, slots=True)
class Durations:
    """The durations of some runs in seconds.

    Attributes:
        ordered: the finite ones, in rising order; read-only.
        stored: gives all of them, in the order in which they were stored; seldom asked for, so it may read them anew.
    """

    ordered: NDArray[np.float64]
    stored: Callable[[], NDArray[np.float64]]

    @classmethod
    def of(cls, times: NDArray[np.float64]) -> Self:
        """Durations in the order in which they were stored."""
        ordered = np.sort(times[np.isfinite(times)])
        ordered.flags.writeable = False
        return cls(ordered, lambda: times)


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
