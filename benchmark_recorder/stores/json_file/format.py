"""The document's format: where its records begin and end, and which ids they have.

::

    {"schema_version": 1, "metrics": [      the header, one line; other top-level keys stand before "metrics"
    {"record_id": ...},                     one record a line
    {"record_id": ...}
    ]}                                      the closing: a newline and two bytes, and nothing behind them

Schema 1 is the first; ``old_formats`` has what came before it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.errors import StoreFormatError
from benchmark_recorder.records import legacy_record_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document

SCHEMA_VERSION: Final = 1
HEADER: Final = b'{"schema_version": 1, "metrics": ['
CLOSING: Final = b"\n]}"
JOINT: Final = b",\n"

BLOCK: Final = 4 << 20
"""Bytes read at a time: large enough that a read's fixed cost is nothing, small beside any document worth it."""

encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a document of our form has its records.

    Attributes:
        header: bytes of the header line, without its newline; 0 where it has to be written first.
        end: bytes before the closing: behind the last whole record.
        torn: bytes behind ``end`` that are neither the closing nor blanks.
    """

    header: int
    end: int
    torn: int = 0


def read_at(fd: int, start: int, stop: int) -> bytes:
    """The bytes of ``[start, stop)``, fewer where the file ends before."""
    parts = []
    while start < stop and (part := os.pread(fd, min(stop - start, 1 << 30), start)):
        parts.append(part)
        start += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def find_layout(fd: int, size: int) -> Layout | None:
    """Where the records are; ``None`` for a document that is not of our form (an older one, or not ours at all).

    Looks at the first line and at the last bytes, however large the document is.
    """
    head = _first_line(fd, size)
    if HEADER.startswith(head) and size <= len(head) + (head != HEADER):
        # Also an empty line, and a header that a killed process left incomplete: nothing was recorded yet.
        return Layout(0, 0, size)
    if head != HEADER and not _is_header(head):  # an empty line begins the header, but does not make it ours
        return None
    header = len(head)
    first = read_at(fd, header + 1, header + 3)
    if not any(expected.startswith(first) for expected in (b'{"', b"]}")) and first.strip(b"\0"):
        return None
    last = read_at(fd, max(header, size - 256), size)
    content = last.rstrip()
    if content.endswith(CLOSING):
        return Layout(header, size - len(last) + len(content) - len(CLOSING))
    end = _last_whole_record(fd, header, size)
    rest = read_at(fd, end, min(size, end + 4096)).lstrip(b" \t\r\n\0")
    if rest[:1] == b"]" and rest.rstrip(b" \t\r\n\0") not in {b"]", b"]}"}:
        return None  # top-level keys behind the records: somebody else's layout
    return Layout(header, end, 0 if rest.rstrip() == b"]}" else size - end)


def _first_line(fd: int, size: int) -> bytes:
    """Without its newline; all there is where there is none."""
    length = 4096
    while True:
        head = read_at(fd, 0, min(length, size))
        line, newline, _ = head.partition(b"\n")
        if newline or length >= size:
            return line
        length *= 8


def _is_header(line: bytes) -> bool:
    """Whether a line opens a document of this schema; one with further top-level keys does."""
    if not line.endswith(b'"metrics": ['):
        return False
    try:
        top = _decode_object(line + b"]}")
    except msgspec.DecodeError:
        return False
    return top.get("schema_version") == SCHEMA_VERSION and top.get("metrics") == []


def _last_whole_record(fd: int, header: int, size: int) -> int:
    """The offset behind the last line that is a whole record; ``header`` where there is none."""
    window = 1 << 16
    while True:
        start = max(header, size - window)
        lines = read_at(fd, start, size).split(b"\n")
        behind = size
        for line in reversed(lines[1:]):
            begin = behind - len(line)
            # A kill cuts a write at the end of a page, also behind the first byte over the closing: ``,]}``.
            record = line.rstrip(b" \t\r\0").removesuffix(b",]}").removesuffix(b",")
            if record[:1] == b"{" and is_record(record):
                return begin + len(record)
            behind = begin - 1
        if start == header:
            return header
        window *= 8


def is_record(line: bytes) -> bool:
    """Whether a line (without its comma) is a whole JSON object."""
    try:
        _decode_object(line)
    except msgspec.DecodeError:
        return False
    return True


def parts_of(line: bytes) -> list[bytes]:
    """What stands between two separators of a document: a record, or several lines between which commas are missing."""
    if b"\n" not in line or is_record(line):
        return [line]
    return [part for piece in line.split(b"\n") if (part := piece.strip(b" \t\r,"))]


def parts_in(block: bytes) -> list[bytes]:
    """The same of a block of lines."""
    return [part for line in block.split(JOINT) for part in parts_of(line)]


def blocks(fd: int, start: int, end: int, size: int = BLOCK) -> Iterator[bytes]:
    """The records of ``[start, end)`` in blocks of whole lines, each joined as in the document.

    Args:
        fd: the document.
        start: the header's end, or a record's.
        end: the last record's.
        size: bytes of a block; more where a record is longer.

    Raises:
        EOFError: the document ends before.
    """
    length = size
    while start < end:
        stop = min(end, start + length)
        block = read_at(fd, start, stop)
        if len(block) < stop - start:
            raise EOFError
        # The line that is cut at the end is read again with the next block: cheaper than to join the two.
        cut = len(block) if stop == end else block.rfind(JOINT, len(JOINT))
        if cut < 0:
            length *= 2
            continue
        if records := block[:cut].strip(JOINT):
            yield records
        start, length = start + cut, size


def not_ours(path: str, reason: str) -> StoreFormatError:
    """The error for a file that holds something else."""
    return StoreFormatError(
        f"{path} is not a file of benchmark records: {reason}. It was left as it is; "
        "choose another path, or move it away."
    )


# Ids ------------------------------------------------------------------------------------------------------------------


class _Identified(msgspec.Struct, gc=False):
    record_id: Any = None


_decode_one = msgspec.json.Decoder(_Identified).decode
decode_ids = msgspec.json.Decoder(list[_Identified]).decode


def id_of(line: bytes) -> str:
    """The id of a record in the document: its own, or where that is not a text, or empty, one from its content."""
    record_id = _decode_one(line).record_id
    return record_id if record_id and isinstance(record_id, str) else legacy_id(msgspec.json.decode(line))


def legacy_id(document: Document) -> str:
    """The id of a record that somebody wrote by hand, without one: identical ones are one record."""
    return legacy_record_id({name: value for name, value in document.items() if name != "record_id"}, 0)


def ids_of(block: bytes) -> list[str]:
    """The ids of the records among some lines, joined as in the document."""
    try:
        ids = [record.record_id for record in decode_ids(b"[%b]" % block)]
    except msgspec.DecodeError:
        return [id_of(part) for part in parts_in(block) if is_record(part)]
    if all(ids) and all(isinstance(record_id, str) for record_id in ids):
        return ids
    return [id_of(line) for line in block.split(JOINT)]


class Identities:
    """The ids of one document, kept up with its tail for as long as it is only written to there."""

    def __init__(self) -> None:
        self._offset = 0
        self._ids: set[str] = set()

    def of(self, fd: int, start: int, end: int) -> set[str]:
        """All ids of the records in ``[start, end)`` of a locked document: the kept set, not a copy.

        Raises:
            EOFError: the document ends before ``end``.
        """
        for block in blocks(fd, max(start, self._offset), end):
            self._ids.update(ids_of(block))
        self._offset = end
        return self._ids
