"""The groups of a question (see ``grouping``) in SQL.

The server groups by raw values: a text that begins with ``=``, NULL, or another text for the rest. Labels are made of
them here, so that they are the same in every store.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.fields import metadata_key
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
from benchmark_recorder.stores.vertex.rows import metadata_line, metadata_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_VALUE: Final = "="
"""How the raw value of a group of its own begins."""

_IN_REST: Final = "rest"

UNIT_PLACE: Final = -1
"""The place of the key whose values are units, which is not among those that are grouped by."""

LINE_END: Final = {"line_end": ("STRING", "\n")}


class TooManyGroupsError(Exception):
    """There are more groups by a key than are kept; holds the key's place."""


class SameGroupError(Exception):
    """Two raw values have one label, so a task could be counted twice in the rest of the tasks."""


class Key(NamedTuple):
    """A key that is grouped by.

    Attributes:
        name: as ``grouping.check_key`` takes it.
        place: among all keys.
        sql: the expression of a record's raw value.
        values: of the expression's parameters.
        rest: how many groups are not kept; ``None`` while all are.
    """

    name: str
    place: int
    sql: str
    values: Mapping[str, tuple[str, Any]]
    rest: int | None = None

    @classmethod
    def of(cls, name: str, place: int) -> Key:
        """The key, with every group kept."""
        if name in PERIODS:
            moment = "UNIX_MICROS(feature_timestamp)"
            begin = f"{moment} - MOD({moment} + {period_shift(name)}, {PERIODS[name][0]})"
            return cls(name, place, f"'{_VALUE}' || CAST({begin} AS STRING)", {})
        if (key := metadata_key(name)) is not None:
            return cls._of_metadata(name, place, key)
        return cls(name, place, f"'{_VALUE}' || {TEXT_FIELDS[name]}", {})

    @classmethod
    def _of_metadata(cls, name: str, place: int, key: str) -> Key:
        """What follows the key on its line; JSON holds no end of a line within a value."""
        if not is_unicode(key):
            return cls(name, place, "CAST(NULL AS STRING)", {})  # no record holds it
        line = metadata_line(key)
        begin = f"@{_name(place)}"
        after = f"SUBSTR(metadata, INSTR(metadata, {begin}) + {len(line)})"
        text = f"SUBSTR({after}, 1, INSTR({after}, @line_end) - 1)"
        sql = (
            f"CASE WHEN INSTR(metadata, {begin}) = 0 OR {text} = 'null' THEN NULL "
            f"WHEN SUBSTR({text}, 1, 1) IN ('[', '{{') THEN '{_IN_REST}' ELSE '{_VALUE}' || {text} END"
        )
        return cls(name, place, sql, {_name(place): ("STRING", line), **LINE_END})

    @property
    def columns(self) -> frozenset[str]:
        """The table's columns that the expression reads."""
        if self.name in PERIODS:
            return frozenset({"feature_timestamp"})
        return frozenset({TEXT_FIELDS.get(self.name, "metadata")})

    @property
    def column(self) -> str:
        """What the raw value is called in a query."""
        return _name(self.place)

    def label(self, raw: str | None) -> str | None:
        """The label of a raw value."""
        if raw is None:
            return None
        if raw == _IN_REST:
            return REST
        text = raw.removeprefix(_VALUE)
        if self.name in PERIODS:
            return period_label(self.name, int(text))
        return text_label(text) if metadata_key(self.name) is None else label_of(json.loads(text))

    def narrowed(self, found: Iterable[Mapping[str, Any]]) -> Key:
        """The same key with only as many groups as are kept.

        Args:
            found: for each raw value, ``raw``, how many records have it, and when the ``last`` of them was.
        """
        groups: dict[str, tuple[int, list[str]]] = {}
        newest = keeps_newest(self.name)
        for row in found:
            if (label := self.label(row["raw"])) is not None and label != REST:
                rank, raws = groups.get(label, (None, []))
                own = row["last"] if newest else row["n"]
                both = own if rank is None else max(rank, own) if newest else rank + own
                groups[label] = (both, [*raws, row["raw"]])
        kept = sorted(groups, key=lambda label: (-groups[label][0], label))[: most_groups(self.name)]
        name = f"kept_{self.place}"
        values = {**self.values, name: ("STRING", [raw for label in kept for raw in groups[label][1]])}
        sql = (
            f"CASE WHEN {self.sql} IN UNNEST(@{name}) THEN {self.sql} WHEN {self.sql} IS NOT NULL THEN '{_IN_REST}' END"
        )
        return self._replace(sql=sql, values=values, rest=len(groups) - len(kept))


def _name(place: int) -> str:
    return "unit" if place == UNIT_PLACE else f"group_{place}"


def raws_of(key: str, value: str | float) -> set[str]:
    """The raw values of all records whose metadata has this value under this key."""
    start = len(metadata_line(key))
    return {f"{_VALUE}{line[start:-1]}" for line in metadata_lines(key, value) or ()}


class Labels:
    """The labels of a query's groups; counts them while they come.

    Groups of different raw values and one label may be added up where they are ``mergeable``.
    """

    def __init__(self, keys: Sequence[Key], *, mergeable: bool) -> None:
        self._keys, self._mergeable = keys, mergeable
        self._known: list[dict[str, str | None]] = [{} for _ in keys]
        self._labels: list[set[str | None]] = [set() for _ in keys]

    def of(self, row: Mapping[str, Any]) -> tuple[str | None, ...]:
        """The labels of a row.

        Raises:
            SameGroupError: two raw values have one label.
            TooManyGroupsError: there are more groups than are kept.
        """
        return tuple(self._label(key, row[key.column]) for key in self._keys)

    def _label(self, key: Key, raw: str | None) -> str | None:
        known, labels = self._known[key.place], self._labels[key.place]
        if raw is None or raw == _IN_REST:
            return key.label(raw)
        if raw not in known:
            known[raw] = label = key.label(raw)
            if label in labels and not self._mergeable:
                raise SameGroupError
            labels.add(label)
            if key.rest is None and len(labels) > most_groups(key.name):
                raise TooManyGroupsError(key.place)
        return known[raw]

    @property
    def rest(self) -> dict[str, int]:
        """By key, how many groups are not kept; only of keys of which not all are."""
        return {key.name: key.rest for key in self._keys if key.rest}
