"""The keys that ``by=`` takes: what each is made of, and which group a record belongs to.

A group is a text, ``None`` where a record says nothing, or ``REST``. Numbers and truth values of the metadata are
written as JSON; a text that could be mistaken for one of these is written as a JSON string, in quotes.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np

from benchmark_recorder.columns import Coded, distinct, encode
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.fields import BLOCK, METADATA_PREFIX, metadata_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns

REST: Final = "(rest)"
"""The group of all records whose own group is not among those that are kept, or whose value cannot be one."""

UNKNOWN: Final = "(none)"
"""How the group ``None`` is shown."""

LOAD_TURN: Final = f"{METADATA_PREFIX}load_turn"
"""The key of the turns of a load test."""

MOST_GROUPS: Final = 1_000
"""The largest groups of a key whose values are free, such as the model; all others are the rest."""

MOST_MOMENTS: Final = 10_000
"""The newest weeks, days, hours or commits; all older ones are the rest."""

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
"""Microseconds."""

_MONDAY: Final = 4 * DAY  # 1970-01-05: weeks begin on a Monday
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PERIODS: Final = {"week": (WEEK, _MONDAY, "day"), "day": (DAY, 0, "day"), "hour": (HOUR, 0, "hour")}
"""Each with its length, the beginning of one of them, and the unit of its label."""

TEXT_FIELDS: Final = {
    "commit": "git_commit",
    "model": "model",
    "agent": "agent_selected",
    "error_type": "error_type",
    "host": "host",
    "expected_agent": "expected_agent",
}
"""The fields of texts behind the keys."""

KEYS: Final = (*PERIODS, *TEXT_FIELDS, f"{METADATA_PREFIX}<key>")


class StoreNote(NamedTuple):
    """Something that readers must know about where an answer comes from; analysis makes a caveat of it.

    Attributes:
        code: stable, for programs.
        sentence: for people.
        figures: the numbers in it.
    """

    code: str
    sentence: str
    figures: Mapping[str, Any]


class Groups(NamedTuple):
    """Which group each record belongs to, by some keys at once.

    Attributes:
        codes: the group of each record, an index of ``labels``.
        labels: a text, ``None`` or ``REST`` for each key.
        rest: for each key of which not every group was kept: how many were not.
    """

    codes: NDArray[np.int64]
    labels: tuple[tuple[str | None, ...], ...]
    rest: Mapping[str, int]


def check_key(key: object, name: str = "by") -> str:
    """The key, if it is one.

    Raises:
        InvalidQueryError: it is not; names those that are.
    """
    if isinstance(key, str) and (key in PERIODS or key in TEXT_FIELDS or metadata_key(key)):
        return key
    raise InvalidQueryError(f"{name}: expected one of {', '.join(KEYS)}, got {preview(key)}")


def keeps_newest(key: str) -> bool:
    """Whether the newest groups are kept, and not the largest."""
    return key in PERIODS or key in {"commit", BLOCK}


def most_groups(key: str) -> int:
    """How many groups of a key are kept; ``None`` and ``REST`` are not counted."""
    return MOST_MOMENTS if keeps_newest(key) else MOST_GROUPS


def group_notes(rest: Mapping[str, int]) -> tuple[StoreNote, ...]:
    """That not every group is kept: by key, how many are not."""
    sentence = "{:,} more groups by {} are together in {}."
    return tuple(
        StoreNote("groups_pooled", sentence.format(n, key, REST), {"by": key, "groups": most_groups(key), "pooled": n})
        for key, n in rest.items()
    )


def all_kept(keys: Sequence[str], groups: Collection[tuple[str | None, ...]], notes: Collection[StoreNote]) -> bool:
    """Whether no group of an answer was put into the rest for being one too many, by some keys."""
    labels = (set(own) for own in zip(*groups, strict=True))
    fit = (len(own) < most_groups(key) for key, own in zip(keys, labels, strict=False))
    return all(fit) and not any(note.code == "groups_pooled" for note in notes)


def fields_for(keys: Collection[str]) -> tuple[str, ...]:
    """The columns that groups are made of."""
    names = ("time" if key in PERIODS else TEXT_FIELDS.get(key, "metadata") for key in keys if key != BLOCK)
    own = (("time",) if "commit" in keys else ()) + (("time", "host") if BLOCK in keys else ())
    return tuple(dict.fromkeys((*names, *own)))


def text_label(text: str) -> str:
    """The group of a field's text."""
    return json.dumps(text) if text in {REST, UNKNOWN} or text.startswith('"') else text


