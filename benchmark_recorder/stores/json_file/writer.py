"""The document's tail: where the next record goes."""

from __future__ import annotations

import os
import stat
import threading
import weakref
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from benchmark_recorder.errors import StoreError, StoreFormatError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, Layout, encode, find_layout, not_ours
from benchmark_recorder.stores.json_file.glance import make_glance
from benchmark_recorder.stores.json_file.identities import Identities, id_of
from benchmark_recorder.stores.json_file.mending import mend, take_over
from benchmark_recorder.stores.json_file.rewrite import is_retired
from benchmark_recorder.stores.locking import LOCK_SECONDS, lock, unavailable
from benchmark_recorder.stores.sidefiles import sync_folder

if TYPE_CHECKING:
    import fcntl
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document
else:
    try:
        import fcntl
    except ImportError:  # Windows; the store refuses to open there
        fcntl = None


LOOK_SECONDS: Final = 0.010
"""How long a file may have been moved away by others, or rewritten in place to the very same size, before an append
notices: to look at the path and the tail costs more than the write, so each record cannot afford it."""

_CLOSING_BYTES: Final = len(CLOSING)

_FEW_BYTES: Final = 8192
"""What is read at once of what others wrote: a page or two, some twenty records."""


class Held(NamedTuple):
    """A document that is locked, of our form, and at its path."""

    fd: int
    document: str
    layout: Layout


