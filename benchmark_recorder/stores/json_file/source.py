"""A document as readers see it at one moment, whatever form the file has."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import (
    BLOCK,
    CLOSING,
    HEADER,
    JOINT,
    Identities,
    Layout,
    blocks,
    find_layout,
    is_record,
    not_ours,
    parts_in,
    read_at,
)
from benchmark_recorder.stores.json_file.pending import lines_beside, new_beside
from benchmark_recorder.stores.locking import lock, unavailable, unlock
from benchmark_recorder.stores.paths import is_retired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.stores.json_file.streaming import Older

T = TypeVar("T")

PIECE: Final = 1 << 18
"""Bytes decoded at a time: the rows stay in the processor's cache, which is twice as fast as some MB (measured)."""


class Piece(NamedTuple):
    """Some consecutive records of a document.

    Attributes:
        block: they, joined as in the document; where ``found`` is given they may have another form.
        found: what they were decoded to; ``None`` where one could not be.
        damaged: lines among them that are not records, and are left out.
    """

    block: bytes
    found: list[Any] | None
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """The records of a document, between its header and ``end``.

    Attributes:
        fd: the open document.
        layout: where the records are; not that of an older document.
        inode: device and inode.
        size: bytes of the file.
        modified: when it was written last, nanoseconds since 1970.
        older: the document, where it has another form than ours; offsets are those of its conversion.
        tail: records that wait beside it, joined as in the document; they come behind its own.
    """

    fd: int
    layout: Layout
    inode: tuple[int, int]
    size: int
    modified: int
    older: Older | None = None
    tail: bytes = b""

    @property
    def header(self) -> int:
        """Bytes of the header line."""
        return self.layout.header if self.older is None else len(self.older.header)

    @property
    def end(self) -> int:
        """Where the records end, with those beside it; an older document is read for it."""
        end = self.layout.end if self.older is None else self.older.end
        return end + (len(self._joint_at(end)) + len(self.tail) if self.tail else 0)

    @property
    def torn(self) -> int:
        """Bytes at the end that are not a whole record."""
        return self.layout.torn if self.older is None else self.older.torn

    def blocks(self, start: int, size: int = BLOCK, end: int = sys.maxsize) -> Iterator[bytes]:
        """The records between two offsets, in blocks of whole lines of about ``size`` bytes."""
        older: Iterator[bytes] = iter(())
        if self.older is None:
            yield from blocks(self.fd, start, min(end, self.layout.end), size)
            place = self.layout.end
        else:
            older, place = self.older.blocks(), self.header
        for block in chain(older, [self.tail] if self.tail else []):
            text = self._joint_at(place) + block
            if part := text[max(0, start - place) : max(0, end - place)].strip(JOINT):
                yield part
            place += len(text)

    def read(self, start: int, end: int) -> bytes:
        """Some bytes, with those of the records beside the document; an older one is read for them."""
        if self.older is not None:
            return JOINT.join(self.blocks(start, end=end))
        document = read_at(self.fd, start, min(end, self.layout.end))
        behind = self._joint_at(self.layout.end) + self.tail if self.tail else b""
        return document + behind[max(0, start - self.layout.end) : max(0, end - self.layout.end)]

    def _joint_at(self, place: int) -> bytes:
        return JOINT if place > self.header else b"\n"

    def decoded(self, decode: Callable[[bytes], list[T]], start: int, *, by_line: bool = False) -> Iterator[Piece]:
        """The records from an offset on, decoded piece by piece.

        Args:
            decode: of JSON, a list of records.
            start: the offset; that of an older document's header.
            by_line: an older document is converted first: each record then has its id, and each id is there once.

        Raises:
            UnusualError: an older document can only be read by line.
        """
        if self.older is not None and not by_line:
            for block, found in self.older.decoded(decode):
                yield Piece(block, found)
            lines = iter([self.tail] if self.tail else [])
        else:
            lines = self.blocks(start, PIECE)
        for block in lines:
            try:
                yield Piece(block, decode(b"[%b]" % block))
            except msgspec.DecodeError:
                parts = parts_in(block)
                records = list(filter(is_record, parts))
                yield Piece(JOINT.join(records), None, len(parts) - len(records))

    def whole(self) -> Iterator[bytes]:
        """The whole document, closed behind its last record."""
        header = self.header
        opening = read_at(self.fd, 0, header) if self.older is None else self.older.header
        yield opening or HEADER
        joint = b"\n"
        for block in self.blocks(header):
            yield joint + block
            joint = JOINT
        yield CLOSING


