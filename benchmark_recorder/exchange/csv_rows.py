"""CSV: a row of names, then one record per row, as ``export`` writes it or as people keep it in a spreadsheet."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import preview
from benchmark_recorder.exchange.entry import SPELLINGS, Entry, wrong
from benchmark_recorder.fields import of_kind
from benchmark_recorder.reporting.escaping import without_apostrophe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmark_recorder.records import Document

_NUMBERS: Final = of_kind("number")
_COUNTS: Final = of_kind("count")
_FLAGS: Final = of_kind("flag")
_JSON: Final = of_kind("json", "texts")
_WORDS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NEEDED: Final = frozenset({"execution_time", "success"})


def delimiter_of(first: str) -> str | None:
    """The delimiter of a row of names: comma, semicolon or tab; ``None`` if the line is not a row of names."""
    for delimiter in ",;\t":
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:  # longer than any row of names
            return None
        if {_field(name) for name in names} >= _NEEDED:
            return delimiter
    return None


def entries(lines: Iterable[str], delimiter: str) -> Iterator[Entry]:
    """The rows as entries; an empty cell is an absent field.

    Args:
        lines: with their line ends, which a cell may contain.
        delimiter: between cells.

    Raises:
        InvalidRecordError: a row cannot be read, or has another number of cells than there are names.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begin = 1
    names: list[str] = []
    try:
        for row in reader:
            place, begin = f"line {begin}", reader.line_num + 1
            if not names:
                names = _names(row, place)
            elif row:
                if len(row) != len(names):
                    raise wrong(place, f"{len(row)} cells under {len(names)} names")
                yield Entry(place, _document(names, row))
    except csv.Error as error:
        raise wrong(f"line {begin}", f"not CSV: {error}") from error


def _names(row: list[str], place: str) -> list[str]:
    names = [name.strip() for name in row]
    if "" in names:
        raise wrong(place, f"column {names.index('') + 1} has no name")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise wrong(place, f"there are two columns {preview(twice)}")
    return names


def _field(name: str) -> str:
    return SPELLINGS.get(name.strip(), name.strip())


def _document(names: list[str], row: list[str]) -> Document:
    """The cells that are not empty; a value of the wrong kind stays a string, for the check to name."""
    return {name: _value(_field(name), cell) for name, cell in zip(names, row, strict=True) if cell}


def _value(field: str, cell: str) -> Any:  # noqa: ANN401 - what a cell may be
    if field in _FLAGS:
        return _WORDS.get(cell.strip().lower(), cell)
    try:
        if field in _NUMBERS:
            return float(cell)
        if field in _COUNTS:
            return _whole(cell)
        if field in _JSON:
            return json.loads(without_apostrophe(cell))
    except (ValueError, OverflowError, RecursionError):
        return cell
    return without_apostrophe(cell)


def _whole(cell: str) -> int | float:
    """A count; a spreadsheet may have turned it into ``12.0``."""
    try:
        return int(cell)
    except ValueError:
        number = float(cell)
        return int(number) if number.is_integer() else number
