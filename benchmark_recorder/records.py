"""One execution (``BenchmarkMetric``), the document it is stored as, and its id and time.

Stores hold documents; people read ``BenchmarkMetric``. Most executions are plain: stored as they are. A dozen
comparisons find that out in a fraction of the time that ``validation`` takes, and a program that records nothing else
never imports it, nor pydantic.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import import_module
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.errors import preview as preview
from benchmark_recorder.fields import COLUMNS as COLUMNS
from benchmark_recorder.fields import FIELDS as FIELDS
from benchmark_recorder.fields import MAX_METADATA_BYTES, MAX_TEXT, of_kind
from benchmark_recorder.fields import METRIC_FIELDS as METRIC_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Document: TypeAlias = dict[str, Any]
"""A record as it is stored: JSON values under the field names of ``BenchmarkMetric``, absent fields left out."""

Columns: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Records as columns: one array per asked-for field, all of one length (see ``COLUMNS``)."""


@dataclass(frozen=True, slots=True)
class BenchmarkMetric:
    """One task execution.

    The first eleven fields are those of the files that exist already; ``dataclasses.asdict`` works.

    Attributes:
        timestamp: when it was recorded, ISO 8601; ours are UTC with ``+00:00``, a naive one is local time.
        version: of the orchestrator.
        git_commit: of the orchestrator's checkout, where one was found.
        task_id: what makes runs of two versions comparable; ``sha256(task)[:12]`` unless given.
        task_description: the task's text.
        execution_time: seconds.
        success: whether the task succeeded.
        agent_selected: the agent that the task was routed to.
        cost_estimated: USD; 0.0 when unknown (see ``cost_known``).
        difficulty: 0 to 1.
        metadata: anything that is JSON, up to 16 KiB.
        record_id: 32 hexadecimal digits, ordered by time; a store counts one id once.
        cost_known: ``True`` where the caller gave a cost of 0; otherwise a cost of 0 is unknown.
        expected_agent: the agent that would have been right.
        error_type: the class of the exception, ``"Timeout"``, ...
        host: where it ran.
        model: the language model.
        input_tokens: read by the model.
        output_tokens: written by the model.
        parent_id: the record of the run that this one was a part of; ``None`` for a root.
        dropped: arguments of ``record_execution`` that ``measure`` or ``track`` left out because they were wrong.
    """

    timestamp: str
    version: str
    git_commit: str | None
    task_id: str
    task_description: str
    execution_time: float
    success: bool
    agent_selected: str | None
    cost_estimated: float
    difficulty: float | None = None
    metadata: dict[str, Any] | None = field(default_factory=dict)
    record_id: str | None = None
    cost_known: bool | None = None
    expected_agent: str | None = None
    error_type: str | None = None
    host: str | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    parent_id: str | None = None
    dropped: list[str] | None = None


def is_unicode(text: str) -> bool:
    """Whether a text is without surrogates, which no encoding takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str) -> str:
    """A text as every store can hold it: pairs of surrogates joined, lone ones as U+FFFD."""
    if text.isascii() or is_unicode(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_text(text: str) -> tuple[str, str]:
    """A text field as it is stored, and how it was changed (``""`` if it was not)."""
    stored, notes = encodable(text), []
    if stored is not text:
        notes.append("had lone surrogates, which became U+FFFD")
    if len(stored) > MAX_TEXT:
        marker = f"… [cut from {len(stored):,} characters]"
        notes.append(f"was cut from {len(stored):,} to {MAX_TEXT:,} characters")
        stored = stored[: MAX_TEXT - len(marker)] + marker
    return stored, " and ".join(notes)


def known_cost(document: Document) -> float | None:
    """The cost in USD, or ``None`` where it is unknown."""
    cost = document.get("cost_estimated") or 0.0
    return cost if cost or document.get("cost_known") else None


# Ids and times -------------------------------------------------------------------------------------------------------


class _Identity:
    """The parts of an id that are this process's own; a forked child makes its own."""

    def __init__(self) -> None:
        self.process = os.urandom(6).hex()[:11]
        # It ends long after any process; where the clock stands still, a new identity then begins.
        self.counter = iter(range(_FIRST_COUNT + int.from_bytes(os.urandom(2), "big"), 10 * _FIRST_COUNT))
        # A second, as hexadecimal digits and as text: one tuple, so threads need no lock.
        self.clock: tuple[int | None, str, str] = (None, "", "")


