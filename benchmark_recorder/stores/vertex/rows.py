"""A record as a row of the BigQuery table: its columns, and the features among them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from benchmark_recorder.fields import FIELDS, METRIC_FIELDS, of_kind
from benchmark_recorder.records import is_unicode, known_cost, timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from benchmark_recorder.fields import Field
    from benchmark_recorder.records import Document

Row: TypeAlias = dict[str, Any]
"""What ``insertAll`` is sent for one record: JSON values by column, absent ones left out."""


class Column(NamedTuple):
    """One column of the table.

    Attributes:
        name: in the table.
        kind: BigQuery's type.
        mode: REQUIRED or NULLABLE.
        description: for people who look at the table.
    """

    name: str
    kind: str
    mode: str
    description: str


OTHER_FIELDS: Final = "other_fields"
"""The column of fields that have none, also because the table is older than they are."""

_TYPES: Final = {"number": "FLOAT", "count": "INTEGER", "flag": "BOOLEAN"}
_CHANGED: Final = {
    "task_description": Column("task_description", "STRING", "NULLABLE", "the task's text"),
    "cost_estimated": Column("cost", "FLOAT", "NULLABLE", "USD; NULL where it is unknown"),
    "metadata": Column("metadata", "STRING", "REQUIRED", "a JSON object, each of its pairs on a line"),
}
"""Fields whose column is not that of their kind."""


def _column(field: Field) -> Column:
    if field.name in _CHANGED:
        return _CHANGED[field.name]
    mode = "REQUIRED" if field.absent in {"never", "made"} else "NULLABLE"
    return Column(field.name, _TYPES.get(field.kind, "STRING"), mode, field.about)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _json(value: object) -> str:
    """JSON by the standard library, whose texts for numbers stay the same over versions.

    Plain numbers need no encoder, which would be made anew for each.
    """
    kind = type(value)
    if kind is int or (kind is float and math.isfinite(value)):  # type: ignore[arg-type]
        return repr(value)
    return _encode(value)


SCHEMA: Final = (
    Column("feature_timestamp", "TIMESTAMP", "REQUIRED", "when the execution was recorded"),
    Column("stored_order", "INTEGER", "REQUIRED", "orders rows as they were sent: the writer's clock in nanoseconds"),
    *map(_column, FIELDS),
    Column(OTHER_FIELDS, "STRING", "NULLABLE", "a JSON object of the record's fields that have no column"),
)
"""The table's columns, in order; the types by the names that BigQuery's API answers with."""

OPTIONAL: Final = frozenset(column.name for column in SCHEMA if column.mode == "NULLABLE")
"""Columns that an older table may lack."""

FIELD_OF: Final = {column.name: name for name, column in _CHANGED.items()} | {f.name: f.name for f in FIELDS}
"""The record's field of each column."""

PARTITIONED_BY: Final = "feature_timestamp"
CLUSTERED_BY: Final = ("version", "task_id")

ENTITY: Final = "record_id"
FEATURES: Final = ("execution_time", "success", "cost", "difficulty", "version", "agent_selected")
"""The features that the table is registered with: FLOAT64, BOOL, FLOAT64, FLOAT64, STRING, STRING."""

JSON_FIELDS: Final = of_kind("json", "texts")
"""Fields whose columns hold JSON."""

_CONVERTED: Final = tuple(
    [(name, float) for name in of_kind("number") - {"cost_estimated"}]
    + [(name, str) for name in of_kind("count")]
    + [(name, _json) for name in of_kind("texts")]
)
_AS_THEY_ARE: Final = tuple(f.name for f in FIELDS if f.kind not in {"number", "count", "json", "texts"})
_KNOWN: Final = frozenset(METRIC_FIELDS)

_ALWAYS: Final = tuple(field.name for field in FIELDS if field.absent != "left out")
_LEFT_OUT: Final = tuple(field.name for field in FIELDS if field.absent == "left out")

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC by its use; a zone would only have to be cut off again
_ENDS_OF_TIME: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))


