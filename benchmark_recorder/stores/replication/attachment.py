"""Where delivery to a remote store begins, and what happens to records while that cannot be written down.

The journal is written whatever happens beside it. As long as no cursor can be written (rights, locks, space), each
record names the remote store in ``deliver_to``; delivery then begins at the first of them.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import DELIVER_TO
from benchmark_recorder.stores.cursors import CURSOR_SECONDS, Cursor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Journal
    from benchmark_recorder.stores.cursors import CursorFile

ATTACH_SECONDS: Final = 0.05
"""How long an append waits for the cursor."""

RETRY_SECONDS: Final = 1.0
"""Between two attempts of appends to write a cursor."""


class Attachment:
    """Attaches a remote store to a journal, whose records are delivered from then on.

    Attributes:
        failing_since: when appends began to fail to attach; ``None`` while they do not.
        last_error: why they did.
    """

    def __init__(self, journal: Journal, remote: str, cursor_file: CursorFile) -> None:
        self._journal, self._remote, self._cursor_file = journal, remote, cursor_file
        self._is_attached = False
        self._attaching = 0  # the thread that does
        self._next_try = 0.0
        self.failing_since: datetime | None = None
        self.last_error: str | None = None

    def attach(self, seconds: float = CURSOR_SECONDS) -> None:
        """Deliver everything that is recorded from now on; does nothing if that is so already.

        Args:
            seconds: how long to wait for the cursor, and how long to look for records that name the store.

        Raises:
            StoreError: the journal cannot be read, or the cursor cannot be written.
        """
        if self._is_attached:
            return
        if self._cursor_file.read() is None:  # without the lock: a slow question may hold it
            with self._cursor_file.held(seconds=seconds):
                if self._cursor_file.read() is None:
                    self._cursor_file.write(self._beginning(seconds))
        self._is_attached = True
        self.failing_since = None

    def _beginning(self, seconds: float) -> Cursor:
        end = self._journal.end()  # first, so that a record that is written meanwhile is behind it
        start = self._journal.first_for(self._cursor_file.stem, end, seconds) or end
        return Cursor(self._remote, start, time.time_ns() // 1000, start)

    def attach_soon(self) -> bool:
        """Attach if that takes no time; whether it is done. Never raises: no trouble of delivery keeps a record out."""
        if self._is_attached:
            return True
        me = threading.get_ident()
        if self._attaching == me or time.monotonic() < self._next_try:  # a signal handler, in the middle of this
            return False
        self._attaching = me
        try:
            self.attach(ATTACH_SECONDS)
        except StoreError as error:
            self._next_try = time.monotonic() + RETRY_SECONDS
            self.last_error = str(error)
            if self.failing_since is None:
                self.failing_since = datetime.now(UTC)
                logger.warning("records are written, but cannot be delivered yet: %s", error)
        finally:
            self._attaching = 0
        return self._is_attached

    def cursor(self) -> Cursor | None:
        """The cursor; where there is none, what it would be if a record names the store, else ``None``.

        Raises:
            StoreError: it cannot be read.
        """
        cursor = self._cursor_file.read()
        if cursor is not None:
            return cursor
        beginning = self._beginning(CURSOR_SECONDS)
        return None if beginning.delivered == self._journal.end() else beginning

    def addressed(self, documents: Sequence[Document]) -> list[Document]:
        """The same documents, marked for the remote store: without a cursor nothing else says that they are for it."""
        stem = self._cursor_file.stem
        return [{**document, DELIVER_TO: [*document.get(DELIVER_TO, ()), stem]} for document in documents]


def unaddressed(documents: Sequence[Document]) -> Sequence[Document]:
    """The same documents without ``deliver_to``, which is the journal's own."""
    if not any(DELIVER_TO in document for document in documents):
        return documents
    return [{name: value for name, value in document.items() if name != DELIVER_TO} for document in documents]