def label_of(value: object) -> str | None:
    """The group of a value in the metadata; 1 is 1.0, and neither is true."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int():
            return _number_label(value)
        case float() if math.isfinite(value):
            return _number_label(int(value) if value.is_integer() else value)
        case str():
            return json.dumps(value) if _is_scalar(value) else text_label(value)
    return REST


def _number_label(value: float) -> str:
    if isinstance(value, int) and abs(value) >= 2**53:
        # Written as a float where one holds it, since it may have come as one.
        with suppress(OverflowError):
            value = float(value) if float(value) == value else value
    return repr(value)


def _is_scalar(text: str) -> bool:
    """Whether a text could be taken for a number, a truth value or null."""
    if text[:1] not in _BEGINNINGS:
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


_BEGINNINGS: Final = frozenset("-0123456789tfnNI")


def period_start(key: str, micros: int) -> int:
    """When the week, the day or the hour of a moment begins; both in microseconds since 1970, in UTC."""
    length, start, _ = PERIODS[key]
    return (micros - start) // length * length + start


def period_shift(key: str) -> int:
    """What makes a moment's remainder by the period's length 0 where a period begins, and never negative on a server.

    In microseconds, to be added to a moment since the year 1.
    """
    length, start, _ = PERIODS[key]
    return -(-_YEAR_1_TO_1970 // length) * length + length - start


_YEAR_1_TO_1970: Final = 62_135_596_800_000_000
"""Microseconds."""


def period_label(key: str, micros: int) -> str:
    """The group of a moment in microseconds since 1970: the week's Monday, the day or the hour, in UTC."""
    begin, unit = _EPOCH + timedelta(microseconds=period_start(key, micros)), PERIODS[key][2]
    return begin.strftime("%Y-%m-%dT%H").zfill(13) if unit == "hour" else begin.date().isoformat()


# Blocks ---------------------------------------------------------------------------------------------------------------

GAP: Final = 3 * HOUR
"""Microseconds without a run after which the runs of a host have nothing in common with those before."""


def begins_block(first: int, start: int, last: int) -> bool:
    """Whether an hour's first run on a host begins a block, given the present block's first and last; microseconds."""
    return first - last > GAP or first - start >= DAY


class _Hour(NamedTuple):
    """The latest hour of a host.

    Attributes:
        number: hours since 1970.
        first: moment of its first run; in microseconds, as those below.
        start: of its block.
        last: run of its block.
    """

    number: int
    first: int
    start: int
    last: int


class DisorderError(Exception):
    """Some runs are of an earlier hour than those that were seen."""


