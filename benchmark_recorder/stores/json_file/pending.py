"""Records that wait beside an older document until it is converted: ``pending.jsonl``, a line each.

They are written and read under the document's lock. What converts the document writes them into the new one before that
takes its name; only then are they removed here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import JOINT, id_of, is_record
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.paths import sync_folder
from benchmark_recorder.stores.sidefiles import folder_of, make_folder, open_private

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = "pending.jsonl"


def path_of(document: str) -> str:
    """Where the records beside a document are."""
    return os.path.join(folder_of(document), NAME)


def add(document: str, lines: bytes, *, sync: bool) -> None:
    """Add records, joined as in the document, by one write, or leave the file as it is.

    Raises:
        StoreUnavailableError: they could not be written.
    """
    path = path_of(document)
    try:
        make_folder(document)
        fd = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC)
    except OSError as error:
        raise unavailable(error, path, "write to") from error
    try:
        size = os.lseek(fd, 0, os.SEEK_END)
        is_cut = size and os.pread(fd, 1, size - 1) != b"\n"  # by a kill in the middle of a write
        content = (b"\n" if is_cut else b"") + lines.replace(JOINT, b"\n") + b"\n"
        try:
            written = os.write(fd, content)
            while written < len(content):  # a second try says why the first one was short
                written += os.write(fd, content[written:])
            if sync:
                os.fdatasync(fd)
                sync_folder(os.path.dirname(path))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(fd, size)
            raise unavailable(error, path, "write to") from error
    finally:
        os.close(fd)


def lines_beside(document: str) -> list[bytes]:
    """The records beside a document, whole ones, in order."""
    try:
        with open(path_of(document), "rb") as file:
            whole, _, _ = file.read().rpartition(b"\n")
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):  # another user's folder, most likely
            logger.debug("what waits beside %s cannot be read: %s", document, error)
        return []
    return [line for line in whole.split(b"\n") if line and is_record(line)]


def new_beside(document: str, holds: Callable[[str], bool]) -> list[bytes]:
    """The records beside a document that it does not have yet, each id once.

    Args:
        document: its real path.
        holds: whether the document has a record of some id.
    """
    found = {id_of(line): line for line in reversed(lines_beside(document))}
    return [line for record_id, line in reversed(found.items()) if not holds(record_id)]


def remove(document: str) -> None:
    """Remove the file: the document has its records."""
    with suppress(FileNotFoundError):
        os.unlink(path_of(document))
