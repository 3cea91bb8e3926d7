"""CSV: a row of names, then one record per row, as ``export`` writes it or as people keep it in a spreadsheet."""

from __future__ import annotations

import ast
import csv
import json
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import preview
from benchmark_recorder.exchange.entry import OWN_NAMES, Entry, wrong
from benchmark_recorder.fields import of_kind
from benchmark_recorder.reporting.escaping import without_apostrophe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NUMBERS: Final = of_kind("number")
_COUNTS: Final = of_kind("count")
_FLAGS: Final = of_kind("flag")
_JSON: Final = of_kind("json", "texts")
_TYPED: Final = _NUMBERS | _COUNTS | _FLAGS | _JSON | of_kind("time")
_WORDS: Final = {
    "true": True,
    "1": True,
    "1.0": True,
    "yes": True,
    "false": False,
    "0": False,
    "0.0": False,
    "no": False,
}
_ABSENT: Final = frozenset({"nan", "na", "<na>", "n/a", "none", "null", "nat"})
"""How data frames write a value that is not there, in lower case."""
_NEEDED: Final = frozenset({"execution_time", "success"})


def delimiter_of(first: str, spellings: Mapping[str, str] = OWN_NAMES) -> str | None:
    """The delimiter of a row of names: comma, semicolon or tab; ``None`` if the line is not a row of names."""
    for delimiter in ",;\t":
        try:
            names = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:  # longer than any row of names
            return None
        if {spellings.get(name.strip(), name.strip()) for name in names} >= _NEEDED:
            return delimiter
    return None


def entries(lines: Iterable[str], delimiter: str, spellings: Mapping[str, str] = OWN_NAMES) -> Iterator[Entry]:
    """The rows as entries; an empty cell is an absent field.

    Args:
        lines: with their line ends, which a cell may contain.
        delimiter: between cells.
        spellings: names in the file, and ours.

    Raises:
        InvalidRecordError: a row cannot be read, or has another number of cells than there are names.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begin = 1
    names: list[str] = []
    notes: tuple[str, ...] = ()
    try:
        for row in reader:
            place, begin = f"line {begin}", reader.line_num + 1
            if not names:
                names = _names(row, place)
                if "" in names:
                    notes = ("the first or last column has no name, and is left out of every line",)
            elif row:
                if len(row) != len(names):
                    raise wrong(place, f"{len(row)} cells under {len(names)} names")
                cells = ((name, cell) for name, cell in zip(names, row, strict=True) if name and cell)
                document = {name: _value(spellings.get(name, name), cell, delimiter) for name, cell in cells}
                yield Entry(place, {name: value for name, value in document.items() if value is not None}, notes)
                notes = ()
    except csv.Error as error:
        raise wrong(f"line {begin}", f"not CSV: {error}") from error


def _names(row: list[str], place: str) -> list[str]:
    """The names; that of an index, in front, or behind a last comma may be empty."""
    names = [name.strip() for name in row]
    inner = names[1:-1]
    if "" in inner:
        raise wrong(place, f"column {inner.index('') + 2} has no name")
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise wrong(place, f"there are two columns {preview(twice)}")
    return names


def _value(field: str, cell: str, delimiter: str) -> Any:  # noqa: ANN401 - what a cell may be
    """What a cell holds, ``None`` if it is absent; a value of the wrong kind stays a string, for the check to name."""
    plain = cell.strip().lower()
    if field in _TYPED and plain in _ABSENT:
        return None
    if field in _FLAGS:
        return _WORDS.get(plain, cell)
    try:
        if field in _NUMBERS | _COUNTS:
            if delimiter == ";":  # where a comma is the decimal point
                plain = plain.replace(",", ".")
            return _whole(plain) if field in _COUNTS else float(plain)
        if field in _JSON:
            return _json(without_apostrophe(cell))
    except (ValueError, OverflowError, RecursionError, SyntaxError, MemoryError):
        return cell
    return without_apostrophe(cell)


def _json(cell: str) -> Any:  # noqa: ANN401 - any JSON
    """JSON, or what a data frame makes of a dict: Python's own way to write it."""
    try:
        return json.loads(cell)
    except ValueError:
        return ast.literal_eval(cell)


def _whole(cell: str) -> int | float:
    """A count, which may have become ``12.0`` on its way."""
    try:
        return int(cell)
    except ValueError:
        return float(cell)
