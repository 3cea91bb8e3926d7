"""Which form a file has, and its records into a store: every line is checked before the first record is written."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from benchmark_recorder.errors import (
    InvalidRecordError,
    RefusedRecordsError,
    StoreError,
    StoreFormatError,
    StoreUnavailableError,
    one_of,
    preview,
)
from benchmark_recorder.exchange import (
    arrow_rows,
    csv_rows,
    hyperfine,
    inspect_log,
    langfuse,
    promptfoo,
    pytest_benchmark,
)
from benchmark_recorder.exchange.content import plain_file
from benchmark_recorder.exchange.entry import (
    OWN_NAMES,
    Asked,
    Entry,
    admitted,
    id_of,
    json_lines,
    prepared,
    read_object,
    wrong,
)
from benchmark_recorder.exchange.json_stream import elements
from benchmark_recorder.exchange.recognition import Form, recognise
from benchmark_recorder.fields import METRIC_FIELDS
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.stores.json_file.old_formats import identified
from benchmark_recorder.stores.json_file.places import Salvage

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

BATCH: Final = 1000
"""Records in memory at a time."""

MOST_NOTES: Final = 10
"""At most this many notes: a file of a million lines may need as many."""

_SOME_ID: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did.

    Attributes:
        form: of the file: ``"json"``, ``"jsonl"``, ``"csv"``, ``"inspect"``, ...; see ``recognition.Form``.
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


def import_file(  # noqa: PLR0913
    path: str | os.PathLike[str],
    store: Store,
    *,
    version: str | None = None,
    columns: Mapping[str, str] = MappingProxyType({}),
    unit: str = "s",
    scorer: str | None = None,
    source: str = "",
    as_new: bool = False,
    keep_text: bool = True,
    report: Callable[[int], None] | None = None,
) -> Imported:
    """Import the records of a file; its form is recognised by its content, and re-running adds nothing.

    A record keeps its id, and a run of another tool the one that it has there. A record without an id gets one from its
    content and its ordinal among identical records.

    Args:
        path: a file, also compressed by gzip or zstd, or ``"-"`` for standard input; ``docs/formats.md`` has the forms.
        store: a record whose id it already has is left as it is.
        version: for records without one; for all records of another tool's file.
        columns: the file's names for fields, such as ``{"latency": "duration", "prompt": "task"}``.
        unit: of its durations: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``; other tools' files say it themselves.
        scorer: in a file of Inspect or Langfuse, whose score says whether a run succeeded: from 1, or correct.
        source: where the records come from, such as a shard: equal ones without ids from two sources are different.
        as_new: add records without ids although equal ones are there.
        keep_text: whether tasks' texts are kept.
        report: called with the number of records of each batch that is stored.

    Raises:
        InvalidQueryError: ``columns`` or ``unit`` is wrong.
        InvalidRecordError: a line is wrong; the message names file, line and field, and nothing was imported.
        StoreFormatError: the file has none of the known forms, or is damaged.
        MissingDependencyError: what reads the form is not installed.
        StoreUnavailableError: the file cannot be read, or the store failed halfway; says how many were imported.
        StoreError: the store failed before the first record was stored.
    """
    asked = Asked(version, _spellings(columns), _PER_SECOND[one_of("unit", unit, _PER_SECOND)], scorer)
    salt = uuid4().hex if as_new else source
    try:
        with ExitStack() as stack:
            with _naming(path):
                plain = stack.enter_context(plain_file(Path(path)))
                file = _Source(plain, asked._replace(modified=_modified(Path(path))), Path(path).name)
                checked = _check(file)
            notes = [*checked.notes, *_machine_notes(checked.machines, store)]
            new, refused = _store(file, checked, store, report or (lambda _: None), salt=salt, keep_text=keep_text)
    except OSError as error:
        raise StoreUnavailableError(f"{path}: cannot be read: {error.strerror}") from error
    except InvalidRecordError as error:
        raise InvalidRecordError(f"{path}, {error}", field=error.field) from error
    repeated = min(checked.without_id, checked.read - new - len(refused))
    if repeated > 0 and not file.form.tool:
        notes.append(
            f"{repeated:,} records without an id were there already, and are taken for a repeated import; --as-new "
            "adds them all the same, and --source NAME tells equal records of two files apart"
        )
    return Imported(file.form.tool or file.form.value, checked.read, new, tuple(notes), refused)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in an error about its form; one of the store names the store."""
    try:
        yield
    except StoreFormatError as error:
        raise StoreFormatError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise StoreFormatError(f"{path}: cannot be read: it is not {error.encoding.upper()} text") from error


