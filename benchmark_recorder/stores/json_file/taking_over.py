"""The take-over of an older document: it is replaced by the same one in our form."""

from __future__ import annotations

import os

from benchmark_recorder.stores.json_file.format import read_at
from benchmark_recorder.stores.json_file.streaming import Older, UnusualError
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.replacing import replace
from benchmark_recorder.stores.sidefiles import back_up


def take_over(fd: int, document: str, path: str) -> None:
    """Replace an older document, which is locked.

    Args:
        fd: of the document.
        document: its real path.
        path: what to call it in an error.

    Raises:
        StoreFormatError: it holds something else; it was not touched.
        StoreUnavailableError: it cannot be read, backed up or replaced.
    """
    size = os.fstat(fd).st_size
    older = Older(fd, size, path)
    try:
        if older.torn:
            back_up(document, [read_at(fd, 0, size)])
        try:
            replace(document, fd, older.whole())
        except UnusualError:
            older.read_whole()
            replace(document, fd, older.whole())
    except OSError as error:
        raise unavailable(error, path, "back up") from error
