"""A document as readers see it, whatever form the file has: its records at one moment, and places between them."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import DELIVER_TO, Batch, PlaceLostError, Position
from benchmark_recorder.stores.json_file.format import (
    BLOCK,
    CLOSING,
    HEADER,
    JOINT,
    Layout,
    blocks,
    find_layout,
    id_of,
    ids_of,
    legacy_id,
    not_ours,
    read_at,
)
from benchmark_recorder.stores.locking import lock, unavailable, unlock
from benchmark_recorder.stores.replacing import copy_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.json_file.reader import Reader


@dataclass(frozen=True, slots=True)
class Source:
    """The records of a document, between its header and ``end``.

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
    with suppress(OSError):  # the file system has no locks
        unlock(fd)
    inode = status.st_dev, status.st_ino
    if layout is not None:
        return Source(fd, layout, inode, status.st_size, status.st_mtime_ns)
    from benchmark_recorder.stores.json_file.old_formats import convert

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
        bytes before the offset differ. What is not seen: a value changed in place for one of the same length,
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


# Places ---------------------------------------------------------------------------------------------------------------

_decode = msgspec.json.Decoder(dict[str, Any]).decode


BATCH_PIECE: Final = 1 << 16
"""Bytes read at a time for a batch, so that a writer never waits behind more than a few hundred records."""


def lines(source: Source, start: int, size: int = BLOCK) -> Iterator[bytes]:
    """The records from an offset on, as they are in the document, read some bytes at a time."""
    for block in source.blocks(start, size):
        yield from block.split(JOINT)


def document_of(line: bytes, path: str) -> Document:
    """One line as a document, with an id in any case.

    Raises:
        StoreFormatError: it is not a record.
    """
    try:
        document = _decode(line)
    except msgspec.DecodeError as error:
        raise damaged(path, error) from error
    record_id = document.get("record_id")
    if record_id and isinstance(record_id, str):
        return document
    document.pop("record_id", None)
    return {"record_id": legacy_id(document), **document}


def damaged(path: str, error: Exception) -> StoreFormatError:
    """The error for a line in the middle that is not a record."""
    return StoreFormatError(
        f"{path} has a line that is not a record: {error}; nothing was touched. `benchmark-recorder doctor --repair` "
        "sets such lines aside"
    )


class Places:
    """Places between the records of a document, which is opened anew for each question.

    Args:
        path: of the document; it need not exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, after: Position | None, limit: int) -> Batch:
        """See ``Journal.read``."""
        documents: list[Document] = []
        with opened(self._path) as source:
            if source is None:
                return Batch((), Position(0, 0, ""))
            header = source.layout.header
            offset = self._offset(source, after)
            for line in lines(source, offset, BATCH_PIECE):
                if len(documents) == limit:
                    break
                documents.append(document_of(line, self._path))
                offset += len(line) + (1 if offset == header else len(JOINT))
        last = documents[-1]["record_id"] if documents else after.record_id if after else ""
        return Batch(tuple(documents), Position(source.inode[1], offset if last else 0, last))

    def end(self) -> Position:
        """See ``Journal.end``."""
        with opened(self._path) as source:
            if source is None:
                return Position(0, 0, "")
            end = source.layout.end
            if end == source.layout.header:
                return Position(source.inode[1], 0, "")
            return Position(source.inode[1], end, _id_before(source, end))

    def count(self, after: Position | None) -> int:
        """See ``Journal.count``; the records are counted, not read."""
        with opened(self._path) as source:
            if source is None:
                return 0
            return sum(block.count(JOINT) + 1 for block in source.blocks(self._offset(source, after)))

    def distinct(
        self,
        batches: Iterator[Batch],
        reader: Callable[[], Reader],
        earlier: tuple[Position | None, Position | None],
    ) -> Iterator[Document]:
        """The records of some batches, and of several with one id the first, unless it stands between two places."""
        first = next(batches, None)
        if first is None:
            return
        try:
            is_copied = reader().is_copied()
        except StoreFormatError:  # a damaged line; reading it raises that again
            is_copied = None
        documents = chain(first.documents, chain.from_iterable(batch.documents for batch in batches))
        if is_copied is None:
            yield from documents
            return
        start, end = earlier
        seen = set(filter(is_copied, self.ids_between(start, end))) if start and end else set()
        for document in documents:
            record_id = document["record_id"]
            if record_id not in seen:
                yield document
                if is_copied(record_id):
                    seen.add(record_id)

    def first_for(self, remote: str, end: Position, seconds: float) -> Position | None:
        """See ``Journal.first_for``; a document without such records is searched, and not decoded."""
        deadline = monotonic() + seconds
        with opened(self._path) as source:
            if source is None:
                return None
            header = offset = source.layout.header
            searched = replace(source, layout=replace(source.layout, end=self._offset(source, end)))
            before = b""
            for block in searched.blocks(header):
                for line in block.split(JOINT) if _DELIVER_TO in block else (block,):
                    if _DELIVER_TO in line and remote in document_of(line, self._path).get(DELIVER_TO, ()):
                        last = document_of(before, self._path)["record_id"] if before else ""
                        return Position(source.inode[1], offset if last else 0, last)
                    offset += len(line) + (1 if offset == header else len(JOINT))
                    before = line[line.rfind(b"\n") + 1 :]
                if monotonic() > deadline:
                    raise StoreUnavailableError(f"{self._path} could not be searched in {seconds:g} s", unchanged=True)
        return None

    def ids_between(self, since: Position, until: Position) -> list[str]:
        """The ids of the records between two places, from the beginning where the first place is lost.

        Raises:
            PlaceLostError: the second place is not in this document.
        """
        with opened(self._path) as source:
            if source is None:
                return []
            start, end = source.layout.header, self._offset(source, until)
            with suppress(PlaceLostError):
                start = self._offset(source, since)
            part = replace(source, layout=replace(source.layout, end=end))
            return [record_id for block in part.blocks(start) for record_id in ids_of(block)]

    def copy(self, target: str) -> None:
        """See ``JSONFileStore.snapshot``."""
        with opened(self._path) as source:
            copy_to(target, iter([HEADER, CLOSING]) if source is None else source.whole())

    def _offset(self, source: Source, place: Position | None) -> int:
        return source.layout.header if place is None else find_place(source, place, self._path)


_DELIVER_TO: Final = f'"{DELIVER_TO}"'.encode()


def find_place(source: Source, after: Position, path: str) -> int:
    """The offset of a place, also in a document that was rewritten since.

    Raises:
        PlaceLostError: the record before it is not there any more.
    """
    layout = source.layout
    if not after.record_id:
        return layout.header
    if layout.header < after.offset <= layout.end and _id_before(source, after.offset) == after.record_id:
        return after.offset
    offset = layout.header
    for line in lines(source, offset):
        offset += len(line) + (1 if offset == layout.header else len(JOINT))
        if after.record_id.encode() in line and id_of(line) == after.record_id:
            return offset
    raise PlaceLostError(
        f"{path} does not hold the record {after.record_id} any more, so it cannot be read on from behind it"
    )


def _id_before(source: Source, offset: int) -> str:
    """The id of the record that ends at an offset; empty where none ends there."""
    if offset != source.layout.end and source.read(offset, offset + len(JOINT)) != JOINT:
        return ""
    window = 4096
    while True:
        start = max(source.layout.header, offset - window)
        _, newline, line = source.read(start, offset).rpartition(b"\n")
        if newline or start == source.layout.header:
            break
        window *= 8
    try:
        return id_of(line)
    except msgspec.DecodeError:
        return ""
