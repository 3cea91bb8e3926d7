"""Units: the people, sessions or machines of an experiment, each of which counts once however many runs it has.

A unit is a text, a number or a truth value in the metadata. Two are the same where they are equal as JSON: 1 is 1.0,
and neither is true.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.fields import METADATA_PREFIX, metadata_key

MAX_UNITS: Final = 1_000_000
"""Units of all versions and groups of one question together."""

_ENDLESS: Final = frozenset({float("inf"), float("-inf")})

Unit: TypeAlias = "tuple[bool, str | float]"
"""Whether the value is a truth value, and the value: Python takes true for 1, JSON does not."""


class UnitFilter(NamedTuple):
    """Only the runs of some units, or all others, those without a unit included.

    Attributes:
        key: of the metadata, whose values are the units.
        units: some of them.
        inside: whether theirs are asked for; otherwise all others.
    """

    key: str
    units: frozenset[Unit]
    inside: bool

    def matches(self, metadata: object) -> bool:
        """Whether a record with this metadata is asked for."""
        return (unit_of(metadata, self.key) in self.units) == self.inside


def unit_of(metadata: Any, key: str) -> Unit | None:  # noqa: ANN401 - what a record has
    """The unit of a record; ``None`` where the key is absent, null, a list or an object.

    Args:
        metadata: of the record.
        key: of the metadata.
    """
    value = metadata.get(key) if isinstance(metadata, dict) else None
    if not isinstance(value, str | int | float) or value in _ENDLESS or value != value:  # noqa: PLR0124 - NaN
        return None
    return isinstance(value, bool), value


def unit_key(unit: str) -> str:
    """The key of the metadata whose values are the units.

    Raises:
        InvalidQueryError: it is not such a key.
    """
    key = metadata_key(unit) if isinstance(unit, str) else None
    if not key:
        raise InvalidQueryError(f"unit: expected {METADATA_PREFIX}<key>, got {preview(unit)}")
    return key
