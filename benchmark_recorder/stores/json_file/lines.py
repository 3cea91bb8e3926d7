"""Lines of a document decoded into arrays: the fields that most questions are about."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

import msgspec
import numpy as np

from benchmark_recorder.records import timestamp_micros
from benchmark_recorder.stores.json_file.format import JOINT, decode_ids, ids_of, is_record
from benchmark_recorder.stores.json_file.streaming import UnusualError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.stores.json_file.source import Source


class Row(msgspec.Struct, gc=False, kw_only=True):
    """The fields that most questions are about, in the order of a line: what makes it a valid record."""

    record_id: Any = None
    timestamp: str
    version: str
    git_commit: str | None = None
    task_id: str = ""
    execution_time: float | None
    success: bool
    agent_selected: str | None = None
    cost_estimated: float | None = None
    cost_known: Any = None
    expected_agent: str | None = None
    error_type: str | None = None
    host: str | None = None
    model: str | None = None
    parent_id: Any = None


class _Loose(Row, gc=False, kw_only=True):
    """A valid record, also where fields that cells do without are not texts; these count as absent."""

    error_type: Any = None
    model: Any = None


INVALID: Final = Row(
    timestamp="1970-01-01T00:00:00.000000+00:00", version=cast("str", None), execution_time=None, success=False
)
"""Stands for a record that is JSON, but has a field missing or of another type; it has no version."""


class Rows(NamedTuple):
    """Some consecutive records.

    Attributes:
        rows: as many as there are.
        keys: their ids, as in ``keys_of``.
        damaged: lines among them that are no records, and are left out.
    """

    rows: list[Row]
    keys: bytes
    damaged: int = 0


def rows_of(source: Source, start: int, *, by_line: bool) -> Iterator[Rows]:
    """The records of a document from an offset on; see ``Source.decoded``.

    Raises:
        UnusualError: an older document can only be read by line.
    """
    if source.older is not None and not by_line:
        yield from _rows_of_older(source, start)
        return
    for block, found, damaged in source.decoded(decode_rows, start, by_line=by_line):
        yield from rows_in(block, found, damaged)


def rows_in(block: bytes, found: list[Row] | None = None, damaged: int = 0) -> Iterator[Rows]:
    """Some lines that are records, joined as in the document."""
    rows = decode_each(block) if found is None else found
    yield Rows(rows, keys_in(block, [row.record_id for row in rows]), damaged)


def _rows_of_older(source: Source, start: int) -> Iterator[Rows]:
    """The same of an older document as it is: all of its records have ids, or none has."""
    count = 0
    has_ids = None
    for block, found, damaged in source.decoded(decode_rows, start):
        if found is None:
            rows, ids = decode_each(block), [record.record_id for record in decode_ids(b"[%b]" % block)]
        else:
            rows, ids = found, [row.record_id for row in found]
        if has_ids is None:
            has_ids = ids[0] is not None
        if has_ids and all(ids) and all(isinstance(record_id, str) for record_id in ids):
            yield Rows(rows, keys_of(ids), damaged)
        elif has_ids or ids.count(None) < len(ids):
            raise UnusualError
        else:
            yield Rows(rows, _numbers(count, len(rows)), damaged)
        count += len(rows)


def _numbers(start: int, count: int) -> bytes:
    """Keys that no record has, in rising order: where none has an id, none can be there twice."""
    keys = np.empty((count, 2), ">u8")
    keys[:, 0], keys[:, 1] = np.uint64(0xFFFF_FFFF_FFFF_FFFF), np.arange(start, start + count)
    return keys.tobytes()


decode_rows = msgspec.json.Decoder(list[Row]).decode
_decode_loose = msgspec.json.Decoder(_Loose).decode


def decode_row(line: bytes) -> Row:
    """One record.

    Raises:
        msgspec.DecodeError: it is not a valid one.
    """
    row = _decode_loose(line)
    if not isinstance(row.error_type, str):
        row.error_type = None
    if not isinstance(row.model, str):
        row.model = None
    return row


def decode_each(block: bytes) -> list[Row]:
    """Decode records one by one; an invalid one becomes ``INVALID``.

    Raises:
        msgspec.DecodeError: a line is not a JSON object at all.
    """
    return [_row(line) for line in block.split(JOINT)] if block else []


def _row(line: bytes) -> Row:
    try:
        return decode_row(line)
    except msgspec.DecodeError:
        if not is_record(line):
            raise
        return INVALID


# Texts ---------------------------------------------------------------------------------------------------------------


class Vocabulary(dict[str | None, int]):
    """The code of each text, in the order of appearance."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        super().__init__({None: -1})
        self._texts: list[str] = []
        for text in texts:
            self[text]  # which gives it a code

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self._texts)
        self._texts.append(text)
        return code

    def text_of(self, code: int) -> str | None:
        """The text that has a code."""
        return None if code < 0 else self._texts[code]

    @property
    def texts(self) -> tuple[str, ...]:
        """By code."""
        return tuple(self._texts)


