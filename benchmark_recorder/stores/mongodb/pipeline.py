"""Questions in MongoDB's language: a filter, and the aggregations that make cells and histograms where the records are.

Values reach the server only behind ``$eq``, ``$in``, ``$nin`` and ranges, so no text of a record or a caller is ever
an operator or a path.

The aggregation never subtracts large sums: within a task the server's ``$stdDevPop`` is Welford's update (1962), and
tasks are pooled by two passes over their moments (Chan, Golub & LeVeque 1983), so a large offset costs no digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from benchmark_recorder import cells, matching
from benchmark_recorder.cells import Cell, Moments
from benchmark_recorder.histogram import AT_BOUNDS, BUCKETS_PER_LN
from benchmark_recorder.identity import task_id_of
from benchmark_recorder.records import is_unicode, plain_text
from benchmark_recorder.stores.mongodb.documents import tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.records import Query
    from benchmark_recorder.stores.mongodb.groups import Key, Labels

Stage: TypeAlias = "dict[str, Any]"

MOMENTS: Final = ("time", "log_time", "cost", "log_cost")

SHIFT: Final = 40_000
"""Added to buckets, so that all of them are above 0."""

POOLED_AT_ONCE: Final = 2000
"""Tasks whose moments are pooled in one document: some 500 kB of the 100 MB that a stage may hold."""


def filter_of(query: Query) -> Stage:
    """The filter for the documents of a query; see ``Query.matches``."""
    conditions: list[Stage] = []
    for field, names in query.texts.items():
        conditions.append({field: {"$in": [name for name in names if is_unicode(name)]}})  # no record holds any other
    if query.task is not None:
        text = plain_text(query.task)[0]
        conditions.append({"$or": [{"task_description": {"$eq": text}}, {"task_id": {"$eq": task_id_of(query.task)}}]})
    if query.runs != "all":
        conditions.append({"parent_id": {"$eq" if query.runs == "roots" else "$ne": None}})  # or left out
    if query.success is not None:
        conditions.append({"success": {"$eq": query.success}})
    if query.since is not None:
        conditions.append({"time": {"$gte": query.since}})
    if query.until is not None:
        conditions.append({"time": {"$lt": query.until}})
    conditions += [{"tags": {"$eq": tag(key, value)}} for key, value in query.metadata]
    if query.units is not None:
        key, units, inside = query.units
        conditions.append({"tags": {"$in" if inside else "$nin": [tag(key, value) for _, value in units]}})
    if query.exclude_ids:
        conditions.append({"_id": {"$nin": sorted(query.exclude_ids)}})
    return {"$and": conditions} if conditions else {}


def pipeline_of(query: Query, keys: Sequence[Key] = (), *, across_versions: bool) -> list[Stage]:
    """The aggregation whose documents ``cell_of`` takes: one for each cell of ``cells.Cells``.

    Args:
        query: which records.
        keys: what they are grouped by.
        across_versions: whether a task needs two versions to get cells of its own; otherwise two runs.
    """
    most = matching.MAX_MATCHED_TASKS
    group = {"group": "$cells.group"} if keys else {}
    same_group = {"group": "$_id.group"} if keys else {}
    return [
        {"$match": filter_of(query)},
        {"$set": {"log_time": _log_of("$execution_time"), "log_cost": _log_of("$cost")}},
        {"$group": _by_task(keys)},
        {"$group": _tasks(same_group)},
        {"$set": {"matched": _is_matched(across_versions=across_versions)}},
        # A rank needs a single field: a document of three, which are compared one after the other.
        {"$set": {"place": {"rest": {"$not": "$matched"}, "runs": {"$multiply": [-1, "$runs"]}, "task": "$_id"}}},
        {"$setWindowFields": {"sortBy": {"place": 1}, "output": {"rank": {"$documentNumber": {}}}}},
        {"$set": {"own": {"$or": [{"$and": ["$matched", {"$lte": ["$rank", most]}]}, _is_named(query)]}}},
        {"$unwind": "$cells"},
        *_pooled(
            {
                "version": "$cells.version",
                "task_id": {"$cond": ["$own", "$_id", None]},
                "success": "$cells.success",
                "part": {"$floor": {"$divide": ["$rank", POOLED_AT_ONCE]}},
            }
            | group,
            "$cells.",
        ),
        *_pooled({"version": "$_id.version", "task_id": "$_id.task_id", "success": "$_id.success"} | same_group, "$"),
    ]


def groups_of(query: Query, key: Key) -> list[Stage]:
    """The aggregation whose documents ``Key.narrowed`` takes."""
    return [
        {"$match": filter_of(query)},
        {"$group": {"_id": key.raw, "n": {"$sum": 1}, "last": {"$max": "$time"}}},
    ]


def histogram_of(query: Query, keys: Sequence[Key], field: str) -> list[Stage]:
    """The aggregation of histograms: for each version, group and bucket, how many values there are.

    Args:
        query: which records.
        keys: what they are grouped by.
        field: of numbers. What ``bucket_from`` takes is in each document's ``bucket``.
    """
    value = f"${field}"
    # One condition, as each takes as long as the logarithm: what is not above 0 stays as it is.
    shifted = {"$floor": {"$add": [{"$multiply": [{"$ln": value}, BUCKETS_PER_LN]}, SHIFT + AT_BOUNDS]}}
    bucket = {"$cond": [{"$gt": [value, 0]}, shifted, value]}
    return [
        {"$match": filter_of(query)},
        {"$group": {"_id": {"version": "$version", "bucket": bucket} | _group(keys), "n": {"$sum": 1}}},
    ]


def bucket_from(found: float | None) -> float | None:
    """A bucket as ``histograms_from`` takes it."""
    if not found:
        return None if found is None else True
    return found - SHIFT if found > 0 else None


def _group(keys: Sequence[Key]) -> Stage:
    return {"group": [key.raw for key in keys]} if keys else {}


def _by_task(keys: Sequence[Key]) -> Stage:
    """One document for each version, task, success and group."""
    group: Stage = {
        "_id": {"version": "$version", "task_id": "$task_id", "success": "$success"} | _group(keys),
        "n": {"$sum": 1},
        "max_time": {"$max": "$execution_time"},
        "max_cost": {"$max": "$cost"},
        "routed": {"$sum": {"$cond": [_ROUTED, 1, 0]}},
        "routed_right": {
            "$sum": {"$cond": [{"$and": [_ROUTED, {"$eq": ["$expected_agent", "$agent_selected"]}]}, 1, 0]}
        },
        "first": {"$min": "$time"},
        "last": {"$max": "$time"},
    }
    for name in ("git_commit", "host"):
        group[f"least_{name}"] = {"$min": f"${name}"}
        group[f"greatest_{name}"] = {"$max": f"${name}"}
    for name in MOMENTS:
        value = "$execution_time" if name == "time" else f"${name}"
        group[f"{name}_n"] = {"$sum": {"$cond": [{"$isNumber": value}, 1, 0]}}
        group[f"{name}_mean"] = {"$avg": value}
        group[f"{name}_deviation"] = {"$stdDevPop": value}
    return group


def _log_of(value: str) -> Stage:
    return {"$cond": [{"$gt": [value, 0]}, {"$ln": value}, None]}


# Absent and null sort before every text.
_ROUTED: Final = {"$and": [{"$gt": ["$expected_agent", None]}, {"$gt": ["$agent_selected", None]}]}

_LEAST: Final = ("first", "least_git_commit", "least_host")
_GREATEST: Final = ("last", "greatest_git_commit", "greatest_host", "max_time", "max_cost")
_SUMS: Final = ("n", "routed", "routed_right", "tasks")


def _tasks(group: Stage) -> Stage:
    """One document for each task, with its cells in it."""
    cell: Stage = {"version": "$_id.version", "success": "$_id.success", "tasks": {"$literal": 1}} | group
    cell |= {name: f"${name}" for name in (*_LEAST, *_GREATEST, *_SUMS) if name != "tasks"}
    for name in MOMENTS:
        deviation = f"${name}_deviation"
        cell[name] = {
            "n": f"${name}_n",
            "mean": f"${name}_mean",
            "m2": {"$multiply": [f"${name}_n", deviation, deviation]},
        }
    return {
        "_id": "$_id.task_id",
        "runs": {"$sum": "$n"},
        "least": {"$min": "$_id.version"},
        "greatest": {"$max": "$_id.version"},
        "cells": {"$push": cell},
    }


def _is_matched(*, across_versions: bool) -> Stage:
    enough = {"$ne": ["$least", "$greatest"]} if across_versions else {"$gte": ["$runs", 2]}
    return {"$and": [{"$ne": ["$_id", None]}, enough]}


def _is_named(query: Query) -> Stage:
    # A literal, so that no task's id is read as a path.
    return {"$in": ["$_id", {"$literal": sorted(filter(is_unicode, query.own_cells))}]}


def _pooled(key: Stage, prefix: str) -> list[Stage]:
    """Merge documents that have cells' fields behind ``prefix``."""
    group: Stage = {"_id": key}
    group |= {name: {"$sum": prefix + name} for name in _SUMS}
    group |= {name: {"$min": prefix + name} for name in _LEAST}
    group |= {name: {"$max": prefix + name} for name in _GREATEST}
    group |= {name: {"$push": prefix + name} for name in MOMENTS}
    return [{"$group": group}, {"$set": {name: _merged(f"${name}") for name in MOMENTS}}]


