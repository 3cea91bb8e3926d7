"""The cursor of one remote store, its lease, and its last error; the cursor's own format is in ``stores.sidefiles``."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import without_secrets
from benchmark_recorder.stores.sidefiles import CursorFile, locked, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_ERROR: Final = 1000
"""Characters of an error that are kept."""


class LastError(msgspec.Struct, frozen=True):
    """Why delivery fails at present, for other processes to read.

    Attributes:
        since: when it began to fail.
        error: the latest error, without secrets.
    """

    since: datetime
    error: str


_decode = msgspec.json.Decoder(LastError).decode
_encode = msgspec.json.Encoder().encode


class RemoteCursorFile(CursorFile):
    """Where the cursor of a journal for one remote store is kept, with the lease and the last error beside it."""

    @classmethod
    def of(cls, journal: str, remote: str) -> RemoteCursorFile:
        """The cursor of a journal for a remote store, by the store's name."""
        return cls(journal, hashlib.sha256(remote.encode(), usedforsecurity=False).hexdigest()[:12])

    @contextmanager
    def lease(self, seconds: float = 0.0) -> Iterator[bool]:
        """Be the only deliverer; ``False`` if another one does not finish within some seconds.

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

    # The last error: information for people, so none of these methods raises ------------------------------------------

    @property
    def error_path(self) -> str:
        """Of the last error; the file exists as long as delivery fails."""
        return f"{self.path.removesuffix('.mark')}.trouble"

    def read_error(self) -> LastError | None:
        """The last error; ``None`` if there is none, or none that can be read."""
        try:
            with open(self.error_path, "rb") as file:
                return _decode(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            logger.debug("%s cannot be read: %s", self.error_path, error)
            return None

    def note_error(self, error: Exception) -> None:
        """Delivery has failed, again or for the first time."""
        last, text = self.read_error(), without_secrets(str(error) or type(error).__name__)[:LONGEST_ERROR]
        if last is not None and last.error == text:
            return
        since = datetime.now(UTC) if last is None else last.since
        try:
            os.replace(write_beside(self._journal, [_encode(LastError(since, text))], sync=False), self.error_path)
        except (OSError, UnicodeError) as failure:
            logger.debug("%s cannot be written: %s", self.error_path, failure)

    def clear_error(self) -> None:
        """Delivery works."""
        with suppress(OSError):
            os.unlink(self.error_path)
