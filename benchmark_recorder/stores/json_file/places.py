"""Places in a document: an offset behind a record, known again by the record's id."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.errors import StoreFormatError
from benchmark_recorder.stores.base import Batch, PlaceLostError, Position
from benchmark_recorder.stores.json_file.format import BLOCK, JOINT
from benchmark_recorder.stores.json_file.identities import id_of, ids_of, legacy_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.json_file.source import Source

_decode = msgspec.json.Decoder(dict[str, Any]).decode


BATCH_PIECE: Final = 1 << 16
"""Bytes read at a time where a batch is read: nobody who records waits for more than some hundred records of it."""


def lines(source: Source, start: int, size: int = BLOCK) -> Iterator[bytes]:
    """The records from an offset on, as they stand in the document, read some bytes at a time."""
    for block in source.blocks(start, size):
        yield from block.split(JOINT)


def document_of(line: bytes, path: str) -> Document:
    """One line as a document, with an id in any case.

    Raises:
        StoreFormatError: it is no record.
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
    """The error for a line in the middle that is no record."""
    return StoreFormatError(
        f"{path} has a line that is not a record: {error}; nothing was touched. `benchmark-recorder doctor --repair` "
        "sets such lines aside"
    )


def read_batch(source: Source, after: Position | None, limit: int, path: str) -> Batch:
    """Up to ``limit`` records behind a place.

    Raises:
        StoreFormatError: the place is not in this document, or a record is damaged.
    """
    header = source.layout.header
    offset = header if after is None else find_place(source, after, path)
    documents: list[Document] = []
    for line in lines(source, offset, BATCH_PIECE):
        if len(documents) == limit:
            break
        documents.append(document_of(line, path))
        offset += len(line) + (1 if offset == header else len(JOINT))
    last = documents[-1]["record_id"] if documents else after.record_id if after else ""
    return Batch(tuple(documents), Position(source.inode[1], offset if last else 0, last))


def count_behind(source: Source, after: Position | None, path: str) -> int:
    """How many records are behind a place; they are counted, not read.

    Raises:
        PlaceLostError: the place is not in this document.
    """
    offset = source.layout.header if after is None else find_place(source, after, path)
    return sum(block.count(JOINT) + 1 for block in source.blocks(offset))


def ids_between(source: Source, since: Position, until: Position, path: str) -> Iterator[str]:
    """The ids of the records between two places, from the beginning where the first place is lost.

    Raises:
        PlaceLostError: the second place is not in this document.
    """
    start, end = source.layout.header, find_place(source, until, path)
    with suppress(PlaceLostError):
        start = find_place(source, since, path)
    for block in replace(source, layout=replace(source.layout, end=end)).blocks(start):
        yield from ids_of(block)


def end_of(source: Source) -> Position:
    """The place behind the last record."""
    end = source.layout.end
    if end == source.layout.header:
        return Position(source.inode[1], 0, "")
    return Position(source.inode[1], end, _id_before(source, end))


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
