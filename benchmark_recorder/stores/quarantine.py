"""Records that a remote store refused for their content: kept whole, counted, and tried again on request.

``quarantine.jsonl`` in the folder beside the journal has one entry per line. An entry is written before the cursor
moves past its record, and removed after the record was delivered, so every record is in at least one place; readers of
both exclude these ids from the remote side.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.stores.cursors import CURSOR_SECONDS, locked
from benchmark_recorder.stores.locking import unavailable
from benchmark_recorder.stores.sidefiles import folder_of, write_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from benchmark_recorder.records import Document

T = TypeVar("T")

REFUSED_ALIKE: Final = 8
"""Records from which on a refusal of all, for one reason and with none taken, is the server's doing."""


class Entry(msgspec.Struct, frozen=True):
    """One refused record.

    Attributes:
        remote: the name of the store that refused it.
        reason: in the store's words.
        at: when, as text.
        document: the record.
    """

    remote: str
    reason: str
    at: str
    document: dict[str, Any]

    @property
    def record_id(self) -> str:
        """The record's."""
        return str(self.document["record_id"])


class _Identified(msgspec.Struct):
    record_id: str


class _Refused(msgspec.Struct):
    document: _Identified


_decode = msgspec.json.Decoder(Entry).decode
_decode_id = msgspec.json.Decoder(_Refused).decode
_encode = msgspec.json.Encoder().encode


class Quarantine:
    """The refused records of one journal.

    Args:
        journal: the path of the journal's file.
    """

    def __init__(self, journal: str) -> None:
        self._journal = journal
        self.path = os.path.join(folder_of(journal), "quarantine.jsonl")

    def of(self, remote: str) -> dict[str, Entry]:
        """One store's entries by the record's id.

        Raises:
            StoreUnavailableError: they cannot be read.
        """
        return {entry.record_id: entry for entry in self._read(_decode) if entry.remote == remote}

    def ids(self) -> set[str]:
        """The ids of all entries; errors as in ``of``."""
        return {refused.document.record_id for refused in self._read(_decode_id)}

    def add(self, remote: str, documents: Iterable[Document], reasons: Mapping[str, str]) -> None:
        """Keep the documents that a store gave a reason against; existing entries stay as they are.

        Raises:
            StoreUnavailableError: they cannot be written.
        """
        with self._held():
            there = self.of(remote)
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            new = {
                record_id: Entry(remote, reasons[record_id], at, document)
                for document in documents
                if (record_id := document["record_id"]) in reasons and record_id not in there
            }
            if new:
                self._write([*self._read(_decode), *new.values()])

    def remove(self, remote: str, ids: Collection[str]) -> None:
        """Remove the entries of delivered records.

        Raises:
            StoreUnavailableError: the file cannot be written.
        """
        with self._held():
            gone = set(ids)
            entries = self._read(_decode)
            self._write([e for e in entries if e.remote != remote or e.record_id not in gone])

    def rename_version(self, old: str, new: str) -> None:
        """Give the records of one version the name of another; errors as in ``remove``."""
        if os.path.exists(self.path):
            with self._held():
                entries = self._read(_decode)
                for entry in entries:
                    if entry.document.get("version") == old:
                        entry.document["version"] = new
                self._write(entries)

    def _held(self) -> AbstractContextManager[int]:
        return locked(self._journal, "quarantine.lock", shared=False, seconds=CURSOR_SECONDS)

    def _read(self, decode: Callable[[bytes], T]) -> list[T]:
        try:
            with open(self.path, "rb") as file:
                return [decode(line) for line in file]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unavailable(error, self.path, "read") from error
        except msgspec.DecodeError as error:
            raise StoreUnavailableError(
                f"{self.path} has a line that is not a refused record: {error}; correct or remove it"
            ) from error

    def _write(self, entries: list[Entry]) -> None:
        try:
            os.replace(write_beside(self._journal, (_encode(entry) + b"\n" for entry in entries)), self.path)
        except OSError as error:
            raise unavailable(error, self.path, "write to") from error