_FIRST_COUNT: Final = 1_000_000
"""A number of fixed length needs no padding, which would take as long as all the rest."""

_identity = _Identity()


@in_child
def _renew_identity() -> None:
    global _identity  # noqa: PLW0603
    _identity = _Identity()


def stamp() -> tuple[str, str]:
    """A new record id and the present time as text, of one moment.

    The id is the second since 1970 in 8 hexadecimal digits (the last 8, before 1970 and after 2106), its microsecond in
    6 digits, 7 digits of a counter and 11 hexadecimal digits of the process: ids sort by time, and two processes make
    the same one within one microsecond with a probability below 2**-60. No counter comes again in one process, so a
    clock that stands still makes no two ids alike.
    """
    me = _identity
    try:
        count = next(me.counter)
    except StopIteration:
        _renew_identity()
        return stamp()
    second, micros = divmod(time.time_ns() // 1000, 1_000_000)
    clock = me.clock
    if clock[0] != second:
        # isoformat, because strftime imports a module, which nothing can at the interpreter's end.
        text = datetime.fromtimestamp(second, UTC).isoformat()[:19]
        clock = me.clock = (second, f"{second & 0xFFFFFFFF:08x}", text)
    fraction = f"{1_000_000 + micros}"[1:]
    return f"{clock[1]}{fraction}{count}{me.process}", f"{clock[2]}.{fraction}+00:00"


def timestamp_text(value: datetime | str) -> str:
    """A caller's or a file's time as UTC text; a naive one is local time.

    Raises:
        InvalidRecordError: it is neither a datetime nor ISO 8601 text.
    """
    try:
        if isinstance(value, str) and value.isdigit() and len(value) > 8:  # milliseconds, in which Python finds a year
            raise ValueError(value)  # noqa: TRY301
        moment = value if type(value) is datetime else datetime.fromisoformat(value)  # type: ignore[arg-type]
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        from benchmark_recorder.times import respelled  # most programs never need it

        return respelled(value)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def timestamp_micros(text: str) -> int:
    """Microseconds since 1970 of a stored time; a naive one is local time.

    Raises:
        ValueError: it is not ISO 8601 text, or in none of the years 1 to 9999 in UTC.
    """
    moment = datetime.fromisoformat(text)
    try:
        if moment.tzinfo is not UTC:  # ours are: to convert them takes as long as all the rest
            moment = moment.astimezone(UTC)
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError as error:
        raise ValueError(str(error)) from error


def task_id_of(task: str) -> str:
    """The id of a task without one: 12 hexadecimal digits of its text's SHA-256."""
    # A long text is hashed each time: keeping thousands of prompts takes more memory than hashing them is worth.
    return _kept_digest(task) if len(task) <= 1024 else _digest(task)


def is_made(task_id: str) -> bool:
    """Whether an id looks like one that was made from a task's text, and so stands for no other text."""
    return len(task_id) == 12 and _HEXADECIMAL.issuperset(task_id)


_HEXADECIMAL: Final = frozenset("0123456789abcdef")


def _digest(task: str) -> str:
    return hashlib.sha256(task.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:12]


_kept_digest = lru_cache(maxsize=4096)(_digest)


def legacy_record_id(document: Mapping[str, Any], ordinal: int) -> str:
    """The id of a record of an old file, the same whenever that file is read.

    Args:
        document: the record as the file has it, without an id.
        ordinal: how many identical records precede it.
    """
    canonical = msgspec.json.encode(document, order="deterministic")
    return hashlib.sha256(canonical + str(ordinal).encode(), usedforsecurity=False).hexdigest()[:32]


def keyed_record_id(version: str, task_id: str, key: object) -> str:
    """The id of a record whose caller says when two are the same.

    Raises:
        InvalidRecordError: the key is not a text, or empty.
    """
    if not isinstance(key, str) or not key:
        message = f"idempotency_key: expected a text that is not empty, got {preview(key)}"
        raise InvalidRecordError(message, field="idempotency_key")
    sound = key.encode(errors="surrogatepass").decode(errors="replace")
    named = msgspec.json.encode(["key", version, task_id, sound])
    return hashlib.sha256(named, usedforsecurity=False).hexdigest()[:32]


# Plain values --------------------------------------------------------------------------------------------------------

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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's
    """``Query``, which is defined in ``queries``."""
    if name == "Query":
        return import_module("benchmark_recorder.queries").Query
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