# Times ---------------------------------------------------------------------------------------------------------------

_FORM: Final = np.frombuffer(b"0000-00-00T00:00:00.000000+00:00\n", np.uint8)
"""The form of our own timestamps, a line each."""

_SPAN: Final = np.where(np.arange(len(_FORM)) < len("0000-00-00T00:00:00.000000"), 9 * (_FORM[0] == _FORM), 0).astype(
    np.uint8
)
"""How far each character may be above the one in the form: a digit of the time by 9, all others not at all."""

_YEAR_ONE: Final = -62_135_596_800_000_000
"""Where ``datetime`` begins; numpy has years before it."""

_FEW: Final = 16
"""Up to this count a plain loop is faster."""


def micros_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """Microseconds since 1970 of stored times; many of our own form are parsed at once.

    Raises:
        ValueError: one is not an ISO 8601 text.
    """
    if len(texts) > _FEW and (micros := _micros_of_ours(texts)) is not None:
        return micros
    return np.fromiter(map(timestamp_micros, texts), np.int64, len(texts))


def _micros_of_ours(texts: Sequence[str]) -> NDArray[np.int64] | None:
    """The same where all texts have our form and are times that ``datetime`` knows; ``None`` otherwise."""
    joined = "\n".join([*texts, ""]).encode()
    if len(joined) != len(_FORM) * len(texts):
        return None
    table = np.frombuffer(joined, np.uint8).reshape(-1, len(_FORM))
    if (table - _FORM > _SPAN).any():  # what is below wraps around
        return None
    try:
        times = np.ascontiguousarray(table[:, :26]).view("S26").ravel().astype("datetime64[us]")
    except ValueError:
        return None
    micros: NDArray[np.int64] = times.view(np.int64)
    return micros if (micros >= _YEAR_ONE).all() else None


def micros_of_each(texts: Sequence[str]) -> tuple[NDArray[np.int64], list[int]]:
    """The same one by one: unparsable times become 0; their indexes are returned."""
    micros, invalid = np.zeros(len(texts), np.int64), []
    for place, text in enumerate(texts):
        try:
            micros[place] = timestamp_micros(text)
        except ValueError:
            invalid.append(place)
    return micros, invalid


# Ids -----------------------------------------------------------------------------------------------------------------


Key: TypeAlias = tuple[int, int]
"""The halves of an id as a 128-bit number."""


def keys_of(ids: Sequence[str]) -> bytes:
    """Ids as numbers of 16 bytes, one after the other: those of our form read as hexadecimal, others hashed."""
    keys = _hexadecimal(" ".join(ids))
    return keys if len(keys) == KEY_BYTES * len(ids) else b"".join(map(_key_of, ids))


KEY_BYTES: Final = 16


def _key_of(text: str) -> bytes:
    key = _hexadecimal(text)
    return key if len(key) == KEY_BYTES else hashlib.blake2b(text.encode(), digest_size=KEY_BYTES).digest()


def _hexadecimal(joined: str) -> bytes:
    """Ids of 32 lower-case digits, with a blank between each two; empty where one is not."""
    try:
        keys = bytes.fromhex(joined)
    except ValueError:
        return b""
    return keys if keys.hex(" ", KEY_BYTES) == joined else b""


def keys_in(block: bytes, ids: Sequence[Any]) -> bytes:
    """The keys of a block's records; ``ids`` are their ``record_id`` fields, of any type."""
    try:
        keys = _hexadecimal(" ".join(ids))
    except TypeError:  # one has none
        keys = b""
    return keys if len(keys) == KEY_BYTES * len(ids) else keys_of(ids_of(block))


def repeated(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> list[int]:
    """Indexes, ascending, of ids that occurred earlier."""
    mixed = high ^ (low * np.uint64(0x9E37_79B9_7F4A_7C15))  # one number to sort by; equal ids have the same
    mixed_in_order = np.sort(mixed)
    twice = mixed_in_order[1:][mixed_in_order[1:] == mixed_in_order[:-1]]
    if not len(twice):
        return []
    seen: set[Key] = set()
    places = []
    for place in np.flatnonzero(np.isin(mixed, twice)).tolist():
        key = int(high[place]), int(low[place])
        if key in seen:
            places.append(place)
        seen.add(key)
    return places
