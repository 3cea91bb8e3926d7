"""What a file says about one execution, and the record that it becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.errors import InvalidRecordError, preview
from benchmark_recorder.fields import ARGUMENT_NAMES, FIELDS
from benchmark_recorder.records import keyed_record_id, task_id_of, timestamp_text
from benchmark_recorder.validation import admit, plain_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmark_recorder.records import Document

SPELLINGS: Final[Mapping[str, str]] = {
    **{argument: name for name, argument in ARGUMENT_NAMES.items()},
    "agent": "agent_selected",
}
"""Other spellings of a field: those of ``record_execution`` and of the command line."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

MAX_FIELD_DEPTH: Final = 90
"""Levels of a field: MongoDB takes 100 for a whole record, and how many Python can follow differs by its release."""

REQUIRED: Final = ("version", "execution_time", "success", "timestamp")

_MISSING: Final[Mapping[str, str]] = {
    "version": "give it in every record, or for all of them with --version",
    "timestamp": "give it in every record as ISO 8601, such as 2026-01-31T10:00:00+00:00",
}
"""What to do about a field of ``REQUIRED`` that is missing."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    **{field.name: None for field in FIELDS if field.absent == "null"},
    "task_description": "",
    "cost_estimated": 0.0,
    "metadata": None,
}


class Entry(NamedTuple):
    """What a file says about one execution.

    Attributes:
        place: where in the file: ``"line 3"``.
        document: its fields; nothing is checked yet.
        changed: whether something in it was replaced, because JSON cannot hold it.
    """

    place: str
    document: Document
    changed: bool = False


def wrong(place: str, problem: str) -> InvalidRecordError:
    """The error for a place in a file that does not hold a record."""
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
    except ValueError as error:  # Python does not read numbers of thousands of digits
        raise wrong(place, "not JSON: a number has too many digits") from error
    except RecursionError as error:
        raise wrong(place, "a field is nested too deep") from error
    if not isinstance(found, dict):
        raise wrong(place, "expected a JSON object with the fields of one record")
    return found


def json_lines(lines: Iterable[bytes]) -> Iterator[Entry]:
    """JSON lines as entries; blank lines are skipped.

    Raises:
        InvalidRecordError: a line is not a JSON object; names it.
    """
    for number, line in enumerate(lines, 1):
        text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
        if text:
            yield Entry(f"line {number}", read_object(text, f"line {number}"))


def prepared(entry: Entry, version: str | None) -> Entry:
    """The same entry under our field names, as every store can hold it, with a version if it had none.

    A field under our own name wins. An ``idempotency_key`` becomes the id that ``record_execution`` makes of it. A cost
    given as ``cost`` is known, even if it is 0, as in ``record_execution``.
    Lone surrogates become U+FFFD. Non-finite numbers inside a field become null; a field that is itself non-finite
    stays, and is rejected later.

    Raises:
        InvalidRecordError: a field is nested too deep, or the key is wrong.
    """
    given = dict(entry.document)
    for theirs, ours in SPELLINGS.items():
        if theirs in given and ours not in given:
            given[ours] = given.pop(theirs)
            if theirs == "cost" and given[ours] is not None and not given[ours]:
                given.setdefault("cost_known", True)
    if version is not None and given.get("version") is None:
        given["version"] = version
    try:
        plain = {
            plain_json(name): value if isinstance(value, float) else plain_json(value, MAX_FIELD_DEPTH)
            for name, value in given.items()
        }
    except RecursionError as error:
        raise wrong(entry.place, "a field is nested too deep") from error
    changed = plain != given
    if (key := plain.pop("idempotency_key", None)) is not None and plain.get("record_id") is None:
        try:
            task_id = plain.get("task_id") or task_id_of(str(plain.get("task_description", "")))
            plain["record_id"] = keyed_record_id(str(plain.get("version")), str(task_id), key)
        except InvalidRecordError as error:
            raise wrong(entry.place, str(error)) from error
    return Entry(entry.place, plain, changed)


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
    return record, (*notes, *(["had values that JSON cannot hold; they were replaced"] if entry.changed else []))


def _admitted(given: Document, *, keep_text: bool) -> tuple[Document, tuple[str, ...]]:
    document = given | {name: value for name, value in _DEFAULTS.items() if name not in given}
    for name in REQUIRED:
        if document.get(name) is None:
            more = _MISSING.get(name, "give it in every record")
            raise InvalidRecordError(f"{name} is missing; {more}", field=name)
    if document.get("task_id") is None and not document["task_description"]:
        raise InvalidRecordError("task_description and task_id are both missing; give one", field="task_id")
    document["timestamp"] = timestamp_text(document["timestamp"])
    record, notes = admit(document)
    if record["success"] and record.get("error_type"):
        message = (
            f"error_type: {preview(record['error_type'])} together with success; a run that failed is success=false"
        )
        raise InvalidRecordError(message, field="error_type")
    if not keep_text:
        record["task_description"] = ""
    order = dict.fromkeys(name for name in (*document, *record) if name in record)  # in the order of the file
    return {name: record[name] for name in order}, notes
