"""A document's records, some left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from benchmark_recorder.identity import timestamp_micros
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT
from benchmark_recorder.stores.json_file.identities import id_of
from benchmark_recorder.stores.json_file.places import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.stores.json_file.source import Source
    from benchmark_recorder.stores.replication.retention import Retention


class Selection:
    """The content of a document with only the records that are kept, each id once; everything else stays.

    Args:
        source: the document.
        keep: whether a line is kept.
        pins: what is kept in any case, and the offsets to follow.
        ignore_pins: only follow the offsets.

    Attributes:
        removed: lines that were left out so far.
        found: for each followed offset the new one, and the id of the record before it.
    """

    def __init__(
        self, source: Source, keep: Callable[[bytes], bool], pins: Retention | None = None, *, ignore_pins: bool = False
    ) -> None:
        self._source, self._keep, self._pins = source, keep, pins
        self._ignores_pins = ignore_pins
        self.removed = 0
        self.found: dict[int, tuple[int, str]] = {}

    def __iter__(self) -> Iterator[bytes]:
        header = self._source.layout.header
        opening = self._source.read(0, header) or HEADER
        yield opening
        seen: set[str | bytes] = set()
        last: str | bytes = ""
        old, new = header, len(opening)
        joint, followed = b"\n", self._pins.offsets if self._pins else frozenset()
        self.found = dict.fromkeys(followed, (0, ""))
        for line in lines(self._source, header):
            start, old = old, old + len(line) + (1 if old == header else len(JOINT))
            identity = _identity(line)
            if identity not in seen and (self._keep(line) or self._is_pinned(start, old, identity)):
                seen.add(identity)
                yield joint + line
                new, last, joint = new + len(joint) + len(line), identity, JOINT
            else:
                self.removed += 1
            if old in followed and isinstance(last, str) and last:
                self.found[old] = new, last
        yield CLOSING

    def _is_pinned(self, start: int, end: int, identity: str | bytes) -> bool:
        return self._pins is not None and not self._ignores_pins and self._pins.holds(start, end, identity)


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