@contextmanager
def opened(path: str) -> Iterator[Source | None]:
    """A document as it is now; ``None`` where the file does not exist.

    The lock is held only to find the end: nothing before it changes any more. If another process does not release its
    lock, the document is read without one, because a truncated tail is not read anyway.

    Raises:
        StoreUnavailableError: it cannot be read.
        StoreFormatError: the file holds something else.
    """
    try:
        fd = os.open(path, _OPEN_FLAGS)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise unavailable(error, path, "read") from error
    try:
        source = _source(fd, path)
        while source is None:  # it was replaced meanwhile, and what waited beside it is in the new one
            os.close(fd)
            fd = os.open(path, _OPEN_FLAGS)
            source = _source(fd, path)
        yield source
    except OSError as error:
        raise unavailable(error, path, "read") from error
    finally:
        os.close(fd)


def _source(fd: int, path: str) -> Source | None:
    """The document as it is now; ``None`` where another one of ours has taken its place."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise not_ours(path, f"it is a folder; name a file in it, such as {os.path.join(path, 'metrics.json')}")
    if not stat.S_ISREG(mode):
        raise not_ours(path, "it is not a regular file")
    try:
        lock(fd, path, shared=True)
    except StoreUnavailableError as error:
        logger.debug("reading without the lock: %s", error)
    status = os.fstat(fd)
    inode = status.st_dev, status.st_ino
    layout = find_layout(fd, status.st_size)
    beside = lines_beside(document := os.path.realpath(path))
    if beside and layout is not None:  # they are being brought in, or a kill came between: it may have them already
        beside = new_beside(document, Identities().of(fd, layout.header, layout.end).__contains__)
    tail = JOINT.join(beside)
    with suppress(OSError):  # the file system has no locks
        unlock(fd)
    if layout is not None:
        return Source(fd, layout, inode, status.st_size, status.st_mtime_ns, tail=tail)
    there = os.stat(path)
    if is_retired(fd) and (there.st_dev, there.st_ino) != inode:
        return None
    from benchmark_recorder.stores.json_file.streaming import Older

    older = Older(fd, status.st_size, path)
    return Source(fd, Layout(0, 0), inode, status.st_size, status.st_mtime_ns, older, tail)


_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)


_GUARD_BYTES: Final = 4096
"""Bytes before the offset that are compared: some ten records, each with an id of its own."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """How much of a document, with what ties it to that document.

    Attributes:
        inode: device and inode.
        header: bytes of the header line.
        offset: everything before it was read.
        guard: a checksum of the bytes before ``offset``.
        size: of the file then, bytes.
        modified: when it had been written last, nanoseconds since 1970.
        converted: whether the document was an older one; ``offset`` is its size.
        by_line: whether it could only be read by line.
    """

    inode: tuple[int, int]
    header: int
    offset: int
    guard: str
    size: int
    modified: int
    converted: bool
    by_line: bool = False

    @classmethod
    def at_end(cls, source: Source, *, by_line: bool = False) -> Fingerprint:
        """The end of a document."""
        is_older = source.older is not None
        end = source.size if is_older else source.layout.end
        header = source.layout.header
        guard = _guard(source, end)
        return cls(source.inode, header, end, guard, source.size, source.modified, is_older, by_line)

    def fits(self, source: Source) -> bool:
        """Whether a document still holds what was read of it.

        A file of ours grows; so one that was written to without growing was changed by others, and so was one whose
        bytes before the offset differ. What is not seen: a value changed in place for one of the same length,
        more than ``_GUARD_BYTES`` before the offset, with records appended since.
        """
        is_older, header = source.older is not None, source.layout.header
        if (self.inode, self.header, self.converted) != (source.inode, header, is_older):
            return False
        is_as_it_was = (source.size, source.modified) == (self.size, self.modified)
        if (is_older or source.size <= self.size) and not is_as_it_was:
            return False
        return (is_older or source.layout.end >= self.offset) and _guard(source, self.offset) == self.guard


def _guard(source: Source, offset: int) -> str:
    before = read_at(source.fd, max(source.layout.header, offset - _GUARD_BYTES), offset)
    return hashlib.blake2b(before, digest_size=16).hexdigest()


def lines(source: Source, start: int, size: int = BLOCK) -> Iterator[bytes]:
    """The records from an offset on, as they are in the document, read some bytes at a time."""
    for block in source.blocks(start, size):
        yield from block.split(JOINT)
