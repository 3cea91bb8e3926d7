"""Places between the records of a document, for delivery and for all that reads records in order."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.base import DELIVER_TO, Batch, PlaceLostError, Position
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, ids_of, legacy_id, parts_of
from benchmark_recorder.stores.json_file.source import lines, opened
from benchmark_recorder.stores.replacing import copy_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.json_file.source import Source

_decode = msgspec.json.Decoder(dict[str, Any]).decode


BATCH_PIECE: Final = 1 << 16
"""Bytes read at a time for a batch, so that a writer never waits behind more than a few hundred records."""


def document_of(line: bytes) -> Document:
    """One record as a document, with an id in any case.

    Raises:
        msgspec.DecodeError: it is not a record.
    """
    document = _decode(line)
    record_id = document.get("record_id")
    if record_id and isinstance(record_id, str):
        return document
    document.pop("record_id", None)
    return {"record_id": legacy_id(document), **document}


def documents_of(line: bytes) -> list[Document]:
    """The records in what stands between two separators: one, or after a merge none or several."""
    with suppress(msgspec.DecodeError):
        return [document_of(line)]
    documents = []
    for part in parts_of(line):
        with suppress(msgspec.DecodeError):
            documents.append(document_of(part))
    return documents


class Walk:
    """Reads a document on from a place, batch by batch; an older one in one pass.

    Args:
        path: of the document.
        after: the place; ``None`` for the beginning.

    Attributes:
        place: behind the last record that was read.
        is_worth_keeping: whether beginning anew at ``place`` takes long: there is more of an older document.

    Raises:
        PlaceLostError: the place is not in this document.
    """

    def __init__(self, path: str, after: Position | None) -> None:
        self._path = path
        self.place = after
        self.is_worth_keeping = False
        with ExitStack() as stack:
            self._source = stack.enter_context(opened(path))
            if self._source is not None:
                self._offset = _offset(self._source, after, path)
                self._lines = lines(self._source, self._offset, BATCH_PIECE)
            self._stack = stack.pop_all()

    def goes_on(self, after: Position | None) -> bool:
        """Whether the document is as it was, and the place is the next one."""
        source = self._source
        if after != self.place or source is None:
            return False
        try:
            now = os.stat(self._path)
        except OSError:
            return False
        there = (now.st_dev, now.st_ino), now.st_size, now.st_mtime_ns
        return there == (source.inode, source.size, source.modified)

    def take(self, limit: int) -> Batch:
        """The next records."""
        source, after = self._source, self.place
        if source is None:
            return Batch((), Position(0, 0, ""))
        documents: list[Document] = []
        header = source.header
        self.is_worth_keeping = False
        while len(documents) < limit:
            line = next(self._lines, None)
            if line is None:
                break
            documents += documents_of(line)
            self._offset += len(line) + (1 if self._offset == header else len(JOINT))
        else:
            self.is_worth_keeping = source.older is not None
        last = documents[-1]["record_id"] if documents else after.record_id if after else ""
        self.place = Position(source.inode[1], self._offset if last else 0, last)
        return Batch(tuple(documents), self.place)

    def close(self) -> None:
        """Close the document."""
        self._stack.close()


class Places:
    """Places between the records of a document, which is opened anew for each question.

    Args:
        path: of the document; it need not exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._walk: Walk | None = None

    def read(self, after: Position | None, limit: int) -> Batch:
        """See ``Journal.read``."""
        walk, self._walk = self._walk, None  # another thread begins anew
        if walk is None or not walk.goes_on(after):
            walk = Walk(self._path, after)
        batch = walk.take(limit)
        if walk.is_worth_keeping:
            self._walk = walk
        else:
            walk.close()
        return batch

    def end(self) -> Position:
        """See ``Journal.end``."""
        with opened(self._path) as source:
            if source is None:
                return Position(0, 0, "")
            end = source.end
            if end == source.header:
                return Position(source.inode[1], 0, "")
            return Position(source.inode[1], end, _id_before(source, end))

    def count(self, after: Position | None) -> int:
        """See ``Journal.count``; the records are counted, not read."""
        with opened(self._path) as source:
            if source is None:
                return 0
            return sum(block.count(JOINT) + 1 for block in source.blocks(_offset(source, after, self._path)))

    def distinct(
        self,
        batches: Iterator[Batch],
        copied: Callable[[], Callable[[str], bool] | None],
        earlier: tuple[Position | None, Position | None],
    ) -> Iterator[Document]:
        """The records of some batches, and of several with one id the first, unless it stands between two places."""
        first = next(batches, None)
        if first is None:
            return
        is_copied = copied()
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
            header = offset = source.header
            before = ""
            for block in source.blocks(header, end=_offset(source, end, self._path)):
                for line in block.split(JOINT) if _DELIVER_TO in block else (block,):
                    found = documents_of(line) if _DELIVER_TO in line else ()
                    if any(remote in document.get(DELIVER_TO, ()) for document in found):
                        return Position(source.inode[1], offset if before else 0, before)
                    offset += len(line) + (1 if offset == header else len(JOINT))
                    before = _id_of_last(line)
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
            start, end = source.header, _offset(source, until, self._path)
            with suppress(PlaceLostError):
                start = _offset(source, since, self._path)
            return [record_id for block in source.blocks(start, end=end) for record_id in ids_of(block)]

    def copy(self, target: str) -> None:
        """See ``JSONFileStore.snapshot``."""
        with opened(self._path) as source:
            copy_to(target, iter([HEADER, CLOSING]) if source is None else source.whole())


