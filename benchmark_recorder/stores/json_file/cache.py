r"""The columns and cells of a document, saved beside it for the first question of the next process.

Derived, and safe to delete. A sidecar that does not fit its document is not used, and replaced by the next reader.

::

    benchmark-recorder columns 2\n
    8 bytes     the length of the head, little-endian
    head        JSON: what ties it to the document, vocabularies, cells, checksums
    columns     one after the other, as in ``_table.DTYPES``, little-endian
    durations   the finite ones of each version in rising order, one version after the other, little-endian

History: 1 had no durations.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from benchmark_recorder.cells import Cell  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.ordered import Ordered
from benchmark_recorder.stores.json_file.source import Fingerprint  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.table import DTYPES, Table
from benchmark_recorder.stores.sidefiles import folder_of, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.stores.json_file.source import Source

_MAGIC: Final = b"benchmark-recorder columns 2\n"
_NAME: Final = "columns"


class UnusableError(Exception):
    """A sidecar turned out to be damaged, or was replaced, while it was used."""


class _Head(msgspec.Struct):
    extent: Fingerprint
    count: int
    odd: int
    vocabularies: dict[str, list[str]]
    cells: list[Cell] | None
    checksums: dict[str, int]
    durations: list[tuple[int, int]]  # by version: how many, and their checksum; empty where they are not saved

    @property
    def columns_size(self) -> int:
        """Bytes."""
        return self.count * sum(_dtype(name).itemsize for name in DTYPES)


_decode = msgspec.json.Decoder(_Head).decode


class _Saved:
    """What a sidecar holds behind its head, each part read and checked when it is first asked for."""

    def __init__(self, path: str, start: int, head: _Head, status: os.stat_result) -> None:
        self._path, self._start, self._head = path, start, head
        self._identity = _identity(status)
        self._columns: dict[str, NDArray[np.generic]] = {}

    def column(self, name: str) -> NDArray[np.generic]:
        """One column."""
        if name not in self._columns:
            names = list(DTYPES)
            before = self._head.count * sum(_dtype(other).itemsize for other in names[: names.index(name)])
            found = self._read(before, self._head.count, _dtype(name), self._head.checksums[name])
            self._columns[name] = found.astype(DTYPES[name], copy=False)
        return self._columns[name]

    def durations(self, version: int) -> NDArray[np.float64]:
        """A version's, in rising order."""
        saved = self._head.durations
        if version >= len(saved):  # it came later
            return np.empty(0)
        count, checksum = saved[version]
        before = self._head.columns_size + 8 * sum(other for other, _ in saved[:version])
        return self._read(before, count, np.dtype("<f8"), checksum).astype(np.float64, copy=False)

    def _read(self, before: int, count: int, dtype: np.dtype[Any], checksum: int) -> NDArray[Any]:
        try:
            with open(self._path, "rb", buffering=0) as file:
                if _identity(os.fstat(file.fileno())) != self._identity:
                    raise UnusableError(self._path)
                found = np.empty(count, dtype)
                file.seek(self._start + before)
                size = file.readinto(found.data.cast("B")) if count else 0
        except OSError as error:
            raise UnusableError(self._path) from error
        if size != found.nbytes or zlib.crc32(found.data) != checksum:
            raise UnusableError(self._path)
        return found


def load(document: str, source: Source) -> tuple[Fingerprint, Table] | None:
    """The saved columns of a document, where they fit it; ``None`` where not."""
    path = path_of(document)
    with suppress(OSError, msgspec.DecodeError, ValueError), open(path, "rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None
        length = int.from_bytes(file.read(8), "little")
        start = len(_MAGIC) + 8 + length
        status = os.fstat(file.fileno())
        if start > status.st_size:
            return None
        head = _decode(file.read(length))
        size = start + head.columns_size + 8 * sum(count for count, _ in head.durations)
        if size != status.st_size or not head.extent.fits(source):
            return None
        saved = _Saved(path, start, head, status)
        ordered = Ordered(head.count, saved.durations) if head.durations else None
        return head.extent, Table(head.vocabularies, head.cells, [(head.count, saved.column)], ordered, head.odd)
    return None


def save(document: str, extent: Fingerprint, table: Table) -> None:
    """Save the columns of a document; where that fails, the next process reads the document itself."""
    # Not synced: what a power cut leaves of it has the wrong size or checksums, and is not used.
    with suppress(OSError):
        os.replace(write_beside(document, _content(extent, table), sync=False), path_of(document))


def _content(extent: Fingerprint, table: Table) -> Iterator[bytes | memoryview]:
    columns = {name: np.ascontiguousarray(table.column(name), _dtype(name)) for name in DTYPES}
    durations = [np.ascontiguousarray(times, "<f8") for times in table.durations_by_version() or ()]
    cells = table.cells
    head = msgspec.json.encode(
        _Head(
            extent,
            len(table),
            table.odd,
            {name: list(vocabulary.texts) for name, vocabulary in table.vocabularies.items()},
            None if cells is None else list(cells),
            {name: zlib.crc32(column.data) for name, column in columns.items()},
            [(len(times), zlib.crc32(times.data)) for times in durations],
        )
    )
    yield _MAGIC + len(head).to_bytes(8, "little") + head
    for column in (*columns.values(), *durations):
        yield column.data


def state_of(document: str, source: Source) -> Literal["none", "fresh", "behind", "stale"]:
    """How a document's sidecar stands to it."""
    if not os.path.exists(path_of(document)):
        return "none"
    loaded = load(document, source)
    if loaded is None:
        return "stale"
    return "fresh" if loaded[0].offset == source.layout.end else "behind"


def path_of(document: str) -> str:
    """Where a document's sidecar is."""
    return os.path.join(folder_of(document), _NAME)


def _dtype(name: str) -> np.dtype[np.generic]:
    return np.dtype(DTYPES[name]).newbyteorder("<")


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
