"""The path of a document: the folders above it, and whether another document of ours has taken it."""

from __future__ import annotations

import os
from typing import Final


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
