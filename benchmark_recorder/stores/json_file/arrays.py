"""A file of arrays that is derived from a document, and read array by array: what ``cache`` saves.

Its first line is a checksum and JSON: a head, and where each array is. Behind it are the arrays' bytes, one array after
the other. Whatever is not whole, damaged, of another release or of another machine is unusable, and never an answer.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from benchmark_recorder.stores.sidefiles import new_beside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedReader

    from numpy.typing import NDArray


class UnusableError(Exception):
    """A file of arrays is damaged, or was replaced while it was used."""


class _Place(msgspec.Struct):
    dtype: str
    start: int  # bytes behind the first line
    count: int
    checksum: int


class _FirstLine(msgspec.Struct):
    head: msgspec.Raw
    arrays: dict[str, _Place]


_decode = msgspec.json.Decoder(_FirstLine).decode


class SavedArrays:
    """The arrays of a file, each read and checked when it is asked for.

    Args:
        path: of the file.

    Attributes:
        head: JSON, as it was written.

    Raises:
        UnusableError: the file is not whole, or does not exist.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            with open(path, "rb") as file:
                self._identity = _identity(file)
                line = file.readline()
            checksum, _, content = line.rstrip(b"\n").partition(b" ")
            if checksum != _checksum(content):
                raise UnusableError(path)
            first = _decode(content)
        except (OSError, msgspec.DecodeError) as error:
            raise UnusableError(path) from error
        self.head, self._places, self._start = bytes(first.head), first.arrays, len(line)
        size = sum(np.dtype(place.dtype).itemsize * place.count for place in first.arrays.values())
        if self._start + size != self._identity[2]:
            raise UnusableError(path)

    def read(self, name: str, dtype: str) -> NDArray[Any]:
        """An array of the file that was there at first.

        Raises:
            UnusableError: it is not there, damaged, or of another dtype; or the file was replaced.
        """
        place = self._places.get(name)
        if place is None or place.dtype != np.dtype(dtype).str:
            raise UnusableError(self._path)
        try:
            with open(self._path, "rb", buffering=0) as file:
                if _identity(file) != self._identity:
                    raise UnusableError(self._path)
                found = np.empty(place.count, dtype)
                file.seek(self._start + place.start)
                size = file.readinto(found.data.cast("B")) if place.count else 0
        except OSError as error:
            raise UnusableError(self._path) from error
        if size != found.nbytes or zlib.crc32(found.data) != place.checksum:
            raise UnusableError(self._path)
        return found


def save_arrays(document: str, path: str, head: bytes, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write or replace a file of contiguous arrays, by name, beside a document; where that fails, there is none."""
    places: dict[str, _Place] = {}
    start = 0
    for name, array in arrays.items():
        places[name] = _Place(array.dtype.str, start, len(array), zlib.crc32(array.data))
        start += array.nbytes
    first = msgspec.json.encode(_FirstLine(msgspec.Raw(head), places))
    # Not synced: what a power cut leaves of it is not whole, or has wrong checksums, and is not used.
    with suppress(OSError):
        with new_beside(document, sync=False) as file:
            file.write(b"%b %b\n" % (_checksum(first), first))
            file.writelines(array.data for array in arrays.values())
        os.replace(file.name, path)


def _checksum(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)


def _identity(file: BufferedReader | Any) -> tuple[int, int, int, int]:  # noqa: ANN401 - or unbuffered
    status = os.fstat(file.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
