"""Parquet and Arrow: a column per field, as data frames write them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import StoreFormatError, missing
from benchmark_recorder.exchange.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS: int = 10_000
"""In memory at a time."""


def entries(path: Path) -> Iterator[Entry]:
    """The rows as entries; a null is an absent field.

    Raises:
        MissingDependencyError: pyarrow is not installed.
        StoreFormatError: the file is damaged.
    """
    arrow = _arrow()
    try:
        number = 0
        for batch in _batches(arrow, path):
            for row in batch.to_pylist():
                number += 1
                yield Entry(f"row {number}", {name: value for name, value in row.items() if value is not None})
    except arrow.ArrowException as error:
        raise StoreFormatError(f"it is truncated or damaged: {error}") from error


def _batches(arrow: Any, path: Path) -> Iterator[Any]:  # noqa: ANN401 - pyarrow has no types
    with path.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"PAR1"):
        from pyarrow import parquet

        with parquet.ParquetFile(path) as table:
            yield from table.iter_batches(_ROWS)
        return
    with closing(arrow.memory_map(str(path))) as source:
        if magic == b"ARROW1":
            table = arrow.ipc.open_file(source)
            yield from (table.get_batch(index) for index in range(table.num_record_batches))
        else:
            yield from arrow.ipc.open_stream(source)


def _arrow() -> Any:  # noqa: ANN401
    try:
        import pyarrow as pa
    except ImportError:
        raise missing("Parquet and Arrow files need pyarrow", "parquet") from None
    return pa
