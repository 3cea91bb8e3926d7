"""What a file tells of one execution, and the record that it becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.identity import timestamp_text
from benchmark_recorder.records import ARGUMENT_NAMES, FIELDS
from benchmark_recorder.validation import admit, plain_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.records import Document

SPELLINGS: Final[Mapping[str, str]] = {
    **{argument: name for name, argument in ARGUMENT_NAMES.items()},
    "agent": "agent_selected",
}
"""How people write a field who know it from ``record_execution`` or from the command line."""

REQUIRED: Final = ("version", "execution_time", "success", "timestamp")

_MISSING: Final[Mapping[str, str]] = {
    "version": "every record must tell it, or name one for all records (--version)",
    "timestamp": "every record must tell when it ran, as in 2026-01-31T10:00:00+00:00",
}
"""What to do about a field of ``REQUIRED`` that is missing."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    **{field.name: None for field in FIELDS if field.absent == "null"},
    "task_description": "",
    "cost_estimated": 0.0,
    "metadata": None,
}


class Entry(NamedTuple):
    """What a file tells of one execution.

    Attributes:
        place: where in the file: ``"line 3"``.
        document: the fields that it tells; nothing is checked yet.
        changed: whether something in it was replaced, because JSON cannot hold it.
    """

    place: str
    document: Document
    changed: bool = False


def wrong(place: str, problem: str) -> InvalidRecordError:
    """The error for a place in a file that holds no record at all."""
    return InvalidRecordError(f"{place}: {problem}", field=place)


def read_object(text: str | bytes, place: str) -> Document:
    """A JSON object.

    Raises:
        InvalidRecordError: it is something else; names the place.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise wrong(place, f"not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise wrong(place, "not JSON: it is not UTF-8 text") from error
    except ValueError as error:  # Python reads no number of thousands of digits
        raise wrong(place, "not JSON: a number has too many digits") from error
    except RecursionError as error:
        raise wrong(place, "a field is nested too deep") from error
    if not isinstance(found, dict):
        raise wrong(place, "expected a JSON object with the fields of one record")
    return found


def prepared(entry: Entry, version: str | None) -> Entry:
    """The same under our names, as every store can hold it, and with a version if it told none.

    A name of ours is never overruled. A cost that was given as ``cost`` is known, also one of 0, as in
    ``record_execution``. Lone surrogates become U+FFFD, and numbers that are not finite inside of a field null; a
    field that is itself not finite stays, to be refused.

    Raises:
        InvalidRecordError: a field is nested too deep.
    """
    told = dict(entry.document)
    for theirs, ours in SPELLINGS.items():
        if theirs in told and ours not in told:
            told[ours] = told.pop(theirs)
            if theirs == "cost" and told[ours] is not None and not told[ours]:
                told.setdefault("cost_known", True)
    if version is not None and told.get("version") is None:
        told["version"] = version
    try:
        plain = {
            plain_json(name): value if isinstance(value, float) else plain_json(value) for name, value in told.items()
        }
    except RecursionError as error:
        raise wrong(entry.place, "a field is nested too deep") from error
    return Entry(entry.place, plain, plain != told)


def admitted(entry: Entry, *, keep_text: bool = True) -> tuple[Document, tuple[str, ...]]:
    """An entry as a record that can be stored.

    Args:
        entry: with an id.
        keep_text: whether the task's text is kept, beside the id that is made from it.

    Returns:
        The record, and a sentence for each normalisation that was made.

    Raises:
        InvalidRecordError: a field is missing or wrong; names place and field.
    """
    try:
        record, notes = _admitted(entry.document, keep_text=keep_text)
    except InvalidRecordError as error:
        raise InvalidRecordError(f"{entry.place}: {error}", field=error.field) from error
    return record, (*notes, *(["held what JSON cannot, which was replaced"] if entry.changed else []))


def _admitted(told: Document, *, keep_text: bool) -> tuple[Document, tuple[str, ...]]:
    document = told | {name: value for name, value in _DEFAULTS.items() if name not in told}
    for name in REQUIRED:
        if document.get(name) is None:
            more = _MISSING.get(name, "every record must tell it")
            raise InvalidRecordError(f"{name}: is missing; {more}", field=name)
    if document.get("task_id") is None and not document["task_description"]:
        raise InvalidRecordError("task_description: is missing, and so is task_id; give one", field="task_id")
    document["timestamp"] = timestamp_text(document["timestamp"])
    record, notes = admit(document)
    if not keep_text:
        record["task_description"] = ""
    order = dict.fromkeys(name for name in (*document, *record) if name in record)  # as it was told
    return {name: record[name] for name in order}, notes
