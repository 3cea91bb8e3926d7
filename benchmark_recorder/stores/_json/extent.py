"""How far a document was read, and whether what was read is still what it holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmark_recorder.stores._json.source import Source

_GUARD_BYTES: Final = 4096
"""Bytes before the offset that are compared: some ten records, each with an id of its own."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a document, with what ties it to that document.

    Attributes:
        inode: device and inode.
        header: bytes of the header line.
        offset: everything before it was read.
        guard: a checksum of the bytes before ``offset``.
        size: of the file then, bytes.
        modified: when it had been written last, nanoseconds since 1970.
        converted: whether the document was an older one, and the offsets are those of its conversion.
    """

    inode: tuple[int, int]
    header: int
    offset: int
    guard: str
    size: int
    modified: int
    converted: bool

    @classmethod
    def at_end(cls, source: Source) -> Extent:
        """The end of a document."""
        return cls(
            source.inode,
            source.layout.header,
            source.layout.end,
            _guard(source, source.layout.end),
            source.size,
            source.modified,
            source.converted is not None,
        )

    def fits(self, source: Source) -> bool:
        """Whether a document still holds what was read of it.

        A file of ours grows; so one that was written to without growing was changed by others, and so was one whose
        bytes before the offset are other ones. What is not seen: a value changed in place for one of the same length,
        more than ``_GUARD_BYTES`` before the offset, with records appended since.
        """
        if (self.inode, self.header, self.converted) != (
            source.inode,
            source.layout.header,
            source.converted is not None,
        ):
            return False
        if (self.converted or source.size <= self.size) and (source.size, source.modified) != (
            self.size,
            self.modified,
        ):
            return False
        return source.layout.end >= self.offset and _guard(source, self.offset) == self.guard


def _guard(source: Source, offset: int) -> str:
    before = source.read(max(source.layout.header, offset - _GUARD_BYTES), offset)
    return hashlib.blake2b(before, digest_size=16).hexdigest()
