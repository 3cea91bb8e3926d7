"""What became of a batch that the server took in part, and the driver's errors in words."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreFormatError, StoreSetupError, preview
from benchmark_recorder.stores.quarantine import REFUSED_ALIKE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.errors import BulkWriteError

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
