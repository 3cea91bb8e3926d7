"""The indexes of a collection; without them questions are slower, and recording works."""

from __future__ import annotations

from typing import Final

from pymongo import ASCENDING, IndexModel

NO_INDEX: Final = frozenset({13, 50, 85, 86, 8000})
"""Codes for an index that is not created: no right, no time (create it by hand), or another index in its place."""


def indexes(expire_after_days: float | None) -> list[IndexModel]:
    """By version and by task; and by age, where the server is to remove older records."""
    made = [
        IndexModel([("version", ASCENDING), ("time", ASCENDING)]),
        IndexModel([("task_id", ASCENDING), ("version", ASCENDING), ("time", ASCENDING)]),
    ]
    if expire_after_days is not None:
        seconds = int(expire_after_days * 86_400)
        made.append(IndexModel([("recorded_at", ASCENDING)], expireAfterSeconds=seconds))
    return made
