"""Replacing a document by rename, and what is kept beside it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmark_recorder.stores.locking import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable


def folder_of(document: str) -> str:
    """The folder beside a document: marks, quarantine, backups, the sidecar."""
    return document + ".d"


def make_folder(document: str) -> str:
    """The folder beside a document, made if it is not there, and hidden from git."""
    folder = folder_of(document)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    ignore = os.path.join(folder, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="ascii", opener=_private) as file:
            file.write("*\n")
    return folder


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def replace(document: str, fd: int, content: Iterable[bytes]) -> None:
    """Put new content in a document's place, atomically, and tell whoever holds the old one open.

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
    retire(fd)
    sync_folder(os.path.dirname(document))


def write_beside(document: str, content: Iterable[bytes | memoryview], *, sync: bool = True) -> str:
    """A new file of mode 0600 in the folder beside a document, on the disk unless that does not matter; its path."""
    path = os.path.join(make_folder(document), f"new-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(path, "xb", opener=_private) as file:
            file.writelines(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise
    return path


RETIRED: Final = b" \n"
"""Blanks behind the closing of a document that was replaced by one of ours.

It stays valid JSON (it may be somebody's hard link), but is not as its writers left it, so that their next look at its
tail notices; and they know that what they wrote to it was taken along, or left out on purpose.
"""


def retire(fd: int) -> None:
    """Mark a document that was replaced."""
    os.pwrite(fd, RETIRED, os.fstat(fd).st_size)


def is_retired(fd: int) -> bool:
    """Whether a document was replaced by one of ours, rather than moved away or deleted by others."""
    size = os.fstat(fd).st_size
    return os.pread(fd, len(RETIRED), max(0, size - len(RETIRED))) == RETIRED


def back_up(document: str, content: Iterable[bytes]) -> str:
    """Put some content into a backup beside a document; the backup's path."""
    copy = write_beside(document, content)
    backup = _backup_path(document)
    os.rename(copy, backup)
    return backup


def _backup_path(document: str) -> str:
    """``backup-<UTC>.json``, of a moment that no other backup has."""
    while True:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = os.path.join(make_folder(document), f"backup-{moment}.json")
        if not os.path.lexists(path):
            return path


def backups_of(document: str) -> tuple[str, ...]:
    """The paths of a document's backups, oldest first."""
    folder = folder_of(document)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(
        os.path.join(folder, name) for name in sorted(names) if name.startswith("backup-") and name.endswith(".json")
    )


def sync_folder(folder: str) -> None:
    """Make a new name in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def copy_to(target: str, content: Iterable[bytes]) -> None:
    """Write a file by rename, so that whoever reads it sees all of it or nothing.

    Raises:
        StoreUnavailableError: it could not be written; what stood there is as it was.
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
