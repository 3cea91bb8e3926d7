"""The groups of a question (see ``grouping``) in MongoDB's language.

The server groups by raw values: a field's text, the moment at which a period begins, the tag of an entry of the
metadata. Labels are made of them here, so that they are the same in every store.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.fields import METADATA_PREFIX, metadata_key
from benchmark_recorder.grouping import (
    PERIODS,
    REST,
    TEXT_FIELDS,
    keeps_newest,
    label_of,
    most_groups,
    period_label,
    period_shift,
    text_label,
)
from benchmark_recorder.records import is_unicode
from benchmark_recorder.stores.mongodb.documents import HASHED, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

IN_REST: Final = True
"""The raw value of a record whose own value cannot be a group, or is not among those that are kept."""

HIDDEN: Final = False
"""The raw value where the server may have the value's hash alone."""


class NotGroupedError(Exception):
    """The server cannot tell these records apart: it has the hash of a value alone, or there are too many to hold."""


class TooManyGroupsError(Exception):
    """There are more groups by a key than are kept; holds the key's place."""


class Key(NamedTuple):
    """A key that is grouped by.

    Attributes:
        name: as ``grouping.check_key`` takes it.
        raw: the expression of a record's raw value: ``None``, ``IN_REST``, ``HIDDEN`` or a value with a label.
        rest: how many groups are not kept; ``None`` while all are.
    """

    name: str
    raw: Any
    rest: int | None = None

    @classmethod
    def of(cls, name: str) -> Key:
        """The key, with every group kept."""
        if name in PERIODS:
            return cls(name, _begin(name))
        if (key := metadata_key(name)) is not None:
            return cls(name, _tag_of(key))
        return cls(name, {"$ifNull": [f"${TEXT_FIELDS[name]}", None]})

    def label(self, raw: Any) -> str | None:  # noqa: ANN401 - what the server has
        """The label of a raw value.

        Raises:
            NotGroupedError: the value is not known.
        """
        if raw is None:
            return None
        if raw is IN_REST:
            return REST
        if raw is HIDDEN:
            raise NotGroupedError
        if self.name in PERIODS:
            return period_label(self.name, raw)
        return label_of(json.loads(raw)[1]) if self.name.startswith(METADATA_PREFIX) else text_label(raw)

    def narrowed(self, found: Iterable[Mapping[str, Any]]) -> Key:
        """The same key with only as many groups as are kept.

        Args:
            found: for each raw value, ``_id``, how many records have it, and when the ``last`` of them was.
        """
        by = "last" if keeps_newest(self.name) else "n"
        groups = [
            (-row[by], label, row["_id"]) for row in found if (label := self.label(row["_id"])) not in {None, REST}
        ]
        groups.sort()
        kept = [raw for _, _, raw in groups[: most_groups(self.name)]]
        known = {"$cond": [{"$lte": ["$$raw", None]}, None, {"$cond": [is_one_of("$$raw", kept), "$$raw", IN_REST]}]}
        raw = {"$let": {"vars": {"raw": self.raw}, "in": known}}
        return self._replace(raw=raw, rest=max(0, len(groups) - len(kept)))


class Labels:
    """The labels of a server's groups; counts them while they come."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = keys
        self._known: list[dict[Any, str | None]] = [{} for _ in keys]

    def of(self, raws: Sequence[Any]) -> tuple[str | None, ...]:
        """The labels of a record's raw values.

        Raises:
            NotGroupedError: one is not known.
            TooManyGroupsError: there are more groups than are kept.
        """
        return tuple(self._label(place, raw) for place, raw in enumerate(raws))

    def _label(self, place: int, raw: Any) -> str | None:  # noqa: ANN401 - what the server has
        key, known = self._keys[place], self._known[place]
        if raw is None or isinstance(raw, bool):
            return key.label(raw)
        if raw not in known:
            known[raw] = key.label(raw)
            if key.rest is None and len(known) > most_groups(key.name):
                raise TooManyGroupsError(place)
        return known[raw]

    @property
    def rest(self) -> dict[str, int]:
        """By key, how many groups are not kept; only of keys of which not all are."""
        return {key.name: key.rest for key in self._keys if key.rest}


def _begin(period: str) -> dict[str, Any]:
    """The beginning of a record's period, in whole numbers, so that no moment is rounded."""
    return {"$subtract": ["$time", {"$mod": [{"$add": ["$time", period_shift(period)]}, PERIODS[period][0]]}]}


def _tag_of(key: str) -> Any:  # noqa: ANN401 - an expression
    """The tag of a key of the metadata, found by how it begins: a literal, and neither an operator nor a path."""
    if not is_unicode(key):
        return {"$literal": None}  # no record holds it
    texts = {json.dumps(key)} | ({encode(key).decode()} if key.isascii() else set())
    beginnings = [f"[{text}," for text in sorted(texts)]
    containers = [_begins("$$own", beginning + bracket) for beginning in beginnings for bracket in "[{"]
    null = [{"$eq": ["$$own", {"$literal": f"{beginning}null]"}]} for beginning in beginnings]
    tags = {"$ifNull": ["$tags", []]}
    named = {"$indexOfBytes": [{"$ifNull": ["$metadata", ""]}, {"$literal": f"{encode(key).decode()}:"}]}
    hashed = {"$filter": {"input": tags, "as": "tag", "cond": _begins("$$tag", HASHED)}}
    hidden = {"$and": [{"$gt": [{"$size": hashed}, 0]}, {"$gte": [named, 0]}]}
    is_own = [_begins("$$tag", beginning) for beginning in beginnings]
    one = len(beginnings) == 1
    own = {"$filter": {"input": tags, "as": "tag", "cond": is_own[0] if one else {"$or": is_own}}}
    known: Any = {"$cond": [{"$or": null}, None, {"$cond": [{"$or": containers}, IN_REST, "$$own"]}]}
    if one:  # most values are texts and numbers, which sort before everything else
        known = {"$cond": [{"$lt": ["$$own", {"$literal": f"{beginnings[0]}["}]}, "$$own", known]}
    found = {"$cond": [{"$gt": ["$$own", None]}, known, {"$cond": [hidden, HIDDEN, None]}]}
    return {"$let": {"vars": {"own": {"$arrayElemAt": [own, 0]}}, "in": found}}


def is_one_of(value: str, values: Sequence[Any]) -> dict[str, Any]:
    """Whether a value is one of some constants, which the server looks up in a set; ``$in`` would compare with each."""
    return {"$setIsSubset": [[value], {"$literal": values}]}


def _begins(text: str, beginning: str) -> dict[str, Any]:
    """Whether a text begins so; two comparisons, as the server has no expression for it."""
    end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    return {"$and": [{"$gte": [text, {"$literal": beginning}]}, {"$lt": [text, {"$literal": end}]}]}
