"""Who delivers: written into the file of the lease, so that a deliverer that was stopped can be named."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

STUCK_SECONDS: Final = 60.0
"""After so long without a confirmation a deliverer is named: longer than a batch and its retries take."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """A deliverer.

    Attributes:
        host: its name.
        pid: the process.
        started: the process's start, in seconds since 1970; ``None`` where the system does not say.
        since: when the lease was taken, in seconds since 1970.
        confirmed: the last confirmation since then; ``None`` before the first.
    """

    host: str
    pid: int
    started: float | None
    since: float
    confirmed: float | None = None

    @property
    def active_at(self) -> float:
        """The last sign of life, in seconds since 1970."""
        return self.since if self.confirmed is None else self.confirmed

    @property
    def is_stuck(self) -> bool:
        """Whether that is a minute ago."""
        return time.time() - self.active_at > STUCK_SECONDS

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.active_at, UTC).isoformat(timespec="seconds")
        return (
            f"process {self.pid} on {self.host} is the one that delivers, and has confirmed nothing since {at}; "
            "if it is stopped, let it go on or end it"
        )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LeaseHolder).decode


def read_holder(content: bytes) -> LeaseHolder | None:
    """The last holder of a lease; ``None`` if the file does not name one."""
    try:
        return _decode(content)
    except ValueError:
        return None


class Lease:
    """The lease while it is held.

    Args:
        fd: of its file, locked.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._holder = LeaseHolder(socket.gethostname(), os.getpid(), _process_start(), time.time())
        self._note()

    def confirming(self, report: Callable[[int], None]) -> Callable[[int], None]:
        """The same call, which also notes that a batch was confirmed."""

        def confirmed(count: int) -> None:
            self._holder = replace(self._holder, confirmed=time.time())
            self._note()
            report(count)

        return confirmed

    def _note(self) -> None:
        """Information for people: a full disk stops no delivery."""
        content = _encode(self._holder)
        with suppress(OSError):
            os.pwrite(self._fd, content, 0)
            os.ftruncate(self._fd, len(content))


def _process_start() -> float | None:
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return round(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK"), 2)
    except (OSError, ValueError, IndexError, AttributeError):
        return None
