"""The append: one write over a document's closing bytes, or nothing."""

from __future__ import annotations

import os
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.json_file.format import CLOSING, HEADER, JOINT, encode, id_of
from benchmark_recorder.stores.json_file.handle import CLOSING_BYTES, Handle
from benchmark_recorder.stores.locking import REWRITE_SECONDS, unavailable

if TYPE_CHECKING:
    import fcntl
    from collections.abc import Sequence

    from benchmark_recorder.records import Document
else:
    try:
        import fcntl
    except ImportError:  # Windows; the store refuses to open there
        fcntl = None

_LOCK_NOW: Final = 0 if fcntl is None else fcntl.LOCK_EX | fcntl.LOCK_NB


class Writer(Handle):
    """Appends to one document.

    An append takes the lock, checks that the file has the size that it was left with, and writes the record over the
    closing bytes. Whatever is not as expected is looked at anew, under the same lock.
    """

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._unsynced: list[tuple[int, bytes]] = []  # with their offsets
        self._must_rewrite = False

    def append(self, lines: bytes) -> None:
        """Write records, joined as in the document.

        Raises:
            StoreUnavailableError: they could not be written; the document is as it was.
            StoreFormatError: the file holds something else; it was not touched.
        """
        mutex = self._mutex
        # Trying takes a third of the time of waiting with a deadline; a keyword would take a tenth of the write.
        if not mutex.acquire(False):  # noqa: FBT003
            mutex = self._wait(self._patience)
        elif mutex.inside:
            self._refuse_inside(mutex)
        try:
            mutex.inside = get_ident()
            self._check_turn(mutex)
            if self._is_as_left() or self._settle(self._patience):
                self._write(lines)
            else:
                self._put_beside(lines)
        finally:
            # Line by line as in _go_out: Ctrl-C may come at the beginning of a function.
            try:
                if self._fd >= 0 and mutex is self._mutex:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            finally:
                mutex.inside = 0  # not before the lock is free: another recorder of this thread may want it
                mutex.release()

    def _is_as_left(self) -> bool:
        """Take the lock; whether the document ends where this process or others of ours left it."""
        try:
            try:
                fcntl.flock(self._fd, _LOCK_NOW)
            except BlockingIOError:
                self._lock(self._patience)
            size = os.lseek(self._fd, 0, os.SEEK_END)  # fstat would make the write itself three times as expensive
            as_left = size == self._end + CLOSING_BYTES or self._follow(size)
            return as_left and (monotonic() < self.next_look or self._look())
        except (OSError, ValueError):  # not open yet, most likely; whatever it is, settling raises it again
            return False

    def append_new(self, documents: Sequence[Document]) -> int:
        """Write the records whose ids the document does not have yet; how many there were.

        Raises:
            StoreUnavailableError: they could not be written; the document is as it was.
            StoreFormatError: the file holds something else; it was not touched.
        """
        return self._alone(lambda: self._append_new(documents))

    def _append_new(self, documents: Sequence[Document]) -> int:
        # Whoever imports many can wait until an older document is converted.
        if not self._settle(self._patience if len(documents) == 1 else REWRITE_SECONDS):
            self._put_beside(encode(documents[0]))
            return 1
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
        if self._sync:
            self._unsynced.append((end, self._joint + lines))
        if not end:
            self._header = len(HEADER)
        self._end = end + written - CLOSING_BYTES
        self._joint = JOINT
        self._unconfirmed.append(lines)
        if self._sync:
            self._wait_for_disk()

    def _undo(self) -> bool:
        """Put the closing back where it was; whether that is done.

        What cannot be put back now is repaired by the next append, which keeps the records that are there whole.
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
        """What failed to reach the disk is written again first: Linux takes its pages for clean, and skips them."""
        again, self._must_rewrite = self._must_rewrite, True
        try:
            for offset, content in self._unsynced if again else ():
                if os.pread(self._fd, len(content), offset) == content:  # else others have rewritten the document
                    os.pwrite(self._fd, content, offset)
            os.fdatasync(self._fd)
            self._must_rewrite = False
            self._unsynced.clear()
        except OSError as error:
            raise unavailable(error, self.path, "sync", unchanged=False) from error

    def _bring_in(self) -> None:
        known = self._known()
        lines = [line for lines in self._adrift for line in lines.split(JOINT) if id_of(line) not in known]
        if lines:
            self._write(JOINT.join(lines))
        self._adrift.clear()
        if self._is_awaited:  # after a kill while they were brought in
            from benchmark_recorder.stores.json_file import pending  # see _foresee_take_over

            if lines := pending.new_beside(self._document, self._known().__contains__):
                self._write(JOINT.join(lines))
            pending.remove(self._document)
            self._is_awaited = False

    def _put_beside(self, *lines: bytes) -> None:
        from benchmark_recorder.stores.json_file import pending, taking_over  # imported by _settle

        pending.add(self._document, JOINT.join([*self._adrift, *lines]), sync=self._sync)
        self._adrift.clear()
        taking_over.begin(self.path)

    def _known(self) -> set[str]:
        """The ids in the locked document."""
        try:
            return self._identities.of(self._fd, self._header, self._end)
        except EOFError as error:
            raise StoreUnavailableError(f"{self.path} was cut by another program while it was read") from error
