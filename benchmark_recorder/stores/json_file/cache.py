"""The columns and cells of a document, saved beside it for the first question of the next process.

Derived, and safe to delete: ``columns.npz``, in numpy's format. A cache that does not fit its document, or is damaged,
is not used, and replaced by the next reader. Its arrays:

- ``head``: JSON: what ties it to the document, vocabularies, cells.
- the columns of ``table.DTYPES``.
- ``durations``: the finite ones of each version in rising order, one version after the other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from benchmark_recorder.cells import Cell  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.derived import Ordered
from benchmark_recorder.stores.json_file.lines import Key  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.source import Fingerprint  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.table import DTYPES, Table
from benchmark_recorder.stores.sidefiles import folder_of, new_beside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.stores.json_file.source import Source

_NAME: Final = "columns.npz"
_FORMER_NAME: Final = "columns"
"""Of earlier releases; never read."""

_END: Final = b"PK\x05\x06"
"""How the last 22 bytes of a whole file begin."""


class UnusableError(Exception):
    """A cache turned out to be damaged, or was replaced, while it was used."""


class _Head(msgspec.Struct):
    extent: Fingerprint
    count: int
    invalid: int
    copied: list[bytes]
    last: Key
    children: int
    vocabularies: dict[str, list[str]]
    cells: list[Cell] | None
    durations: list[int] | None  # by version: how many; None where they are not saved


_decode = msgspec.json.Decoder(_Head).decode


class _Saved:
    """The arrays of a cache, each read and checked when it is first asked for."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._identity: tuple[int, ...] = ()
        self._arrays: dict[str, NDArray[Any]] = {}
        self.head = _decode(self._read("head").tobytes())

    def column(self, name: str) -> NDArray[Any]:
        """One column."""
        if name not in self._arrays:
            found = self._read(name)
            if found.dtype != DTYPES[name] or found.shape != (self.head.count,):
                raise UnusableError(self._path)
            self._arrays[name] = found
        return self._arrays[name]

    def durations(self, version: int) -> NDArray[np.float64]:
        """A version's, in rising order."""
        counts = self.head.durations or []
        if version >= len(counts):  # it came later
            return np.empty(0)
        if "durations" not in self._arrays:
            self._arrays["durations"] = self._read("durations")
        start = sum(counts[:version])
        return self._arrays["durations"][start : start + counts[version]]

    def _read(self, name: str) -> NDArray[Any]:
        """An array of the file that was there when the first one was read."""
        try:
            with open(self._path, "rb") as file:
                status = os.fstat(file.fileno())
                identity = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
                file.seek(max(0, status.st_size - 22))
                if (self._identity or identity) == identity and file.read(len(_END)) == _END:
                    self._identity = identity
                    file.seek(0)
                    with np.load(file, allow_pickle=False) as arrays:
                        found: NDArray[Any] = arrays[name]
                        return found
        except Exception as error:  # damage in a zip file shows as almost any error
            raise UnusableError(self._path) from error
        raise UnusableError(self._path)


def load(document: str, source: Source) -> tuple[Fingerprint, Table] | None:
    """The saved columns of a document, where they fit it; ``None`` where not."""
    with suppress(UnusableError, msgspec.DecodeError):
        saved = _Saved(path_of(document))
        head = saved.head
        if head.extent.fits(source):
            ordered = None if head.durations is None else Ordered(head.count, saved.durations)
            parts = [(head.count, saved.column)]
            return head.extent, Table(
                head.vocabularies,
                head.cells,
                parts,
                ordered=ordered,
                invalid=head.invalid,
                copied=head.copied,
                last=head.last,
                children=head.children,
            )
    return None


def save(document: str, extent: Fingerprint, table: Table) -> None:
    """Save the columns of a document; where that fails, the next process reads the document itself."""
    durations = table.durations_by_version()
    head = _Head(
        extent,
        len(table),
        table.invalid,
        sorted(table.copied),
        table.last,
        table.children,
        {name: list(vocabulary.texts) for name, vocabulary in table.vocabularies.items()},
        None if table.cells is None else list(table.cells),
        None if durations is None else [len(times) for times in durations],
    )
    arrays = {name: table.column(name) for name in DTYPES}
    arrays["durations"] = np.concatenate([np.empty(0), *(durations or ())])
    # Not synced: what a power cut leaves of it is not whole, or has wrong checksums, and is not used.
    with suppress(OSError):
        with new_beside(document, sync=False) as file:
            np.savez(file, head=np.frombuffer(msgspec.json.encode(head), np.uint8), **arrays)  # type: ignore[arg-type]
        os.replace(file.name, path_of(document))
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(folder_of(document), _FORMER_NAME))


def state_of(document: str, source: Source) -> Literal["none", "fresh", "behind", "stale"]:
    """Whether a document's cache exists, and can be used."""
    if not os.path.exists(path_of(document)):
        return "none"
    loaded = load(document, source)
    if loaded is None:
        return "stale"
    return "fresh" if loaded[0].offset == source.layout.end else "behind"


def path_of(document: str) -> str:
    """Where a document's cache is."""
    return os.path.join(folder_of(document), _NAME)
