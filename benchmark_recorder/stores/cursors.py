"""How far a journal has been delivered to each remote store, in files beside it that outlive the processes.

For each remote store, named by 12 hex digits, the folder beside the journal (``sidefiles``) holds:

- ``.mark``: its cursor. What is renamed cannot be locked, hence the next two.
- ``.lock``: the cursor's lock: shared while a question merges both sides, exclusive while the cursor moves.
- ``.turn``: the lease, held by the one deliverer of all processes for as long as it delivers; names it.
- ``.trouble``: the last error of a delivery, for other processes.

Locks are taken in the order lease, cursor, journal. A rewrite of a journal holds all cursors, keeps what they have not
confirmed, and moves them: ``cursors_held``.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import StoreUnavailableError, without_secrets
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import Position
from benchmark_recorder.stores.locking import lock, unavailable, unlock
from benchmark_recorder.stores.sidefiles import folder_of, make_folders, names_in, open_private, write_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
_decode_holder = msgspec.json.Decoder(LeaseHolder).decode


def read_holder(content: bytes) -> LeaseHolder | None:
    """The last holder of a lease; ``None`` if the file does not name one."""
    try:
        return _decode_holder(content)
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


CURSOR_SECONDS: Final = 150.0
"""How long to wait for a cursor: longer than the longest question, which holds it shared."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a journal has been delivered to one remote store.

    Attributes:
        remote: the store's name.
        attached: the place from which on records are delivered.
        attached_at: microseconds since 1970 of that moment.
        delivered: behind the last record that the store has confirmed.
        attempted: the end of the batch that is being sent, and may be there already; ``None`` between batches.
        confirmed_at: microseconds since 1970 of the last confirmation; ``None`` before the first.
    """

    remote: str
    attached: Position
    attached_at: int
    delivered: Position
    attempted: Position | None = None
    confirmed_at: int | None = None


LOST: Final = Position(0, 0, "lost")
"""A place that no journal has."""

DAMAGED: Final = Cursor("", Position(0, 0, ""), 0, LOST)
"""What is read of a cursor that cannot be decoded: its place is lost, and nothing counts as confirmed."""

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


_decode = msgspec.json.Decoder(Cursor).decode
_decode_error = msgspec.json.Decoder(LastError).decode


class CursorFile:
    """Where the cursor of a journal for one remote store is kept, with the lease and the last error beside it.

    The stem is what its file names begin with, and what stands in ``deliver_to`` of records for that store.
    """

    def __init__(self, journal: str, stem: str) -> None:
        self._journal = journal
        self.stem = stem

    @classmethod
    def of(cls, journal: str, remote: str) -> CursorFile:
        """The cursor of a journal for a remote store, by the store's name."""
        return cls(journal, hashlib.sha256(remote.encode(), usedforsecurity=False).hexdigest()[:12])

    @property
    def path(self) -> str:
        """Of the cursor."""
        return os.path.join(folder_of(self._journal), f"{self.stem}.mark")

    def read(self) -> Cursor | None:
        """The cursor; ``None`` where there is none, ``DAMAGED`` where it is not one. The lock should be held.

        Raises:
            StoreUnavailableError: it cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                return _decode(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unavailable(error, self.path, "read") from error
        except ValueError:  # msgspec's errors, and a text that is not UTF-8: a power cut may leave an empty file
            return DAMAGED

    def write(self, cursor: Cursor) -> None:
        """Replace the cursor. The lock must be held, alone.

        Raises:
            StoreUnavailableError: it cannot be written; it is as it was.
        """
        try:
            make_folders(self._journal)
            os.replace(write_beside(self._journal, [_encode(cursor)], sync=False), self.path)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error

    @contextmanager
    def held(self, *, shared: bool = False, seconds: float = CURSOR_SECONDS) -> Iterator[None]:
        """Keep the cursor where it is (shared), or from others (alone); waits so long for others.

        Raises:
            StoreUnavailableError: it cannot be locked.
        """
        with locked(self._journal, f"{self.stem}.lock", shared=shared, seconds=seconds):
            yield

    @contextmanager
    def lease(self, seconds: float = 0.0) -> Iterator[Lease | None]:
        """Be the only deliverer; ``None`` if another one does not finish within some seconds.

        Raises:
            StoreUnavailableError: the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                fd = stack.enter_context(locked(self._journal, self._lease_name, shared=False, seconds=seconds))
            except StoreUnavailableError as error:
                if error.__cause__ is not None:
                    raise
                yield None
            else:
                yield Lease(fd)

    def stuck_deliverer(self) -> LeaseHolder | None:
        """Who holds the lease, and has confirmed nothing for a minute; ``None`` if nobody does."""
        try:
            with open(os.path.join(folder_of(self._journal), self._lease_name), "rb") as file:
                holder = read_holder(file.read())
        except OSError:
            return None
        if holder is None or not holder.is_stuck:
            return None
        try:
            with locked(self._journal, self._lease_name, shared=True, seconds=0.0):
                return None  # it has ended
        except StoreUnavailableError as error:
            return holder if error.__cause__ is None else None

    @property
    def _lease_name(self) -> str:
        return f"{self.stem}.turn"

    # The last error: information for people, so none of these methods raises ------------------------------------------

    @property
    def error_path(self) -> str:
        """Of the last error; the file exists as long as delivery fails."""
        return f"{self.path.removesuffix('.mark')}.trouble"

    def read_error(self) -> LastError | None:
        """The last error; ``None`` if there is none, or none that can be read."""
        try:
            with open(self.error_path, "rb") as file:
                return _decode_error(file.read())
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


def cursor_files_of(journal: str) -> list[CursorFile]:
    """Where each cursor of a journal is kept."""
    names = names_in(folder_of(journal))
    return [CursorFile(journal, name.removesuffix(".mark")) for name in names if name.endswith(".mark")]


@contextmanager
def cursors_held(journal: str) -> Iterator[list[tuple[CursorFile, Cursor]]]:
    """All cursors of a journal, kept from others while the journal is rewritten.

    Raises:
        StoreUnavailableError: one cannot be locked or read.
    """
    with ExitStack() as stack:
        files = cursor_files_of(journal)
        for file in files:
            stack.enter_context(file.held())
        yield [(file, cursor) for file in files if (cursor := file.read()) is not None]


# Locks ----------------------------------------------------------------------------------------------------------------


@contextmanager
def locked(document: str, name: str, *, shared: bool, seconds: float) -> Iterator[int]:
    """Hold the lock of a file in the folder beside a document, its descriptor; both are made if they do not exist.

    A ``shared`` lock is held with other readers, any other one alone.

    Raises:
        StoreUnavailableError: another process holds it, or (with a cause) the file cannot be made or locked.
    """
    path = os.path.join(folder_of(document), name)
    try:
        make_folders(document)
        fd = open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise unavailable(error, path, "lock") from error
    held = _Held(fd)
    try:
        lock(fd, path, shared=shared, seconds=seconds)
        try:
            yield fd
        finally:
            held.release()
    finally:
        held.close()


class _Held:
    """A descriptor with a lock on it. A forked child closes its copy, or the lock would outlive its holder."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        in_child(self.close)

    def release(self) -> None:
        if self._fd >= 0:
            unlock(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