class Tail:
    """One process's hold on the end of a document, and the lock on it.

    An append is: take the lock, see that the file has the size that it was left with and a name, and write the record
    over the closing bytes. Whatever is not as expected is looked at anew, under the same lock.

    Args:
        path: of the document, absolute; symbolic links are followed each time it is opened.
        durability: ``"fsync"`` waits for the disk.
    """

    _fd = -1  # also of one that was never finished, as by a copy that failed

    def __init__(self, path: str, durability: Literal["process", "fsync"]) -> None:
        self.path = path
        self._sync = durability == "fsync"
        self._patience = LOCK_SECONDS
        self._fd = -1
        self._begin_anew()
        _tails.add(self)

    def _begin_anew(self) -> None:
        # Not reentrant: a signal handler that records in the middle of an append has to wait in vain, not interleave.
        self._mutex = threading.Lock()
        self._inside = False  # whether somebody who has taken the mutex is at work
        self._inode: tuple[int, int] | None = None
        self._header, self._end, self._joint = 0, 0, b""
        self._next_look = 0.0
        self._in_vain = False
        # Written since the path was last looked at; and those that turned out to be in a file that was moved away.
        self._unconfirmed: list[bytes] = []
        self._adrift: list[bytes] = []
        self._identities = Identities()
        self._glance: Callable[[int], int] = _glance_at_nothing

    # Appending ------------------------------------------------------------------------------------------------------

    def append(self, lines: bytes) -> None:
        """Write records, joined as in the document.

        Raises:
            StoreUnavailableError: they could not be written; the document is as it was.
            StoreFormatError: the file holds something else; it was not touched.
        """
        mutex = self._mutex
        # To try costs a third of waiting with a deadline; a keyword would cost a tenth of the write.
        if not mutex.acquire(False) or mutex is not self._mutex:  # noqa: FBT003
            mutex = self._wait(self._patience)
        try:
            self._inside = True
            if not self._is_as_left():
                self._settle(self._patience)
            self._write(lines)
        finally:
            # Line by line as in _alone: Ctrl-C may come at the beginning of a function.
            self._inside = False
            try:
                if self._fd >= 0:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            finally:
                mutex.release()

    def _is_as_left(self) -> bool:
        """Take the lock; whether the document ends where this process or others of ours left it."""
        try:
            try:
                fcntl.flock(self._fd, _LOCK_NOW)
            except BlockingIOError:
                self._lock(self._patience)
            size = self._glance(self._fd)
            as_left = size == self._end + _CLOSING_BYTES or self._follow(size)
            return as_left and (monotonic() < self._next_look or self._look())
        except (OSError, ValueError):  # not open yet, most likely; whatever it is, it will be said again
            return False

    def append_new(self, documents: Sequence[Document]) -> int:
        """Write the records whose ids the document does not hold; how many that were.

        Raises:
            StoreUnavailableError: they could not be written; the document is as it was.
            StoreFormatError: the file holds something else; it was not touched.
        """
        mutex = self._wait(self._patience)
        try:
            self._inside = True
            self._settle(self._patience)
            known = self._known()
            new: dict[str, Document] = {}
            for document in documents:
                if document["record_id"] not in known:
                    new.setdefault(document["record_id"], document)
            if new:
                self._write(JOINT.join([encode(document) for document in new.values()]))
            elif self._sync:
                self._wait_for_disk()  # they may be there because only the wait for the disk failed before
            return len(new)
        finally:
            # As in append, and not by held: a generator that Ctrl-C left behind holds its locks until it is collected.
            self._inside = False
            try:
                if self._fd >= 0:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            finally:
                mutex.release()

    def _write(self, lines: bytes) -> None:
        """Write over the closing bytes, or leave everything as it was. The lock is held."""
        content = self._joint + lines + CLOSING
        end = self._end
        try:
            written = os.pwrite(self._fd, content, end)
            while written < len(content):  # a second try says why the first one was short
                written += os.pwrite(self._fd, content[written:], end + written)
        except OSError as error:
            raise unavailable(error, self.path, "write to", unchanged=self._undo()) from error
        if not end:
            self._header = len(HEADER)
        self._end = end + written - _CLOSING_BYTES
        self._joint = JOINT
        self._unconfirmed.append(lines)
        if self._sync:
            self._wait_for_disk()

    def _undo(self) -> bool:
        """Put the closing back where it was; whether that is done.

        What cannot be put back now is mended by the next append, which keeps the records that are there whole.
        """
        try:
            os.ftruncate(self._fd, self._end + len(CLOSING) if self._end else 0)
            if self._end:
                os.pwrite(self._fd, CLOSING, self._end)
        except OSError as error:
            logger.warning("%s was left with a cut record, which the next append removes: %s", self.path, error)
            return False
        return True

    def _wait_for_disk(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise unavailable(error, self.path, "sync", unchanged=False) from error

    # Holding ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def held(self, seconds: float | None = None) -> Iterator[Held]:
        """The document, locked against other writers and readers, made if it is not there, mended if it is cut.

        Args:
            seconds: how long to wait for the lock; as long as an append does unless given.

        Raises:
            StoreUnavailableError: it cannot be locked, read or written.
            StoreFormatError: the file holds something else; it was not touched.
        """
        seconds = self._patience if seconds is None else seconds
        with self._alone(seconds):
            self._settle(seconds)
            yield Held(self._fd, self._document, Layout(self._header, self._end))

    @contextmanager
    def _alone(self, seconds: float) -> Iterator[None]:
        """No other thread of this process is in here, and nothing stays locked behind."""
        mutex = self._wait(seconds)
        try:
            self._inside = True
            yield
        finally:
            self._inside = False
            try:
                if self._fd >= 0:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            finally:
                mutex.release()

    def _wait(self, seconds: float) -> threading.Lock:
        """Take the mutex, or a new one where nobody is inside although it is taken.

        Ctrl-C in the moment between taking it and ``try`` leaves it behind so. A thread that has taken the old one
        meanwhile sees before it goes inside that another is in its place.
        """
        for _ in range(2):
            mutex, fresh = self._mutex, threading.Lock()
            if mutex.acquire(timeout=seconds):
                if mutex is self._mutex:
                    return mutex
            elif self._inside:
                break
            elif mutex is self._mutex:
                self._mutex = fresh
        raise StoreUnavailableError(
            f"{self.path} is being written by another thread for too long; try again", unchanged=True
        )

    def forget(self) -> None:
        """The document was replaced by who holds it: open it anew next time."""
        self._unconfirmed.clear()
        self._let_go()

    def confirm(self) -> None:
        """See that what was written last is in the file that stands at the path, and put it there if it is not."""
        if not (self._unconfirmed or self._adrift):
            return
        if not self._adrift and self._is_at_path():
            self._unconfirmed.clear()
            return
        try:
            with self.held():
                pass
        except StoreError as error:
            logger.warning("the latest records are still in the file that was moved away from %s: %s", self.path, error)

    def close(self) -> None:
        """Let go of the document; a later append opens it again."""
        self.confirm()
        with self._alone(self._patience):
            self._let_go()

    def _settle(self, seconds: float) -> None:
        """Lock the document that stands at the path, and find its tail."""
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
            self._next_look = monotonic() + LOOK_SECONDS
            self._unconfirmed.clear()
            try:
                found = self._find()
            except OSError as error:
                raise unavailable(error, self.path, "read") from error
            if not found:
                take_over(self._fd, self._document, self.path)
                self._let_go()
                continue
            if self._adrift:
                self._bring_in()
            return

    def _lock(self, seconds: float) -> None:
        """Wait for the lock; after one wait in vain, appends do not wait again until it was given back."""
        try:
            lock(self._fd, self.path, seconds=0 if self._in_vain and seconds <= self._patience else seconds)
        except StoreUnavailableError:
            self._in_vain = True
            raise
        self._in_vain = False

    def _open(self) -> None:
        document = os.path.realpath(self.path)
        try:
            try:
                fd = os.open(document, _OPEN_FLAGS, 0o666)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(document), exist_ok=True)
                fd = os.open(document, _OPEN_FLAGS, 0o666)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise not_ours(self.path, "it is not a regular file")
        self._header, self._end = 0, 0
        self._identities = Identities()
        self._fd, self._inode = fd, (status.st_dev, status.st_ino)
        self._glance = make_glance()
        if self._sync and not status.st_size:
            sync_folder(os.path.dirname(document))

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
        """See that what was written since the last look stands where it should; whether it does."""
        if not self._is_at_path() or os.pread(self._fd, _CLOSING_BYTES + 1, self._end) != CLOSING:
            return False
        self._next_look = monotonic() + LOOK_SECONDS
        self._unconfirmed.clear()
        self._in_vain = False
        return True

    def _find(self) -> bool:
        """Find the tail, and mend it; whether the document is of our form."""
        size = os.fstat(self._fd).st_size
        if self._follow(size):
            return True
        # Not where it was left, so nothing that was known of it holds any more.
        self._identities = Identities()
        layout = find_layout(self._fd, size)
        if layout is None:
            return False
        if layout.torn:
            mend(self._fd, self._document, layout)
        self._adopt(layout)
        return True

    def _follow(self, size: int) -> bool:
        """Move on to where others of ours went on from the place that was left; whether that is what happened."""
        end, grown = self._end, size - self._end
        if not self._header or grown < _CLOSING_BYTES:
            return False
        # What a few others wrote is read whole: one call costs less than two.
        behind = os.pread(self._fd, min(grown, _FEW_BYTES), end)
        closing = behind[-_CLOSING_BYTES:] if grown <= _FEW_BYTES else os.pread(self._fd, 4, size - _CLOSING_BYTES)
        if closing != CLOSING or not behind.startswith((JOINT, b"\n{", CLOSING)):
            return False
        if grown > _CLOSING_BYTES:
            self._end, self._joint = size - _CLOSING_BYTES, JOINT
        return True

    def _adopt(self, layout: Layout) -> None:
        self._header, self._end = layout.header, layout.end
        if layout.end > layout.header:
            self._joint = JOINT
        else:
            self._joint = b"\n" if layout.header else HEADER + b"\n"

    def _bring_in(self) -> None:
        """Write what went to a file that was moved away into the one that stands at the path now."""
        known = self._known()
        missing = [line for lines in self._adrift for line in lines.split(JOINT) if id_of(line) not in known]
        if missing:
            self._write(JOINT.join(missing))
        self._adrift.clear()

    def _known(self) -> set[str]:
        """The ids in the locked document."""
        try:
            return self._identities.of(self._fd, self._header, self._end)
        except (msgspec.DecodeError, EOFError) as error:
            raise StoreFormatError(
                f"{self.path} has a line that is not a record: {error}; `benchmark-recorder doctor --repair` sets it "
                "aside"
            ) from error

    def _let_go(self) -> None:
        fd, self._fd, self._inode = self._fd, -1, None  # first: a number that was given back is soon somebody else's
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        """A descriptor is closed with whoever dropped it, as a file is."""
        self._let_go()

    def _forget_parent(self) -> None:
        """In a forked child: a lock belongs to the open file, which is the parent's too; the child opens its own."""
        self._let_go()
        self._begin_anew()


def _glance_at_nothing(_: int) -> int:
    return -1


_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_LOCK_NOW: Final = 0 if fcntl is None else fcntl.LOCK_EX | fcntl.LOCK_NB

_tails: weakref.WeakSet[Tail] = weakref.WeakSet()


def _forget_parents() -> None:
    for tail in tuple(_tails):
        tail._forget_parent()  # noqa: SLF001 - the class's own


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget_parents)
