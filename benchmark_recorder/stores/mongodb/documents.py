"""A record as a MongoDB document, and back.

::

    {
      _id: "6a1f...",                    the record's id: the server itself ensures that it counts once
      recorded_at: ISODate(...),         the moment to the millisecond, for people and for expiry
      time: NumberLong(...),             the same in microseconds since 1970: what queries and indexes use
      timestamp: "2026-11-23T...",       the same as the caller's text
      version: ..., task_id: ..., ...    the other fields under their own names; absent ones are left out
      cost: 0.002,                       USD, null where unknown
      metadata: '{"run": "r1"}',         JSON text: no key of it is ever an operator or a path, no number is rounded
      tags: ['["run","r1"]'],            one text for each of its top-level entries, for queries
      others: '{...}'                    JSON text of fields that this release does not know
    }
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.fields import FIELDS, METRIC_FIELDS, of_kind
from benchmark_recorder.records import timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bson.raw_bson import RawBSONDocument

    from benchmark_recorder.records import Document

NUMBERS: Final = of_kind("number")

YIELD_EVERY: Final = 100
"""Records after which other threads may run: recording must not wait for a batch to be encoded."""

LONG_TAG: Final = 256
"""Characters above which a tag is replaced by its hash, so that a large value is not stored twice."""

HASHED: Final = "sha256:"
"""How such a hash begins."""

_GREATEST: Final = sys.float_info.max
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - BSON takes a naive datetime as UTC, in half the time
_TYPES: Final = {"count": int, "flag": bool, "texts": list}
_KINDS: Final[dict[str, frozenset[type]]] = {
    field.name: frozenset({_TYPES.get(field.kind, str), type(None)})
    for field in FIELDS
    if field.name != "record_id" and field.kind not in {"number", "json"}
}
"""The types that a field may have if it is stored as it is."""

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class NotStorableError(ValueError):
    """A record cannot be stored as a document; the message is the reason."""


class Encoded(tuple["Document", ...]):  # noqa: SLOT001 - a tuple cannot have any
    """Records together with their encoded form.

    Attributes:
        rows: by the record's id, in BSON.
        reasons: why some cannot be stored, by the record's id.
    """

    rows: dict[str, RawBSONDocument]
    reasons: dict[str, str]

    @classmethod
    def of(cls, documents: Sequence[Document]) -> Encoded:
        """Encode records that may be encoded already."""
        if isinstance(documents, cls):
            return documents
        from bson import encode as in_bson
        from bson.errors import BSONError
        from bson.raw_bson import RawBSONDocument

        made = cls(documents)
        made.rows, made.reasons = {}, {}
        for number, document in enumerate(documents):
            if not number % YIELD_EVERY:
                time.sleep(0)
            record_id = document["record_id"]
            try:
                if record_id not in made.rows:
                    made.rows[record_id] = RawBSONDocument(in_bson(stored(document)))
            except (NotStorableError, BSONError, OverflowError, UnicodeError) as error:
                made.reasons[record_id] = str(error)
        return made


def stored(document: Document) -> dict[str, Any]:
    """A record as it is stored.

    Raises:
        NotStorableError: a field has a wrong type, or a value that BSON cannot hold.
    """
    try:
        micros = timestamp_micros(document["timestamp"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise NotStorableError("its timestamp is not ISO 8601 text") from error
    row: dict[str, Any] = {
        "_id": document["record_id"],
        "recorded_at": _EPOCH + timedelta(milliseconds=micros // 1000),
        "time": micros,
    }
    others = {}
    for name, value in document.items():
        if name in _KINDS:
            if type(value) not in _KINDS[name]:
                raise NotStorableError(f"its {name} is a {type(value).__name__}")
            if type(value) is int and not -(2**63) <= value < 2**63:
                raise NotStorableError(f"its {name} is an integer of more than 64 bits")
            row[name] = value
        elif name in NUMBERS:
            row[name] = value if type(value) is float and -_GREATEST <= value <= _GREATEST else _number(name, value)
        elif name == "metadata":
            row["metadata"] = encode(value).decode()
            row["tags"] = [tag(key, inner) for key, inner in value.items()] if value and type(value) is dict else []
        elif name != "record_id":
            others[name] = value
    cost = row.get("cost_estimated") or 0.0
    row["cost"] = cost if cost or document.get("cost_known") else None
    if others:
        row["others"] = encode(others).decode()
    return row


def _number(name: str, value: object) -> float | None:
    """A double, so that the server calculates as Python would; ``None`` if it is not finite."""
    if value is None:
        return None
    if type(value) not in {int, float}:
        raise NotStorableError(f"its {name} is a {type(value).__name__}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError as error:
        raise NotStorableError(f"its {name} does not fit into a double") from error
    return number if math.isfinite(number) else None


def tag(key: str, value: object) -> str:
    """A metadata entry as one text: equal exactly where the entries are equal as JSON."""
    if type(value) is str and value.isascii() and key.isascii():
        text = encode((key, value)).decode()  # equal to no other kind of value, so its text may come from elsewhere
    else:
        text = json.dumps([key, _canonical(value)], sort_keys=True, separators=(",", ":"))
    if len(text) <= LONG_TAG:
        return text
    return f"{HASHED}{hashlib.sha256(text.encode(), usedforsecurity=False).hexdigest()}"


def _canonical(value: object) -> object:
    """1.0 as 1, on every level."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _canonical(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_canonical(inner) for inner in value]
    return value


def document_of(row: Mapping[str, Any]) -> Document:
    """A stored document as the record it was made from.

    Raises:
        KeyError: it was not made by ``stored``.
        TypeError: the same.
        ValueError: the same.
    """
    document: Document = {"record_id": row["_id"]}
    document |= {name: row[name] for name in METRIC_FIELDS if name in row and name != "metadata"}
    if "metadata" in row:
        document["metadata"] = decode(row["metadata"])
    if "others" in row:
        document |= decode(row["others"])
    timestamp_micros(document["timestamp"])
    return document
