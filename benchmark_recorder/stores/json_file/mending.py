"""What is whole in a damaged document: after a merge with or without conflict markers, each line that is a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.stores.json_file.format import is_record
from benchmark_recorder.stores.json_file.source import document_of, lines, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.records import Document


def parts_of(line: bytes) -> list[bytes]:
    """What stands between two separators of a document: a record, or several lines between which commas are missing."""
    if b"\n" not in line or is_record(line):
        return [line]
    return [part for piece in line.split(b"\n") if (part := piece.strip(b" \t\r,"))]


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
            if source is None:
                return
            for part in (part for line in lines(source, source.layout.header) for part in parts_of(line)):
                if not is_record(part):
                    self.left_out += 1
                    continue
                document = document_of(part, self._path)
                if document["record_id"] not in seen:
                    seen.add(document["record_id"])
                    yield document
