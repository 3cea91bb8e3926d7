"""Whether a record's values are plain: stored as they are.

Most executions are. A dozen comparisons find that out in a fraction of the time that ``validation`` takes, and a
program that records nothing else never imports it, nor pydantic.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.fields import FIELDS, MAX_METADATA_BYTES, MAX_TEXT, of_kind
from benchmark_recorder.records import is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping

_COUNTS: Final = of_kind("count")
_NUMBERS: Final = frozenset(field.name for field in FIELDS if field.kind == "number" and field.most is None)
_NAMES: Final = of_kind("name")
_TEXTS: Final = of_kind("name", "text")


def is_plain(  # noqa: PLR0913, PLR0917 - by position, because this is the way of each record
    task: object,
    duration: object,
    success: object,
    version: object,
    agent_selected: object,
    cost: object,
    difficulty: object,
    metadata: object,
) -> bool:
    """Whether all of these would be stored as they are: built-in types, in range, no long texts, no surrogates.

    A subclass is not plain, nor is a whole number where a float is stored.
    """
    return (
        type(task) is str
        and len(task) <= MAX_TEXT
        and (task.isascii() or is_unicode(task))
        and type(duration) is float
        and 0.0 <= duration < inf
        and type(success) is bool
        and type(version) is str
        and 0 < len(version) <= MAX_TEXT
        and not version.isspace()
        and (version.isascii() or is_unicode(version))
        and (
            agent_selected is None
            or (
                type(agent_selected) is str
                and len(agent_selected) <= MAX_TEXT
                and (agent_selected.isascii() or is_unicode(agent_selected))
            )
        )
        and (cost is None or (type(cost) is float and 0.0 <= cost < inf))
        and (difficulty is None or (type(difficulty) is float and 0.0 <= difficulty <= 1.0))
        and (metadata is None or (type(metadata) is dict and is_plain_metadata(metadata)))
    )


def are_plain(optional: Mapping[str, object]) -> bool:
    """The same for fields that most executions leave out, by name; none is ``None``."""
    return all(
        type(value) is int and 0 <= value < 2**63
        if name in _COUNTS
        else type(value) is float and 0.0 <= value < inf
        if name in _NUMBERS
        else name in _TEXTS
        and type(value) is str
        and 0 < len(value) <= MAX_TEXT
        and not (name in _NAMES and value.isspace())
        and (value.isascii() or is_unicode(value))
        for name, value in optional.items()
    )


def is_plain_metadata(metadata: dict[str, Any]) -> bool:
    """Whether metadata is of the common kind that needs no walk: flat, small, finite."""
    size = 0
    for key, value in metadata.items():
        kind = type(value)
        if kind is str:
            if not (value.isascii() or is_unicode(value)):
                return False
            size += len(value)
        elif kind is float:
            if not isfinite(value):
                return False
        elif kind is int:
            if not -(2**63) <= value < 2**63:
                return False
        elif value is not None and kind is not bool:
            return False
        if type(key) is not str or not (key.isascii() or is_unicode(key)):
            return False
        size += len(key) + 32
    return size < MAX_METADATA_BYTES // 8  # an escaped character takes up to 6 bytes
