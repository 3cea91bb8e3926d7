"""Rewriting a document with some records left out; what remote stores still need stays."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import replace as with_changes
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.records import plain_text, timestamp_micros
from benchmark_recorder.stores.base import DELIVER_TO, PlaceLostError, Position
from benchmark_recorder.stores.cursors import cursors_held
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, id_of
from benchmark_recorder.stores.json_file.places import find_place
from benchmark_recorder.stores.json_file.source import Source, lines
from benchmark_recorder.stores.locking import REWRITE_SECONDS, lock, unavailable
from benchmark_recorder.stores.quarantine import Quarantine
from benchmark_recorder.stores.replacing import replace
from benchmark_recorder.stores.sidefiles import STARTED, back_up, folder_of, names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from benchmark_recorder.stores.cursors import Cursor, CursorFile
    from benchmark_recorder.stores.json_file.writer import Writer


@contextmanager
def rewriting(path: str, writer: Writer) -> Iterator[Rewrite]:
    """A document, locked, with all its cursors held; the lease is not needed.

    This process's writer opens the document anew afterwards.

    Raises:
        StoreError: the document or a cursor cannot be locked or read.
    """
    document = os.path.realpath(path)
    with cursors_held(document) as cursors, writer.held(REWRITE_SECONDS) as (fd, real, layout):
        sweep(document)
        source = Source(fd, layout, (0, 0), 0, 0)
        yield Rewrite(source, real, writer, Retention(source, path, cursors, Quarantine(document).ids()))


def sweep(document: str) -> None:
    """Remove unfinished files beside a document whose processes were killed: they may be as large as it is."""
    folder = folder_of(document)
    for name in names_in(folder):
        if name.startswith("new-") and name.endswith(".tmp"):
            path = os.path.join(folder, name)
            with suppress(OSError, ValueError), open(path, "rb") as file:
                lock(file.fileno(), path, seconds=0)
                pid = int(name.split("-")[1])
                if not _lives(pid) or (pid == os.getpid() and os.fstat(file.fileno()).st_mtime < STARTED):
                    os.unlink(path)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class Rewrite:
    """A locked document that is to be rewritten, and what must be kept."""

    def __init__(self, source: Source, document: str, writer: Writer, retention: Retention) -> None:
        self.source = source
        self._document, self._writer, self._retention = document, writer, retention

    def back_up(self) -> Path:
        """Make a backup of the document as it is; the backup's path.

        Raises:
            StoreUnavailableError: it could not be written.
        """
        try:
            return Path(back_up(self._document, self.source.whole()))
        except OSError as error:
            raise unavailable(error, self._writer.path, "back up") from error

    def keep(
        self,
        keep: Callable[[bytes], bool],
        *,
        unconfirmed: bool = False,
        parts_of: Callable[[bytes], Sequence[bytes]] = lambda line: (line,),
    ) -> int:
        """Rewrite the document with the lines that are kept, and move the cursors; how many lines were not kept.

        Args:
            keep: whether a line is kept.
            unconfirmed: leave out also what a remote store has not confirmed; otherwise that stays.
            parts_of: the lines that one stands for.

        Raises:
            StoreUnavailableError: it could not be written; the document is as it was.
        """
        selection = Selection(self.source, keep, self._retention, parts_of, only_follow=unconfirmed)
        replace(self._document, self.source.fd, selection)
        self._writer.forget()
        self._retention.move(os.stat(self._document).st_ino, selection.found)
        return selection.removed

    def prune(self, before: int | None, version: str | None, *, unconfirmed: bool = False) -> int:
        """The same without the records from before a moment (microseconds since 1970), or of a version, or both.

        Raises:
            InvalidQueryError: neither is given.
        """
        if before is None and version is None:
            raise InvalidQueryError("before: give a moment, a version, or both")
        return self.keep(lambda line: not _is_old(line, before, version), unconfirmed=unconfirmed)

    def rename_version(self, old: str, new: str) -> int:
        """Give the records of one version the name of another; how many were given it.

        Raises:
            InvalidQueryError: the new name is none that a record can have.
        """
        if not isinstance(new, str) or not new.strip() or plain_text(new)[1]:
            raise InvalidQueryError(f"new: expected the name of a version that is not blank, got {preview(new)}")
        renamed = 0

        def parts_of(line: bytes) -> tuple[bytes]:
            nonlocal renamed
            other = _renamed(line, old, new)
            renamed += other is not line
            return (other,)

        self.keep(lambda _: True, parts_of=parts_of)
        Quarantine(self._document).rename_version(old, new)
        return renamed


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
        cursors = list(cursors)
        self._attached = {file.stem for file, _ in cursors}
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

    def is_addressed(self, line: bytes) -> bool:
        """Whether a record is for a remote store that has no cursor yet."""
        if DELIVER_TO.encode() not in line:
            return False
        try:
            return not self._attached.issuperset(_decode_addressed(line).deliver_to)
        except msgspec.DecodeError:
            return False

    def move(self, inode: int, found: Mapping[int, tuple[int, str]]) -> None:
        """Write the cursors anew, by the new offset of each old one and the id of the record before it.

        One whose place was lost before stays so, and everything is delivered again.
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
        parts_of: the lines that one stands for.
        only_follow: only follow the offsets.

    Attributes:
        removed: lines that were left out so far.
        found: for each followed offset the new one, and the id of the record before it.
    """

    def __init__(
        self,
        source: Source,
        keep: Callable[[bytes], bool],
        retention: Retention,
        parts_of: Callable[[bytes], Sequence[bytes]],
        *,
        only_follow: bool = False,
    ) -> None:
        self._source, self._keep, self._retention, self._parts_of = source, keep, retention, parts_of
        self._only_follows = only_follow
        self.removed = 0
        self.found: dict[int, tuple[int, str]] = {}

    def __iter__(self) -> Iterator[bytes]:
        header = self._source.header
        opening = self._source.read(0, header) or HEADER
        yield opening
        seen: set[str | bytes] = set()
        last: str | bytes = ""
        old, new = header, len(opening)
        joint, followed = b"\n", self._retention.offsets
        self.found = dict.fromkeys(followed, (0, ""))
        for line in lines(self._source, header):
            start, old = old, old + len(line) + (1 if old == header else len(JOINT))
            for part in self._parts_of(line):
                identity = _identity(part)
                if identity not in seen and (self._keep(part) or self._is_retained(part, start, old, identity)):
                    seen.add(identity)
                    yield joint + part
                    new, last, joint = new + len(joint) + len(part), identity, JOINT
                else:
                    self.removed += 1
            if old in followed and isinstance(last, str) and last:
                self.found[old] = new, last
        yield CLOSING

    def _is_retained(self, line: bytes, start: int, end: int, identity: str | bytes) -> bool:
        if self._only_follows:
            return False
        return self._retention.holds(start, end, identity) or self._retention.is_addressed(line)


def _identity(line: bytes) -> str | bytes:
    try:
        return id_of(line)
    except msgspec.DecodeError:
        return line


class _Dated(msgspec.Struct, gc=False):
    timestamp: str
    version: object = None


class _Addressed(msgspec.Struct, gc=False):
    deliver_to: list[str] = []


_decode = msgspec.json.Decoder(_Dated).decode
_decode_addressed = msgspec.json.Decoder(_Addressed).decode


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _is_old(line: bytes, before: int | None, version: str | None) -> bool:
    """Whether a record is from before a moment, and of a version; a line that is not a record never is."""
    try:
        record = _decode(line)
        is_old = before is None or timestamp_micros(record.timestamp) < before
    except (msgspec.DecodeError, ValueError, OverflowError):
        return False
    return is_old and (version is None or record.version == version)


def _renamed(line: bytes, old: str, new: str) -> bytes:
    """The line itself unless it is a record of the old version; all of its other values stay as they are written."""
    try:
        fields = _decode_fields(line)
        if msgspec.json.decode(fields["version"]) != old:
            return line
        return msgspec.json.encode({**fields, "version": new, "record_id": id_of(line)})
    except (msgspec.DecodeError, KeyError):
        return line
