"""The folder beside a journal, ``metrics.json.d``: atomic replacement, backups, and the cursors of remote stores.

Everything in the folder has mode 0600 and is replaced by rename. Beside the backups and what the JSON file store saves
of its columns, there are for each remote store, named by 12 hex digits:

- ``.mark``: its cursor, how far the journal has been delivered. What is renamed cannot be locked, hence the next two.
- ``.lock``: the cursor's lock: shared while a question merges both sides, exclusive while the cursor moves.
- ``.turn``: the lease, held by the one deliverer of all processes for as long as it delivers.
- ``.trouble``: the last error of a delivery, for other processes (``replication.cursor``).

``quarantine.jsonl`` has the records that a remote store refused. Locks are taken in the order lease, cursor, journal.
A rewrite of a journal holds all cursors, keeps what they have not confirmed, and moves them: ``cursors_held``.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.base import Position
from benchmark_recorder.stores.locking import lock, unavailable, unlock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import BufferedWriter

T = TypeVar("T")

# The folder ----------------------------------------------------------------------------------------------------------


def folder_of(document: str) -> str:
    """The folder beside a document."""
    return document + ".d"


def make_folder(document: str) -> str:
    """The folder beside a document, made if it does not exist, and hidden from git."""
    folder = folder_of(document)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    ignore = os.path.join(folder, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="ascii", opener=_private) as file:
            file.write("*\n")
    return folder


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def new_beside(document: str, *, sync: bool = True) -> Iterator[BufferedWriter]:
    """A new file in the folder beside a document, on the disk afterwards unless ``sync`` is false."""
    path = os.path.join(make_folder(document), f"new-{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with open(path, "xb", opener=_private) as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(path)
        raise


def write_beside(document: str, content: Iterable[bytes], *, sync: bool = True) -> str:
    """Write content to a new file beside a document; return its path."""
    with new_beside(document, sync=sync) as file:
        file.writelines(content)
    return file.name


def copy_to(target: str, content: Iterable[bytes]) -> None:
    """Write a file anywhere by rename, so that its readers see all of it or nothing.

    Raises:
        StoreUnavailableError: it could not be written; the target is as it was.
    """
    beside = f"{target}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        with open(beside, "xb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(beside)
        raise unavailable(error, target, "write") from error


def sync_folder(folder: str) -> None:
    """Make a new name in a folder survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def back_up(document: str, content: Iterable[bytes]) -> str:
    """Put some content into a backup beside a document; the backup's path."""
    copy = write_beside(document, content)
    while True:  # until the moment is one that no other backup has
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        backup = os.path.join(folder_of(document), f"backup-{moment}.json")
        if not os.path.lexists(backup):
            os.rename(copy, backup)
            return backup


def backups_of(document: str) -> tuple[str, ...]:
    """The paths of a document's backups, oldest first."""
    folder = folder_of(document)
    names = (name for name in _names_in(folder) if name.startswith("backup-") and name.endswith(".json"))
    return tuple(os.path.join(folder, name) for name in names)


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


# Locks ---------------------------------------------------------------------------------------------------------------


@contextmanager
def locked(document: str, name: str, *, shared: bool, seconds: float) -> Iterator[None]:
    """Hold the lock of a file in the folder beside a document; both are made if they do not exist.

    Args:
        document: the path.
        name: of the file that is locked.
        shared: with other readers; alone otherwise.
        seconds: how long to wait.

    Raises:
        StoreUnavailableError: another process holds it, or (with a cause) the file cannot be made or locked.
    """
    path = os.path.join(folder_of(document), name)
    try:
        _make_folders(document)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unavailable(error, path, "lock") from error
    held = _Held(fd)
    try:
        lock(fd, path, shared=shared, seconds=seconds)
        try:
            yield
        finally:
            held.release()
    finally:
        held.close()


def _make_folders(document: str) -> None:
    """The folder beside a document that may not exist yet, and those above it."""
    if not os.path.isdir(folder_of(document)):
        os.makedirs(os.path.dirname(document) or ".", exist_ok=True)
        make_folder(document)


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


# Cursors -------------------------------------------------------------------------------------------------------------

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

_decode = msgspec.json.Decoder(Cursor).decode
_encode = msgspec.json.Encoder().encode


class CursorFile:
    """Where a cursor is kept.

    Args:
        journal: the path of the journal's file; the cursor is in the folder beside it.
        stem: what its file names begin with.
    """

    def __init__(self, journal: str, stem: str) -> None:
        self._journal = journal
        self._stem = stem

    @property
    def path(self) -> str:
        """Of the cursor."""
        return os.path.join(folder_of(self._journal), f"{self._stem}.mark")

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
            _make_folders(self._journal)
            os.replace(write_beside(self._journal, [_encode(cursor)], sync=False), self.path)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error

    @contextmanager
    def held(self, *, shared: bool = False) -> Iterator[None]:
        """Keep the cursor where it is (shared), or from others (alone).

        Raises:
            StoreUnavailableError: it cannot be locked.
        """
        with locked(self._journal, f"{self._stem}.lock", shared=shared, seconds=CURSOR_SECONDS):
            yield


def cursor_files_of(journal: str) -> list[CursorFile]:
    """Where each cursor of a journal is kept."""
    names = _names_in(folder_of(journal))
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


# Quarantine ----------------------------------------------------------------------------------------------------------


def quarantine_of(journal: str) -> str:
    """The path of a journal's quarantine."""
    return os.path.join(folder_of(journal), "quarantine.jsonl")


class _Identified(msgspec.Struct):
    record_id: str


class _Refused(msgspec.Struct):
    document: _Identified


_decode_refused = msgspec.json.Decoder(_Refused).decode


def quarantined_ids(journal: str) -> set[str]:
    """The ids of a journal's records in quarantine; errors as in ``quarantined``."""
    return {refused.document.record_id for refused in quarantined(quarantine_of(journal), _decode_refused)}


def quarantined(path: str, decode: Callable[[bytes], T]) -> list[T]:
    """The entries of a quarantine, one per line; none where it does not exist.

    Raises:
        StoreUnavailableError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return [decode(line) for line in file]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unavailable(error, path, "read") from error
    except msgspec.DecodeError as error:
        raise StoreUnavailableError(
            f"{path} has a line that is not a refused record: {error}; correct or remove it"
        ) from error
