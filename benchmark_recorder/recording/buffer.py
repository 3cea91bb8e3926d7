"""A record's last step in: into the journal, or into memory while the journal cannot be written.

Storage trouble must not reach the caller: a record that cannot be written waits here, is counted, and is written before
the next one.
"""

from __future__ import annotations

import atexit
import logging
import threading
import warnings
from collections import deque
from contextlib import ExitStack
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from benchmark_recorder._fork import at_worker_end, in_child
from benchmark_recorder.errors import InvalidRecordError, StoreBusyError, StoreError, StoreUnavailableError
from benchmark_recorder.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store
    from benchmark_recorder.stores.health import Health

P = ParamSpec("P")
R = TypeVar("R")


MAX_WAITING: Final = 10_000
"""Records kept in memory while the journal cannot be written: some 10 MB."""

SLOW_SECONDS: Final = 0.1
"""After a failed attempt that took longer than this (another process holds the lock), recording calls wait ten times as
long before the next one, so that an outage takes at most a tenth of their time."""


class _Waiting:
    """A waiting document, and whether it is certainly not in the journal yet."""

    __slots__ = ("document", "fresh")

    def __init__(self, document: Document, *, fresh: bool) -> None:
        self.document = document
        self.fresh = fresh


class WriteBuffer:
    """Writes documents into a journal; a strict one raises storage trouble instead of keeping the record."""

    def __init__(self, journal: Store, *, strict: bool = False) -> None:
        self._journal = journal
        self._strict = strict
        self._begin_anew()
        in_child(self._begin_anew)

    def _begin_anew(self) -> None:
        """In a forked child, too: the parent writes what waits."""
        self._waiting: deque[_Waiting] = deque()
        self._writing = False
        self._lost = self._invalid = self._normalised = 0
        self._failing_since: datetime | None = None
        self._last_error: str | None = None
        self._next_attempt = 0.0
        self._overflowing = False
        # Reentrant: a signal handler may record in the middle of anything. Messages are logged once the lock is free: a
        # log handler may ask for health, or record.
        self._lock = threading.RLock()
        self._main_waits = False
        self._depth = 0
        self._unlogged: deque[tuple[int, str, tuple[object, ...]]] = deque()

    def append(self, document: Document, *, fresh: bool = True) -> None:
        """Write one document; when this returns, it is in the journal, or waits in memory.

        Args:
            document: an admitted one.
            fresh: its id was made just now, so it cannot be in the journal already.

        Raises:
            StoreError: the journal cannot be written, and the buffer is strict.
        """
        while self._waiting:  # records keep their order: what waits goes first
            if self._main_waits and _is_main():  # a signal handler; those of a fast timer would nest ever deeper
                self.set_aside(lambda: document, fresh=fresh)
                return
            if self._alone(self._kept_behind, document, fresh=fresh):
                _keep_set_aside()
                return
        try:
            self._journal.append((document,), fresh=fresh)
        except Exception as error:
            if isinstance(error, StoreBusyError) and error.interrupted:
                self.set_aside(lambda: document, fresh=fresh)
                return
            if self._strict:
                raise
            unchanged = isinstance(error, StoreUnavailableError) and error.unchanged
            self._alone(self._keep, document, error, fresh=fresh and unchanged)
        else:
            if self._failing_since is not None:  # nothing waited: it was strict, or closed
                self._alone(self._recovered_if_empty)
            if _set_aside:
                _write_set_aside()

    def set_aside(self, make: Callable[[], Document], *, fresh: bool = True) -> None:
        """Leave a document to the call that this one has interrupted; it is written when that call ends.

        Nothing here waits for a lock: another thread may hold it, and wait for the interrupted call.

        Args:
            make: the document; what it raises is logged and counted.
            fresh: its id was made just now.
        """
        _set_aside.append((self, make, fresh))

    def keep(self, document: Document, *, fresh: bool) -> None:
        """Keep a document in memory; the next ``append`` or ``flush`` writes it."""
        self._alone(self._keep, document, None, fresh=fresh)

    def flush(self) -> bool:
        """Write what waits; returns whether nothing waits any more."""
        _write_set_aside()
        return self._alone(self._write_waiting)

    def close(self) -> None:
        """Write what waits; what still cannot be written is lost.

        That is logged and also a ``RuntimeWarning``: a program that never set up logging must not lose records in
        silence.
        """
        loss = self._alone(self._give_up)
        if loss is not None:
            warnings.warn(loss, RuntimeWarning, stacklevel=2)

    def attempt(self, act: Callable[[], None]) -> None:
        """Do something with the journal; its trouble raises only where the buffer is strict."""
        try:
            act()
        except StoreError as error:
            if self._strict:
                raise
            self._alone(self._failed, error, "%s")

    def count_unwritten(self, error: Exception) -> None:
        """Count a record that could not be written, and whose caller must not get an exception."""
        self._alone(self._lose, error)

    def count_invalid(self, error: InvalidRecordError) -> None:
        """Count an invalid record that is to be logged, not raised."""
        with self._lock:
            self._invalid += 1
            first = self._invalid == 1
        logger.log(logging.WARNING if first else logging.DEBUG, "not recorded: %s", error)

    def count_normalised(self, notes: tuple[str, ...]) -> None:
        """Count a record that was normalised."""
        with self._lock:
            self._normalised += 1
            first = self._normalised == 1
        logger.log(logging.WARNING if first else logging.DEBUG, "recorded, but %s", "; ".join(notes))

    def health(self) -> Health:
        """The counts at this moment."""
        from benchmark_recorder.stores.health import Health  # not needed to record

        with self._lock:
            return Health(
                store=self._journal.name,
                waiting=len(self._waiting) + sum(buffer is self for buffer, _, _ in tuple(_set_aside)),
                lost=self._lost,
                invalid=self._invalid,
                normalised=self._normalised,
                failing_since=self._failing_since,
                last_error=self._last_error,
                beside=self._journal.beside(),
            )

    def _kept_behind(self, document: Document, *, fresh: bool) -> bool:
        if self._waiting and (monotonic() < self._next_attempt or not self._write_waiting()):
            self._keep(document, None, fresh=fresh)
            return True
        return False

    def _give_up(self) -> str | None:
        """Write what waits, or drop it; returns a message about the loss."""
        if self._write_waiting() or self._writing:
            return None
        n = len(self._waiting)
        loss = (
            f"{n} record{'' if n == 1 else 's'} could not be written to {self._journal.name} before the end, and "
            f"{'is' if n == 1 else 'are'} lost: {self._last_error}"
        )
        self._lost += n
        self._say(logging.ERROR, "%s", loss)
        self._waiting.clear()
        _outstanding.discard(self)
        return loss

    def _lose(self, error: Exception) -> None:
        self._lost += 1
        self._failed(error, "records are lost until they can be written: %s")

    def _write_waiting(self) -> bool:
        """Try the oldest record alone first, so that an attempt during an outage is short."""
        if self._writing:  # a signal handler, in the middle of this: the interrupted call goes on
            return False
        began = monotonic()
        self._writing = True
        try:
            self._write_all()
        except StoreBusyError as error:  # no outage: a long call of this process, such as prune
            self._last_error = str(error)
        except Exception as error:  # noqa: BLE001 - a third party's store must not hurt the caller either
            self._failed(error)
            took = monotonic() - began
            self._next_attempt = began + 11 * took if took > SLOW_SECONDS else 0.0
        finally:
            self._writing = False
        if not self._waiting:
            _outstanding.discard(self)
        return not self._waiting

    def _write_all(self) -> None:  # Python 3.12 and 3.13 would skip a caller's `finally` where Ctrl-C ends a loop in it
        while self._waiting:
            self._write(tuple(self._waiting)[: None if self._failing_since is None else 1])
            self._recovered()

    def _write(self, batch: Sequence[_Waiting]) -> None:
        """Write the first waiting records.

        The journal looks for them only if they may be there already: in a large one that takes long, and it is the
        caller's time.
        """
        fresh = all(waiting.fresh for waiting in batch)
        for waiting in batch:
            waiting.fresh = False  # whatever interrupts this
        try:
            self._journal.append([waiting.document for waiting in batch], fresh=fresh)
        except StoreUnavailableError as error:
            for waiting in batch:
                waiting.fresh = fresh and error.unchanged
            raise
        for _ in batch:
            self._waiting.popleft()

    def _keep(self, document: Document, error: Exception | None, *, fresh: bool) -> None:
        if isinstance(error, StoreBusyError):
            self._last_error = str(error)
        elif error is not None:
            self._failed(error)
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(_Waiting(document, fresh=fresh))
            at_worker_end(_close_outstanding)
            _outstanding.add(self)
            return
        self._lost += 1
        if not self._overflowing:
            self._overflowing = True
            self._say(
                logging.ERROR,
                "more than %d records wait for %s: further ones are lost until it can be written again",
                MAX_WAITING,
                self._journal.name,
            )

    def _failed(
        self, error: Exception, message: str = "records are kept in memory until they can be written: %s"
    ) -> None:
        self._last_error = str(error) or type(error).__name__
        if self._failing_since is None:
            self._failing_since = datetime.now(UTC)
            self._say(logging.WARNING, message, self._last_error)

    def _recovered(self) -> None:
        if self._failing_since is not None:
            self._failing_since = None
            self._overflowing = False
            self._next_attempt = 0.0
            self._say(logging.WARNING, "%s can be written again", self._journal.name)

    def _recovered_if_empty(self) -> None:
        if not self._waiting:
            self._recovered()

    def _alone(self, act: Callable[P, R], *arguments: P.args, **keywords: P.kwargs) -> R:
        """Do it under the lock, then log what it had to say.

        Not a context manager: a generator left behind by Ctrl-C holds the lock until it is collected.
        """
        is_main = _is_main()
        try:
            if is_main:  # no other thread sets it
                self._main_waits = True
            with self._lock:
                if is_main:
                    self._main_waits = False
                depth = self._depth
                self._depth = depth + 1
                try:
                    done = act(*arguments, **keywords)
                finally:
                    self._depth = depth
        finally:
            if is_main:
                self._main_waits = False
        while not depth and self._unlogged:
            try:
                level, message, values = self._unlogged.popleft()
            except IndexError:  # another thread has logged it
                break
            logger.log(level, message, *values)
        return done

    def _say(self, level: int, message: str, *values: object) -> None:
        """Log it once the lock is free."""
        self._unlogged.append((level, message, values))


