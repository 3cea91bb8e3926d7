"""Which record ids a document holds."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmark_recorder.identity import legacy_record_id
from benchmark_recorder.stores.json_file.format import blocks


class _Identified(msgspec.Struct, gc=False):
    record_id: str | None = None


_decode_one = msgspec.json.Decoder(_Identified).decode
_decode_all = msgspec.json.Decoder(list[_Identified]).decode
_decode_objects = msgspec.json.Decoder(list[dict[str, Any]]).decode


def id_of(line: bytes) -> str:
    """The id of a record as it stands in the document."""
    return _decode_one(line).record_id or legacy_record_id(msgspec.json.decode(line), 0)


def ids_of(block: bytes) -> list[str]:
    """The ids of some records, joined as in the document."""
    wrapped = b"[%b]" % block
    ids = [record.record_id for record in _decode_all(wrapped)]
    if None in ids:
        # A line that somebody wrote by hand: identical ones are one record.
        ids = [d.get("record_id") or legacy_record_id(d, 0) for d in _decode_objects(wrapped)]
    return ids  # type: ignore[return-value]  # no None is left


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