def _merged(parts: str) -> Stage:
    """The moments of all parts together: their mean first, then the deviations from it."""
    together = {
        "$let": {
            "vars": {
                "n": {"$sum": f"{parts}.n"},
                "sum": {"$sum": {"$map": {"input": parts, "in": {"$multiply": ["$$this.n", "$$this.mean"]}}}},
            },
            "in": {
                "$let": {
                    "vars": {"mean": {"$cond": [{"$gt": ["$$n", 0]}, {"$divide": ["$$sum", "$$n"]}, 0]}},
                    "in": {
                        "n": "$$n",
                        "mean": "$$mean",
                        "m2": {"$sum": {"$map": {"input": parts, "in": _M2_AROUND_MEAN}}},
                    },
                }
            },
        }
    }
    # A task with cells of its own has one part in each, and there are thousands of them.
    return {"$cond": [{"$eq": [{"$size": parts}, 1]}, {"$arrayElemAt": [parts, 0]}, together]}


_M2_AROUND_MEAN: Final = {
    "$add": ["$$this.m2", {"$multiply": ["$$this.n", {"$pow": [{"$subtract": ["$$this.mean", "$$mean"]}, 2]}]}]
}


def cell_of(row: dict[str, Any], labels: Labels) -> Cell:
    """A document of the aggregation as a cell; errors as in ``Labels.of``."""
    own = row["_id"]
    group = labels.of(own.get("group", ()))
    return cells.cell_of(row | own | {"group": group}, {name: _moments(row[name]) for name in MOMENTS})


def _moments(parts: Mapping[str, Any]) -> Moments:
    n, mean, m2 = parts["n"], parts["mean"], parts["m2"]
    if not n:
        return Moments()
    assert math.isfinite(mean)
    return Moments(n, mean, m2)
