"""Units counted where the records are: grouped by unit first, and then the units; see ``cells.Cells``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.cells import Cell, Moments
from benchmark_recorder.stores.mongodb.groups import HIDDEN, IN_REST, Key, NotGroupedError
from benchmark_recorder.stores.mongodb.pipeline import filter_of
from benchmark_recorder.tabulation import UNIT_MEANS, cell_of_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.records import Query
    from benchmark_recorder.stores.mongodb.groups import Labels
    from benchmark_recorder.stores.mongodb.pipeline import Stage

_SUMS: Final = ("runs", "routed", "routed_right")
_LEAST: Final = ("first", "least_git_commit", "least_host")
_GREATEST: Final = ("last", "greatest_git_commit", "greatest_host")


def part_of(row: Mapping[str, Any], labels: Labels) -> Cell | int:
    """A document of the aggregation: a cell of units, or how many runs have no unit. Errors as in ``Labels.of``."""
    own = row["_id"]
    if own["unit"] is HIDDEN:
        raise NotGroupedError
    if own["unit"] is IN_REST:
        return int(row["runs"])
    labelled = {**row, "version": own["version"], "group": labels.of(own.get("group", ()))}
    return cell_of_units(labelled, {name: _moments(row, name) for name in UNIT_MEANS})


def _moments(row: Mapping[str, Any], name: str) -> Moments:
    n, mean, deviation = row[f"{name}_n"], row[name], row[f"{name}_deviation"]
    return Moments(n, mean, n * deviation * deviation) if n else Moments()


def units_of(query: Query, keys: Sequence[Key]) -> list[Stage]:
    """The aggregation whose documents ``part_of`` takes.

    Args:
        query: asks for units.
        keys: what they are grouped by.
    """
    assert query.unit is not None
    several = query.versions is None or len(set(query.versions)) > 1
    return [
        {"$match": filter_of(query)},
        {"$set": {"unit": Key.of(query.unit).raw, "good": {"$cond": ["$success", "$execution_time", None]}}},
        {"$group": _by_unit(keys)},
        *(_marked() if several else ()),
        {"$group": _by_version(keys)},
    ]


def _by_unit(keys: Sequence[Key]) -> Stage:
    """One document for each unit in each version and group; one for all runs of no unit in these."""
    both = {"$and": [{"$gt": ["$expected_agent", None]}, {"$gt": ["$agent_selected", None]}]}
    right = {"$and": [both, {"$eq": ["$expected_agent", "$agent_selected"]}]}
    group: Stage = {
        "_id": {"version": "$version", "unit": {"$ifNull": ["$unit", IN_REST]}} | _group(keys, "$"),
        "runs": {"$sum": 1},
        "time": {"$avg": "$good"},
        "log_time": {"$avg": _log_of("$good")},
        "cost": {"$avg": "$cost"},
        "log_cost": {"$avg": _log_of("$cost")},
        "success_rate": {"$avg": {"$cond": ["$success", 1, 0]}},
        "routing_rate": {"$avg": {"$cond": [both, {"$cond": [right, 1, 0]}, None]}},
        "routed": {"$sum": {"$cond": [both, 1, 0]}},
        "routed_right": {"$sum": {"$cond": [right, 1, 0]}},
        "first": {"$min": "$time"},
        "last": {"$max": "$time"},
    }
    for name in ("git_commit", "host"):
        group[f"least_{name}"] = {"$min": f"${name}"}
        group[f"greatest_{name}"] = {"$max": f"${name}"}
    return group


def _log_of(value: str) -> Stage:
    return {"$cond": [{"$gt": [value, 0]}, {"$ln": value}, None]}


def _group(keys: Sequence[Key], prefix: str) -> Stage:
    if not keys:
        return {}
    return {"group": [key.raw for key in keys] if prefix == "$" else f"{prefix}group"}


def _marked() -> list[Stage]:
    """The same documents, each with whether another version has its unit."""
    return [
        {
            "$group": {
                "_id": "$_id.unit",
                "least": {"$min": "$_id.version"},
                "greatest": {"$max": "$_id.version"},
                "own": {"$push": "$$ROOT"},
            }
        },
        {"$unwind": "$own"},
        {"$replaceWith": {"$mergeObjects": ["$own", {"shared": {"$cond": [{"$ne": ["$least", "$greatest"]}, 1, 0]}}]}},
    ]


def _by_version(keys: Sequence[Key]) -> Stage:
    # Its kind stands for a unit: none, one that the server does not know, or one of its own.
    kind = {"$cond": [{"$in": ["$_id.unit", [IN_REST, HIDDEN]]}, "$_id.unit", None]}
    group: Stage = {"_id": {"version": "$_id.version", "unit": kind} | _group(keys, "$_id.")}
    group |= {"n": {"$sum": 1}, "shared": {"$sum": "$shared"}}
    group |= {name: {"$sum": f"${name}"} for name in _SUMS}
    group |= {name: {"$min": f"${name}"} for name in _LEAST}
    group |= {name: {"$max": f"${name}"} for name in _GREATEST}
    group |= {f"max_{name}": {"$max": f"${name}"} for name in ("time", "cost")}
    for name in UNIT_MEANS:
        group[name] = {"$avg": f"${name}"}
        group[f"{name}_n"] = {"$sum": {"$cond": [{"$isNumber": f"${name}"}, 1, 0]}}
        group[f"{name}_deviation"] = {"$stdDevPop": f"${name}"}
    return group
