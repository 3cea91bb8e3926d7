"""The columns and cells of a document, saved beside it for the first question of the next process.

Derived, and safe to delete: ``columns``, a file of arrays (see ``arrays``): the columns of ``table.DTYPES``, and the
finite durations of each version in rising order. The head ties it to the document, and has vocabularies and cells. A
cache that does not fit its document, or is damaged, is not used, and replaced by the next reader. ``metadata`` is
another such file, for questions about metadata: the codes of the records, and the texts, one after the other.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from benchmark_recorder.cells import Cell  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.arrays import SavedArrays, UnusableError, save_arrays
from benchmark_recorder.stores.json_file.derived import Ordered
from benchmark_recorder.stores.json_file.lines import Key  # noqa: TC001 - decoded to
from benchmark_recorder.stores.json_file.metadata import Metadata
from benchmark_recorder.stores.json_file.source import Fingerprint
from benchmark_recorder.stores.json_file.table import DTYPES, Table
from benchmark_recorder.stores.sidefiles import folder_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.stores.json_file.source import Source

_NAME: Final = "columns"


class _Head(msgspec.Struct):
    extent: Fingerprint
    count: int
    invalid: int
    copied: list[bytes]
    last: Key
    children: int
    vocabularies: dict[str, list[str]]
    cells: list[Cell] | None
    versions: int  # whose durations are saved
    damaged: int = 0


_decode = msgspec.json.Decoder(_Head).decode
_decode_extent = msgspec.json.Decoder(Fingerprint).decode


class _Saved:
    """The columns of a cache, each read when it is first asked for."""

    def __init__(self, path: str) -> None:
        self._arrays = SavedArrays(path)
        self._columns: dict[str, NDArray[Any]] = {}
        self.head = _decode(self._arrays.head)

    def column(self, name: str) -> NDArray[Any]:
        """One column."""
        if name not in self._columns:
            self._columns[name] = self._arrays.read(name, DTYPES[name])
        return self._columns[name]

    def durations(self, version: int) -> NDArray[np.float64]:
        """A version's, in rising order."""
        if version >= self.head.versions:  # it came later
            return np.empty(0)
        return self._arrays.read(_durations_of(version), "float64")


def _durations_of(version: int) -> str:
    return f"durations {version}"


def load(document: str, source: Source) -> tuple[Fingerprint, Table] | None:
    """The saved columns of a document, where they fit it; ``None`` where not."""
    with suppress(UnusableError, msgspec.DecodeError):
        saved = _Saved(path_of(document))
        head = saved.head
        if head.extent.fits(source):
            ordered = Ordered(head.count, saved.durations) if head.versions else None
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
                damaged=head.damaged,
            )
    return None


def save(document: str, extent: Fingerprint, table: Table) -> None:
    """Save the columns of a document; where that fails, the next process reads the document itself."""
    durations = table.durations_by_version() or ()
    head = _Head(
        extent,
        len(table),
        table.invalid,
        sorted(table.copied),
        table.last,
        table.children,
        {name: list(vocabulary.texts) for name, vocabulary in table.vocabularies.items()},
        None if table.cells is None else list(table.cells),
        len(durations),
        table.damaged,
    )
    arrays = {name: table.column(name) for name in DTYPES}
    arrays.update((_durations_of(version), times) for version, times in enumerate(durations))
    save_arrays(document, path_of(document), msgspec.json.encode(head), arrays)


def load_metadata(document: str, source: Source) -> Metadata | None:
    """The saved metadata of a document, where it fits it; ``None`` where not."""
    with suppress(UnusableError, msgspec.DecodeError):
        saved = SavedArrays(_metadata_path(document))
        extent = _decode_extent(saved.head)
        if extent.fits(source):
            joined, ends = saved.read("texts", "uint8").tobytes(), saved.read("ends", "int64").tolist()
            texts = (joined[start:end] for start, end in pairwise([0, *ends]))
            return Metadata(extent.offset, texts, saved.read("codes", "int32"))
    return None


def save_metadata(document: str, extent: Fingerprint, metadata: Metadata) -> None:
    """Save the metadata of a document, where it is kept."""
    texts = metadata.texts
    if texts is not None:
        arrays: dict[str, NDArray[Any]] = {
            "texts": np.frombuffer(b"".join(texts), np.uint8),
            "ends": np.cumsum([len(text) for text in texts], dtype=np.int64),
            "codes": metadata.codes,
        }
        save_arrays(document, _metadata_path(document), msgspec.json.encode(extent), arrays)


def _metadata_path(document: str) -> str:
    return os.path.join(folder_of(document), "metadata")


def state_of(document: str, source: Source) -> Literal["none", "fresh", "behind", "stale"]:
    """Whether a document's cache exists, and can be used."""
    if not os.path.exists(path_of(document)):
        return "none"
    loaded = load(document, source)
    if loaded is None:
        return "stale"
    return "fresh" if source.older is not None or loaded[0].offset == source.layout.end else "behind"


def path_of(document: str) -> str:
    """Where a document's cache is."""
    return os.path.join(folder_of(document), _NAME)


def remove(document: str) -> None:
    """Remove what is saved of a document."""
    for path in (path_of(document), _metadata_path(document)):
        with suppress(OSError):
            os.unlink(path)
