"""Validates and normalises a record that is not plain, by a schema made of ``fields.FIELDS``, or refuses it."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from benchmark_recorder.errors import InvalidRecordError, preview
from benchmark_recorder.fields import ARGUMENT_NAMES, FIELDS, MAX_METADATA_BYTES, MAY_BE_LEFT_OUT, METRIC_FIELDS
from benchmark_recorder.records import (
    Document,
    encodable,
    is_plain_metadata,
    plain_text,
    stamp,
    task_id_of,
    timestamp_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from benchmark_recorder.records import BenchmarkMetric

MAX_METADATA_DEPTH: Final = 32
"""Levels of nesting in metadata: far more than people write, far fewer than break a parser."""

MAX_METADATA_INT_BITS: Final = 1024
"""Bits of a whole number in metadata: as many as the largest floating-point number has."""

_BY_NAME: Final = {field.name: field for field in FIELDS}
_ALWAYS_THERE: Final = frozenset(field.name for field in FIELDS if field.absent != "left out") - {"record_id"}


def admit_execution(execution: Document) -> tuple[Document, tuple[str, ...]]:
    """Validate and normalise the arguments of ``record_execution``.

    Args:
        execution: the fields with an argument, without the time; other fields are ignored.

    Returns:
        The same fields as they are to be stored (a new dict), and a sentence for each normalisation that was made.

    Raises:
        InvalidRecordError: a field is wrong, and cannot be normalised; names the argument.
    """
    from benchmark_recorder.schema import validate_execution

    return _admit(execution, validate_execution, ARGUMENT_NAMES)


def admit(document: Document) -> tuple[Document, tuple[str, ...]]:
    """The same for a whole document, which may have unknown fields; an error names the field."""
    from benchmark_recorder.schema import validate_document

    return _admit(document, validate_document, {})


def admit_metric(
    metric: BenchmarkMetric, labels: Mapping[str, str], known_version: Callable[[], str]
) -> tuple[Document, tuple[str, ...], bool]:
    """A metric as it is stored, what was normalised, and whether its id was made here.

    The labels, and the version that is known otherwise, are those of the recorder.

    Raises:
        InvalidRecordError: a field is wrong.
    """
    fresh_id, _ = stamp()
    if not hasattr(metric, "timestamp"):
        raise InvalidRecordError(f"metric: expected a BenchmarkMetric, got {preview(metric)}", field="metric")
    # One of the recorder before this one has fewer fields.
    values = {name: getattr(metric, name, None) for name in METRIC_FIELDS}
    document = {name: value for name, value in values.items() if value is not None or name in _ALWAYS_THERE}
    fresh = document.setdefault("record_id", fresh_id) is fresh_id
    document["timestamp"] = timestamp_text(metric.timestamp)
    document["version"] = document["version"] or known_version()
    if labels:
        document["metadata"] = {**labels, **(document.get("metadata") or {})}
    return *admit(document), fresh


def _admit(
    fields: Document, validate: Callable[[Document], Document], names: Mapping[str, str]
) -> tuple[Document, tuple[str, ...]]:
    from pydantic import ValidationError

    notes: tuple[str, ...] = ()
    try:
        admitted = validate(fields)
    except ValidationError:
        normalised, notes = _normalised(fields, names)
        try:
            admitted = validate(normalised)
        except ValidationError as error:
            name = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
            spelled, expected = names.get(name, name), _BY_NAME[name].expected
            message = f"{spelled}: expected {expected}, got {preview(fields.get(name))}"
            raise InvalidRecordError(message, field=spelled) from None
    if admitted.get("task_id") is None:  # made from the whole text
        admitted["task_id"] = task_id_of(str.__str__(fields["task_description"]))
    if not is_plain_metadata(admitted["metadata"]):
        admitted["metadata"], more = _json(admitted["metadata"], names.get("metadata", "metadata"))
        notes += more
    return admitted, notes


def _normalised(fields: Document, names: Mapping[str, str]) -> tuple[Document, tuple[str, ...]]:
    """The fields, normalised where possible, without absent ones; and what was changed."""
    normalised, notes = {n: v for n, v in fields.items() if v is not None or n not in MAY_BE_LEFT_OUT}, []
    for name, value in tuple(normalised.items()):
        if isinstance(value, str) and name not in {"record_id", "timestamp"}:
            normalised[name], note = plain_text(value)
            notes += [f"{names.get(name, name)} {note}"] if note else []
        elif name == "metadata":
            normalised[name] = {} if value is None else value
        elif name == "cost_estimated" and value is None:  # unknown
            normalised[name] = 0.0
        else:
            normalised[name] = _plain_number(name, value)
    return normalised, tuple(notes)


def _plain_number(name: str, value: object) -> object:
    """A numpy scalar, a Decimal, or 0 and 1 for a truth value as the plain type; anything else as it is."""
    if type(value).__module__ == "numpy" and not getattr(value, "ndim", 1):
        value = cast("np.generic", value).item()
    if name == "success" and isinstance(value, int) and value in {0, 1}:
        return bool(value)
    return float(value) if isinstance(value, Decimal) and not value.is_snan() else value


def _json(metadata: Document, name: str) -> tuple[Document, tuple[str, ...]]:
    """Metadata as JSON, and how it was changed."""
    seen: dict[str, None] = {}
    plain = _plain(metadata, name, seen, _Room(name))
    size = len(msgspec.json.encode(plain))
    if size > MAX_METADATA_BYTES:
        raise _too_large(f"{size:,} bytes as JSON", name)
    return plain, tuple(f"{name} {note}" for note in seen)


def _too_large(size: str, name: str) -> InvalidRecordError:
    return InvalidRecordError(
        f"{name}: {size}, at most {MAX_METADATA_BYTES:,} fit; keep large outputs elsewhere and record where they are",
        field=name,
    )


class _Room:
    """How many bytes metadata may still take, so that a walk over huge metadata ends early."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MAX_METADATA_BYTES

    def look(self, values: int) -> None:
        """Check that this many values fit: each takes at least two bytes, a digit and a comma.

        Raises:
            InvalidRecordError: they do not.
        """
        if 2 * values > self._left:
            raise _too_large(f"more than {MAX_METADATA_BYTES:,} bytes as JSON", self._name)

    def take(self, values: int) -> None:
        """Take the room of this many values; see ``look``."""
        self.look(values)
        self._left -= 2 * values


