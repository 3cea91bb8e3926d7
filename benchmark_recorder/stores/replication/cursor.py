"""The cursor of one remote store, and its lease: who delivers. How they are stored is in ``stores.sidefiles``."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.sidefiles import DAMAGED, LOST, Cursor, CursorFile, locked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DAMAGED", "LOST", "Cursor", "MarkFile"]


class MarkFile(CursorFile):
    """Where the cursor of a journal for one remote store is kept, with the lease beside it."""

    @classmethod
    def of(cls, journal: str, remote: str) -> MarkFile:
        """The cursor of a journal for a remote store, by the store's name."""
        return cls(journal, hashlib.sha256(remote.encode(), usedforsecurity=False).hexdigest()[:12])

    @contextmanager
    def turn(self, seconds: float = 0.0) -> Iterator[bool]:
        """Be the only deliverer; whether it is one's turn.

        Raises:
            StoreUnavailableError: the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self._journal, f"{self._stem}.turn", shared=False, seconds=seconds))
            except StoreUnavailableError as error:
                if error.__cause__ is not None:
                    raise
                yield False
            else:
                yield True
