"""What is done to a locked document that is not as an append needs it: cut, or of an older form."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import CLOSING, convert, read_at
from benchmark_recorder.stores.json_file.rewrite import replace
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.sidefiles import back_up

if TYPE_CHECKING:
    from benchmark_recorder.stores.json_file.format import Layout


def mend(fd: int, document: str, layout: Layout) -> None:
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


def take_over(fd: int, document: str, path: str) -> None:
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
