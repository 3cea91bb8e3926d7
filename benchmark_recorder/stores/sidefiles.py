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
