"""What became of a batch that the server took in part, and the driver's errors in words."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.errors import BulkWriteError

TOO_LARGE: Final = 10334
"""The code for a document that is larger than the server allows."""

_DUPLICATE_KEY: Final = 11000
_BY_ID: Final = {"_id": 1}

_NOT_THE_RECORDS_FAULT: Final = frozenset(
    # rights, shutdown, elections, interruption, time limits, conflicts, disk space, sharding in motion
    {6, 7, 13, 18, 24, 46, 50, 63, 64, 89, 91, 100, 112, 133, 134, 150, 175, 189, 202, 234, 262, 290, 314, 317, 358}
    | {8000, 9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031}
)
"""Codes of a document's write error that may not recur; any other is the document's own fault."""


def outcome_of(error: BulkWriteError, reasons: dict[str, str]) -> int:
    """How many documents of a partly refused batch were new; the refusals are added to ``reasons``.

    Raises:
        pymongo.errors.BulkWriteError: some may not be stored, through no fault of their own.
    """
    details = error.details or {}
    refused: dict[str, str] = {}
    for failure in details.get("writeErrors", ()):
        code = failure.get("code")
        if code in _NOT_THE_RECORDS_FAULT:
            raise error
        # Under another unique index, a different record is stored, and this one is not.
        if code != _DUPLICATE_KEY or failure.get("keyPattern", _BY_ID) != _BY_ID:
            refused[failure["op"]["_id"]] = f"{failure.get('errmsg', 'refused')} (code {code})"
    if details.get("writeConcernErrors"):
        raise error
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
