"""Questions in MongoDB's language: a filter, and the aggregations that make cells and histograms where the records are.

Values reach the server only behind ``$eq``, ``$in``, ``$nin`` and ranges, so no text of a record or a caller is ever
an operator or a path.

The aggregation never subtracts large sums: the server's ``$stdDevPop`` is Welford's update (1962), so a large offset
costs no digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from benchmark_recorder import cells
from benchmark_recorder.cells import Cell, Moments
from benchmark_recorder.histogram import AT_BOUNDS, SCALE
from benchmark_recorder.records import is_unicode, plain_text, task_id_of
from benchmark_recorder.stores.mongodb.documents import tag
from benchmark_recorder.stores.mongodb.groups import HIDDEN, IN_REST, Key, NotGroupedError, is_one_of
from benchmark_recorder.tabulation import UNIT_MEANS, cell_of_units

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.mongodb.groups import Labels

Stage: TypeAlias = "dict[str, Any]"

SHIFT: Final = 40_000
"""Added to buckets, so that all of them are above 0."""

CLASSIC: Final[Stage] = {"$set": {"engine": {"$literal": "classic"}}}
"""Nothing reads it. Where ``$group`` comes first, a server of 6.0 hands it to another engine, which takes half as long
again."""


def filter_of(query: Query) -> Stage:
    """The filter for the documents of a query; see ``Query.matches``."""
    conditions = [_one_of(field, names) for field, names in query.texts.items()]
    if query.task is not None:
        text = plain_text(query.task)[0]
        conditions.append({"$or": [{"task_description": {"$eq": text}}, {"task_id": {"$eq": task_id_of(query.task)}}]})
    if query.runs != "all":
        conditions.append({"parent_id": {"$eq" if query.runs == "roots" else "$ne": None}})  # or left out
    if query.dropped is not None:
        conditions.append(_one_of("dropped", query.dropped))
    if query.success is not None:
        conditions.append({"success": {"$eq": query.success}})
    conditions += _moments_within(query)
    conditions += [{"tags": {"$eq": tag(key, value)}} for key, value in query.metadata]
    if query.units is not None:
        key, units, inside = query.units
        conditions.append({"tags": {"$in" if inside else "$nin": [tag(key, value) for _, value in units]}})
    if query.exclude_ids:
        conditions.append({"_id": {"$nin": sorted(query.exclude_ids)}})
    return {"$and": conditions} if conditions else {}


def index_filter_of(query: Query) -> Stage | None:
    """What the index by version and time knows of a query; ``None`` where another index serves it, or none."""
    if query.versions is None or query.task_ids is not None:
        return None
    return {"$and": [_one_of("version", query.versions), *_moments_within(query)]}


def _one_of(field: str, names: Collection[str]) -> Stage:
    return {field: {"$in": [name for name in names if is_unicode(name)]}}  # no record holds any other


def _moments_within(query: Query) -> list[Stage]:
    bounds = {"$gte": query.since, "$lt": query.until}
    return [{"time": {operator: bound}} for operator, bound in bounds.items() if bound is not None]


def repeated_of(query: Query, most: int) -> list[Stage]:
    """The aggregation that finds the tasks with several records, at most so many of them; each is an ``_id``."""
    return [
        {"$match": filter_of(query)},
        CLASSIC,
        {"$group": {"_id": "$task_id", "n": {"$sum": 1}}},
        {"$match": {"n": {"$gte": 2}}},
        {"$limit": most},
    ]


def first_alone(query: Query, version: str, others: Collection[str], most: int) -> list[Stage]:
    """The aggregation that finds the first of a version's tasks that are not among others; each is a ``task_id``."""
    known = {"$nin": [None, *filter(is_unicode, others)]}
    return [
        {"$match": {"$and": [filter_of(query), {"version": {"$eq": version}}, {"task_id": known}]}},
        {"$sort": {"task_id": 1}},
        {"$limit": most},
        {"$project": {"_id": False, "task_id": True}},
    ]


def cells_of(query: Query, keys: Sequence[Key] = (), own: Collection[str] | None = None) -> list[Stage]:
    """The aggregation whose documents ``cell_of`` takes: one for each version, task, success and group.

    All tasks are told apart, or only those of ``own``, with all that have several records among them; the others are
    then pooled.
    """
    return [
        {"$match": filter_of(query)},
        {"$set": {"log_time": log_of("$execution_time"), "log_cost": log_of("$cost")}},
        {
            "$group": {"_id": {"version": "$version", "task_id": _task(own), "success": "$success"} | group_of(keys)}
            | _CELL
        },
    ]


def groups_of(query: Query, key: Key) -> list[Stage]:
    """The aggregation whose documents ``Key.narrowed`` takes."""
    return [
        {"$match": filter_of(query)},
        {"$group": {"_id": key.raw, "n": {"$sum": 1}, "last": {"$max": "$time"}}},
    ]


def histogram_of(query: Query, keys: Sequence[Key], field: str) -> list[Stage]:
    """The aggregation of histograms: for each version, group and ``bucket`` (see ``bucket_from``), how many values."""
    value = f"${field}"
    # One condition, as each takes as long as the logarithm: what is not above 0 stays as it is.
    shifted = {"$floor": {"$add": [{"$log": [value, _BUCKET]}, SHIFT + AT_BOUNDS]}}
    bucket = {"$cond": [{"$gt": [value, 0]}, shifted, value]}
    return [
        {"$match": filter_of(query)},
        {"$set": {"bucket": bucket}},
        {"$group": {"_id": {"version": "$version", "bucket": "$bucket"} | group_of(keys), "n": {"$sum": 1}}},
    ]


