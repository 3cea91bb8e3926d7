"""Older documents in our form.

Before schema 1, files had ``"metrics"`` alone, pretty-printed, without ``record_id``. These, files that somebody else
formatted, and cut ones are converted.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import StoreFormatError
from benchmark_recorder.records import legacy_record_id
from benchmark_recorder.stores.json_file.format import (
    CLOSING,
    HEADER,
    JOINT,
    SCHEMA_VERSION,
    Layout,
    encode,
    not_ours,
)
from benchmark_recorder.validation import plain_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Converted:
    """An older document in our form.

    Attributes:
        content: the whole new document.
        layout: of the new document; ``torn`` counts the characters of the old one that hold no whole record.
        duplicates: records of the old one that were left out, because an earlier one has their id.
    """

    content: bytes
    layout: Layout
    duplicates: int


def header_of(top: dict[str, Any]) -> bytes:
    """The header line of a document with these top-level keys."""
    others = b"".join(
        encode(key) + b": " + encode(value) + b", "
        for key, value in top.items()
        if key not in {"schema_version", "metrics"}
    )
    return HEADER if not others else b'{"schema_version": 1, ' + others + b'"metrics": ['


def assemble(header: bytes, lines: Iterable[bytes]) -> bytes:
    """A whole document."""
    body = JOINT.join(lines)
    return header + (b"\n" + body if body else b"") + CLOSING


def convert(content: bytes, path: str) -> Converted:
    """An older document, or one that somebody else formatted, in our form; nothing in it is left out.

    Raises:
        StoreFormatError: it holds something else.
    """
    top, documents, torn = _parse(content, path)
    _check(top, documents, path)
    header = header_of(top)
    given = {document["record_id"] for document in documents if isinstance(document.get("record_id"), str)}
    lines = [encode(document) for document in identified(documents, given)]
    whole = assemble(header, lines)
    return Converted(whole, Layout(len(header), len(whole) - len(CLOSING), torn), len(documents) - len(lines))


def identified(documents: Iterable[dict[str, Any]], given: Collection[str]) -> Iterator[dict[str, Any]]:
    """Each record of one file with its id, in order; a record whose id came before is left out."""
    seen: set[str] = set()
    ordinals: dict[str, int] = {}
    for document in documents:
        record_id = document.get("record_id")
        if isinstance(record_id, str):
            if record_id not in seen:
                seen.add(record_id)
                yield document
            continue
        content = {name: value for name, value in document.items() if name != "record_id"}
        first = legacy_record_id(content, 0)
        ordinal = ordinals.get(first, 0)
        # An identical record may have been converted, and so have this id, before this one was added.
        while (record_id := legacy_record_id(content, ordinal)) in given:
            ordinal += 1
        ordinals[first] = ordinal + 1
        yield {"record_id": record_id, **content}


def _parse(content: bytes, path: str) -> tuple[dict[str, Any], list[Any], int]:
    """Top-level keys, records, and how many characters at the end are a record that was cut."""
    content = content.removeprefix(BOM_UTF8)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        if error.start < len(content) - 4:
            raise not_ours(path, "it is not UTF-8 text") from error
        text = content[: error.start].decode()
    try:
        top = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        sides = _sides(text)
        return _salvage(text, path, error) if sides is None else _united(sides, path)
    if not isinstance(top, dict) or not isinstance(top.get("metrics"), list):
        raise not_ours(path, 'it has no list of "metrics"')
    return plain_json(top), plain_json(top["metrics"]), 0


_MARKER: Final = re.compile(r"(<{7}|={7}|>{7}|\|{7})(?: .*)?")


def _sides(text: str) -> tuple[str, str] | None:
    """A text with the markers of a merge as each of the two branches had it; ``None`` where there are no markers."""
    ours: list[str] = []
    theirs: list[str] = []
    reached = {"<": (ours,), "|": (), "=": (theirs,), ">": (ours, theirs)}
    places: tuple[list[str], ...] = (ours, theirs)
    markers = 0
    for line in text.splitlines(keepends=True):
        if marker := _MARKER.fullmatch(line.rstrip("\r\n")):
            places = reached[marker[1][0]]
            markers += 1
        else:
            for place in places:
                place.append(line)
    return ("".join(ours), "".join(theirs)) if markers else None


def _united(sides: tuple[str, str], path: str) -> tuple[dict[str, Any], list[Any], int]:
    """The records of both sides; one that both have counts once. The document is backed up before it is replaced."""
    (top, documents, torn), (_, others, other_torn) = (_parse(side.encode(), path) for side in sides)
    common = Counter(map(encode, documents))
    for document in others:
        content = encode(document)
        if common[content]:
            common[content] -= 1
        else:
            documents.append(document)
    return top, documents, max(1, torn, other_torn)


def _salvage(text: str, path: str, error: Exception) -> tuple[dict[str, Any], list[Any], int]:
    """The whole records of a document that was cut."""
    opening = re.match(r'\s*\{(?:[^\[\]{}]*,)?\s*"metrics"\s*:\s*\[', text)
    if opening is None:
        raise not_ours(path, "it is not JSON") from error
    try:
        top = json.loads(opening.group() + "]}")
    except json.JSONDecodeError:
        raise not_ours(path, "it is not JSON") from error
    decoder = json.JSONDecoder()
    records: list[Any] = []
    place = whole = opening.end()
    separator = re.compile(r"[\s,]*")
    while True:
        place = separator.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing, too
        try:
            record, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as cut:
            if not _is_cut(text, whole, cut):
                raise StoreFormatError(
                    f"{path} is damaged at character {cut.pos:,} ({cut.msg}), and more follows; nothing was "
                    "touched. Mend it by hand, or move it away to begin a new one."
                ) from cut
            return plain_json(top), plain_json(records), len(text) - whole
        records.append(record)
        whole = place


def _is_cut(text: str, whole: int, error: json.JSONDecodeError) -> bool:
    """Whether a text just ends, rather than goes on wrongly, behind its last whole record."""
    rest = text[error.pos :].strip("\0 \n")
    return (
        re.fullmatch(r"\s*\]?\s*", text[whole:]) is not None
        or error.msg.startswith("Unterminated string")
        or any(literal.startswith(rest) for literal in ("true", "false", "null", "NaN", "-Infinity", "Infinity"))
        or re.fullmatch(r"[.eE+\-\d]*|\\?u?[0-9a-fA-F]{0,4}", rest) is not None
    )


_NEEDED: Final = ("timestamp", "version", "execution_time", "success")
REQUIRED: Final = frozenset(_NEEDED)


def _check(top: dict[str, Any], documents: list[Any], path: str) -> None:
    version = top.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise StoreFormatError(
            f"{path} has schema_version {version!r}, and this release reads {SCHEMA_VERSION}; nothing was touched. "
            "Update benchmark-recorder, or choose another file."
        )
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise not_ours(path, f"entry {number} of its metrics is not a record")
        for name in _NEEDED:
            if name not in document:
                raise not_ours(path, f"entry {number} of its metrics has no {name}")