_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def _spellings(columns: Mapping[str, str]) -> Mapping[str, str]:
    """Names in the file and ours: those that were given go before our other spellings."""
    given = {theirs: OWN_NAMES.get(ours, ours) for theirs, ours in columns.items()}
    for theirs, ours in given.items():
        one_of(f"columns[{theirs!r}]", ours, METRIC_FIELDS)
    return {**given, **{theirs: ours for theirs, ours in OWN_NAMES.items() if ours not in given.values()}}


def _modified(path: Path) -> str:
    moment = path.stat().st_mtime if path.is_file() else time.time()
    return datetime.fromtimestamp(moment, UTC).isoformat()


class _Source:
    """A file that can be read again and again.

    Attributes:
        form: which one it has.
        notes: what its last reading left out or found, in sentences.
    """

    def __init__(self, path: Path, asked: Asked, name: str) -> None:
        self.form = recognise(path, asked.spellings)
        self._path = path
        self._asked = asked if not self.form.tool else asked._replace(spellings={}, per_second=1.0)
        self.asked_version = None if self.form.tool else asked.version
        self._imported = {"tool": self.form.tool, "file": name}
        self.notes: list[str] = []

    def entries(self) -> Iterator[Entry]:
        """The file's entries, from its beginning."""
        self.notes = []
        for entry in self._entries():
            yield prepared(entry, self._asked)

    def labelled(self, document: Document) -> Document:
        """A record that says where it comes from, if that is another tool."""
        if self.form.tool:
            metadata = document.get("metadata") or {}
            document["metadata"] = {**metadata, "imported": {**metadata.get("imported", {}), **self._imported}}
        return document

    def _entries(self) -> Iterator[Entry]:  # noqa: C901, PLR0912 - one case a form
        path, asked, notes = self._path, self._asked, self.notes
        match self.form:
            case Form.JSON:
                salvage = Salvage(str(path))
                for number, document in enumerate(salvage, 1):
                    yield Entry(f"record {number}", document)
                if salvage.left_out:
                    what = "line is not a record and is" if salvage.left_out == 1 else "lines are not records and are"
                    notes.append(f"{salvage.left_out:,} {what} left out")
            case Form.JSONL:
                with path.open("rb") as file:
                    yield from json_lines(file)
            case Form.LANGFUSE_LINES:
                with path.open("rb") as file:
                    yield from langfuse.entries(((one.place, one.document) for one in json_lines(file)), asked, notes)
            case Form.ARRAY | Form.LANGFUSE:
                with path.open(encoding="utf-8-sig") as text:
                    rows = ((f"element {number}", row) for number, row in enumerate(elements(text), 1))
                    if self.form is Form.LANGFUSE:
                        yield from langfuse.entries(rows, asked, notes)
                        return
                    for place, row in rows:
                        if not isinstance(row, dict):
                            raise wrong(place, "expected a JSON object with the fields of one record")
                        yield Entry(place, row)
            case Form.CSV:
                with path.open(encoding="utf-8-sig", newline="") as text:
                    names = next((line for line in text if line.strip()), "")
                    text.seek(0)
                    delimiter = csv_rows.delimiter_of(names, asked.spellings) or ","
                    yield from csv_rows.entries(text, delimiter, asked.spellings)
            case Form.PARQUET | Form.ARROW:
                yield from arrow_rows.entries(path)
            case Form.INSPECT:
                yield from inspect_log.archive_entries(path, asked, notes)
            case _:
                yield from self._of_report(read_object(path.read_bytes(), "the whole file"))

    def _of_report(self, top: Document) -> Iterator[Entry]:
        """The entries of a tool's file that is one JSON object."""
        asked, notes = self._asked, self.notes
        match self.form:
            case Form.PYTEST_BENCHMARK:
                notes += pytest_benchmark.notes(top)
                yield from pytest_benchmark.entries(top, asked.version)
            case Form.HYPERFINE:
                yield from hyperfine.entries(top, asked, notes)
            case Form.PROMPTFOO:
                yield from promptfoo.entries(top, asked, notes)
            case Form.INSPECT_JSON:
                yield from inspect_log.log_entries(top, asked, notes)
            case _:
                rows = ((f"element {number}", row) for number, row in enumerate(top["data"], 1))
                yield from langfuse.entries(rows, asked, notes)


