"""An older document in our form, in one pass with little memory; what is unusual in it is left to ``old_formats``.

What separates the first two records is taken for what separates all of them, and a piece ends where it last occurs. It
may occur inside a text or a nested list, too, but then the piece does not decode. So a piece that does proves that it
ends with a record, and the next one begins with one.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from benchmark_recorder.records import legacy_record_id
from benchmark_recorder.stores.json_file.format import JOINT, SCHEMA_VERSION, encode, ids_of, read_at
from benchmark_recorder.stores.json_file.old_formats import REQUIRED, Converted, convert, header_of
from benchmark_recorder.validation import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

PIECE: Final = 1 << 18
"""Bytes decoded at a time."""

MOST_BYTES: Final = 1 << 22
"""Where records are longer than this, a document is read as a whole."""

MOST_TRIES: Final = 20
"""Places that are tried where a piece may end, or a record."""


class UnusualError(Exception):
    """The document has something that is not read piece by piece."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a document has its records.

    Attributes:
        top: its top-level keys.
        begin: where its first record is.
        joint: what separates two records.
        mark: how such a place looks: a brace, the joint, and how a record begins.
        end: behind the last but a few records.
        last: these few, in our form.
    """

    top: dict[str, Any]
    begin: int
    joint: bytes
    mark: bytes
    end: int
    last: bytes


def outline_of(fd: int, size: int) -> Outline | None:
    """The outline of a document; ``None`` where it is too short to have one, or unusual."""
    head = read_at(fd, 0, min(size, MOST_BYTES))
    start = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    opening = re.search(rb'"metrics"\s*:\s*\[\s*', head)
    if opening is None:
        return None
    try:
        top = _decode_object(head[start : opening.end()] + b"]}")
        joint, mark = _joint_in(head[opening.end() :])
        end, last, others = _last_in(read_at(fd, max(opening.end(), size - MOST_BYTES), size), mark, joint)
    except (msgspec.DecodeError, RecursionError, UnusualError):
        return None
    top |= others
    if top["metrics"] != [] or top.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        return None
    return Outline(top, opening.end(), joint, mark, size - end, last)


def _joint_in(text: bytes) -> tuple[bytes, bytes]:
    """What separates the first two records, and how a place between records looks."""
    for number, found in enumerate(re.finditer(rb'\}(\s*,\s*)(\{\s*"[^"\\]*")', text)):
        if number == MOST_TRIES:
            break
        if _documents_in(text[: found.start() + 1]) is not None:
            begins_alike = text.startswith(found[2])
            return found[1], b"}" + found[1] + (found[2] if begins_alike else b"{")
    raise UnusualError


def _last_in(text: bytes, mark: bytes, joint: bytes) -> tuple[int, bytes, dict[str, Any]]:
    """How many bytes before the end the last joint is, the records behind it, and the top-level keys behind these."""
    stop = len(text)
    for _ in range(MOST_TRIES):
        stop = text.rfind(mark, 0, stop + len(mark) - 1)
        if stop < 0:
            break
        try:
            rest = text[stop + 1 + len(joint) :].decode()
            documents, end = _JSON.raw_decode("[" + rest)
            behind = rest[end - 1 :]
            others = _decode_object(b'{"":0%b' % behind.encode())
        except (ValueError, msgspec.DecodeError):
            continue
        if '""' in behind or "metrics" in others or not _are_records(documents):
            break
        del others[""]
        return len(text) - stop - 1, JOINT.join(map(encode, plain_json(documents))), others
    raise UnusualError


_JSON: Final = json.JSONDecoder()
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_documents = msgspec.json.Decoder(list[dict[str, Any]]).decode


def _documents_in(piece: bytes) -> list[dict[str, Any]] | None:
    """The records of a piece; ``None`` where it is not whole ones."""
    try:
        return _decode_documents(b"[%b]" % piece)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        documents = plain_json(json.loads(f"[{piece.decode()}]"))
    except (ValueError, RecursionError):
        return None
    return documents if all(isinstance(document, dict) for document in documents) else None


def _are_records(documents: Iterable[Any]) -> bool:
    return all(isinstance(document, dict) and document.keys() >= REQUIRED for document in documents)


def _ends_in(piece: bytes, mark: bytes) -> Iterator[int]:
    """Where records may end in a piece, from its end on."""
    place = piece.rfind(mark)
    while place >= 0:
        yield place + 1
        place = piece.rfind(mark, 0, place + len(mark) - 1)


def _decoded(piece: bytes, decode: Callable[[bytes], list[T]]) -> tuple[bytes, list[T] | None] | None:
    """A piece decoded, or as lines in our form with ``None``; ``None`` alone where it is not whole records."""
    try:
        return piece, decode(b"[%b]" % piece)
    except (msgspec.DecodeError, RecursionError):
        documents = _documents_in(piece)
    if documents is None:
        return None
    if not _are_records(documents):
        raise UnusualError
    return JOINT.join(map(encode, documents)), None


class Older:
    """An older document. What reads it raises ``StoreFormatError`` where it holds something else.

    Args:
        fd: of the document.
        size: of it.
        path: what to call it in an error.

    Attributes:
        duplicates: records that were left out, because an earlier one has their id: all once it was read.
        is_empty: whether it has no records, once ``opening`` is done.
    """

    def __init__(self, fd: int, size: int, path: str) -> None:
        self._fd, self._size, self._path = fd, size, path
        self._outline = outline_of(fd, size)
        self._converted: Converted | None = None
        self._end: int | None = None
        self._identified = _Identified()
        self.duplicates = 0
        self.is_empty = False

    def read_whole(self) -> Converted:
        """The document, read as a whole from now on."""
        if self._converted is None:
            self._converted = convert(read_at(self._fd, 0, self._size), self._path)
            self.duplicates = self._converted.duplicates
        return self._converted

    @property
    def header(self) -> bytes:
        """The header line in our form."""
        if self._outline is not None:
            return header_of(self._outline.top)
        converted = self.read_whole()
        return converted.content[: converted.layout.header]

    @property
    def end(self) -> int:
        """Where the records end in our form; the document is read for it."""
        if self._end is None:
            self._end = len(self.header) + sum(len(block) + len(JOINT) for block in self.blocks())
            self._end -= self._end > len(self.header)  # a newline alone comes before the first
        return self._end

    @property
    def torn(self) -> int:
        """Characters at the end that hold no whole record."""
        if self._outline is None:
            self.read_whole()
        return 0 if self._converted is None else self._converted.layout.torn

    def opening(self) -> Iterator[bytes]:
        """The document in our form, all but its closing.

        Raises:
            UnusualError: it cannot be read piece by piece, as is found on the way.
        """
        yield self.header
        joint = b"\n"
        for block in self._streamed() if self._is_streamed else self._body():
            yield joint + block
            joint = JOINT
        self.is_empty = joint != JOINT

    def holds(self, record_id: str) -> bool:
        """Whether a record has an id, once ``opening`` is done."""
        if self._converted is None:
            return self._identified.holds(record_id)
        return any(record_id in ids_of(block) for block in self._body())

    def blocks(self) -> Iterator[bytes]:
        """Its records in our form, in blocks of whole lines."""
        count = 0
        with suppress(UnusualError):
            for block in self._streamed():
                yield block
                count += block.count(JOINT) + 1
            return
        yield from self._body(count)

    @property
    def _is_streamed(self) -> bool:
        return self._outline is not None and self._converted is None

    def _body(self, start: int = 0) -> Iterator[bytes]:
        converted = self.read_whole()
        body = converted.content[converted.layout.header : converted.layout.end].strip(b",\n")
        if start:
            body = JOINT.join(body.split(JOINT)[start:])
        if body:
            yield body

    def decoded(self, decode: Callable[[bytes], list[T]]) -> Iterator[tuple[bytes, list[T] | None]]:
        """Its records as they are, piece by piece: each decoded, or as lines in our form with ``None``.

        Raises:
            UnusualError: it cannot be read so.
        """
        if self._outline is None or self._converted is not None:
            raise UnusualError
        outline, start = self._outline, self._outline.begin
        while start < outline.end:
            piece, cuts = self._piece_at(start)
            for cut in cuts:
                if (block := _decoded(piece[:cut], decode)) is not None:
                    yield block
                    start += cut + len(outline.joint)
                    break
            else:
                raise UnusualError
        yield outline.last, None

    def _piece_at(self, start: int) -> tuple[bytes, list[int]]:
        """What is read from an offset on, and where a record may end in it."""
        assert self._outline is not None
        length = PIECE
        while True:
            piece = read_at(self._fd, start, min(start + length, self._outline.end))
            if start + len(piece) == self._outline.end:
                return piece, [len(piece)]
            cuts = list(islice(_ends_in(piece, self._outline.mark), MOST_TRIES))
            if cuts:
                return piece, cuts
            if len(piece) < length or length >= MOST_BYTES:
                raise UnusualError
            length *= 4

    def _streamed(self) -> Iterator[bytes]:
        self._identified = identified = _Identified()
        for block, documents in self.decoded(_decode_documents):
            found = _decode_documents(b"[%b]" % block) if documents is None else documents
            if lines := identified.lines(found):
                yield JOINT.join(lines)
        self.duplicates = identified.duplicates


class _Identified:
    """Records as lines, each with its id, as ``old_formats.identified`` gives them, but while they are read."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._made: set[bytes] = set()
        self._ordinals: dict[bytes, int] = {}  # of what came more than once
        self.duplicates = 0

    def holds(self, record_id: str) -> bool:
        """Whether a record has an id."""
        return record_id in self._given or _digest(record_id) in self._made

    def lines(self, documents: list[dict[str, Any]]) -> list[bytes]:
        lines = []
        for document in documents:
            if not document.keys() >= REQUIRED:
                raise UnusualError
            record_id = document.get("record_id")
            if not isinstance(record_id, str):
                lines.append(self._made_line(document))
            elif record_id in self._given:
                self.duplicates += 1
            elif _digest(record_id) in self._made:  # an earlier record would have got another id
                raise UnusualError
            else:
                self._given.add(record_id)
                lines.append(encode(document))
        return lines

    def _made_line(self, document: dict[str, Any]) -> bytes:
        document.pop("record_id", None)
        record_id = legacy_record_id(document, 0)
        content = _digest(record_id)
        if content in self._made or record_id in self._given:
            ordinal = self._ordinals.get(content, int(content in self._made))
            while (record_id := legacy_record_id(document, ordinal)) in self._given:
                ordinal += 1
            self._ordinals[content] = ordinal + 1
            self._made.add(_digest(record_id))
        self._made.add(content)
        return b'{"record_id":"%b",%b' % (record_id.encode(), encode(document)[1:])


def _digest(record_id: str) -> bytes:
    """An id in half the memory; of another form, as none that is made here."""
    try:
        return bytes.fromhex(record_id)
    except ValueError:
        return b""
