"""The schema of a record, made of ``fields.FIELDS`` with pydantic; only records that are not plain need it.

It is made while this module is imported, because a fork waits for imports: pydantic's native code takes locks of its
own meanwhile, and a child that was forked then would wait for them for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from benchmark_recorder.fields import FIELDS, MAX_TEXT, MAY_BE_LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.fields import Field as RecordField
    from benchmark_recorder.records import Document


def _not_blank(text: str) -> str:
    if text.isspace():
        raise ValueError("blank")
    return text


_text = Annotated[str, Field(max_length=MAX_TEXT)]
_KINDS: Final[Mapping[str, Any]] = {
    "id": Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")],
    "time": str,
    "name": Annotated[_text, Field(min_length=1), AfterValidator(_not_blank)],
    "text": _text,
    "texts": list[_text],
    "number": Annotated[float, Field(ge=0, allow_inf_nan=False)],
    "count": Annotated[int, Field(ge=0, lt=2**63)],
    "flag": bool,
    "json": dict[str, Any],
}


def _annotation(field: RecordField) -> Any:  # noqa: ANN401 - a type
    kind = _KINDS[field.kind] if field.most is None else Annotated[_KINDS[field.kind], Field(le=field.most)]
    kind = kind | None if field.absent == "null" or field.name == "task_id" else kind
    return NotRequired[kind] if field.name in MAY_BE_LEFT_OUT else kind


def _validator(*fields: RecordField, extra: Literal["allow", "ignore"]) -> Callable[[Document], Document]:
    make: Any = TypedDict  # its form as a function: no type checker can know these names
    config = ConfigDict(strict=True, extra=extra)
    typed = with_config(config)(make("Record", {field.name: _annotation(field) for field in fields}))
    return TypeAdapter(typed).validator.validate_python


validate_document: Final = _validator(*FIELDS, extra="allow")
"""Gives a new dict; raises pydantic's ``ValidationError``."""

validate_execution: Final = _validator(
    *(f for f in FIELDS if f.argument is not None and f.kind != "time"), extra="ignore"
)
"""The same for the fields that ``record_execution`` has an argument for, without the time."""
