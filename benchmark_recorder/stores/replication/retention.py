"""What a rewrite of a journal must keep for its remote stores, and where their marks stand afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark_recorder.stores.base import PlaceLostError, Position
from benchmark_recorder.stores.json_file.places import find_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.stores.json_file.source import Source
    from benchmark_recorder.stores.replication.cursor import Cursor, Marks


class Retention:
    """The marks of a document that is rewritten.

    Args:
        source: the document as it was.
        path: of it, for errors.
        marks: all of its marks, held.
        refused: the ids of records in quarantine, which are kept as well.
    """

    def __init__(self, source: Source, path: str, marks: Marks, refused: set[str]) -> None:
        self._refused = refused
        self._followed = [(file, mark, _offsets(source, mark, path)) for file, mark in marks]

    @property
    def offsets(self) -> frozenset[int]:
        """The places that are to be followed into the new document."""
        return frozenset(offset for _, _, places in self._followed for offset in places.values())

    def holds(self, start: int, end: int, record_id: str | bytes) -> bool:
        """Whether the record between two offsets must stay: a remote store has not confirmed it, or refused it."""
        return record_id in self._refused or any(
            not places or start < places["attached"] or end > places["delivered"] for _, _, places in self._followed
        )

    def move(self, inode: int, found: Mapping[int, tuple[int, str]]) -> None:
        """Write the marks anew; one whose place was lost before stays so, and everything is delivered again.

        Args:
            inode: of the new document.
            found: for each old offset the new one, and the id of the record before it.
        """
        for file, mark, places in self._followed:
            if places:
                moved = {name: Position(inode, *found[offset]) for name, offset in places.items()}
                file.write(
                    replace(
                        mark,
                        attached=moved["attached"],
                        delivered=moved["delivered"],
                        attempted=moved.get("attempted"),
                    )
                )


def _offsets(source: Source, mark: Cursor, path: str) -> dict[str, int]:
    """The present offset of each of a mark's places; none where one is lost."""
    places = {"attached": mark.attached, "delivered": mark.delivered}
    if mark.attempted is not None:
        places["attempted"] = mark.attempted
    try:
        return {name: find_place(source, place, path) for name, place in places.items()}
    except PlaceLostError:
        return {}
