"""A record as a MongoDB document, and back.

::

    {
      _id: "6a1f...",                    the record's id: the server itself sees to it that it counts once
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
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder.records import METRIC_FIELDS, known_cost, timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.records import Document

TEXTS: Final = frozenset(
    {
        "timestamp",
        "version",
        "git_commit",
        "task_id",
        "task_description",
        "agent_selected",
        "expected_agent",
        "error_type",
        "host",
        "model",
    }
)
NUMBERS: Final = frozenset({"execution_time", "cost_estimated", "difficulty"})
COUNTS: Final = frozenset({"input_tokens", "output_tokens"})

LONG_TAG: Final = 256
"""Characters from which a tag is replaced by its hash, so that a large value is not stored twice."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - BSON takes a naive datetime as UTC, in half the time
_PLAIN: Final = frozenset(METRIC_FIELDS) - {"record_id", "metadata"}

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


class NotStorableError(ValueError):
    """A record's content cannot be a document; the reason is its text."""


def stored(document: Document) -> dict[str, Any]:
    """A record as it is stored.

    Raises:
        NotStorableError: a field is of a type that it cannot have, or out of what BSON can hold.
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
        if name in _PLAIN:
            row[name] = _plain(name, value)
        elif name == "metadata":
            row["metadata"] = encode(value).decode()
            row["tags"] = [tag(key, inner) for key, inner in value.items()] if isinstance(value, dict) else []
        elif name != "record_id":
            others[name] = value
    cost = known_cost(document)
    row["cost"] = None if cost is None else _number("cost_estimated", cost)
    if others:
        row["others"] = encode(others).decode()
    return row


def _plain(name: str, value: object) -> object:
    if name in TEXTS:
        if value is None or isinstance(value, str):
            return value
    elif name in NUMBERS:
        return None if value is None else _number(name, value)
    elif name in COUNTS:
        if value is None or (type(value) is int and -(2**63) <= value < 2**63):
            return value
    elif value is None or isinstance(value, bool):
        return value
    raise NotStorableError(f"its {name} is {_shown(value)}")


def _number(name: str, value: object) -> float | None:
    """A double, so that the server calculates with what Python would; one that is not finite is absent."""
    if type(value) not in {int, float}:
        raise NotStorableError(f"its {name} is {_shown(value)}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except OverflowError as error:
        raise NotStorableError(f"its {name} is beyond what a double can hold") from error
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    return "a whole number of more than 64 bits" if type(value) is int else f"a {type(value).__name__}"


def tag(key: str, value: object) -> str:
    """A metadata entry as one text: equal exactly where the entries are equal as JSON."""
    text = json.dumps([key, _canonical(value)], sort_keys=True, separators=(",", ":"))
    if len(text) <= LONG_TAG:
        return text
    return f"sha256:{hashlib.sha256(text.encode(), usedforsecurity=False).hexdigest()}"


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
