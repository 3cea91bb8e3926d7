"""A JSON array, an element at a time: memory for one element, however many there are."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TextIO

from benchmark_recorder.exchange.entry import wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER: Final = json.JSONDecoder()
_AT_ONCE: Final = 1 << 20
_BLANK: Final = re.compile(r"[ \t\r\n]*")


def elements(file: TextIO) -> Iterator[Any]:
    """The elements of the array that a text is.

    Raises:
        InvalidRecordError: the text is not one array, or ends too early; names the element.
    """
    buffer = file.read(_AT_ONCE).removeprefix("\ufeff")
    place = _skip(buffer, 0)
    if buffer[place : place + 1] != "[":
        raise wrong("the whole file", "not a JSON array")
    place, number, ask = _skip(buffer, place + 1), 0, _AT_ONCE
    while number or buffer[place : place + 1] != "]":
        value, end, error = _decoded(buffer, place, number + 1)
        if end == len(buffer):  # perhaps cut in the middle, or behind a number that goes on
            more = file.read(ask)
            if not more:
                raise _cut(number + 1, error)
            buffer, ask = buffer[place:] + more, 2 * ask
            place = _skip(buffer, 0)
            continue
        number, ask, place = number + 1, _AT_ONCE, end
        yield value
        if buffer[place] == "]":
            break
        if buffer[place] != ",":
            raise wrong(f"element {number}", "not JSON: expected a comma or the end of the array behind it")
        place = _skip(buffer, place + 1)
    if buffer[place + 1 :].strip() or file.read().strip():
        raise wrong("the whole file", "not JSON: more follows behind the array")


def _decoded(buffer: str, place: int, number: int) -> tuple[Any, int, ValueError | None]:
    """An element and where the next sign is; or, where reading on may mend it, the end of the buffer and an error."""
    try:
        value, end = _DECODER.raw_decode(buffer, place)
    except RecursionError as error:
        raise wrong(f"element {number}", "nested too deep") from error
    except ValueError as error:
        if not _may_be_cut(error):
            raise _cut(number, error) from error
        return None, len(buffer), error
    end = _skip(buffer, end)
    if isinstance(value, int | float) and buffer[end : end + 1] not in ",]" and len(buffer) - end < _LONGEST_WORD:
        return None, len(buffer), None  # a number that goes on: the 1 of 1e9
    return value, end, None


def _skip(buffer: str, place: int) -> int:
    found = _BLANK.match(buffer, place)
    assert found is not None  # it matches nothing, too
    return found.end()


def _may_be_cut(error: ValueError) -> bool:
    """Whether reading on may mend it: a text that begins is an error where it begins, all else where it ends."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.msg.startswith("Unterminated string") or len(error.doc) - error.pos < _LONGEST_WORD


_LONGEST_WORD: Final = 16
"""Characters: more than ``-Infinity`` or an escape has."""


def _cut(number: int, error: ValueError | None) -> Exception:
    if error is None or (isinstance(error, json.JSONDecodeError) and error.pos >= len(error.doc.rstrip())):
        return wrong(f"element {number}", "not JSON: the file ends in the middle of it")
    said = error.msg if isinstance(error, json.JSONDecodeError) else "a number has too many digits"
    return wrong(f"element {number}", f"not JSON: {said}")