_DELIVER_TO: Final = f'"{DELIVER_TO}"'.encode()


def _offset(source: Source, place: Position | None, path: str) -> int:
    return source.header if place is None else find_place(source, place, path)


def find_place(source: Source, after: Position, path: str) -> int:
    """The offset of a place, also in a document that was rewritten since.

    Raises:
        PlaceLostError: the record before it is not there any more.
    """
    offset = header = source.header
    if not after.record_id:
        return header
    is_ours = source.older is None
    if is_ours and header < after.offset <= source.end and _id_before(source, after.offset) == after.record_id:
        return after.offset
    for line in lines(source, offset):
        offset += len(line) + (1 if offset == header else len(JOINT))
        may_be = offset == after.offset or after.record_id.encode() in line
        if may_be and _id_of_last(line) == after.record_id:
            return offset
    raise PlaceLostError(
        f"{path} does not hold the record {after.record_id} any more, so it cannot be read on from behind it"
    )


def _id_before(source: Source, offset: int) -> str:
    """The id of the record that ends at an offset; empty where none ends there."""
    if offset != source.end and source.read(offset, offset + len(JOINT)) != JOINT:
        return ""
    window = 4096
    while True:
        start = max(source.header, offset - window)
        _, newline, line = source.read(start, offset).rpartition(b"\n")
        if newline or start == source.header:
            break
        window *= 8
    return _id_of_last(line)


def _id_of_last(line: bytes) -> str:
    """The id of the last record in what stands between two separators; empty where there is none."""
    documents = documents_of(line[line.rfind(b"\n") + 1 :]) or documents_of(line)
    return documents[-1]["record_id"] if documents else ""


class Salvage:
    """The records of a file that may be damaged, each id once; reading changes nothing.

    Args:
        path: of the file.

    Attributes:
        left_out: lines that were no records, in the last reading.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.left_out = 0

    def __iter__(self) -> Iterator[Document]:
        self.left_out = 0
        seen: set[str] = set()
        with opened(self._path) as source:
            for line in () if source is None else lines(source, source.header):
                documents = documents_of(line)
                self.left_out += len(parts_of(line)) - len(documents)
                for document in documents:
                    if document["record_id"] not in seen:
                        seen.add(document["record_id"])
                        yield document
