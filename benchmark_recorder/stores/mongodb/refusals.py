"""What the server refuses: records of a batch, or a question that it lacks the means for; and its errors in words."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from benchmark_recorder.errors import StoreError, StoreFormatError, StoreSetupError, preview
from benchmark_recorder.log import logger
from benchmark_recorder.stores.quarantine import REFUSED_ALIKE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pymongo.collection import Collection
    from pymongo.command_cursor import CommandCursor
    from pymongo.cursor import Cursor
    from pymongo.errors import BulkWriteError, OperationFailure

    Answer: TypeAlias = Cursor[dict[str, Any]] | CommandCursor[dict[str, Any]]
    Ask: TypeAlias = Callable[[Collection[dict[str, Any]], Mapping[str, Any]], Answer]

TOO_LARGE: Final = 10334
"""The code for a document that is larger than the server allows."""

_DUPLICATE_KEY: Final = 11000
_BY_ID: Final = {"_id": 1}

_ABOUT_THE_DOCUMENT: Final = frozenset(
    # a validator; bad values and BSON; names of fields; what an index of the user's cannot hold
    {121, 2, 9, 14, 15, 22, TOO_LARGE, 52, 53, 55, 56, 57, 171, 16755, 17280}
)
"""Codes of a document's write error that would recur. Any other may pass: it is the server's trouble."""


def check_acknowledged(result: object, name: str) -> None:
    """Check that a batch that raised no error was stored.

    Raises:
        StoreSetupError: the result is not the driver's, or not of an acknowledged write, so nothing is known.
    """
    from pymongo.results import InsertManyResult

    if not isinstance(result, InsertManyResult) or not result.acknowledged:
        raise StoreSetupError(f"{name} did not acknowledge: insert_many returned {preview(result)}")


def outcome_of(error: BulkWriteError, count: int, name: str, reasons: dict[str, str]) -> int:
    """How many of a partly refused batch's documents were new; the refusals are added to ``reasons``, by id.

    Raises:
        pymongo.errors.BulkWriteError: some may not be stored, through no fault of their own.
        StoreSetupError: all are refused alike, which is the collection's doing.
    """
    details = error.details or {}
    refused: dict[str, str] = {}
    codes: set[int | None] = set()
    for failure in details.get("writeErrors", ()):
        code = failure.get("code")
        # Under another unique index, a different record is stored, and this one is not.
        if code == _DUPLICATE_KEY and failure.get("keyPattern", _BY_ID) == _BY_ID:
            continue
        if code != _DUPLICATE_KEY and code not in _ABOUT_THE_DOCUMENT:
            raise error
        codes.add(code)
        refused[failure["op"]["_id"]] = f"{failure.get('errmsg', 'refused')} (code {code})"
    if details.get("writeConcernErrors"):
        raise error
    if len(refused) == count >= REFUSED_ALIKE and len(codes) == 1 and TOO_LARGE not in codes:
        raise StoreSetupError(
            f"{name} refuses every record alike: {next(iter(refused.values()))}; check the collection's validator and "
            "its unique indexes"
        ) from error
    reasons |= refused
    return int(details.get("nInserted", 0))


_TIMEOUTS: Final = re.compile(r" \(configured timeouts: [^()]*\)")


def reason_of(error: Exception) -> str:
    """The driver's words in one short line, without its timeouts and its description of the servers."""
    words = str(error).partition(", full error:")[0].partition(", Timeout: ")[0]
    text = " ".join(_TIMEOUTS.sub("", words).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


@contextmanager
def ours(name: str) -> Iterator[None]:
    """Around reading: what cannot be read as a record was not written by this package."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise StoreFormatError(f"{name} holds documents that are not benchmark records: {error}") from error


# What a server lacks -------------------------------------------------------------------------------------------------
#
# One that only speaks MongoDB's protocol, or a small tier of Atlas. Such a refusal lasts, so it is not an outage: the
# question is put more plainly, or its records are fetched and tabulated here.

_CODES: Final = frozenset({59, 72, 115, 168, 238, 303, 304, 15952, 15999, 31325, 40324, 40415, 40485})
"""No such command, option, stage, operator or accumulator, in the numbers of the several servers."""

_WORDS: Final = re.compile(
    r"not supported|unsupported|not implemented|unrecogni[sz]ed|not allowed in this atlas tier|"
    r"unknown (?:group |top level )?(?:operator|expression|option|field)",
    re.IGNORECASE,
)
"""How they put it under other codes (Atlas has 8000 for everything, refused logins included)."""


class LackingError(StoreError):
    """The server lacks a part of what it was asked, and always will."""


def is_lacking(error: OperationFailure) -> bool:
    """Whether a refusal is about what was asked for, and would be the same at any other time."""
    return (
        error.code in _CODES or _WORDS.search(str(error.details.get("errmsg") if error.details else error)) is not None
    )


ROWS_AT_ONCE: Final = 1000
"""Documents that become arrays together: few enough for the processor's cache; ten times as many take 1.5 times as long
each."""


class Questions:
    """Puts questions to a collection; options that its server lacks are left out.

    Args:
        collection: makes it.
        talking: around one exchange with the server: the driver's errors as ours.

    Attributes:
        is_plain: whether the server lacks some of the options.
        limitation: what it lacks besides, so that questions are answered here, as far as is known.
    """

    def __init__(
        self, collection: Callable[[], Collection[dict[str, Any]]], talking: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._collection, self._talking = collection, talking
        self.is_plain = False
        self.limitation: str | None = None

    def answers(self, ask: Ask, options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """The documents of an answer, some at a time.

        Args:
            ask: puts the question to a collection.
            options: on which the answer does not depend where a server lacks them.

        Raises:
            LackingError: the server lacks something that is needed.
        """
        try:
            answer, rows = self._begin(ask, {} if self.is_plain else options)
        except LackingError:
            answer, rows = self._begin(ask, {})
            self.is_plain = True
        with answer:
            while rows:
                yield rows
                with self._talking():
                    rows = list(islice(answer, ROWS_AT_ONCE))

    def _begin(self, ask: Ask, options: Mapping[str, Any]) -> tuple[Answer, list[dict[str, Any]]]:
        with self._talking():
            answer = ask(self._collection(), options)
            return answer, list(islice(answer, ROWS_AT_ONCE))

    def note(self, error: Exception) -> None:
        """A question is answered here; the log says once why, if the server lacks something."""
        if isinstance(error, LackingError) and self.limitation is None:
            self.limitation = f"{error}; questions fetch its records and are answered here"
            logger.info("%s", self.limitation)
