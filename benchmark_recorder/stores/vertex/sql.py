"""A question as SQL: parametrised, and each record counted once however many rows have its id."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder import cells, matching
from benchmark_recorder.cells import CELL_FIELDS, Cell, Moments, UnmatchedTasks
from benchmark_recorder.fields import METADATA_PREFIX
from benchmark_recorder.histogram import AT_BOUNDS, BUCKETS_PER_LN
from benchmark_recorder.records import is_unicode, plain_text, task_id_of
from benchmark_recorder.stores.vertex.groups import UNIT_PLACE, Key, raws_of
from benchmark_recorder.stores.vertex.rows import (
    FIELD_OF,
    JSON_FIELDS,
    OPTIONAL,
    OTHER_FIELDS,
    SCHEMA,
    list_entries,
    metadata_lines,
    moment_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from benchmark_recorder.queries import Query, UnitFilter
    from benchmark_recorder.stores.vertex.groups import Labels
    from benchmark_recorder.stores.vertex.rows import Column

FIRST_MOMENT: Final = datetime(1, 1, 1, tzinfo=UTC)
"""Of BigQuery's TIMESTAMP, and of a datetime."""

COLUMN_SOURCES: Final = {
    "time": ("feature_timestamp", "UNIX_MICROS(feature_timestamp)"),
    "cost_estimated": ("cost", "COALESCE(cost, 0.0)"),
}
"""Fields without a column of their own: the column that they come from, and the expression."""


@dataclass(slots=True)
class Filters:
    """The conditions of a question, and the values of their parameters.

    Attributes:
        conditions: SQL, all of which must hold.
        values: by the parameter's name: its BigQuery type, and a value or a list.
        impossible: whether no record can match.
        metadata_here: pairs of metadata that SQL cannot compare, which the caller checks.
    """

    conditions: list[str] = field(default_factory=list)
    values: dict[str, tuple[str, Any]] = field(default_factory=dict)
    impossible: bool = False
    metadata_here: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, query: Query) -> Filters:
        """The conditions of ``Query.matches``."""
        filters = cls()
        for column, names in query.texts.items():
            filters._any_of(column, names)
        if query.task is not None:
            filters._add("(task_description = @task OR task_id = @id_of_task)")
            filters.values["task"] = ("STRING", plain_text(query.task)[0])
            filters.values["id_of_task"] = ("STRING", task_id_of(query.task))
        if query.runs != "all":
            filters.conditions.append(f"parent_id IS {'NULL' if query.runs == 'roots' else 'NOT NULL'}")
        if query.dropped is not None:
            filters._with_dropped(query.dropped)
        if query.success is not None:
            filters._add("success = @success", "BOOL", query.success)
        # A table may require a condition on the time of every question; the first moment of all leaves nothing out.
        since = FIRST_MOMENT if query.since is None else moment_of(query.since)
        filters._add("feature_timestamp >= @since", "TIMESTAMP", since)
        if query.until is not None:
            filters._add("feature_timestamp < @until", "TIMESTAMP", moment_of(query.until))
        filters._with_metadata(query.metadata)
        if query.units is not None:
            filters._with_units(query.units)
        if query.exclude_ids:
            filters.conditions.append("record_id NOT IN UNNEST(@exclude_ids)")
            filters.values["exclude_ids"] = ("STRING", sorted(query.exclude_ids))
        return filters

    def _add(self, condition: str, kind: str = "", value: object = None) -> None:
        self.conditions.append(condition)
        if kind:
            self.values[condition.rpartition("@")[2]] = (kind, value)

    def _any_of(self, column: str, names: tuple[str, ...]) -> None:
        known = list(filter(is_unicode, names))  # no record holds any other
        self.impossible |= not known
        self.conditions.append(f"{column} IN UNNEST(@{column}s)")
        self.values[f"{column}s"] = ("STRING", known)

    def _with_metadata(self, pairs: tuple[tuple[str, Any], ...]) -> None:
        for number, (key, value) in enumerate(pairs):
            lines = metadata_lines(key, value)
            if lines is None:
                self.metadata_here += ((key, value),)
                continue
            self.impossible |= not lines
            names = [f"metadata_{number}_{form}" for form in range(len(lines))]
            self.conditions.append("(" + " OR ".join(f"INSTR(metadata, @{name}) > 0" for name in names) + ")")
            self.values |= {name: ("STRING", line) for name, line in zip(names, lines, strict=True)}

    def _with_dropped(self, names: tuple[str, ...]) -> None:
        entries = [entry for name in filter(is_unicode, names) for entry in list_entries(name)]
        self.impossible |= not entries
        found = (f"INSTR(dropped, @dropped_{number}) > 0" for number in range(len(entries)))
        self.conditions.append(f"({' OR '.join(found)})")
        self.values |= {f"dropped_{number}": ("STRING", entry) for number, entry in enumerate(entries)}

    def _with_units(self, units: UnitFilter) -> None:
        key = Key.of(f"{METADATA_PREFIX}{units.key}", UNIT_PLACE)
        self.conditions.append(f"COALESCE({key.sql}, '') {'IN' if units.inside else 'NOT IN'} UNNEST(@units)")
        raws = {raw for _, value in units.units for raw in raws_of(units.key, value)}
        self.values |= {**key.values, "units": ("STRING", sorted(raws))}


