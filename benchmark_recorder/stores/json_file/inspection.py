"""The state of a document, for people: what ``doctor`` prints, and ``repair``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from benchmark_recorder.errors import StoreError, StoreFormatError
from benchmark_recorder.records import timestamp_micros
from benchmark_recorder.stores.json_file.format import JOINT, id_of, parts_of
from benchmark_recorder.stores.json_file.rewrite import rewriting
from benchmark_recorder.stores.json_file.source import lines, opened
from benchmark_recorder.stores.replacing import backups_of

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_recorder.stores.json_file.source import Source
    from benchmark_recorder.stores.json_file.writer import Writer


@dataclass(frozen=True, slots=True)
class Inspection:
    """The state of a JSON file.

    Attributes:
        path: of the file.
        exists: whether there is one.
        form: ``"ours"``; ``"old"``: taken over at the next append; ``"empty"``; ``"not ours"``: never touched.
        size: bytes.
        records: whole ones.
        torn: bytes of a truncated record at the end; the next append removes them.
        damaged: lines that are not valid records: not JSON, or a field is missing or has the wrong type; ``repair``
            sets them aside.
        unseparated: records without a comma before them, as after a merge; ``repair`` puts it there.
        duplicates: records with the id of an earlier one, which no answer counts; ``repair`` removes them.
        keyed: records whose id no clock made: from an ``idempotency_key``, or in an older file from their content. The
            form of the id says so; of 1,000 such ids, 2 look like those of a clock.
        beside: records that wait beside the file until it is converted; they are among ``records``.
        writable: whether this user may append.
        sidecar: the cache of columns: ``"none"``, ``"fresh"``, ``"behind"`` (read on from) or ``"stale"`` (not used).
        backups: their paths, oldest first.
        problem: what is wrong, and what to do; ``None`` where all is well.
    """

    path: str
    exists: bool = False
    form: Literal["ours", "old", "empty", "not ours"] = "empty"
    size: int = 0
    records: int = 0
    torn: int = 0
    damaged: int = 0
    unseparated: int = 0
    duplicates: int = 0
    keyed: int = 0
    beside: int = 0
    writable: bool = True
    sidecar: Literal["none", "fresh", "behind", "stale"] = "none"
    backups: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """What ``repair`` did.

    Attributes:
        torn: bytes of a truncated record that were removed.
        damaged: lines that were set aside.
        duplicates: records that were removed because an earlier one has their id.
        backup: the file as it was before, where lines were removed.
    """

    torn: int = 0
    damaged: int = 0
    duplicates: int = 0
    backup: Path | None = None


def inspect(path: str) -> Inspection:
    """Look at a file, and change nothing."""
    document = os.path.realpath(path)
    backups = backups_of(document)
    try:
        with opened(path) as source:
            if source is None:
                return Inspection(path, writable=_can_make(document), backups=backups)
            return _inspect(source, path, backups)
    except StoreFormatError as error:
        size = os.stat(path).st_size
        return Inspection(path, exists=True, form="not ours", size=size, backups=backups, problem=str(error))
    except StoreError as error:
        return Inspection(path, exists=os.path.lexists(path), writable=False, backups=backups, problem=str(error))


def repair(path: str, writer: Writer) -> Repair:
    """See ``JSONFileStore.repair``."""
    before = inspect(path)
    if not before.exists:
        return Repair()
    with rewriting(path, writer) as rewrite:
        stock = take_stock(rewrite.source)
        if not stock.damaged and not stock.unseparated and not stock.duplicates:
            return Repair(torn=before.torn)
        backup = rewrite.back_up()
        # Invalid lines are never delivered, so nothing needs to keep them.
        rewrite.keep(is_sound, unconfirmed=True, parts_of=parts_of)
    return Repair(before.torn, stock.damaged, stock.duplicates, backup)


def _inspect(source: Source, path: str, backups: tuple[str, ...]) -> Inspection:
    from benchmark_recorder.stores.json_file.cache import state_of  # it needs numpy

    stock = take_stock(replace(source, tail=b""))
    torn = source.torn
    waiting = {id_of(line) for line in source.tail.split(JOINT) if line} - stock.ids
    if not source.size:
        form: Literal["ours", "old", "empty"] = "empty"
    else:
        form = "ours" if source.older is None else "old"
    return Inspection(
        path,
        exists=True,
        form=form,
        size=source.size,
        records=stock.records + len(waiting),
        torn=torn,
        damaged=stock.damaged,
        unseparated=stock.unseparated,
        duplicates=stock.duplicates,
        keyed=sum(_BY_CLOCK(record_id) is None for record_id in stock.ids | waiting),
        beside=len(waiting),
        writable=_may(path, os.W_OK),
        sidecar=state_of(os.path.realpath(path), source),
        backups=backups,
        problem=_problem(torn, stock),
    )


_BY_CLOCK: Final = re.compile(r"[0-9a-f]{8}[0-9]{13}[0-9a-f]{11}").fullmatch
"""The form of the ids that ``records.stamp`` makes."""


class Stock(NamedTuple):
    """What a document holds.

    Attributes:
        records: valid ones, each id once.
        damaged: other lines.
        unseparated: records without a comma before them.
        duplicates: valid records with the id of an earlier one.
        fault: what is wrong with the first of the damaged lines.
        ids: of the records.
    """

    records: int
    damaged: int
    unseparated: int
    duplicates: int
    fault: str | None
    ids: set[str]


def take_stock(source: Source) -> Stock:
    """Look at every line of a document."""
    seen: set[str] = set()
    count = damaged = unseparated = 0
    first = None
    for line in lines(source, source.header):
        records_before = count
        for part in parts_of(line):
            if (fault := _fault(part)) is None:
                count += 1
                seen.add(id_of(part))
            else:
                damaged += 1
                first = first or fault
        unseparated += max(0, count - records_before - 1)
    left_out = 0 if source.older is None else source.older.duplicates
    return Stock(count, damaged, unseparated, count - len(seen) + left_out, first, seen)


def is_sound(line: bytes) -> bool:
    """Whether a line is a valid record."""
    return _fault(line) is None


def _fault(line: bytes) -> str | None:
    from benchmark_recorder.stores.json_file.lines import decode_row  # it needs numpy

    try:
        timestamp_micros(decode_row(line).timestamp)
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        return str(error)
    return None


def _problem(torn: int, stock: Stock) -> str | None:
    problems = []
    if torn:
        problems.append(f"the last {torn:,} bytes are a truncated record; the next append removes them")
    if stock.damaged == 1:
        problems.append(f"1 line is not a valid record ({stock.fault}); repair sets it aside")
    elif stock.damaged:
        first = f"(the first: {stock.fault})"
        problems.append(f"{stock.damaged:,} lines are not valid records {first}; repair sets them aside")
    if stock.unseparated:
        problems.append(f"commas missing between records, as after a merge: {stock.unseparated:,}; repair adds them")
    if stock.duplicates == 1:
        problems.append("1 duplicate record, which no answer counts; repair removes it")
    elif stock.duplicates:
        problems.append(f"{stock.duplicates:,} duplicate records, which no answer counts; repair removes them")
    return "; ".join(problems) or None


def _can_make(document: str) -> bool:
    """Whether this user may create the file, and the folders above it that are missing."""
    folder = os.path.dirname(document)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and _may(folder, os.W_OK | os.X_OK)


def _may(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
