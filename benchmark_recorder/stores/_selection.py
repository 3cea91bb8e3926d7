"""A document's records, some left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmark_recorder.records import timestamp_micros
from benchmark_recorder.stores._document import CLOSING, HEADER, JOINT
from benchmark_recorder.stores._identities import id_of
from benchmark_recorder.stores._places import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.stores._source import Source


class Selection:
    """The content of a document with only the records that are kept, each id once; everything else stays.

    Args:
        source: the document.
        keep: whether a line is kept.

    Attributes:
        removed: lines that were left out so far.
    """

    def __init__(self, source: Source, keep: Callable[[bytes], bool]) -> None:
        self._source, self._keep = source, keep
        self.removed = 0

    def __iter__(self) -> Iterator[bytes]:
        header = self._source.layout.header
        yield self._source.read(0, header) or HEADER
        seen: set[str | bytes] = set()
        joint = b"\n"
        for line in lines(self._source, header):
            identity = _identity(line)
            if identity in seen or not self._keep(line):
                self.removed += 1
                continue
            seen.add(identity)
            yield joint + line
            joint = JOINT
        yield CLOSING


def _identity(line: bytes) -> str | bytes:
    try:
        return id_of(line)
    except msgspec.DecodeError:
        return line


class _Timed(msgspec.Struct, gc=False):
    timestamp: str


_decode = msgspec.json.Decoder(_Timed).decode


def is_since(line: bytes, moment: int) -> bool:
    """Whether a record is of a moment (microseconds since 1970) or later; a line that is no record counts as such."""
    try:
        return timestamp_micros(_decode(line).timestamp) >= moment
    except (msgspec.DecodeError, ValueError, OverflowError):
        return True
