"""The columns that are read from the document each time they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np

from benchmark_recorder.records import COLUMNS, Query
from benchmark_recorder.stores._json.identities import ids_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from numpy.typing import NDArray

    from benchmark_recorder.records import Document

_ASKED_OF_DOCUMENTS: Final = ("record_id", "task_id", "task_description", "metadata")


class Gathering:
    """Some columns of the records that match a query, gathered block by block.

    Args:
        query: which records; what the kept columns can tell of it was told by them already.
        names: which columns; none of those that are kept.
    """

    def __init__(self, query: Query, names: Collection[str]) -> None:
        self._query = Query(task=query.task, metadata=query.metadata, without=query.without)
        self._is_narrowed = query.task is not None or bool(query.metadata or query.without)
        fields = dict.fromkeys((*names, *(_ASKED_OF_DOCUMENTS if self._is_narrowed else ())))
        row = msgspec.defstruct("Row", [(name, Any, None) for name in fields], gc=False)
        self._decode: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[row]).decode  # type: ignore[valid-type]
        self._values: dict[str, list[Any]] = {name: [] for name in names}
        self._masks: list[NDArray[np.bool_]] = []

    def gather(self, blocks: Iterable[bytes], rows: NDArray[np.bool_] | None) -> None:
        """Take what matches from all records of a document.

        Args:
            blocks: of the document's lines.
            rows: the records that may match; ``None`` for all.

        Raises:
            msgspec.DecodeError: a line is not a record.
        """
        start = 0
        for block in blocks:
            records = self._decode(b"[%b]" % block)
            stop = start + len(records)
            mask = np.ones(len(records), np.bool_) if rows is None else rows[start:stop].copy()
            if self._is_narrowed:
                for number in np.flatnonzero(mask).tolist():
                    mask[number] = self._query.matches(_document(records[number]))
            self._masks.append(mask)
            self._take(block, records, mask)
            start = stop

    def _take(self, block: bytes, records: list[Any], mask: NDArray[np.bool_]) -> None:
        places = np.flatnonzero(mask).tolist()
        for name, values in self._values.items():
            if name == "record_id":
                ids = ids_of(block)
                values += [ids[place] for place in places]
            else:
                values += [getattr(records[place], name) for place in places]

    @property
    def rows(self) -> NDArray[np.bool_]:
        """Which of the document's records match."""
        return np.concatenate(self._masks) if self._masks else np.empty(0, np.bool_)

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """The asked-for columns of the records that match; see ``records.COLUMNS``.

        Raises:
            ValueError: a number is none.
        """
        return {name: _column(values, COLUMNS[name]) for name, values in self._values.items()}


def _document(record: Any) -> Document:  # noqa: ANN401 - of a class made for the query
    return {name: getattr(record, name) for name in _ASKED_OF_DOCUMENTS}


def _column(values: list[Any], dtype: str) -> NDArray[np.generic]:
    if dtype == "float64":
        return np.array(values, np.float64)  # None becomes NaN
    column = np.empty(len(values), dtype)
    column[:] = values
    return column