_outstanding: set[WriteBuffer] = set()
"""Buffers with waiting records: they outlive their recorder, and are written at exit."""


@atexit.register
def _close_outstanding() -> None:
    _write_set_aside()
    with ExitStack() as ends:  # each of them, even if a warning is turned into an error
        for buffer in tuple(_outstanding):
            ends.callback(buffer.close)


in_child(_outstanding.clear)

_set_aside: deque[tuple[WriteBuffer, Callable[[], Document], bool]] = deque()
"""What signal handlers recorded in the middle of a call of the same thread, of any buffer: its end writes them."""

in_child(_set_aside.clear)


def _is_main() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def _write_set_aside() -> None:
    for buffer in _keep_set_aside():
        buffer.flush()


def _keep_set_aside() -> set[WriteBuffer]:
    """Let what was set aside wait in its buffer; which buffers those are."""
    buffers: set[WriteBuffer] = set()
    while _set_aside:
        try:
            buffer, make, fresh = _set_aside.popleft()
        except IndexError:  # another thread has written it
            break
        try:
            document = make()
        except InvalidRecordError as error:
            buffer.count_invalid(error)
        except Exception as error:  # noqa: BLE001 - the interrupted call must not get another one's error
            buffer.count_unwritten(error)
        else:
            buffer.keep(document, fresh=fresh)
            buffers.add(buffer)
    return buffers
