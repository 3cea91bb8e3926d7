"""The folder beside a journal, ``metrics.json.d``: everything in it has mode 0600, and is replaced by rename."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.locking import lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedWriter


STARTED: Final = time()
"""When this process began to use such folders; an unfinished file of an older one with the same id was left behind."""


def folder_of(document: str) -> str:
    """The folder beside a document."""
    return document + ".d"


def make_folder(document: str) -> str:
    """The folder beside a document, made if it does not exist, and hidden from git."""
    folder = folder_of(document)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
        owner = os.stat(document if os.path.exists(document) else os.path.dirname(document) or ".")
        if os.geteuid() == 0:  # the program that records may be another user's
            os.chown(folder, owner.st_uid, owner.st_gid)
    ignore = os.path.join(folder, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "wb", opener=open_private) as file:
            file.write(b"*\n")
    return folder


def make_folders(document: str) -> None:
    """The folder beside a document that may not exist yet, and those above it."""
    if not os.path.isdir(folder_of(document)):
        os.makedirs(os.path.dirname(document) or ".", exist_ok=True)
        make_folder(document)


def make_parents(document: str, *, sync: bool) -> None:
    """The folders above a document; with ``sync`` they survive a power cut.

    Raises:
        OSError: they cannot be made, or are there: the document is a link to nowhere.
    """
    missing = [os.path.dirname(document)]
    while not os.path.lexists(above := os.path.dirname(missing[-1])):
        missing.append(above)
    os.makedirs(missing[0])
    for folder in missing if sync else ():
        sync_folder(os.path.dirname(folder))


def open_private(path: str, flags: int) -> int:
    """Open a file in a folder beside a document; where root makes it, it belongs to the folder's owner."""
    fd = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        owner = os.stat(os.path.dirname(path))
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd


@contextmanager
def new_beside(document: str, *, sync: bool = True) -> Iterator[BufferedWriter]:
    """A new file in the folder beside a document, on the disk afterwards unless ``sync`` is false."""
    path = os.path.join(make_folder(document), f"new-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(path, "xb", opener=open_private) as file:
            with suppress(StoreUnavailableError):
                lock(file.fileno(), path, seconds=0)  # so that no rewrite takes it for left behind
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def write_beside(document: str, content: Iterable[bytes], *, sync: bool = True) -> str:
    """Write content to a new file beside a document; return its path."""
    with new_beside(document, sync=sync) as file:
        file.writelines(content)
    return file.name


RETIRED: Final = b" \n"
"""Blanks behind the closing of a document that was replaced by one of ours.

It stays valid JSON (it may be somebody's hard link), but is not as its writers left it, so that their next look at its
tail notices; and they know that what they wrote to it was taken along, or left out on purpose.
"""


def is_retired(fd: int) -> bool:
    """Whether a document was replaced by one of ours, rather than moved away or deleted by others."""
    size = os.fstat(fd).st_size
    return os.pread(fd, len(RETIRED), max(0, size - len(RETIRED))) == RETIRED


def sync_folder(folder: str) -> None:
    """Make a new name in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def back_up(document: str, content: Iterable[bytes]) -> str:
    """Put some content into a backup beside a document; the backup's path."""
    copy = write_beside(document, content)
    while True:  # until the moment is one that no other backup has
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        backup = os.path.join(folder_of(document), f"backup-{moment}.json")
        if not os.path.lexists(backup):
            os.rename(copy, backup)
            return backup


def names_in(folder: str) -> list[str]:
    """The names of the files in a folder that need not exist, in order."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