def _plain(value: Any, path: str, notes: dict[str, None], room: _Room, depth: int = 0) -> Any:  # noqa: ANN401, C901, PLR0911 - one case a JSON type
    """One metadata value as JSON; ``path`` names it in the error."""
    if depth > MAX_METADATA_DEPTH:
        raise InvalidRecordError(f"{path}: nested deeper than {MAX_METADATA_DEPTH} levels", field=path)
    match value:
        case None | bool():
            return value
        case str():
            return _encodable(value, notes)
        case int():
            if value.bit_length() > MAX_METADATA_INT_BITS:
                raise InvalidRecordError(f"{path}: {preview(value)} is too large for JSON readers", field=path)
            return int(value)
        case float():
            if isfinite(value):
                return float(value)
            notes["had numbers that are not finite, which became null"] = None
            return None
        case dict():
            room.take(len(value))
            items = dict.copy(value).items()  # at once: the caller may change it at any moment, also amid tuple()
            for key, _ in items:
                if not isinstance(key, str):
                    raise InvalidRecordError(f"{path}: expected keys that are texts, got {preview(key)}", field=path)
            return {_encodable(k, notes): _plain(v, _inside(path, k), notes, room, depth + 1) for k, v in items}
        case list() | tuple():
            room.take(len(value))
            return [_plain(v, f"{path}[{i}]"[:200], notes, room, depth + 1) for i, v in enumerate(tuple(value))]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        room.look(getattr(value, "size", 1))
        return _plain(value.tolist(), path, notes, room, depth + 1)
    raise InvalidRecordError(
        f"{path}: a {type(value).__name__} is not JSON; pass texts, numbers, booleans, None, lists or dicts",
        field=path,
    )


def _inside(path: str, key: str) -> str:
    """The path of a key's value; errors are logged and printed, and a key may hold anything."""
    return f"{path}.{key}"[:200] if key.isascii() and key.isprintable() else f"{path}[{preview(key)}]"[:200]


def _encodable(text: str, notes: dict[str, None]) -> str:
    text = str.__str__(text)  # of an enumeration's member: its value, not its name
    stored = encodable(text)
    if stored is not text:
        notes["had lone surrogates, which became U+FFFD"] = None
    return stored


def plain_json(value: Any, levels: int = -1) -> Any:  # noqa: ANN401 - any JSON
    """JSON of a file as every store can hold it: non-finite numbers as null, lone surrogates as U+FFFD.

    Args:
        value: the JSON.
        levels: that it may have; as many as Python can follow if negative.

    Raises:
        RecursionError: it has more levels.
    """
    if not levels:
        raise RecursionError
    match value:
        case float():
            return value if isfinite(value) else None
        case str():
            return encodable(value)
        case dict():
            return {encodable(key): plain_json(inner, levels - 1) for key, inner in value.items()}
        case list():
            return [plain_json(inner, levels - 1) for inner in value]
    return value
