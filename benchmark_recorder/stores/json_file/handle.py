"""One process's hold on a document: opened, locked, and its tail found, repaired and followed."""

from __future__ import annotations

import atexit
import errno
import os
import stat
import weakref
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from benchmark_recorder._fork import at_worker_end, in_child
from benchmark_recorder.errors import StoreBusyError, StoreError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import (
    CLOSING,
    HEADER,
    JOINT,
    Identities,
    Layout,
    find_layout,
    not_ours,
    read_at,
)
from benchmark_recorder.stores.json_file.turns import Turns
from benchmark_recorder.stores.locking import LOCK_SECONDS, lock, unavailable
from benchmark_recorder.stores.paths import is_retired, make_parents, sync_folder

if TYPE_CHECKING:
    import fcntl
    from collections.abc import Callable, Iterator

    from benchmark_recorder.stores.json_file.turns import Mutex
else:
    try:
        import fcntl
    except ImportError:  # Windows; the store refuses to open there
        fcntl = None


T = TypeVar("T")

LOOK_SECONDS: Final = 0.010
"""How long a file may have been deleted, replaced or moved by others, or rewritten in place to the very same size,
before an append notices: checking the path and the tail takes longer than the write, so not every append does it."""

CLOSING_BYTES: Final = len(CLOSING)

PENDING: Final = ".d/pending.jsonl"
"""Records that wait beside a document, behind its path; see ``pending``."""

_FEW_BYTES: Final = 8192
"""What is read at once of what others wrote: a page or two, some twenty records."""


