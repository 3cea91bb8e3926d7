"""Which record ids a document holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmark_recorder.identity import legacy_record_id
from benchmark_recorder.stores.json_file.format import JOINT, blocks

if TYPE_CHECKING:
    from benchmark_recorder.records import Document


class _Identified(msgspec.Struct, gc=False):
    record_id: Any = None


_decode_one = msgspec.json.Decoder(_Identified).decode
_decode_all = msgspec.json.Decoder(list[_Identified]).decode


def id_of(line: bytes) -> str:
    """The id of a record in the document: its own, or where that is not a text, or empty, one from its content."""
    record_id = _decode_one(line).record_id
    return record_id if record_id and isinstance(record_id, str) else legacy_id(msgspec.json.decode(line))


def legacy_id(document: Document) -> str:
    """The id of a record that somebody wrote by hand, without one: identical ones are one record."""
    return legacy_record_id({name: value for name, value in document.items() if name != "record_id"}, 0)


def ids_of(block: bytes) -> list[str]:
    """The ids of some records, joined as in the document."""
    ids = [record.record_id for record in _decode_all(b"[%b]" % block)]
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
            msgspec.DecodeError: a line is not a record.
            EOFError: the document ends before ``end``.
        """
        for block in blocks(fd, max(start, self._offset), end):
            self._ids.update(ids_of(block))
        self._offset = end
        return self._ids
