"""Replacing a document by rename: with some records left out, or with other content."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING, Final

import msgspec

from benchmark_recorder.identity import timestamp_micros
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import PlaceLostError, Position
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, convert, id_of, read_at
from benchmark_recorder.stores.json_file.source import find_place, lines
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.sidefiles import back_up, folder_of, sync_folder, write_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from benchmark_recorder.stores.json_file.format import Layout
    from benchmark_recorder.stores.json_file.source import Source
    from benchmark_recorder.stores.sidefiles import Cursor, CursorFile


def replace(document: str, fd: int, content: Iterable[bytes]) -> None:
    """Put new content in a document's place, atomically, so that everybody who has the old one open notices.

    Args:
        document: its real path.
        fd: the old document, open and locked by the caller.
        content: of the new one, in parts.

    Raises:
        StoreUnavailableError: it could not be written; the old document is as it was.
    """
    old = os.fstat(fd)
    try:
        new = write_beside(document, content)
    except OSError as error:
        raise unavailable(error, folder_of(document), "write to") from error
    try:
        os.chmod(new, old.st_mode & 0o7777)
        with suppress(PermissionError):
            os.chown(new, old.st_uid, old.st_gid)
        os.replace(new, document)
    except OSError as error:
        os.unlink(new)
        raise unavailable(error, document, "replace") from error
    os.pwrite(fd, RETIRED, old.st_size)
    sync_folder(os.path.dirname(document))


RETIRED: Final = b" \n"
"""Blanks behind the closing of a document that was replaced by one of ours.

It stays valid JSON (it may be somebody's hard link), but is not as its writers left it, so that their next look at its
tail notices; and they know that what they wrote to it was taken along, or left out on purpose.
"""


def is_retired(fd: int) -> bool:
    """Whether a document was replaced by one of ours, rather than moved away or deleted by others."""
    size = os.fstat(fd).st_size
    return os.pread(fd, len(RETIRED), max(0, size - len(RETIRED))) == RETIRED


class Retention:
    """What a rewrite must keep for remote stores, and where their cursors point afterwards.

    Args:
        source: the document as it was.
        path: of it, for errors.
        cursors: all of its cursors, held.
        quarantined: the ids of records in quarantine, which are kept as well.
    """

    def __init__(
        self, source: Source, path: str, cursors: Iterable[tuple[CursorFile, Cursor]], quarantined: Collection[str]
    ) -> None:
        self._quarantined = quarantined
        self._followed = [(file, cursor, _offsets(source, cursor, path)) for file, cursor in cursors]

    @property
    def offsets(self) -> frozenset[int]:
        """The places to be followed into the new document."""
        return frozenset(offset for _, _, places in self._followed for offset in places.values())

    def holds(self, start: int, end: int, record_id: str | bytes) -> bool:
        """Whether the record between two offsets must stay: a remote store has not confirmed it, or refused it."""
        return record_id in self._quarantined or any(
            not places or start < places["attached"] or end > places["delivered"] for _, _, places in self._followed
        )

    def move(self, inode: int, found: Mapping[int, tuple[int, str]]) -> None:
        """Write the cursors anew; one whose place was lost before stays so, and everything is delivered again.

        Args:
            inode: of the new document.
            found: for each old offset the new one, and the id of the record before it.
        """
        for file, cursor, places in self._followed:
            if places:
                moved = {name: Position(inode, *found[offset]) for name, offset in places.items()}
                attempted = moved.pop("attempted", None)
                file.write(with_changes(cursor, **moved, attempted=attempted))  # type: ignore[arg-type]  # places only


def _offsets(source: Source, cursor: Cursor, path: str) -> dict[str, int]:
    """The present offset of each of a cursor's places; empty where one is lost."""
    places = {"attached": cursor.attached, "delivered": cursor.delivered}
    if cursor.attempted is not None:
        places["attempted"] = cursor.attempted
    try:
        return {name: find_place(source, place, path) for name, place in places.items()}
    except PlaceLostError:
        return {}


class Selection:
    """The content of a document with only the records that are kept, each id once; everything else stays.

    Args:
        source: the document.
        keep: whether a line is kept.
        retention: what is kept in any case, and the offsets to follow.
        only_follow: only follow the offsets.

    Attributes:
        removed: lines that were left out so far.
        found: for each followed offset the new one, and the id of the record before it.
    """

    def __init__(
        self, source: Source, keep: Callable[[bytes], bool], retention: Retention, *, only_follow: bool = False
    ) -> None:
        self._source, self._keep, self._retention = source, keep, retention
        self._only_follows = only_follow
        self.removed = 0
        self.found: dict[int, tuple[int, str]] = {}

    def __iter__(self) -> Iterator[bytes]:
        header = self._source.layout.header
        opening = self._source.read(0, header) or HEADER
        yield opening
        seen: set[str | bytes] = set()
        last: str | bytes = ""
        old, new = header, len(opening)
        joint, followed = b"\n", self._retention.offsets
        self.found = dict.fromkeys(followed, (0, ""))
        for line in lines(self._source, header):
            start, old = old, old + len(line) + (1 if old == header else len(JOINT))
            identity = _identity(line)
            if identity not in seen and (self._keep(line) or self._is_retained(start, old, identity)):
                seen.add(identity)
                yield joint + line
                new, last, joint = new + len(joint) + len(line), identity, JOINT
            else:
                self.removed += 1
            if old in followed and isinstance(last, str) and last:
                self.found[old] = new, last
        yield CLOSING

    def _is_retained(self, start: int, end: int, identity: str | bytes) -> bool:
        return not self._only_follows and self._retention.holds(start, end, identity)


def _identity(line: bytes) -> str | bytes:
    try:
        return id_of(line)
    except msgspec.DecodeError:
        return line


class _Timed(msgspec.Struct, gc=False):
    timestamp: str


_decode = msgspec.json.Decoder(_Timed).decode


def is_since(line: bytes, moment: int) -> bool:
    """Whether a record is of a moment (microseconds since 1970) or later, or not a record at all."""
    try:
        return timestamp_micros(_decode(line).timestamp) >= moment
    except (msgspec.DecodeError, ValueError, OverflowError):
        return True


# Repair ---------------------------------------------------------------------------------------------------------------


def repair_tail(fd: int, document: str, layout: Layout) -> None:
    """Cut a document behind its last whole record.

    Args:
        fd: of the document.
        document: its real path.
        layout: where its records are.

    Raises:
        OSError: it cannot be read or written.
    """
    size = os.fstat(fd).st_size
    torn = read_at(fd, layout.end, size)
    if b"\n" in torn.strip(b",\n \0"):
        # More than the one record of a killed writer: somebody else's doing, so nothing is thrown away.
        back_up(document, [read_at(fd, 0, size)])
    os.ftruncate(fd, layout.end)
    if layout.header:
        os.pwrite(fd, CLOSING, layout.end)
    logger.warning("%s ended in a cut record (%d bytes), which was removed", document, layout.torn)


def convert_in_place(fd: int, document: str, path: str) -> None:
    """Replace an older document by the same one in our form.

    Args:
        fd: of the document.
        document: its real path.
        path: what to call it in an error.

    Raises:
        StoreFormatError: it holds something else; it was not touched.
        StoreUnavailableError: it cannot be read, backed up or replaced.
    """
    content = read_at(fd, 0, os.fstat(fd).st_size)
    converted = convert(content, path)
    try:
        if converted.layout.torn:
            back_up(document, [content])
    except OSError as error:
        raise unavailable(error, path, "back up") from error
    replace(document, fd, [converted.content])