_NUMBERS: Final = {"FLOAT": "FLOAT64", "INTEGER": "INT64"}


def _rows_of(table: str, missing: Collection[Column] = ()) -> str:
    """The rows of a table; values without a column are read from ``other_fields``.

    Also where there is the column, which may have been added after a row was stored.
    """
    absent = {column.name for column in missing}
    others = "CAST(NULL AS STRING)" if OTHER_FIELDS in absent else OTHER_FIELDS
    shown = ",\n      ".join(_column_sql(column, others, absent) for column in SCHEMA)
    return f"(\n      SELECT {shown}\n      FROM `{table}`\n    )"


def _column_sql(column: Column, others: str, absent: Collection[str]) -> str:
    if column.name == OTHER_FIELDS:
        return f"{others} AS {OTHER_FIELDS}"
    if column.name not in OPTIONAL:
        return column.name
    read = "JSON_QUERY" if column.name in JSON_FIELDS else "JSON_VALUE"
    value = f"{read}({others}, '$.{FIELD_OF[column.name]}')"
    if column.kind == "BOOLEAN":
        value += " = 'true'"
    elif column.kind in _NUMBERS:
        value = f"CAST({value} AS {_NUMBERS[column.kind]})"
    return (
        f"{value} AS {column.name}" if column.name in absent else f"COALESCE({column.name}, {value}) AS {column.name}"
    )


def picked_sql(table: str, columns: Collection[str], conditions: Collection[str]) -> str:
    """Each matching record once: of several rows with its id the one that was sent first.

    The conditions are applied first, so that partitions and clusters limit what is read; copies of a record are alike,
    so either all of them match or none.
    """
    names = ", ".join(columns)
    where = f"\n    WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT {names} FROM (\n"
        f"    SELECT {names}, ROW_NUMBER() OVER (PARTITION BY record_id ORDER BY stored_order) AS copy_number\n"
        f"    FROM {_rows_of(table)}{where}\n"
        "  ) WHERE copy_number = 1"
    )


def scan_sql(table: str, fields: Collection[str], filters: Filters) -> str:
    """The SQL of a scan: the fields under their names.

    Ordered by ``record_id``, unless neither that nor a time is asked for: sorting costs.
    """
    sources = {COLUMN_SOURCES.get(name, (name,))[0] for name in fields}
    columns = sorted({"record_id", "stored_order"} | sources)
    shown = ", ".join(f"{COLUMN_SOURCES[name][1]} AS {name}" if name in COLUMN_SOURCES else name for name in fields)
    order = "" if {"record_id", "time", "timestamp"}.isdisjoint(fields) else " ORDER BY record_id"
    return f"SELECT {shown} FROM (\n  {picked_sql(table, columns, filters.conditions)}\n){order}"


def known_ids_sql(table: str) -> str:
    """The SQL for which of some ids exist, among the rows of some period."""
    return (
        f"SELECT DISTINCT record_id FROM `{table}`\n"
        "WHERE feature_timestamp BETWEEN @first AND @last AND record_id IN UNNEST(@record_ids)"
    )


