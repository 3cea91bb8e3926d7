"""Records as CSV, for spreadsheets and for scripts."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any, Final, TextIO

from benchmark_recorder.reporting.documents import json_text
from benchmark_recorder.reporting.encoders import csv_cell

if TYPE_CHECKING:
    import os

    from benchmark_recorder.records import Columns


def write_csv(columns: Columns, path: str | os.PathLike[str]) -> None:
    """Write columns to a file, under a row of their names; see ``print_csv``.

    Raises:
        OSError: the file cannot be written.
    """
    with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - takes any path
        print_csv(columns, file)


def print_csv(columns: Columns, file: TextIO) -> None:
    """Write columns as RFC 4180 has it.

    Numbers stay numbers, what is absent is an empty cell, metadata is JSON. A text that a spreadsheet would take for
    a formula has an apostrophe before it.
    """
    writer = csv.writer(file)
    writer.writerow(columns)
    cells = (map(_whole if name in _WHOLE else _cell, column.tolist()) for name, column in columns.items())
    writer.writerows(zip(*cells, strict=True))


_WHOLE: Final = frozenset({"input_tokens", "output_tokens"})


def _whole(value: float) -> int | None:
    """A count, which stands in a column of floats because there are gaps."""
    return int(value) if math.isfinite(value) else None


def _cell(value: Any) -> str | float | None:  # noqa: ANN401 - what a column holds
    if isinstance(value, str):
        return csv_cell(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    return csv_cell(json_text(value))
