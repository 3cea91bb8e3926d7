"""The errors that this package raises.

::

    BenchmarkRecorderError
    ├── InvalidRecordError       (ValueError)   a record's field; names it, and says what it accepts
    ├── InvalidQueryError        (ValueError)   an unknown metric, query argument or value
    ├── ConfigurationError       (ValueError)   a setting; says where it came from
    ├── MissingDependencyError   (ImportError)  holds the pip line that installs what is missing
    └── StoreError
        ├── StoreFormatError                    the file or table is not ours
        ├── StoreUnavailableError               the store cannot be reached, read or written now
        │   ├── StoreBusyError                  another call of this process is at work on it
        │   └── StoreSetupError                 nor later, until someone acts; says what to do
        └── RefusedRecordsError                 the store refuses some records for their content; says which and why

A driver's or the system's own error is the ``__cause__``.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


class BenchmarkRecorderError(Exception):
    """The base of all errors of this package."""


class InvalidRecordError(BenchmarkRecorderError, ValueError):
    """A record is invalid.

    Attributes:
        field: the argument that is wrong, as the caller wrote it (``"metadata.tags[2]"``).
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field

    def __reduce__(self) -> tuple[Callable[[str], InvalidRecordError], tuple[str]]:
        # Worker processes send errors by pickle, which does not know keyword arguments.
        return functools.partial(InvalidRecordError, field=self.field), (str(self),)


class InvalidQueryError(BenchmarkRecorderError, ValueError):
    """A question has an unknown metric, argument or value."""


class ConfigurationError(BenchmarkRecorderError, ValueError):
    """A setting is wrong."""


class MissingDependencyError(BenchmarkRecorderError, ImportError):
    """An optional package is not installed."""


class StoreError(BenchmarkRecorderError):
    """A store cannot do what it was asked for."""


class StoreFormatError(StoreError):
    """The file or table holds something that is not ours; nothing in it was touched."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached, read or written at the moment.

    Attributes:
        unchanged: whether certainly nothing was written, so that a retry need not look for it.
    """

    def __init__(self, message: str, *, unchanged: bool = False) -> None:
        super().__init__(message)
        self.unchanged = unchanged


class StoreBusyError(StoreUnavailableError):
    """Another call of this process is at work on the store; nothing was written.

    Attributes:
        interrupted: a signal handler made this call; the other one is of the thread that it interrupted, or takes long.
    """

    def __init__(self, message: str, *, interrupted: bool = False) -> None:
        super().__init__(message, unchanged=True)
        self.interrupted = interrupted


class StoreSetupError(StoreUnavailableError):
    """The store stays unusable until someone acts: permissions, credentials, a missing table. Says what to do.

    Nothing is wrong with the records: they stay in the queue, which tries again now and then.
    """


class RefusedRecordsError(StoreError):
    """The store refuses some records for their content, and always will; the others are stored.

    Attributes:
        reasons: why, by ``record_id``.
        new: how many of the others are new.
    """

    def __init__(self, message: str, *, reasons: Mapping[str, str], new: int = 0) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.new = new

    def __reduce__(self) -> tuple[Callable[[str], RefusedRecordsError], tuple[str]]:
        return functools.partial(RefusedRecordsError, reasons=self.reasons, new=self.new), (str(self),)


def preview(value: object) -> str:
    """A value for an error message: short, and never an object's own repr, which may hold secrets."""
    if isinstance(value, int) and abs(value) >= 10**80:  # Python refuses to print a number of thousands of digits
        return f"a number of {value.bit_length():,} bits"
    if isinstance(value, str | int | float | bool | None):
        text = ascii(value)
        return text if len(text) <= 80 else f"{text[:60]}... ({len(text):,} characters)"
    return f"a {type(value).__name__}"


_SECRET: Final = re.compile(r"(?<=://)[^/\s]*(?=@)|(?<=password=)[^&\s]+|(?<=properties=)[^&\s]+", re.IGNORECASE)
"""A URL's user and password, and its options that hold passwords or tokens."""


def without_secrets(text: str) -> str:
    """The same text with each secret of a URL in it replaced by ``***``."""
    return _SECRET.sub("***", text)


def one_of(name: str, value: object, allowed: Collection[str]) -> str:
    """The value, if it is one of those allowed.

    Raises:
        InvalidQueryError: it is not allowed; the message lists the allowed ones.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise InvalidQueryError(f"{name}: expected one of {', '.join(allowed)}, got {preview(value)}")


def missing(what: str, extra: str) -> MissingDependencyError:
    """The error where an extra is not installed: what needs it, in words, and the line that installs it."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("benchmark-recorder") or ()
    except PackageNotFoundError:  # imported from a checkout that is not installed
        lines = ()
    wanted = [line.partition(";")[0].strip() for line in lines if line.endswith((f"== '{extra}'", f'== "{extra}"'))]
    return MissingDependencyError(f"{what}: pip install " + " ".join(f'"{each}"' for each in wanted or [f".[{extra}]"]))