_BUCKET: Final = 2.0**2.0**-SCALE
"""The ratio of a bucket's bounds."""


def bucket_from(found: float | None) -> float | None:
    """A bucket as ``histograms_from`` takes it."""
    if not found:
        return None if found is None else True
    return found - SHIFT if found > 0 else None


def group_of(keys: Sequence[Key]) -> Stage:
    """The part of an id that tells groups apart."""
    return {"group": [key.raw for key in keys]} if keys else {}


def _task(own: Collection[str] | None) -> Any:  # noqa: ANN401 - an expression
    """A record's task, or ``_POOLED``."""
    if own is None:
        return "$task_id"
    known = [None, *filter(is_unicode, own)]
    return {"$cond": [is_one_of("$task_id", known), "$task_id", {"$literal": _POOLED}]}


_POOLED: Final = True
"""The task of the records that are pooled: not a text, so it is never a task's id."""


def log_of(value: str) -> Stage:
    """The logarithm of what is above 0."""
    return {"$cond": [{"$gt": [value, 0]}, {"$ln": value}, None]}


# Absent and null sort before every text.
ROUTED: Final = {"$and": [{"$gt": ["$expected_agent", None]}, {"$gt": ["$agent_selected", None]}]}
ROUTED_RIGHT: Final = {"$and": [ROUTED, {"$eq": ["$expected_agent", "$agent_selected"]}]}

_MOMENTS: Final = {"time": "execution_time", "log_time": "log_time", "cost": "cost", "log_cost": "log_cost"}
"""By what they are called in a cell: the fields that moments are made of."""


def moments_of(name: str, field: str) -> Stage:
    """What ``moments_from`` takes, of a field's values."""
    return {
        f"{name}_n": {"$sum": {"$cond": [{"$isNumber": f"${field}"}, 1, 0]}},
        f"{name}_mean": {"$avg": f"${field}"},
        f"{name}_deviation": {"$stdDevPop": f"${field}"},
    }


def range_of(field: str) -> Stage:
    """Least and greatest text."""
    return {f"least_{field}": {"$min": f"${field}"}, f"greatest_{field}": {"$max": f"${field}"}}


_CELL: Final[Stage] = {
    "n": {"$sum": 1},
    "max_time": {"$max": "$execution_time"},
    "max_cost": {"$max": "$cost"},
    "routed": {"$sum": {"$cond": [ROUTED, 1, 0]}},
    "routed_right": {"$sum": {"$cond": [ROUTED_RIGHT, 1, 0]}},
    "first": {"$min": "$time"},
    "last": {"$max": "$time"},
    **range_of("git_commit"),
    **range_of("host"),
    **{name: how for field in _MOMENTS.items() for name, how in moments_of(*field).items()},
}
"""What is made of the records of a cell."""


def cell_of(row: dict[str, Any], labels: Labels) -> Cell:
    """A document of the aggregation as a cell; errors as in ``Labels.of``."""
    own = row["_id"]
    task = own.get("task_id")
    is_pooled = task is _POOLED
    labelled = {
        "version": own["version"],
        "success": own["success"],
        "task_id": None if is_pooled else task,
        "tasks": row["n"] if is_pooled else 1,  # each has one record
        "group": labels.of(own.get("group", ())),
    }
    return cells.cell_of(row | labelled, {name: moments_from(row, name) for name in _MOMENTS})


def moments_from(row: Mapping[str, Any], name: str) -> Moments:
    """The moments of what ``moments_of`` calls so."""
    n, mean, deviation = row[f"{name}_n"], row[f"{name}_mean"], row[f"{name}_deviation"]
    if not n:
        return Moments()
    assert math.isfinite(mean)
    return Moments(n, mean, n * deviation * deviation)


# Units ---------------------------------------------------------------------------------------------------------------
#
# The records are grouped by unit first, and then the units; see ``cells.Cells``.


def units_of(query: Query, keys: Sequence[Key]) -> list[Stage]:
    """The aggregation whose documents ``part_of`` takes, of a query that asks for units."""
    assert query.unit is not None
    several = query.versions is None or len(set(query.versions)) > 1
    unit = {"$ifNull": [Key.of(query.unit).raw, IN_REST]}
    return [
        {"$match": filter_of(query)},
        {"$set": {"good": {"$cond": ["$success", "$execution_time", None]}}},
        {"$group": {"_id": {"version": "$version", "unit": unit} | group_of(keys)} | _UNIT},
        *(_SHARED if several else ()),
        {"$group": {"_id": {"version": "$_id.version", "unit": _KIND, "group": "$_id.group"}} | _OF_UNITS},
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

_OF_UNITS: Final[Stage] = {
    "n": {"$sum": 1},
    **{name: {"$sum": f"${name}"} for name in ("runs", "shared", "routed", "routed_right")},
    **{name: {"$min": f"${name}"} for name in ("first", "least_git_commit", "least_host")},
    **{name: {"$max": f"${name}"} for name in ("last", "greatest_git_commit", "greatest_host")},
    **{f"max_{name}": {"$max": f"${name}"} for name in ("time", "cost")},
    **{name: how for mean in UNIT_MEANS for name, how in moments_of(mean, mean).items()},
}
"""What is made of the units of a version and group."""