class Handle(Turns, ABC):
    """One process's hold on the end of a document, and the lock on it. ``Writer`` writes through it.

    Args:
        path: of the document, absolute; symbolic links are followed each time it is opened.
        durability: ``"fsync"`` waits for the disk.
    """

    _fd = -1  # also of one that was never finished, as by a copy that failed
    _at_the_end = suppress(Exception)  # made here: when the interpreter ends, the names of this module are gone

    def __init__(self, path: str, durability: Literal["process", "fsync"]) -> None:
        self.path = path
        self._sync = durability == "fsync"
        self._patience = LOCK_SECONDS
        self._fd = -1
        self._begin_anew()
        _foresee_take_over(path)
        _handles.add(self)
        in_child(self._forget_parent)

    def _begin_anew(self) -> None:
        Turns.__init__(self, self.path)  # also in a forked child
        self._inode: tuple[int, int] | None = None
        self._header, self._end, self._joint = 0, 0, b""
        self.next_look = 0.0
        self._in_vain = False
        # Written since the path was last looked at; and those that turned out to be in a file that was moved away.
        self._unconfirmed: list[bytes] = []
        self._adrift: list[bytes] = []
        self._identities = Identities()
        self._is_awaited = False  # by records beside the document

    @abstractmethod
    def _bring_in(self) -> None:
        """Write what went to a file that was moved away, or beside this one, into the one that is at the path now."""

    @abstractmethod
    def _put_beside(self, *lines: bytes) -> None:
        """Leave records, and what went to a file that was moved away, to the conversion of the document."""

    @contextmanager
    def held(self, seconds: float | None = None) -> Iterator[tuple[int, str, Layout]]:
        """The document (descriptor, real path, layout), locked, made if it does not exist, repaired if it is cut.

        Args:
            seconds: how long to wait for the lock; as long as an append does unless given.

        Raises:
            StoreUnavailableError: it cannot be locked, read or written.
            StoreFormatError: the file holds something else; it was not touched.
        """
        seconds = self._patience if seconds is None else seconds
        mutex = self._wait(seconds)
        try:
            mutex.inside = get_ident()
            self._check_turn(mutex)
            if not self._settle(seconds):
                raise StoreBusyError(f"{self.path} is being converted; try again")
            yield self._fd, self._document, Layout(self._header, self._end)
        finally:
            self._go_out(mutex)

    def _alone(self, act: Callable[[], T]) -> T:
        """Do it while other threads of this process are kept out, and leave nothing locked behind.

        Not by ``held``: a generator that Ctrl-C left behind holds its locks until it is collected.
        """
        mutex = self._wait(self._patience)
        try:
            mutex.inside = get_ident()
            self._check_turn(mutex)
            return act()
        finally:
            # Line by line as in _go_out: Ctrl-C may come at the beginning of a function.
            try:
                if self._fd >= 0 and mutex is self._mutex:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            finally:
                mutex.inside = 0
                mutex.release()

    def _go_out(self, mutex: Mutex) -> None:
        try:
            if self._fd >= 0 and mutex is self._mutex:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            mutex.inside = 0  # not before the lock is free: another recorder of this thread may want it
            mutex.release()

    def is_written_by(self, thread: int, inode: tuple[int, int] | None) -> bool:
        """Whether a thread is at work on a document through this handle."""
        return self._mutex.inside == thread and self._inode == inode

    def forget(self) -> None:
        """The holder has replaced the document: open it anew next time."""
        self._unconfirmed.clear()
        with suppress(StoreError):
            self._let_go()

    def confirm(self) -> None:
        """Put what was written last into the file at the path, unless it is in that file."""
        if not (self._unconfirmed or self._adrift):
            return
        if not self._adrift and self._is_at_path():
            self._unconfirmed.clear()
            return
        try:
            self._alone(lambda: self._settle(self._patience))
        except StoreError as error:
            logger.warning(
                "the latest records are still in the file that was deleted or moved away from %s: %s", self.path, error
            )

    def close(self) -> None:
        """Close the document; a later append opens it again."""
        self.confirm()
        self._alone(self._let_go)

    def _let_go(self) -> None:
        fd, self._fd, self._inode = self._fd, -1, None  # first: a number that was given back is soon somebody else's
        if fd >= 0:
            try:
                os.close(fd)
            except OSError as error:
                raise unavailable(error, self.path, "close") from error

    def rest(self) -> bool:
        """Give the descriptor back, unless it is in use; whether that is done."""
        if self._fd < 0 or self._mutex.inside or (self._unconfirmed and not self._is_at_path()):
            return False
        self.close()
        return True

    def _settle(self, seconds: float) -> bool:
        """Lock the document at the path, and find its tail; whether that is done, or converting it takes too long."""
        while True:
            if self._fd < 0:
                self._open()
            self._lock(seconds)
            if not self._is_at_path():
                if not is_retired(self._fd):
                    self._adrift += self._unconfirmed
                self._unconfirmed.clear()
                self._let_go()
                continue
            self.next_look = monotonic() + LOOK_SECONDS
            self._unconfirmed.clear()
            try:
                found = self._find()
            except OSError as error:
                raise unavailable(error, self.path, "read") from error
            if not found:
                from benchmark_recorder.stores.json_file.taking_over import take_over  # see _foresee_take_over

                if not take_over(self._fd, self._document, self.path, at_once=seconds > self._patience):
                    if self._adrift:
                        self._put_beside()
                    return False
                self._let_go()
                continue
            if self._adrift or self._is_awaited:
                self._bring_in()
            return True

    def _lock(self, seconds: float) -> None:
        """Wait for the lock; after one wait in vain, appends do not wait again until it is free."""
        try:
            lock(self._fd, self.path, seconds=0)
        except StoreUnavailableError as error:
            if error.__cause__ is not None:
                raise
            me = get_ident()
            if any(other.is_written_by(me, self._inode) for other in tuple(_handles) if other is not self):
                message = f"{self.path} is being written by the call of another recorder that was interrupted"
                raise StoreBusyError(message, interrupted=True) from error
            if self._in_vain and seconds <= self._patience:
                raise
            self._in_vain = True
            lock(self._fd, self.path, seconds=seconds)
        self._in_vain = False

    def _open(self) -> None:
        document = os.path.realpath(self.path)
        try:
            fd = _open_or_make(document, sync=self._sync)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise not_ours(self.path, "it is not a regular file")
        self._header, self._end = 0, 0
        self._identities = Identities()
        self._fd, self._inode = fd, (status.st_dev, status.st_ino)
        self._is_awaited = os.path.exists(document + PENDING)
        if self._sync and not status.st_size:
            sync_folder(os.path.dirname(document))
        at_worker_end(_confirm_all)

    @property
    def _document(self) -> str:
        """The real path, found anew: the file may have become a symbolic link since it was opened."""
        return os.path.realpath(self.path)

    def _is_at_path(self) -> bool:
        try:
            there = os.stat(self.path)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._inode

    def _look(self) -> bool:
        """Check that what was written since the last look is where it should be."""
        if not self._is_at_path() or os.pread(self._fd, CLOSING_BYTES + 1, self._end) != CLOSING:
            return False
        self.next_look = monotonic() + LOOK_SECONDS
        self._unconfirmed.clear()
        self._in_vain = False
        return True

    def _find(self) -> bool:
        """Find the tail, and repair it; whether the document is of our form."""
        size = os.fstat(self._fd).st_size
        if self._follow(size):
            return True
        # Not where it was left, so nothing that was known of it holds any more.
        self._identities = Identities()
        layout = find_layout(self._fd, size)
        if layout is None:
            return False
        if layout.torn:
            self._repair_tail(layout)
        self._header, self._end, self._joint = layout.header, layout.end, JOINT
        if layout.end == layout.header:
            self._joint = b"\n" if layout.header else HEADER + b"\n"
        return True

    def _repair_tail(self, layout: Layout) -> None:
        """Cut the document behind its last whole record."""
        size = os.fstat(self._fd).st_size
        torn = read_at(self._fd, layout.end, size)
        if b"\n" in torn.strip(b",\n \0"):
            # More than the one record of a killed writer: somebody else's doing, so nothing is thrown away.
            from benchmark_recorder.stores.sidefiles import back_up

            back_up(self._document, [read_at(self._fd, 0, size)])
        os.ftruncate(self._fd, layout.end)
        if layout.header:
            os.pwrite(self._fd, CLOSING, layout.end)
        logger.warning("%s ended in a cut record (%d bytes), which was removed", self._document, layout.torn)

    def _follow(self, size: int) -> bool:
        """Move on to where other writers of ours have appended since; whether that is what happened."""
        end, grown = self._end, size - self._end
        if not self._header or grown < CLOSING_BYTES:
            return False
        # What a few others wrote is read whole: one call costs less than two.
        behind = os.pread(self._fd, min(grown, _FEW_BYTES), end)
        closing = behind[-CLOSING_BYTES:] if grown <= _FEW_BYTES else os.pread(self._fd, 4, size - CLOSING_BYTES)
        if closing != CLOSING or not behind.startswith((JOINT, b"\n{", CLOSING)):
            return False
        if grown > CLOSING_BYTES:
            self._end, self._joint = size - CLOSING_BYTES, JOINT
        return True

    def __del__(self) -> None:
        """A descriptor is closed with its owner, as a file is; what went to a deleted file is put back first."""
        with self._at_the_end:  # an owner that was never finished, or a lock held in vain, which confirm has logged
            if self._unconfirmed or self._adrift:
                self.confirm()
        with self._at_the_end:
            self._let_go()

    def _forget_parent(self) -> None:
        """In a forked child: a lock belongs to the open file, which is the parent's too; the child opens its own."""
        with suppress(StoreError):
            self._let_go()
        self._begin_anew()


def _open_or_make(document: str, *, sync: bool) -> int:
    """Open a document; it and its folders are made where they do not exist, and survive a power cut with ``sync``."""
    while True:
        try:
            return os.open(document, _OPEN_FLAGS, 0o666)
        except FileNotFoundError:
            make_parents(document, sync=sync)
        except OSError as error:
            idle = sorted(_handles, key=lambda handle: handle.next_look)
            if error.errno not in {errno.EMFILE, errno.ENFILE} or not any(handle.rest() for handle in idle):
                raise


def _foresee_take_over(path: str) -> None:
    """Import what the first append to an older or cut document needs: no append should wait for an import."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            layout = find_layout(fd, os.fstat(fd).st_size)
            if layout is None or layout.torn or os.path.exists(os.path.realpath(path) + PENDING):
                from benchmark_recorder.stores.json_file import taking_over  # noqa: F401 - only imported
        finally:
            os.close(fd)


_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)

_handles: weakref.WeakSet[Handle] = weakref.WeakSet()


@atexit.register
def _confirm_all() -> None:
    for handle in tuple(_handles):
        handle.confirm()
