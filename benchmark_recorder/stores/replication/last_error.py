"""Why a journal is not delivered, for other processes to read: beside the mark, and there as long as it is so."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from benchmark_recorder.log import logger
from benchmark_recorder.stores.secrets import without_secrets
from benchmark_recorder.stores.sidefiles import write_beside

LONGEST: Final = 1000
"""Characters of an error that are kept."""


class Trouble(msgspec.Struct, frozen=True):
    """Delivery's present trouble.

    Attributes:
        since: when it began.
        error: what was said last, without secrets.
    """

    since: datetime
    error: str


_decode = msgspec.json.Decoder(Trouble).decode
_encode = msgspec.json.Encoder().encode


class TroubleFile:
    """Where the trouble is kept. It only tells people something, so nothing here raises.

    Args:
        journal: the path of the journal's file.
        mark: the path of the mark that does not move.
    """

    def __init__(self, journal: str, mark: str) -> None:
        self._journal = journal
        self.path = f"{mark.removesuffix('.mark')}.trouble"

    def read(self) -> Trouble | None:
        """The trouble; ``None`` where there is none, or none that can be read."""
        try:
            with open(self.path, "rb") as file:
                return _decode(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            logger.debug("%s cannot be read: %s", self.path, error)
            return None

    def note(self, error: Exception) -> None:
        """Delivery has failed, again or for the first time."""
        there, text = self.read(), without_secrets(str(error) or type(error).__name__)[:LONGEST]
        if there is not None and there.error == text:
            return
        since = datetime.now(UTC) if there is None else there.since
        try:
            os.replace(write_beside(self._journal, [_encode(Trouble(since, text))], sync=False), self.path)
        except (OSError, UnicodeError) as failure:
            logger.debug("%s cannot be written: %s", self.path, failure)

    def clear(self) -> None:
        """Delivery works."""
        with suppress(OSError):
            os.unlink(self.path)
