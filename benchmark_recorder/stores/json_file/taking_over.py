"""The take-over of an older document: it is replaced by the same one in our form, with the records beside it.

A large one is converted by a thread, while what is appended goes beside it: without the document's lock, which is held
only for the moment in which the new document takes its name.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import StoreFormatError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file import pending
from benchmark_recorder.stores.json_file.format import CLOSING, JOINT, find_layout, read_at
from benchmark_recorder.stores.json_file.streaming import Older, UnusualError, outline_of
from benchmark_recorder.stores.locking import REWRITE_SECONDS, lock, unavailable
from benchmark_recorder.stores.replacing import put_in_place
from benchmark_recorder.stores.sidefiles import back_up, make_folder, open_private, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE_BYTES: Final = 8 << 20
"""Up to this size an append converts the document itself: far below the time that it would wait for a lock."""

PAUSE_SECONDS: Final = 1.0
"""Between two tries of a process to convert a document: another one may be at it."""

MOST_TRIES: Final = 5
"""Conversions in a row of a document that others change meanwhile."""


def take_over(fd: int, document: str, path: str, *, at_once: bool) -> bool:
    """Replace an older document, which is locked; whether that is done.

    Args:
        fd: of the document.
        document: its real path.
        path: what to call it in an error.
        at_once: however long it takes.

    Raises:
        StoreFormatError: it holds something else; it was not touched.
        StoreUnavailableError: it cannot be read, backed up or replaced.
    """
    status = os.fstat(fd)
    if not at_once and status.st_size > AT_ONCE_BYTES:
        if (error := _failures.get(document)) is not None:
            raise error
        file = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        if _convertible.get(document) == file:
            return False
        if outline_of(fd, status.st_size) is not None:
            _convertible[document] = file
            return False
    conversion = Conversion(fd, status.st_size, document, path)
    conversion.write()
    conversion.finish()
    return True


def take_over_behind(path: str) -> bool:
    """Replace an older document while others append beside it; whether the document has our form now.

    Raises:
        StoreError: it cannot be read, or converted.
    """
    document = os.path.realpath(path)
    for _ in range(MOST_TRIES):
        try:
            fd = os.open(document, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise unavailable(error, path, "convert") from error
        try:
            if find_layout(fd, os.fstat(fd).st_size) is not None:
                return True
            with _only_one(document) as is_the_one:
                if not is_the_one:
                    return False
                if _converted(fd, document, path):
                    return True
        finally:
            os.close(fd)
    return False


@contextmanager
def _only_one(document: str) -> Iterator[bool]:
    """Whether no other process or thread is converting a document; none will until the end of the block."""
    make_folder(document)
    fd = open_private(pending.path_of(document), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        try:
            lock(fd, document, seconds=0)
        except StoreUnavailableError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _converted(fd: int, document: str, path: str) -> bool:
    """Convert a document; whether it was left alone meanwhile, and is replaced."""
    before = os.fstat(fd)
    conversion = Conversion(fd, before.st_size, document, path)
    conversion.write()
    try:
        lock(fd, path, seconds=REWRITE_SECONDS)
        now, there = os.fstat(fd), os.stat(document)
    except BaseException:
        conversion.give_up()
        raise
    unchanged = (before.st_size, before.st_mtime_ns) == (now.st_size, now.st_mtime_ns)
    if not unchanged or (there.st_dev, there.st_ino) != (now.st_dev, now.st_ino):
        conversion.give_up()
        return False
    conversion.finish()
    return True


def begin(path: str) -> None:
    """Convert a document in a thread, unless one is at it, or was lately."""
    thread, when = _begun.get(path, (None, 0.0))
    if monotonic() < when + PAUSE_SECONDS or (thread is not None and thread.is_alive()):
        return
    thread = threading.Thread(target=_try, args=[path], name="benchmark-recorder: take-over", daemon=True)
    _begun[path] = thread, monotonic()
    thread.start()


def _try(path: str) -> None:
    try:
        take_over_behind(path)
    except StoreFormatError as error:
        _failures[os.path.realpath(path)] = error
        logger.warning("records wait beside %s: %s", path, error)
    except Exception as error:  # noqa: BLE001 - the next append begins anew
        logger.warning("%s was not converted: %s; records wait beside it", path, error)


_begun: dict[str, tuple[threading.Thread | None, float]] = {}
_convertible: dict[str, tuple[int, ...]] = {}
"""Which documents were looked at."""

_failures: dict[str, StoreFormatError] = {}
"""Why a document cannot be converted: what is appended to it raises that."""

in_child(_begun.clear)


class Conversion:
    """A new document that is to replace an older one.

    Args:
        fd: of the older document.
        size: of it.
        document: its real path.
        path: what to call it in an error.
    """

    def __init__(self, fd: int, size: int, document: str, path: str) -> None:
        self._fd, self._size, self._document, self._path = fd, size, document, path
        self._older = Older(fd, size, path)
        self._new = ""

    def write(self) -> None:
        """Write the new document, all but its end.

        Raises:
            StoreFormatError: the older one holds something else.
            StoreUnavailableError: it could not be written.
        """
        try:
            if self._older.torn:
                back_up(self._document, [read_at(self._fd, 0, self._size)])
            try:
                self._new = write_beside(self._document, self._older.opening(), sync=False)
            except UnusualError:
                self._older.read_whole()
                self._new = write_beside(self._document, self._older.opening(), sync=False)
        except OSError as error:
            raise unavailable(error, self._path, "convert") from error

    def finish(self) -> None:
        """Add the records beside the document, and put the new one in its place. The document is locked.

        Raises:
            StoreUnavailableError: it could not be replaced; the older one is as it was.
        """
        try:
            lines = pending.new_beside(self._document, self._older.holds)
            with open(self._new, "ab") as file:
                if lines:
                    file.write((b"\n" if self._older.is_empty else JOINT) + JOINT.join(lines))
                file.write(CLOSING)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.give_up()
            raise unavailable(error, self._path, "convert") from error
        put_in_place(self._document, self._fd, self._new)
        pending.remove(self._document)

    def give_up(self) -> None:
        """Remove the new document."""
        os.unlink(self._new)