def row_of(document: Document, order: int) -> Row:
    """An admitted record as a row; ``order`` is its ``stored_order``."""
    row: Row = {name: value for name in _AS_THEY_ARE if (value := document.get(name)) is not None}
    row["feature_timestamp"] = _utc_text(document["timestamp"])
    # A whole number beyond 2**53 is safe as text only; BigQuery accepts any INT64 as text.
    row["stored_order"] = str(order)
    for name, convert in _CONVERTED:
        if (value := document.get(name)) is not None:
            row[name] = convert(value)
    if (cost := known_cost(document)) is not None:
        row["cost"] = float(cost)
    row["metadata"] = metadata_text(document.get("metadata") or {})
    if not document.keys() <= _KNOWN:
        row[OTHER_FIELDS] = _json({name: value for name, value in document.items() if name not in _KNOWN})
    return row


_DECODED: Final[Mapping[str, Callable[[Any], object]]] = {
    **dict.fromkeys(of_kind("count"), int),
    **dict.fromkeys(of_kind("texts"), json.loads),
}


def without_columns(row: Row, absent: Collection[str]) -> Row:
    """The row for a table that lacks some columns: their values are in ``other_fields``, as the record has them."""
    moved = {name: value for name, value in row.items() if name in absent}
    if not moved:
        return row
    others = json.loads(row.get(OTHER_FIELDS, "{}"))
    others |= {FIELD_OF[name]: _DECODED[name](value) if name in _DECODED else value for name, value in moved.items()}
    return {name: value for name, value in row.items() if name not in moved} | {OTHER_FIELDS: _json(others)}


def _utc_text(timestamp: str) -> str:
    """A stored time as BigQuery reads it."""
    if len(timestamp) == 32 and timestamp.endswith("+00:00"):  # as we write it
        return f"{timestamp[:26]}Z"
    moment = _EPOCH + timedelta(microseconds=timestamp_micros(timestamp))
    return moment.isoformat(timespec="microseconds") + "Z"


def document_of(row: Mapping[str, Any]) -> Document:
    """The record that a whole row was made of; fields that a record may lack are left out where they are NULL."""
    cost = row["cost"]
    document: Document = {name: row[name] for name in _ALWAYS if name in row}
    document["cost_estimated"] = 0.0 if cost is None else cost
    document |= {name: row[name] for name in _LEFT_OUT if row.get(name) is not None}
    document |= {name: json.loads(document[name]) for name in JSON_FIELDS if name in document}
    document |= json.loads(row[OTHER_FIELDS] or "{}")
    return document


def metadata_text(metadata: dict[str, Any]) -> str:
    """Metadata as JSON that SQL can search: each pair on a line that holds nothing else."""
    if not metadata:
        return "{}"
    return "{\n" + "\n,\n".join(f"{_json(key)}:{_json(value)}" for key, value in metadata.items()) + "\n}"


def metadata_lines(key: str, value: object) -> tuple[str, ...] | None:
    """Lines, with their ends: metadata has this pair exactly if its text contains one of them.

    Returns:
        ``None`` where text does not decide: a list or an object, which JSON may write in many ways.
    """
    if isinstance(value, bool | str | None):
        texts = {_json(value)}
    elif isinstance(value, int | float):
        texts = _number_texts(value)
    else:
        return None
    return tuple(filter(is_unicode, (f"{metadata_line(key)}{text}\n" for text in sorted(texts))))


def list_entries(text: str) -> tuple[str, str]:
    """A list of texts has this one exactly if its JSON contains one of these: quotes inside a text are escaped."""
    return f"[{_json(text)}", f",{_json(text)}"


def metadata_line(key: str) -> str:
    """How the line of a key begins, with the end of the line before it."""
    return f"\n{_json(key)}:"


def _number_texts(value: float) -> set[str]:
    """All the ways in which ``json`` writes a number that equals this one."""
    if value in {float("inf"), float("-inf")} or value != value:  # noqa: PLR0124 - NaN
        return set()
    texts = set()
    if value == int(value):
        texts.add(_json(int(value)))
    try:
        if float(value) == value:
            texts |= {_json(float(value))} | ({"-0.0", "0.0"} if not value else set())
    except OverflowError:  # a whole number beyond every float
        pass
    return texts


def moment_of(micros: int) -> datetime:
    """Microseconds since 1970 as a datetime, the nearest one where there is none."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return _ENDS_OF_TIME[micros > 0]
