"""A document as readers see it: the bytes of its records at one moment, whatever form the file has."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import (
    BLOCK,
    CLOSING,
    HEADER,
    Layout,
    blocks,
    convert,
    find_layout,
    not_ours,
    read_at,
)
from benchmark_recorder.stores.locking import lock, unavailable, unlock

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Source:
    """What stands in a document between its header and ``end``.

    Attributes:
        fd: the open document.
        layout: where the records are, in the document or in ``converted``.
        inode: device and inode.
        size: bytes of the file.
        modified: when it was written last, nanoseconds since 1970.
        converted: an older document in our form; ``None`` where the file has our form.
        duplicates: records of the older document that the conversion left out.
    """

    fd: int
    layout: Layout
    inode: tuple[int, int]
    size: int
    modified: int
    converted: bytes | None = None
    duplicates: int = 0

    def blocks(self, start: int, size: int = BLOCK) -> Iterator[bytes]:
        """The records from an offset on, in blocks of whole lines of about ``size`` bytes."""
        if self.converted is None:
            return blocks(self.fd, start, self.layout.end, size)
        rest = self.converted[start : self.layout.end].strip(b",\n")
        return iter([rest] if rest else [])

    def whole(self) -> Iterator[bytes]:
        """The whole document, closed behind its last record."""
        header, end = self.layout.header, self.layout.end
        if self.converted is not None:
            yield self.converted
            return
        yield self.read(0, header) or HEADER
        for start in range(header, end, BLOCK):
            yield self.read(start, min(end, start + BLOCK))
        yield CLOSING

    def read(self, start: int, stop: int) -> bytes:
        """Some bytes."""
        if self.converted is None:
            return read_at(self.fd, start, stop)
        return self.converted[start:stop]


@contextmanager
def opened(path: str) -> Iterator[Source | None]:
    """A document as it is now; ``None`` where there is no file.

    The lock is held only to find the end: what stands before it does not change any more. A lock that another
    process does not give back is done without, because a cut tail is not read anyway.

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
        yield _source(fd, path)
    except OSError as error:
        raise unavailable(error, path, "read") from error
    finally:
        os.close(fd)


def _source(fd: int, path: str) -> Source:
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
    layout = find_layout(fd, status.st_size)
    unlock(fd)
    inode = status.st_dev, status.st_ino
    if layout is not None:
        return Source(fd, layout, inode, status.st_size, status.st_mtime_ns)
    converted = convert(read_at(fd, 0, status.st_size), path)
    return Source(
        fd, converted.layout, inode, status.st_size, status.st_mtime_ns, converted.content, converted.duplicates
    )


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
    def at_end(cls, source: Source) -> Fingerprint:
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