_MEASURES: Final = ("time", "log_time", "cost", "log_cost")
CELL_COLUMNS: Final = ("record_id", "stored_order", "feature_timestamp", *(f for f in CELL_FIELDS if f != "time"))


def groups_sql(table: str, key: Key, filters: Filters) -> str:
    """The SQL whose rows ``Key.narrowed`` takes."""
    columns = sorted({"record_id", "stored_order", "feature_timestamp", *key.columns})
    return f"""SELECT raw, COUNT(*) AS n, MAX(moment) AS last FROM (
  SELECT {key.sql} AS raw, UNIX_MICROS(feature_timestamp) AS moment FROM (
  {picked_sql(table, columns, filters.conditions)}
  )
) GROUP BY raw"""


def histogram_sql(table: str, keys: Sequence[Key], field: str, filters: Filters) -> str:
    """The SQL of histograms: for each version, group and bucket, how many values there are.

    ``bucket`` is NULL for what is not above 0 or is infinite; these values are 0 where ``zero`` is 1.
    """
    column, value = COLUMN_SOURCES.get(field, (field, field))
    columns = sorted({"record_id", "stored_order", "version", column}.union(*(key.columns for key in keys)))
    groups = "".join(f", {key.column}" for key in keys)
    expressions = "".join(f", {key.sql} AS {key.column}" for key in keys)
    at = f"LN(CASE WHEN value > 0 AND value <= {sys.float_info.max!r} THEN value END)"
    return f"""WITH measured AS (
  SELECT version, {value} AS value{expressions} FROM (
  {picked_sql(table, columns, filters.conditions)}
  )
)
SELECT version{groups}, bucket, zero, COUNT(*) AS n FROM (
  SELECT version{groups}, CAST(FLOOR({at} * {BUCKETS_PER_LN!r} + {AT_BOUNDS!r}) AS INT64) AS bucket,
    CASE WHEN value = 0 THEN 1 ELSE 0 END AS zero
  FROM measured
) GROUP BY version{groups}, bucket, zero"""


def with_columns(sql: str, table: str, missing: Collection[Column]) -> str:
    """The same SQL about a table that lacks some columns."""
    return sql.replace(_rows_of(table), _rows_of(table, missing))


def unmatched_sql(table: str, query: Query, filters: Filters) -> str:
    """The SQL of the tasks that only one of two versions ran: ids of the first by id, each with how many there are."""
    columns = ("record_id", "stored_order", *sorted({"task_id", "version"}))
    return f"""WITH picked AS (
  {picked_sql(table, columns, filters.conditions)}
),
alone AS (
  SELECT task_id, MIN(version) AS version FROM picked{_unless_named(query)}
  GROUP BY task_id HAVING COUNT(DISTINCT version) = 1
)
SELECT version, task_id, tasks FROM (
  SELECT version, task_id, COUNT(*) OVER (PARTITION BY version) AS tasks,
    ROW_NUMBER() OVER (PARTITION BY version ORDER BY task_id) AS place
  FROM alone
) WHERE place <= {matching.LISTED} ORDER BY version, task_id"""


def unmatched_from(rows: Iterable[Mapping[str, Any]]) -> list[UnmatchedTasks]:
    """The rows of that SQL, together."""
    return [
        UnmatchedTasks(version, own[0]["tasks"], tuple(row["task_id"] for row in own))
        for version, group in groupby(rows, lambda row: str(row["version"]))
        for own in [list(group)]
    ]


def _unless_named(query: Query) -> str:
    """The condition that a task is not named; ``summarize_sql`` gives the parameter its value."""
    return " WHERE task_id NOT IN UNNEST(@own_cells)" if query.own_cells else ""


