"""Each field of a record, defined once: columns, validation, messages and the databases' schemas are made of this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT: Final = 4096
"""Characters of a text field; a longer one is cut with a marker."""

MAX_METADATA_BYTES: Final = 16 * 1024
"""Bytes of a record's metadata as JSON."""

Kind: TypeAlias = Literal["id", "time", "name", "text", "texts", "number", "count", "flag", "json"]
"""The values of a field: a record's id, a time as text, a non-empty text, a text, a list of texts, a float, a whole
number, a truth value, a JSON object."""

_EXPECTED: Final[Mapping[Kind, str]] = {
    "id": "32 hexadecimal digits, or None for a new one",
    "time": "a datetime or an ISO 8601 text",
    "name": "a text that is not blank",
    "text": "a text, or None",
    "texts": "a list of texts, or None",
    "number": "a finite number, zero or more",
    "count": "a whole number, zero or more, or None",
    "flag": "True or False",
    "json": "a dict of JSON values, or None",
}
_EXPECTED_IN: Final[Mapping[str, str]] = {
    "s": "a finite number of seconds, zero or more",
    "USD": "a finite number of US dollars, zero or more, or None where it is unknown",
}


class Field(NamedTuple):
    """One field of a record; numbers and counts are zero or more.

    Attributes:
        name: in files, databases and answers.
        kind: of its values.
        about: what it is, for people who look at a table.
        argument: of ``record_execution``; ``None`` for a field that the recorder writes.
        absent: how a document says that a value is absent: ``"never"``: it never is; ``"made"``: the recorder makes
            one; ``"null"``; ``"left out"``: without the field.
        unit: ``"s"`` or ``"USD"``.
        most: the greatest number.
        rule: what is expected, for an error message; that of the unit or the kind unless given.
    """

    name: str
    kind: Kind
    about: str
    argument: str | None
    absent: Literal["never", "made", "null", "left out"]
    unit: str = ""
    most: float | None = None
    rule: str = ""

    @property
    def expected(self) -> str:
        """What the field accepts, for an error message."""
        return self.rule or _EXPECTED_IN.get(self.unit, _EXPECTED[self.kind])

    @property
    def dtype(self) -> str:
        """The dtype of its column in a scan, where absent values are NaN or ``None``."""
        if self.kind in {"number", "count"}:
            return "float64"
        return "bool" if self.kind == "flag" and self.absent == "never" else "object"


FIELDS: Final = (
    Field("timestamp", "time", "the time as it was written: ISO 8601", "timestamp", "made"),
    Field("version", "name", "of the orchestrator", "version", "never"),
    Field("git_commit", "text", "of the orchestrator's checkout", None, "null"),
    Field("task_id", "name", "what makes runs of two versions comparable", "task_id", "made"),
    Field("task_description", "text", "the task's text", "task", "never", rule="a text"),
    Field("execution_time", "number", "seconds", "duration", "never", "s"),
    Field("success", "flag", "whether the task succeeded", "success", "never"),
    Field("agent_selected", "text", "the agent that the task was routed to", "agent_selected", "null"),
    Field("cost_estimated", "number", "USD; 0.0 where it is unknown", "cost", "never", "USD"),
    Field("difficulty", "number", "0 to 1", "difficulty", "null", most=1.0, rule="a number from 0 to 1, or None"),
    Field("metadata", "json", "a JSON object", "metadata", "never"),
    Field("record_id", "id", "32 hexadecimal digits; a record counts once", None, "made"),
    Field("cost_known", "flag", "TRUE where the caller gave a cost of 0", None, "left out"),
    Field("expected_agent", "text", "the agent that would have been right", "expected_agent", "left out"),
    Field("error_type", "text", "the class of the failure", "error_type", "left out"),
    Field("host", "text", "where it ran", None, "left out"),
    Field("model", "text", "the language model", "model", "left out"),
    Field("input_tokens", "count", "read by the model", "input_tokens", "left out"),
    Field("output_tokens", "count", "written by the model", "output_tokens", "left out"),
    Field("parent_id", "id", "the record of the run that this one was a part of", None, "left out"),
    Field("dropped", "texts", "arguments that were left out because their values were wrong", None, "left out"),
)
"""Each field of a record, defined once, in the order of ``BenchmarkMetric``.

Columns, validation, messages, the databases' schemas and the command line are made of it; tests hold the rest to it:
``BenchmarkMetric``, ``Measurement``, ``record_execution``.
"""

METRIC_FIELDS: Final = tuple(field.name for field in FIELDS)

MAY_BE_LEFT_OUT: Final = frozenset(field.name for field in FIELDS if field.absent == "left out") | {"task_id"}
"""Of a record that is given: a task's id is made from its text."""

ARGUMENT_NAMES: Final = {f.name: f.argument for f in FIELDS if f.argument is not None and f.argument != f.name}
"""How ``record_execution`` spells a record's fields."""

COLUMNS: Final[Mapping[str, str]] = {field.name: field.dtype for field in FIELDS} | {
    "time": "int64",  # the timestamp as microseconds since 1970 in UTC
    "cost": "float64",  # USD, NaN when unknown
}
"""The fields that ``scan`` can be asked for, with the dtype. Objects: texts, ``dict``, ``list``, ``True``, ``None``."""


def of_kind(*kinds: Kind) -> frozenset[str]:
    """The names of the fields of these kinds."""
    return frozenset(field.name for field in FIELDS if field.kind in kinds)


BLOCK: Final = "block"
"""A key of groups for comparisons, not for callers; only stores that support it are asked (see ``grouping.Blocks``)."""

METADATA_PREFIX: Final = "metadata."
"""How a key of the metadata is named beside fields."""


def metadata_key(name: str) -> str | None:
    """The key of the metadata that ``metadata.<key>`` names; ``None`` for any other name."""
    return name.removeprefix(METADATA_PREFIX) if name.startswith(METADATA_PREFIX) else None
