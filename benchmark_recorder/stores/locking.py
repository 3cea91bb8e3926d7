"""``flock`` with a deadline, and the system's errors in words."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreUnavailableError

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None

LOCK_SECONDS: Final = 2.0
"""How long an append waits for another process: far above any honest wait (a write takes microseconds), and short
enough that a stopped process which holds the lock cannot stall an event loop for good."""

YIELDS: Final = 20
"""How often to yield the processor before sleeping: a holder needs it for some microseconds only."""

PAUSE_SECONDS: Final = 0.000_2

REWRITE_SECONDS: Final = 30.0
"""How long a rewrite waits, which is never urgent."""


def check_platform() -> None:
    """Refuse to work without locks, rather than lose records silently.

    Raises:
        StoreUnavailableError: the system has no ``flock`` (Windows).
    """
    if fcntl is None:
        raise StoreUnavailableError(
            "the JSON file store needs flock, which this system does not have; on Windows, run it under WSL, or use "
            "a remote store"
        )


def lock(fd: int, path: str, *, shared: bool = False, seconds: float = LOCK_SECONDS) -> None:
    """Lock an open file.

    Args:
        fd: its descriptor.
        path: what to call it in an error.
        shared: with other readers; alone otherwise.
        seconds: how long to try; 0 for once.

    Raises:
        StoreUnavailableError: another process has held it all the time, or the file system has no locks.
    """
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    deadline, tries = time.monotonic() + seconds, 0
    while True:
        try:
            fcntl.flock(fd, operation)
        except BlockingIOError:
            if time.monotonic() > deadline:
                since = f" for more than {seconds:g} s" if seconds else " still"
                raise StoreUnavailableError(
                    f"{path} is locked by another process{since}; find it with `lslocks` or `fuser {path}`, and let it "
                    "go on or end it",
                    unchanged=True,
                ) from None
        except OSError as error:
            raise unavailable(error, path, "lock") from error
        else:
            return
        tries += 1
        if tries <= YIELDS:
            os.sched_yield()
        else:
            time.sleep(PAUSE_SECONDS)


def unlock(fd: int) -> None:
    """Undo ``lock``."""
    fcntl.flock(fd, fcntl.LOCK_UN)


_ADVICE: Final = {
    errno.EACCES: "give this user the right to, or choose another path",
    errno.EPERM: "give this user the right to, or choose another path",
    errno.EROFS: "the file system is read-only; choose another path",
    errno.EISDIR: "it is a folder; name a file in it, such as metrics.json",
    errno.ENOTDIR: "a part of the path is a file; choose another path",
    errno.EEXIST: "a part of the path is a file; choose another path",
    errno.ENOENT: "its folder is gone; make it again, or choose another path",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EFBIG: "the largest size a file may have is reached (see `ulimit -f`); prune it, or choose another path",
    errno.ELOOP: "its symbolic links go round in circles; choose another path",
}

_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, 524})
"""What file systems without locks answer; the last one is the kernel's own ENOTSUPP (autofs)."""


def check_locks(path: str) -> None:
    """Refuse a file system that has no locks, as far as that can be seen without making anything.

    Raises:
        StoreUnavailableError: the file at the path, or the folder where it would be, cannot be locked.
    """
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # the first append says why
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise unavailable(error, path, "lock") from error
    finally:
        os.close(fd)


def unavailable(error: OSError, path: str, verb: str, *, unchanged: bool = True) -> StoreUnavailableError:
    """The error for what the system reports: which file, why, and what to do."""
    advice = _ADVICE.get(error.errno or 0, "try again once that is fixed")
    if verb == "lock" and error.errno in _NO_LOCKS:
        advice = "the file system has no locks; choose a path on another one"
    reason = os.strerror(error.errno) if error.errno else str(error)
    return StoreUnavailableError(f"cannot {verb} {path}: {reason}; {advice}", unchanged=unchanged)
