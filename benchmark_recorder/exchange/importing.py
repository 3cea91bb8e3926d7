"""Which form a file has, and its records into a store: every line is checked before the first record is written."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import (
    InvalidRecordError,
    RefusedRecordsError,
    StoreError,
    StoreFormatError,
    StoreUnavailableError,
)
from benchmark_recorder.exchange import csv_rows, pytest_benchmark
from benchmark_recorder.exchange.entry import BYTE_ORDER_MARK, Entry, admitted, json_lines, prepared, read_object
from benchmark_recorder.stores.json_file.old_formats import identified
from benchmark_recorder.stores.json_file.places import Salvage

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterator

    from benchmark_recorder.stores.base import Store

BATCH: Final = 1000
"""Records in memory at a time."""

MOST_NOTES: Final = 10
"""At most this many notes: a file of a million lines may need as many."""

_SOME_ID: Final = "0" * 32
_KNOWN_FORMS: Final = (
    "JSON lines, CSV under a row of names (at least execution_time and success), the JSON of this recorder, or that of "
    "pytest-benchmark"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        form: of the file: ``"json"``, ``"jsonl"``, ``"csv"`` or ``"pytest-benchmark"``.
        read: records in the file.
        new: how many of them the store did not have.
        notes: how the stored records differ from the file, in sentences.
        refused: why the store refused some records, by id.
    """

    form: str
    read: int
    new: int
    notes: tuple[str, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


def import_file(
    path: str | os.PathLike[str],
    store: Store,
    *,
    version: str | None = None,
    keep_text: bool = True,
    report: Callable[[int], None] | None = None,
) -> Imported:
    """Import the records of a file; its form is recognised by its content, and re-running adds nothing.

    A record keeps its id. One without an id gets one from its content and its ordinal among identical records.

    Args:
        path: a file of JSON lines, CSV, our JSON or pytest-benchmark's JSON.
        store: a record whose id it already has is left as it is.
        version: for records without one; for all records of a pytest-benchmark file.
        keep_text: whether tasks' texts are kept.
        report: called with the number of records of each batch that is stored.

    Raises:
        InvalidRecordError: a line is wrong; the message names file, line and field, and nothing was imported.
        StoreFormatError: the file has none of the known forms.
        StoreUnavailableError: the file cannot be read, or the store failed halfway; says how many were imported.
        StoreError: the store failed before the first record was stored.
    """
    try:
        source = _Source(Path(path), version)
        given, read, notes = _check(source)
        new, refused = _store(source, given, store, report or (lambda _: None), keep_text=keep_text)
    except OSError as error:
        raise StoreUnavailableError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreFormatError(f"{path}: cannot be read: it is not UTF-8 text") from error
    except InvalidRecordError as error:
        raise InvalidRecordError(f"{path}, {error}", field=error.field) from error
    return Imported(source.form, read, new, (*source.notes, *notes), refused)


class _Source:
    """A file that can be read again and again."""

    def __init__(self, path: Path, version: str | None) -> None:
        if not path.is_file():
            raise StoreUnavailableError(
                f"{path}: {'is not a regular file' if path.exists() else 'there is no such file'}"
            )
        form = recognise(_first_line(path), path.read_bytes)
        if form is None:
            raise StoreFormatError(f"{path}: unknown format; expected {_KNOWN_FORMS}")
        self._path = path
        self._version = version
        self.form = form
        self.notes: tuple[str, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """The file's entries, from its beginning."""
        for entry in self._entries():
            yield prepared(entry, self._version)

    def _entries(self) -> Iterator[Entry]:
        if self.form is Form.JSON:
            salvage = Salvage(str(self._path))
            for number, document in enumerate(salvage, 1):
                yield Entry(f"record {number}", document)
            if salvage.left_out:
                what = "line is not a record and is" if salvage.left_out == 1 else "lines are not records and are"
                self.notes = (f"{salvage.left_out:,} {what} left out",)
        elif self.form is Form.JSONL:
            with self._path.open("rb") as file:
                yield from json_lines(file)
        elif self.form is Form.CSV:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                yield from csv_rows.entries(
                    file, csv_rows.delimiter_of(_first_line(self._path).decode("utf-8-sig")) or ","
                )
        else:
            report = read_object(self._path.read_bytes(), "the whole file")
            self.notes = pytest_benchmark.notes(report)
            yield from pytest_benchmark.entries(report, self._version)


def _first_line(path: Path) -> bytes:
    """The first line that is not blank; empty if there is none."""
    with path.open("rb") as file:
        return next((line for line in file if line.strip()), b"")


def _check(source: _Source) -> tuple[set[str], int, tuple[str, ...]]:
    """The ids in the file, how many records it holds, and what will differ; an error if a record is wrong."""
    given: set[str] = set()
    notes: list[str] = []
    read = 0
    for entry in source.entries():
        read += 1
        record_id = entry.document.get("record_id")
        if record_id is None:
            entry.document["record_id"] = _SOME_ID
        else:
            given.add(str(record_id))
        _, found = admitted(entry)
        if len(notes) < MOST_NOTES:
            notes += [f"{entry.place}: {note}" for note in found]
    return given, read, tuple(notes)


def _store(
    source: _Source, given: Collection[str], store: Store, report: Callable[[int], None], *, keep_text: bool
) -> tuple[int, dict[str, str]]:
    """How many records were new, and why some were refused."""
    new = 0
    refused: dict[str, str] = {}
    documents = identified((entry.document for entry in source.entries()), given)
    records = (admitted(Entry("a record", document), keep_text=keep_text)[0] for document in documents)
    while batch := list(islice(records, BATCH)):
        try:
            new += store.append(batch)
        except RefusedRecordsError as error:
            refused |= error.reasons
            new += error.new
        except StoreError as error:
            if not new:
                raise
            raise StoreUnavailableError(
                f"{error}; {new:,} records were imported before that; re-running the import adds the rest"
            ) from error
        report(len(batch))
    return new, refused


# Which form a file has, by its content: a name proves nothing ---------------------------------------------------------

_METRICS: Final = re.compile(rb'"metrics"\s*:\s*\[$')


class Form(StrEnum):
    """What can be imported."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PYTEST_BENCHMARK = "pytest-benchmark"


def recognise(first: bytes, whole: Callable[[], bytes]) -> Form | None:
    """The form of a file; ``None`` if it is not one of them.

    Args:
        first: its first line that is not blank.
        whole: reads all of it; called if the first line does not decide.
    """
    line = first.removeprefix(BYTE_ORDER_MARK).strip()
    if not line.startswith(b"{"):
        return Form.CSV if csv_rows.delimiter_of(line.decode("utf-8", "replace")) else None
    top = _object(line)
    if top is not None:
        return _of_document(top) or Form.JSONL
    if _METRICS.search(line):
        return Form.JSON  # as a store lays it out, which may be too large to be read at once
    content = whole()
    top = _object(content)
    if top is not None:
        return _of_document(top)
    if line.endswith(b"}"):
        return Form.JSONL  # its first line is wrong; reading it will say so
    # A store opens even if its end was cut off.
    return Form.JSON if re.match(rb'[^\[\]]{0,4096}"metrics"\s*:\s*\[', content.removeprefix(BYTE_ORDER_MARK)) else None


def _of_document(top: dict[str, Any]) -> Form | None:
    if isinstance(top.get("metrics"), list):
        return Form.JSON
    return Form.PYTEST_BENCHMARK if pytest_benchmark.is_report(top) else None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
