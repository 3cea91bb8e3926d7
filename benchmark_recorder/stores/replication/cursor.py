"""Marks: how far a journal has been delivered to a remote store.

A mark is a small JSON file in the folder beside the journal, one for each remote store, replaced by rename. Two locks
go with it, in files of their own, because what is renamed cannot be locked:

- ``<12 hex>.lock``: shared by who reads both sides, exclusive for who moves the mark; held for moments, or for as long
  as a question takes.
- ``<12 hex>.turn``: held by the one deliverer of all processes, for as long as it delivers.

Locks are taken in the order turn, mark, journal.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.base import Position
from benchmark_recorder.stores.json_file.rewrite import folder_of, make_folder, write_beside
from benchmark_recorder.stores.locking import lock, unavailable, unlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARK_SECONDS: Final = 150.0
"""How long to wait for a mark: longer than the longest question, which holds it shared."""


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
"""What is read of a mark that cannot be decoded: its place is lost, and nothing counts as confirmed."""

_decode = msgspec.json.Decoder(Cursor).decode
_encode = msgspec.json.Encoder().encode


class MarkFile:
    """Where a mark is kept.

    Args:
        journal: the path of the journal's file; the mark is in the folder ``<journal>.d``.
        stem: what its file names begin with.
    """

    def __init__(self, journal: str, stem: str) -> None:
        self._journal = journal
        self._stem = stem

    @classmethod
    def of(cls, journal: str, remote: str) -> MarkFile:
        """The mark of a journal for a remote store, by the store's name."""
        return cls(journal, hashlib.sha256(remote.encode(), usedforsecurity=False).hexdigest()[:12])

    @property
    def path(self) -> str:
        """Of the mark."""
        return self._beside("mark")

    def _beside(self, suffix: str) -> str:
        return os.path.join(folder_of(self._journal), f"{self._stem}.{suffix}")

    def read(self) -> Cursor | None:
        """The mark; ``None`` where there is none, ``DAMAGED`` where it is no mark. The lock should be held.

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

    def write(self, mark: Cursor) -> None:
        """Replace the mark. The lock must be held, alone.

        Raises:
            StoreUnavailableError: it cannot be written; it is as it was.
        """
        try:
            self._make_folder()
            os.replace(write_beside(self._journal, [_encode(mark)], sync=False), self.path)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error

    @contextmanager
    def held(self, *, shared: bool = False) -> Iterator[None]:
        """Keep the mark where it is (shared), or from others (alone).

        Raises:
            StoreUnavailableError: it cannot be locked.
        """
        with self._locked("lock", shared=shared, seconds=MARK_SECONDS):
            yield

    @contextmanager
    def turn(self, seconds: float = 0.0) -> Iterator[bool]:
        """Be the only deliverer; whether it is one's turn.

        Raises:
            StoreUnavailableError: the folder cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked("turn", shared=False, seconds=seconds))
            except StoreUnavailableError as error:
                if error.__cause__ is not None:
                    raise
                yield False
            else:
                yield True

    @contextmanager
    def _locked(self, suffix: str, *, shared: bool, seconds: float) -> Iterator[None]:
        path = self._beside(suffix)
        try:
            self._make_folder()
            fd = os.open(path, _OPEN_FLAGS, 0o600)
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

    def _make_folder(self) -> None:
        if not os.path.isdir(folder_of(self._journal)):
            os.makedirs(os.path.dirname(self._journal) or ".", exist_ok=True)
            make_folder(self._journal)


def marks_of(journal: str) -> list[MarkFile]:
    """All marks of a journal."""
    try:
        names = os.listdir(folder_of(journal))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [MarkFile(journal, name.removesuffix(".mark")) for name in sorted(names) if name.endswith(".mark")]


Marks: TypeAlias = "Sequence[tuple[MarkFile, Cursor]]"


@contextmanager
def all_held(journal: str) -> Iterator[Marks]:
    """All marks of a journal, kept from others: for who rewrites it.

    Raises:
        StoreUnavailableError: one cannot be locked or read.
    """
    with ExitStack() as stack:
        files = marks_of(journal)
        for file in files:
            stack.enter_context(file.held())
        yield [(file, mark) for file in files if (mark := file.read()) is not None]


_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class _Held:
    """A descriptor with a lock on it. A forked child closes its copy, or the lock would outlive its holder."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        _all_held.add(self)

    def release(self) -> None:
        if self._fd >= 0:
            unlock(self._fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_all_held: weakref.WeakSet[_Held] = weakref.WeakSet()


def _close_parents() -> None:
    for held in tuple(_all_held):
        held.close()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_close_parents)
