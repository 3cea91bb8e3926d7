"""The size of an open file, if it still has a name."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# From linux/fcntl.h and linux/stat.h; the kernel's interface, the same on every architecture.
_AT_EMPTY_PATH: Final = 0x1000
_STATX_NLINK_AND_SIZE: Final = 0x4 | 0x200
_STATX_BYTES: Final = 256
_NLINK_OFFSET: Final = 16
_SIZE_OFFSET: Final = 40


def make_glance() -> Callable[[int], int]:
    """A function from a descriptor to the size of its file in bytes: -1 once that was deleted or replaced.

    ``os.fstat`` tells the same, but asks for the file's times as well. Since Linux 6.13 a file whose times were asked
    for gets a fine-grained time at its next write, so an ``fstat`` before each write makes the write itself cost
    twice as much. ``statx`` asks for what is needed. The function is for one thread at a time.
    """
    if not sys.platform.startswith("linux"):
        return _glance
    try:
        import ctypes

        statx = ctypes.CDLL(None).statx
    except (ImportError, AttributeError, OSError):  # the interpreter is ending, or an old C library
        return _glance
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    links = ctypes.c_uint32.from_buffer(buffer, _NLINK_OFFSET)
    size = ctypes.c_uint64.from_buffer(buffer, _SIZE_OFFSET)
    # Converted once: ctypes would convert plain arguments in each call.
    no_path, flags = ctypes.c_char_p(b""), ctypes.c_int(_AT_EMPTY_PATH)
    mask, target = ctypes.c_uint(_STATX_NLINK_AND_SIZE), ctypes.c_void_p(ctypes.addressof(buffer))

    def glance(fd: int) -> int:
        if statx(fd, no_path, flags, mask, target):  # forbidden by a sandbox, or an old kernel
            return _glance(fd)
        return size.value if links.value else -1

    return glance


def _glance(fd: int) -> int:
    status = os.fstat(fd)
    return status.st_size if status.st_nlink else -1
