"""Replacing a file: by rename, so that its readers see all of it or nothing, or in place where it is mounted alone."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.paths import RETIRED, sync_folder
from benchmark_recorder.stores.sidefiles import back_up, folder_of, names_in, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterable


def copy_to(target: str, content: Iterable[bytes]) -> None:
    """Write a file anywhere by rename, so that its readers see all of it or nothing.

    Raises:
        StoreUnavailableError: it could not be written; the target is as it was.
    """
    beside = f"{target}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        with open(beside, "xb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise unavailable(error, target, "write") from error


def replace(document: str, fd: int, content: Iterable[bytes]) -> None:
    """Put new content in a document's place, atomically, so that everybody who has the old one open notices.

    Args:
        document: its real path.
        fd: the old document, open and locked by the caller.
        content: of the new one, in parts.

    Raises:
        StoreUnavailableError: it could not be written; the old document is as it was.
    """
    try:
        new = write_beside(document, content)
    except OSError as error:
        raise unavailable(error, folder_of(document), "write to") from error
    put_in_place(document, fd, new)


def put_in_place(document: str, fd: int, new: str) -> None:
    """The same with a file that was written beside the document, and is gone afterwards."""
    old = os.fstat(fd)
    try:
        os.chmod(new, old.st_mode & 0o7777)
        with suppress(PermissionError):
            os.chown(new, old.st_uid, old.st_gid)
        os.replace(new, document)
    except OSError as error:
        try:
            if error.errno != errno.EBUSY:
                raise unavailable(error, document, "replace") from error
            _replace_in_place(document, fd, new)
        finally:
            os.unlink(new)
        return
    os.pwrite(fd, RETIRED, old.st_size)
    sync_folder(os.path.dirname(document))


def _replace_in_place(document: str, fd: int, new: str) -> None:
    """The same where the file is mounted by itself, so that no other can take its name; a backup comes first.

    Raises:
        StoreUnavailableError: it could not be written; the backup has the old document.
    """
    backup = ""
    try:
        with open(document, "rb") as old:
            backup = back_up(document, iter(lambda: old.read(_PIECE), b""))
        with open(new, "rb") as source:
            place = 0
            while piece := source.read(_PIECE):
                while piece:
                    written = os.pwrite(fd, piece, place)
                    piece, place = piece[written:], place + written
        os.ftruncate(fd, place)
        os.fsync(fd)
    except OSError as error:
        kept = f"; {backup} has what was there" if backup else ""
        raise StoreUnavailableError(
            f"cannot replace {document}, which is mounted by itself: {error.strerror}{kept}; mount its folder instead"
        ) from error


_PIECE: Final = 1 << 20


def backups_of(document: str) -> tuple[str, ...]:
    """The paths of a document's backups, oldest first."""
    folder = folder_of(document)
    names = (name for name in names_in(folder) if name.startswith("backup-") and name.endswith(".json"))
    return tuple(os.path.join(folder, name) for name in names)