class Blocks:
    """Tells blocks of runs apart while runs are added (see ``analysis.blocks``)."""

    def __init__(self) -> None:
        self._latest: dict[str | None, _Hour] = {}

    def of(self, time: NDArray[np.int64], host: Coded) -> Coded:
        """The block of each of some further runs.

        Raises:
            DisorderError: some are of an earlier hour, so that blocks may be others; this one is of no use any more.
        """
        if not len(time):
            return Coded(np.empty(0, np.int32), ())
        hours, hour = _periods(time, HOUR)
        found, _, own = distinct((host.codes + 1) * len(hours) + hour, (len(host.vocabulary) + 1) * len(hours))
        first, last = np.full(len(found), np.iinfo(np.int64).max), np.full(len(found), np.iinfo(np.int64).min)
        np.minimum.at(first, own, time)
        np.maximum.at(last, own, time)
        names = (*host.vocabulary, None)
        vocabulary: dict[str, int] = {}
        codes = []
        for number, begin, end in zip(found.tolist(), first.tolist(), last.tolist(), strict=True):
            label = self._label(names[number // len(hours) - 1], _Hour(begin // HOUR, begin, begin, end))
            codes.append(vocabulary.setdefault(label, len(vocabulary)))
        return Coded(np.array(codes, np.int32)[own], tuple(vocabulary))

    def _label(self, host: str | None, new: _Hour) -> str:
        """The block of some runs of one hour."""
        before = self._latest.get(host)
        if before is not None:
            if (new.number, new.first) < (before.number, before.first):
                raise DisorderError
            if new.number == before.number or not begins_block(new.first, before.start, before.last):
                first = before.first if new.number == before.number else new.first
                new = _Hour(new.number, first, before.start, max(before.last, new.last))
        self._latest[host] = new
        return f"{new.start} {json.dumps(host)}"


def _periods(time: NDArray[np.int64], length: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The different periods of this length in rising order, and the place among them of each moment's."""
    if not len(time):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    numbers = time // length
    least = int(numbers.min())
    found, _, place = distinct(numbers - least, int(numbers.max()) - least + 1)
    return found + least, place


def groups_of(keys: Sequence[str], columns: Columns | Mapping[str, Any]) -> Groups:
    """The group of each record.

    Args:
        keys: as ``check_key`` takes them.
        columns: at least ``fields_for(keys)``, the texts as object arrays or as ``Coded``; instead of the metadata the
            groups by its keys, coded, under ``metadata.<key>``.
    """
    column = next(iter(columns.values()))
    codes = np.zeros(len(column.codes if isinstance(column, Coded) else column), np.int64)
    labels: list[tuple[str | None, ...]] = [()]
    rest = {}
    for key in keys:
        coded, dropped = _kept(key, _coded(key, columns), columns)
        if dropped:
            rest[key] = dropped
        # Dense again after each key, so that the numbers stay small.
        own = (None, *coded.vocabulary)
        found, _, codes = distinct(codes * len(own) + coded.codes + 1, len(labels) * len(own))
        labels = [(*labels[n // len(own)], own[n % len(own)]) for n in found.tolist()]
    return Groups(codes, tuple(labels), rest)


def _coded(key: str, columns: Columns | Mapping[str, Any]) -> Coded:
    if key in PERIODS:
        length, start, _ = PERIODS[key]
        numbers, codes = _periods(columns["time"] - start, length)
        return Coded(codes.astype(np.int32), tuple(period_label(key, n * length + start) for n in numbers.tolist()))
    if key == BLOCK:
        host = columns["host"]
        return Blocks().of(columns["time"], host if isinstance(host, Coded) else encode(host))
    if (name := metadata_key(key)) is not None:
        if key in columns:
            return cast("Coded", columns[key])
        values = [label_of(m.get(name)) if isinstance(m, dict) else None for m in columns["metadata"].tolist()]
        return encode(np.array(values, object))
    column = columns[TEXT_FIELDS[key]]
    coded = column if isinstance(column, Coded) else encode(column)
    return Coded(coded.codes, tuple(map(text_label, coded.vocabulary)))


def _kept(key: str, coded: Coded, columns: Columns | Mapping[str, Any]) -> tuple[Coded, int]:
    """The top groups, all others as ``REST``, and how many those are."""
    codes, vocabulary = coded
    here = codes >= 0
    if len(vocabulary) <= most_groups(key):
        return coded, 0
    rank = np.bincount(codes[here], minlength=len(vocabulary))
    own = [n for n, label in enumerate(vocabulary) if label != REST and rank[n]]  # a vocabulary may have more texts
    if len(own) <= most_groups(key):
        return coded, 0
    if keeps_newest(key):
        rank[:] = np.iinfo(np.int64).min
        np.maximum.at(rank, codes[here], columns["time"][here])
    own.sort(key=lambda n: (-int(rank[n]), vocabulary[n]))
    kept = sorted(own[: most_groups(key)])
    new: NDArray[np.int32] = np.full(len(vocabulary) + 1, len(kept), np.int32)  # the last one is None's
    new[kept] = np.arange(len(kept))
    new[-1] = -1
    return Coded(new[codes], (*(vocabulary[n] for n in kept), REST)), len(own) - len(kept)
