"""What a file says about one execution, and the record that it becomes."""

from __future__ import annotations

import hashlib
import json
from math import isnan
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.errors import InvalidRecordError, preview
from benchmark_recorder.fields import ARGUMENT_NAMES, FIELDS, of_kind
from benchmark_recorder.records import keyed_record_id, task_id_of, timestamp_text
from benchmark_recorder.validation import admit, plain_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmark_recorder.records import Document

OWN_NAMES: Final[Mapping[str, str]] = {
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

_COUNTS: Final = of_kind("count")
_MAY_BE_NAN: Final = frozenset(field.name for field in FIELDS if field.absent != "never") | {"cost_estimated"}
_ROUNDING: Final = 1e-6
"""Seconds: the difference of two readings of a clock may be less than 0 by so much."""

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
            notes: what was changed in it, in sentences.
    """

    place: str
    document: Document
    notes: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What the caller says about a file.

    Attributes:
        version: of the records that have none.
        spellings: names in the file, and ours.
        per_second: units of its durations in a second.
        scorer: whose score says whether a run succeeded.
        modified: when the file was written.
    """

    version: str | None = None
    spellings: Mapping[str, str] = OWN_NAMES
    per_second: float = 1.0
    scorer: str | None = None
    modified: str = ""


def wrong(place: str, problem: str) -> InvalidRecordError:
    """The error for a place in a file that does not hold a record."""
    return InvalidRecordError(f"{place}: {problem}", field=place)


def id_of(*parts: Any) -> str:  # noqa: ANN401 - JSON
    """The id of a run that another tool names by these parts: the same in each of its files."""
    return hashlib.sha256(json.dumps(parts).encode(), usedforsecurity=False).hexdigest()[:32]


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


def prepared(entry: Entry, asked: Asked) -> Entry:
    """The same entry under our field names, as every store can hold it, with a version if it had none.

    A field under our own name wins. An ``idempotency_key`` becomes the id that ``record_execution`` makes of it. A cost
    given as ``cost`` is known, even if it is 0, as in ``record_execution``.
    Lone surrogates become U+FFFD. Non-finite numbers inside a field become null; a field that is itself non-finite
    stays, and is rejected later.

    Raises:
        InvalidRecordError: a field is nested too deep, or the key is wrong.
    """
    given = dict(entry.document)
    for theirs, ours in asked.spellings.items():
        if theirs in given and ours not in given:
            given[ours] = given.pop(theirs)
            if theirs == "cost" and given[ours] is not None and not given[ours]:
                given.setdefault("cost_known", True)
    if asked.version is not None and given.get("version") is None:
        given["version"] = asked.version
    notes = _plain_numbers(given, asked.per_second)
    try:
        plain = {
            plain_json(name): value if isinstance(value, float) else plain_json(value, MAX_FIELD_DEPTH)
            for name, value in given.items()
        }
    except RecursionError as error:
        raise wrong(entry.place, "a field is nested too deep") from error
    if plain != given:
        notes = (*notes, "had values that JSON cannot hold; they were replaced")
    if (key := plain.pop("idempotency_key", None)) is not None and plain.get("record_id") is None:
        try:
            task_id = plain.get("task_id") or task_id_of(str(plain.get("task_description", "")))
            plain["record_id"] = keyed_record_id(str(plain.get("version")), str(task_id), key)
        except InvalidRecordError as error:
            raise wrong(entry.place, str(error)) from error
    return entry._replace(document=plain, notes=(*entry.notes, *notes))


def _plain_numbers(given: Document, per_second: float) -> tuple[str, ...]:
    """Write numbers as a record has them, whatever a data frame made of them; and say what was changed."""
    for name in _MAY_BE_NAN & given.keys():
        if isinstance(given[name], float) and isnan(given[name]):
            del given[name]
    for name in _COUNTS & given.keys():
        if isinstance(given[name], float) and given[name].is_integer():
            given[name] = int(given[name])
    if isinstance(given.get("success"), float) and given["success"] in {0.0, 1.0}:
        given["success"] = bool(given["success"])
    seconds = given.get("execution_time")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return ()
    if per_second != 1:
        given["execution_time"] = seconds = seconds / per_second
    if -_ROUNDING <= seconds < 0:
        given["execution_time"] = 0.0
        return (f"execution_time was {seconds}, and is taken for 0",)
    return ()


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
    return record, (*notes, *entry.notes)


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
