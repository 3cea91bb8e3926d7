"""JSON lines: one record per line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.exchange.entry import Entry, read_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The lines as entries; blank lines are skipped.

    Raises:
        InvalidRecordError: a line is not a JSON object; names it.
    """
    for number, line in enumerate(lines, 1):
        text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
        if text:
            yield Entry(f"line {number}", read_object(text, f"line {number}"))
