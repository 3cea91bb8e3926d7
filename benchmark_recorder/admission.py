"""The door: what wants to be stored is validated and normalised here, once, unless it is plain already.

Imported for the first execution that is not (see ``plain``).
"""

from __future__ import annotations

import math
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired, TypeAlias, cast

import msgspec
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic import Field as Annotation
from typing_extensions import TypedDict

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.plain import is_plain_metadata
from benchmark_recorder.records import (
    FIELDS,
    MAX_METADATA_BYTES,
    MAX_TEXT,
    Document,
    Field,
    Kind,
    plain_text,
    preview,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np

MAX_METADATA_DEPTH: Final = 32
"""Levels of nesting in metadata: far above what people write, far below what breaks a parser."""

MAX_METADATA_INT_BITS: Final = 1024
"""Bits of a whole number in metadata: what the largest floating-point number has."""

Validate: TypeAlias = "Callable[[Document], Document]"

_ANNOTATIONS: Final[Mapping[Kind, Any]] = {
    "id": Annotated[str, Annotation(pattern=r"^[0-9a-f]{32}$")],
    "time": str,
    "name": Annotated[str, Annotation(min_length=1, max_length=MAX_TEXT)],
    "text": Annotated[str, Annotation(max_length=MAX_TEXT)],
    "texts": list[Annotated[str, Annotation(max_length=MAX_TEXT)]],
    "number": Annotated[float, Annotation(ge=0, allow_inf_nan=False)],
    "count": Annotated[int, Annotation(ge=0, lt=2**63)],
    "flag": bool,
    "json": dict[str, Any],
}
_BY_NAME: Final = {field.name: field for field in FIELDS}
_MAY_BE_LEFT_OUT: Final = frozenset(field.name for field in FIELDS if field.absent == "left out") | {"task_id"}


def _annotation(field: Field) -> Any:  # noqa: ANN401 - a type
    kind = _ANNOTATIONS[field.kind]
    if field.most is not None:
        kind = Annotated[kind, Annotation(le=field.most)]
    if field.absent == "null":
        kind |= None
    return NotRequired[kind] if field.name in _MAY_BE_LEFT_OUT else kind


def _validator(fields: Iterable[Field], extra: Literal["ignore", "allow"]) -> Validate:
    """Validates a dict with these fields."""
    make: Any = TypedDict  # its form as a function, with names that no type checker can know
    schema = make("Record", {field.name: _annotation(field) for field in fields})
    return TypeAdapter(with_config(ConfigDict(strict=True, extra=extra))(schema)).validator.validate_python


_validate_execution: Validate = _validator((f for f in FIELDS if f.argument is not None and f.kind != "time"), "ignore")
"""What the caller of ``record_execution`` says of an execution."""


@cache
def _validate_document() -> Validate:
    """The same with what the recorder adds, and with fields that only others know. Recording does not need it."""
    return _validator(FIELDS, "allow")


def admit_execution(execution: Document, names: Mapping[str, str]) -> tuple[Document, tuple[str, ...]]:
    """Validate and normalise what a caller says of an execution.

    Args:
        execution: the fields that have an argument.
        names: how the caller spells a field (``{"execution_time": "duration"}``), for messages.

    Returns:
        The same fields as they are to be stored (a new dict), and a sentence for each normalisation that was made.

    Raises:
        InvalidRecordError: a field is wrong, and cannot be normalised.
    """
    try:
        admitted = _validate_execution(execution)
    except ValidationError:
        return _normalised(*_mend(execution, names, _validate_execution), names)
    if admitted["metadata"] and not is_plain_metadata(admitted["metadata"]):
        return _normalised(admitted, (), names)
    return admitted, ()


def admit(document: Document) -> tuple[Document, tuple[str, ...]]:
    """The same for a whole document, which may hold fields that only others know; metadata may be ``None``."""
    validate = _validate_document()
    try:
        return _normalised(validate(document), (), {})
    except ValidationError:
        return _normalised(*_mend(document, {}, validate), {})


def _mend(fields: Document, names: Mapping[str, str], validate: Validate) -> tuple[Document, tuple[str, ...]]:
    """Normalise what may be normalised, then validate once more."""
    absent = {name for name in _MAY_BE_LEFT_OUT if fields.get(name) is None}
    mended, notes = {name: value for name, value in fields.items() if name not in absent}, []
    if mended.get("metadata") is None:
        mended["metadata"] = {}
    for name, value in tuple(mended.items()):
        if isinstance(value, str) and name not in {"record_id", "timestamp"}:
            mended[name], note = plain_text(value)
            notes += [f"{names.get(name, name)} {note}"] if note else []
        elif name != "metadata":
            mended[name] = _plain_number(name, value)
    try:
        return validate(mended), tuple(notes)
    except ValidationError as error:
        name = str(error.errors(include_url=False, include_input=False)[0]["loc"][0])
        raise _refused(name, fields.get(name), names) from None


def _plain_number(name: str, value: object) -> object:
    """A numpy scalar, a Decimal, or 0 and 1 for a truth value as the plain type; anything else as it is."""
    if type(value).__module__ == "numpy" and not getattr(value, "ndim", 1):
        value = cast("np.generic", value).item()
    if name == "success" and isinstance(value, int) and value in {0, 1}:
        return bool(value)
    return float(value) if isinstance(value, Decimal) and not value.is_snan() else value


def _refused(name: str, value: object, names: Mapping[str, str]) -> InvalidRecordError:
    spelled = names.get(name, name)
    return InvalidRecordError(f"{spelled}: expected {_BY_NAME[name].expected}, got {preview(value)}", field=spelled)


def _normalised(
    admitted: Document, notes: tuple[str, ...], names: Mapping[str, str]
) -> tuple[Document, tuple[str, ...]]:
    """The same with metadata as JSON can hold it."""
    name = names.get("metadata", "metadata")
    seen: dict[str, None] = {}
    plain = _plain(admitted["metadata"], name, seen, _Room(name))
    size = len(msgspec.json.encode(plain))
    if size > MAX_METADATA_BYTES:
        raise _too_large(f"{size:,} bytes as JSON", name)
    admitted["metadata"] = plain
    return admitted, (*notes, *(f"{name} {note}" for note in seen))


def _too_large(size: str, name: str) -> InvalidRecordError:
    return InvalidRecordError(
        f"{name}: {size}, at most {MAX_METADATA_BYTES:,} fit; keep large outputs elsewhere and record where they are",
        field=name,
    )


class _Room:
    """What is left of the bytes that metadata may take, so that a walk ends soon, however much there is to walk."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MAX_METADATA_BYTES

    def look(self, values: int) -> None:
        """Whether so many values can fit: each takes two bytes at least, a digit and a comma.

        Raises:
            InvalidRecordError: they cannot.
        """
        if 2 * values > self._left:
            raise _too_large(f"more than {MAX_METADATA_BYTES:,} bytes as JSON", self._name)

    def take(self, values: int) -> None:
        """Take the room of so many values; see ``look``."""
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
                raise InvalidRecordError(f"{path}: {preview(value)} is no number that JSON readers take", field=path)
            return int(value)
        case float():
            if math.isfinite(value):
                return float(value)
            notes["had numbers that are not finite, which became null"] = None
            return None
        case dict():
            room.take(len(value))
            items = tuple(value.items())  # at once: the caller's may change at any moment
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
    """The path of what stands under a key; errors are logged and printed, and a key may hold anything."""
    return f"{path}.{key}"[:200] if key.isascii() and key.isprintable() else f"{path}[{preview(key)}]"[:200]


def _encodable(text: str, notes: dict[str, None]) -> str:
    text = str.__str__(text)  # of an enumeration's member: its value, not its name
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        notes["had lone surrogates, which became U+FFFD"] = None
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