class _Checked(NamedTuple):
    """What the first reading found.

    Attributes:
        given: the ids in the file.
        read: how many records it holds.
        without_id: how many have no id.
        notes: how the stored records will differ from the file.
        machines: by version, on what the runs were made, where the file says it.
    """

    given: set[str]
    read: int
    without_id: int
    notes: tuple[str, ...]
    machines: Mapping[str, set[str]]


def _check(source: _Source) -> _Checked:
    """Read the whole file; an error if a record is wrong."""
    given: set[str] = set()
    notes: list[str] = []
    versions = set[str]()
    machines = defaultdict[str, set[str]](set)
    read = without_id = 0
    for entry in source.entries():
        read += 1
        record_id = entry.document.get("record_id")
        if record_id is None:
            without_id += 1
            entry.document["record_id"] = _SOME_ID
        else:
            given.add(str(record_id))
        record, found = admitted(entry._replace(document=source.labelled(entry.document)))
        versions.add(record["version"])
        if machine := record["metadata"].get("machine") if source.form.tool else None:
            machines[record["version"]].add(str(machine))
        if len(notes) < MOST_NOTES:
            notes += [f"{entry.place}: {note}" for note in found]
    if (named := source.asked_version) is not None and versions - {named}:
        others = sorted(versions - {named})
        notes.append(
            f"records of {', '.join(map(preview, others[:3]))}{' and others' if len(others) > 3 else ''} keep their "
            f"version: --version is for those without one"
        )
    return _Checked(given, read, without_id, (*source.notes, *notes), machines)


def _machine_notes(machines: Mapping[str, set[str]], store: Store) -> Iterator[str]:
    """That a version's runs come from several machines, these and those that the store has already."""
    if not machines:
        return
    query = Query(versions=tuple(machines), runs="all", by=("metadata.machine",))
    for cell in completed(store).summarize(query).cells:
        if cell.group[0] is not None:
            machines[cell.version].add(cell.group[0])
    for version, found in machines.items():
        if len(found) > 1:
            yield (
                f"{preview(version)} has runs of {len(found)} machines, which count together: "
                f"{'; '.join(sorted(found))}; ask with --by metadata.machine to tell them apart"
            )


def _store(  # noqa: PLR0913
    source: _Source, checked: _Checked, store: Store, report: Callable[[int], None], *, salt: str, keep_text: bool
) -> tuple[int, dict[str, str]]:
    """How many records were new, and why some were refused."""
    new = 0
    refused: dict[str, str] = {}
    entries = islice(source.entries(), checked.read)  # the file may have grown
    documents = map(
        source.labelled, _salted(identified((one.document for one in entries), checked.given), checked, salt)
    )
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


def _salted(documents: Iterator[Document], checked: _Checked, salt: str) -> Iterator[Document]:
    """The same, where ids that were made of a record's content are also made of the salt, if there is one."""
    for document in documents:
        if salt and document["record_id"] not in checked.given:
            document["record_id"] = id_of("source", salt, document["record_id"])
        yield document
