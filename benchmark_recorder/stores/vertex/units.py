"""Units counted in SQL: grouped by unit first, and then the units; see ``cells.Cells``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark_recorder.stores.vertex.groups import UNIT_PLACE, Key, SameGroupError
from benchmark_recorder.stores.vertex.sql import CELL_COLUMNS, centres_sql, moments_of, moments_sql, picked_sql
from benchmark_recorder.tabulation import UNIT_MEANS, cell_of_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.cells import Cell
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.vertex.groups import Labels
    from benchmark_recorder.stores.vertex.sql import Filters


def part_of(row: Mapping[str, Any], labels: Labels) -> Cell | int:
    """A row of the answer: a cell of units, or how many runs have no unit. Errors as in ``Labels.of``.

    Raises:
        SameGroupError: also where a unit is a number that is not written as a whole one, but may be equal to one.
    """
    if row["has_decimals"]:
        raise SameGroupError
    if not row["is_unit"]:
        return int(row["runs"])
    return cell_of_units({**row, "group": labels.of(row)}, {name: moments_of(row, name) for name in UNIT_MEANS})


def units_sql(table: str, query: Query, filters: Filters, keys: Sequence[Key]) -> str:
    """The SQL whose rows ``part_of`` takes; adds the parameters that it needs to the filters' values."""
    assert query.unit is not None
    unit = Key.of(query.unit, UNIT_PLACE)
    filters.values |= unit.values
    groups = "".join(f", {key.column}" for key in keys)
    expressions = "".join(f",\n    {key.sql} AS {key.column}" for key in keys)
    columns = dict.fromkeys([*CELL_COLUMNS, *sorted(unit.columns.union(*(key.columns for key in keys)))])
    good = "CASE WHEN success THEN execution_time END"
    return f"""WITH measured AS (
  SELECT version, success, git_commit, host, {unit.sql} AS raw{expressions},
    UNIX_MICROS(feature_timestamp) AS moment,
    {good} AS time, LN(CASE WHEN {good} > 0 THEN execution_time END) AS log_time,
    cost, LN(CASE WHEN cost > 0 THEN cost END) AS log_cost,
    CASE WHEN expected_agent = agent_selected THEN 1 WHEN expected_agent <> agent_selected THEN 0 END AS routed_right
  FROM (
  {picked_sql(table, columns, filters.conditions)}
  )
),
by_unit AS (
  SELECT version{groups}, own_unit, COUNT(*) AS runs,
    AVG(time) AS time, AVG(log_time) AS log_time, AVG(cost) AS cost, AVG(log_cost) AS log_cost,
    AVG(CASE WHEN success THEN 1 ELSE 0 END) AS success_rate, AVG(routed_right) AS routing_rate,
    COUNT(routed_right) AS routed, COALESCE(SUM(routed_right), 0) AS routed_right,
    MIN(git_commit) AS least_git_commit, MAX(git_commit) AS greatest_git_commit,
    MIN(host) AS least_host, MAX(host) AS greatest_host, MIN(moment) AS first, MAX(moment) AS last
  FROM (SELECT *, CASE WHEN SUBSTR(raw, 1, 1) = '=' THEN raw END AS own_unit FROM measured)
  GROUP BY version{groups}, own_unit
),
told_apart AS (
  SELECT *, own_unit IS NOT NULL AS is_unit,
    CASE WHEN SUBSTR(own_unit, 2, 1) NOT IN ('"', 't', 'f') AND INSTR(own_unit, '.') + INSTR(own_unit, 'e') > 0
      THEN 1 ELSE 0 END AS has_decimals
  FROM by_unit
),
centred AS (
  SELECT *, {centres_sql(UNIT_MEANS)},
    CASE WHEN MIN(version) OVER same_unit <> MAX(version) OVER same_unit THEN 1 ELSE 0 END AS is_shared
  FROM told_apart
  WINDOW cell AS (PARTITION BY version, is_unit{groups}), same_unit AS (PARTITION BY own_unit)
)
SELECT version, is_unit{groups}, COUNT(*) AS n, SUM(runs) AS runs, SUM(is_shared) AS shared,
  MAX(has_decimals) AS has_decimals,
  {moments_sql(UNIT_MEANS)},
  MAX(time) AS max_time, COALESCE(MAX(cost), 0.0) AS max_cost,
  SUM(routed) AS routed, SUM(routed_right) AS routed_right,
  MIN(least_git_commit) AS least_git_commit, MAX(greatest_git_commit) AS greatest_git_commit,
  MIN(least_host) AS least_host, MAX(greatest_host) AS greatest_host, MIN(first) AS first, MAX(last) AS last
FROM centred GROUP BY version, is_unit{groups}"""
