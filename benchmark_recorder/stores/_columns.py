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
