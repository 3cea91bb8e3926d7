"""Ids and times of records; a record of an old file gets the same id whenever it is read."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import InvalidRecordError, preview

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        text = moment.astimezone(UTC).isoformat(timespec="microseconds")
        datetime.fromisoformat(text)  # pandas' NaT is a datetime, too
        return text  # noqa: TRY300 - what was made is part of what is tried
    except (TypeError, ValueError, OverflowError, OSError):
        message = f"timestamp: expected a datetime or an ISO 8601 text, got {preview(value)}"
        raise InvalidRecordError(message, field="timestamp") from None


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