def summarize_sql(table: str, query: Query, filters: Filters, keys: Sequence[Key] = (), *, beyond: bool = False) -> str:
    """The SQL of the cells: a row for each; unmatched tasks are pooled under NULL.

    With ``beyond``, instead the cells of those matched tasks that are among the pooled ones.
    """
    if query.versions is None:
        rule = "CASE WHEN (SELECT COUNT(DISTINCT version) FROM picked) <= 1 THEN runs >= 2 ELSE versions >= 2 END"
    else:
        rule = "versions >= 2" if len(set(query.versions)) > 1 else "runs >= 2"
    own_task = "matched_task"
    if query.own_cells:
        filters.values["own_cells"] = ("STRING", sorted(filter(is_unicode, query.own_cells)))
        own_task = "CASE WHEN task_id IN UNNEST(@own_cells) THEN task_id ELSE matched_task END"
    most = matching.MAX_MATCHED_TASKS
    limit, join = (f"LIMIT {sys.maxsize} OFFSET {most}", "JOIN") if beyond else (f"LIMIT {most}", "LEFT JOIN")
    groups = "".join(f", {key.column}" for key in keys)
    expressions = "".join(f",\n    {key.sql} AS {key.column}" for key in keys)
    columns = dict.fromkeys([*CELL_COLUMNS, *sorted(frozenset().union(*(key.columns for key in keys)))])
    return f"""WITH picked AS (
  {picked_sql(table, columns, filters.conditions)}
),
tasks AS (
  SELECT task_id, COUNT(*) AS runs, COUNT(DISTINCT version) AS versions FROM picked GROUP BY task_id
),
matched AS (
  SELECT task_id AS matched_task FROM tasks WHERE {rule}
  ORDER BY runs DESC, task_id {limit}
),
measured AS (
  SELECT version, {own_task} AS own_task, success, task_id, git_commit, host{expressions},
    UNIX_MICROS(feature_timestamp) AS moment,
    execution_time AS time, LN(CASE WHEN execution_time > 0 THEN execution_time END) AS log_time,
    cost, LN(CASE WHEN cost > 0 THEN cost END) AS log_cost,
    CASE WHEN expected_agent = agent_selected THEN 1 WHEN expected_agent <> agent_selected THEN 0 END AS routed_right
  FROM picked {join} matched ON picked.task_id = matched.matched_task{_unless_named(query) if beyond else ""}
),
centred AS (
  SELECT *, {centres_sql(_MEASURES)}
  FROM measured WINDOW cell AS (PARTITION BY version, own_task, success{groups})
)
SELECT version, own_task, success{groups}, COUNT(*) AS n, COUNT(DISTINCT task_id) AS tasks,
  {moments_sql(_MEASURES)},
  MAX(time) AS max_time, COALESCE(MAX(cost), 0.0) AS max_cost,
  COUNT(routed_right) AS routed, COALESCE(SUM(routed_right), 0) AS routed_right,
  MIN(git_commit) AS least_git_commit, MAX(git_commit) AS greatest_git_commit,
  MIN(host) AS least_host, MAX(host) AS greatest_host, MIN(moment) AS first, MAX(moment) AS last
FROM centred GROUP BY version, own_task, success{groups}"""


def centres_sql(measures: Iterable[str]) -> str:
    """The first of two passes: the mean of each measure over the window ``cell``."""
    return ", ".join(f"AVG({m}) OVER cell AS {m}_centre" for m in measures)


def moments_sql(measures: Iterable[str]) -> str:
    """The second one, around the first one's mean and corrected for its rounding: a large offset costs no digits.

    See Chan, Golub & LeVeque 1983.
    """
    return ",\n  ".join(
        f"COUNT({m}) AS {m}_n, MIN({m}_centre) AS {m}_centre, AVG({m} - {m}_centre) AS {m}_left, "
        f"SUM(({m} - {m}_centre) * ({m} - {m}_centre)) AS {m}_squares"
        for m in measures
    )


def cell_of(row: Mapping[str, Any], labels: Labels) -> Cell:
    """One row of the cells' SQL; errors as in ``Labels.of``."""
    named = {**row, "task_id": row["own_task"], "group": labels.of(row)}
    return cells.cell_of(named, {name: moments_of(row, name) for name in _MEASURES})


def moments_of(row: Mapping[str, Any], measure: str) -> Moments:
    """A measure's moments from the columns of ``moments_sql``."""
    n = row[f"{measure}_n"]
    if not n:
        return Moments()
    left = row[f"{measure}_left"]
    return Moments(n, row[f"{measure}_centre"] + left, max(0.0, row[f"{measure}_squares"] - n * left * left))
