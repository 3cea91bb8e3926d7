"""Units counted where the records are: grouped by unit first, and then the units; see ``cells.Cells``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.stores.mongodb.groups import HIDDEN, IN_REST, Key, NotGroupedError
from benchmark_recorder.stores.mongodb.pipeline import (
    ROUTED,
    ROUTED_RIGHT,
    filter_of,
    group_of,
    log_of,
    moments_from,
    moments_of,
    range_of,
)
from benchmark_recorder.tabulation import UNIT_MEANS, cell_of_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.cells import Cell
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.mongodb.groups import Labels
    from benchmark_recorder.stores.mongodb.pipeline import Stage


def units_of(query: Query, keys: Sequence[Key]) -> list[Stage]:
    """The aggregation whose documents ``part_of`` takes.

    Args:
        query: asks for units.
        keys: what they are grouped by.
    """
    assert query.unit is not None
    several = query.versions is None or len(set(query.versions)) > 1
    unit = {"$ifNull": [Key.of(query.unit).raw, IN_REST]}
    return [
        {"$match": filter_of(query)},
        {"$set": {"good": {"$cond": ["$success", "$execution_time", None]}}},
        {"$group": {"_id": {"version": "$version", "unit": unit} | group_of(keys)} | _UNIT},
        *(_SHARED if several else ()),
        {"$group": {"_id": {"version": "$_id.version", "unit": _KIND, "group": "$_id.group"}} | _CELL},
    ]


def part_of(row: Mapping[str, Any], labels: Labels) -> Cell | int:
    """A document of the aggregation: a cell of units, or how many runs have no unit. Errors as in ``Labels.of``."""
    own = row["_id"]
    if own["unit"] is HIDDEN:
        raise NotGroupedError
    if own["unit"] is IN_REST:
        return int(row["runs"])
    labelled = {**row, "version": own["version"], "group": labels.of(own.get("group", ()))}
    return cell_of_units(labelled, {name: moments_from(row, name) for name in UNIT_MEANS})


_UNIT: Final[Stage] = {
    "runs": {"$sum": 1},
    "time": {"$avg": "$good"},
    "log_time": {"$avg": log_of("$good")},
    "cost": {"$avg": "$cost"},
    "log_cost": {"$avg": log_of("$cost")},
    "success_rate": {"$avg": {"$cond": ["$success", 1, 0]}},
    "routing_rate": {"$avg": {"$cond": [ROUTED, {"$cond": [ROUTED_RIGHT, 1, 0]}, None]}},
    "routed": {"$sum": {"$cond": [ROUTED, 1, 0]}},
    "routed_right": {"$sum": {"$cond": [ROUTED_RIGHT, 1, 0]}},
    "first": {"$min": "$time"},
    "last": {"$max": "$time"},
    **range_of("git_commit"),
    **range_of("host"),
}
"""What is made of the records of a unit in one version and group."""

_IS_SHARED: Final = {"$cond": [{"$ne": ["$least", "$greatest"]}, 1, 0]}
_SHARED: Final[list[Stage]] = [
    {
        "$group": {
            "_id": "$_id.unit",
            "least": {"$min": "$_id.version"},
            "greatest": {"$max": "$_id.version"},
            "own": {"$push": "$$ROOT"},
        }
    },
    {"$unwind": "$own"},
    {"$replaceWith": {"$mergeObjects": ["$own", {"shared": _IS_SHARED}]}},
]
"""The same documents, each with whether another version has its unit."""

_KIND: Final = {"$cond": [{"$in": ["$_id.unit", [IN_REST, HIDDEN]]}, "$_id.unit", None]}
"""Instead of a unit: no unit, one that the server does not know, or any other."""

_CELL: Final[Stage] = {
    "n": {"$sum": 1},
    **{name: {"$sum": f"${name}"} for name in ("runs", "shared", "routed", "routed_right")},
    **{name: {"$min": f"${name}"} for name in ("first", "least_git_commit", "least_host")},
    **{name: {"$max": f"${name}"} for name in ("last", "greatest_git_commit", "greatest_host")},
    **{f"max_{name}": {"$max": f"${name}"} for name in ("time", "cost")},
    **{name: how for mean in UNIT_MEANS for name, how in moments_of(mean, mean).items()},
}
"""What is made of the units of a version and group."""
