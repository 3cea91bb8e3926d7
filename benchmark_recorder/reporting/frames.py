"""Results as tables of plain columns: for pandas, and through Arrow for polars, DuckDB, pyarrow and others.

Each column has one type in every table, also in an empty one; what is undefined is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmark_recorder.errors import missing
from benchmark_recorder.fields import METRIC_FIELDS, of_kind
from benchmark_recorder.reporting.json import json_text, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from benchmark_recorder.analysis import (
        ChangePoints,
        ClaimReport,
        Comparison,
        EachComparison,
        ExperimentList,
        ExperimentResult,
        Forecast,
        GateResult,
        JointComparison,
        RunPlan,
        SelfTest,
        SlicedComparison,
        Summary,
    )
    from benchmark_recorder.analysis.load_results import LoadResult
    from benchmark_recorder.analysis.savings_results import Savings
    from benchmark_recorder.records import Columns

Kind = Literal["text", "float", "count", "truth", "time", "json"]
_NAMES: Final[Mapping[Kind, str]] = {
    "float": "value low high v1_value v2_value effect improvement worsening bound margin p_value q_value p_adjusted "
    "different blocked literal inconclusive power present cost seconds before_value after_value "
    "rate success_at_worst",
    "count": "n v1_count v2_count splits runs runs_per_task tasks before_points after_points before_runs after_runs",
    "time": "time",
    "truth": "stands_out met enough",
    "text": "version figure method metric v1 v2 task_id task kind verdict claim status baseline candidate state split "
    "by group decision scope at before after cause basis replaced strength",
}
"""Of columns; a name has the same kind in every table."""
_KINDS: Final = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_NO_INTERVAL: Final = {"low": None, "high": None}
_PANDAS: Final[Mapping[Kind, str]] = {
    "text": "str",
    "float": "float64",
    "count": "Int64",
    "truth": "boolean",
    "time": "datetime64[us, UTC]",
    "json": "object",
}
_RECORD_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(of_kind("number"), "float"),
    **dict.fromkeys(of_kind("count"), "count"),
    **dict.fromkeys(of_kind("flag"), "truth"),
    **dict.fromkeys(of_kind("json", "texts"), "json"),
    "timestamp": "time",
}
"""Those that are no texts."""
_READ_AS: Final = {"timestamp": "time", "cost_estimated": "cost"}
"""Columns of a scan in which a time is a number, and an unknown cost is missing."""

RECORD_COLUMNS: Final = tuple(_READ_AS.get(name, name) for name in METRIC_FIELDS if name != "cost_known")
"""What ``records_frame`` needs of a scan."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: of its values.
        values: ``None`` where undefined.
    """

    kind: Kind
    values: tuple[Any, ...]

    @property
    def plain(self) -> tuple[Any, ...]:
        """The same, JSON as texts."""
        if self.kind != "json":
            return self.values
        return tuple(None if value is None else json_text(value) for value in self.values)


Frame = dict[str, Column]


def _frame(names: str, rows: Iterable[tuple[object, ...]]) -> Frame:
    """A table of some columns.

    A row is what its values are found in, mappings or objects: the first that has a name counts.
    """
    columns = names.split()
    found = [[_found(name, sources) for name in columns] for sources in rows]
    return {
        name: Column(_KINDS[name], tuple(_value(_KINDS[name], row[place]) for row in found))
        for place, name in enumerate(columns)
    }


def _found(name: str, sources: tuple[object, ...]) -> object:
    for source in sources:
        if isinstance(source, dict):
            if name in source:
                return source[name]
        elif hasattr(source, name):
            return getattr(source, name)
    raise LookupError(name)


def _value(kind: Kind, value: Any) -> Any:  # noqa: ANN401
    if value is None:
        return None
    if kind == "text":
        return plain(str(value))
    if kind == "json":
        return value
    if kind == "truth":
        return bool(value)
    if not math.isfinite(value):
        return None
    return float(value) if kind == "float" else int(value)


def records_frame(columns: Columns) -> Frame:
    """A row for each record; see ``RECORD_COLUMNS``."""
    names = [name for name in METRIC_FIELDS if name != "cost_known"]
    kinds = {name: _RECORD_KINDS.get(name, "text") for name in names}
    read = {name: columns[_READ_AS.get(name, name)].tolist() for name in names}
    return {name: Column(kinds[name], tuple(_value(kinds[name], value) for value in read[name])) for name in names}


def summary_frame(*summaries: Summary) -> Frame:
    """A row for each figure of each version."""
    return _frame("version figure value low high n method", _figures({}, summaries))


def groups_frame(by: str, groups: Mapping[str | None, Summary]) -> Frame:
    """A row for each figure of each group; the group is missing where the runs say nothing."""
    rows = (row for group, summary in groups.items() for row in _figures({"by": by, "group": group}, [summary]))
    return _frame("version by group figure value low high n method", rows)


def _figures(beside: Mapping[str, object], summaries: Iterable[Summary]) -> Iterator[tuple[object, ...]]:
    for summary in summaries:
        for name, found in summary.estimates.items():
            yield {"figure": name, **beside}, found, found.interval or _NO_INTERVAL, summary


def comparison_frame(comparison: Comparison, texts: Mapping[str, str] = MappingProxyType({})) -> Frame:
    """A row for each task; ``texts`` are those of tasks whose ids were made from them, by id."""
    names = "metric v1 v2 task_id task v1_count v2_count v1_value v2_value effect low high p_value q_value stands_out"
    rows = (
        ({"task": texts.get(row.task_id)}, row, row.interval or _NO_INTERVAL, comparison) for row in comparison.tasks
    )
    return _frame(names, rows)


def joint_frame(joint: JointComparison) -> Frame:
    """A row for each metric."""
    return _frame(
        "metric v1 v2 v1_value v2_value v1_count v2_count kind effect low high p_value verdict margin method",
        ((c, c.interval or _NO_INTERVAL) for c in joint.comparisons.values()),
    )


def each_frame(each: EachComparison) -> Frame:
    """A row for each candidate and metric, with its adjusted p-value."""
    return _frame(
        "metric v1 v2 v1_value v2_value v1_count v2_count kind effect low high p_value p_adjusted verdict margin "
        "method",
        (
            (c, c.interval or _NO_INTERVAL, {"p_adjusted": joint.p_adjusted.get(c.metric)})
            for joint in each.comparisons.values()
            for c in joint.comparisons.values()
        ),
    )


def slices_frame(sliced: SlicedComparison) -> Frame:
    """A row for each slice; its group is missing where the runs say nothing."""
    return _frame(
        "metric v1 v2 by group v1_value v2_value v1_count v2_count kind effect low high p_value q_value verdict margin "
        "method",
        ((one, one.comparison, one.comparison.interval or _NO_INTERVAL, sliced) for one in sliced.slices),
    )


def changes_frame(found: ChangePoints) -> Frame:
    """A row for each change."""
    return _frame(
        "metric version by kind at time before after effect low high p_value before_value after_value before_points "
        "after_points before_runs after_runs cause",
        ((change, change.interval or _NO_INTERVAL, found) for change in found.changes),
    )


def experiment_frame(found: ExperimentResult) -> Frame:
    """A row for each metric."""
    return _frame(
        "name control treatment state metric v1_value v2_value v1_count v2_count effect low high e_value p_adjusted "
        "verdict margin",
        ((one, one.interval or _NO_INTERVAL, found) for one in found.metrics),
    )


def experiments_frame(found: ExperimentList) -> Frame:
    """A row for each experiment and plan."""
    return _frame("name control treatment weight runs", ((one,) for one in found.experiments))


def forecast_frame(found: Forecast) -> Frame:
    """A row for each task and figure."""
    return _frame(
        "version task_id figure value low high n method basis",
        (
            ({"figure": name}, one[name], one[name].interval or _NO_INTERVAL, one, found)
            for one in found.tasks
            for name in ("time", "cost", "failure_rate")
        ),
    )


def claims_frame(report: ClaimReport) -> Frame:
    """A row for each claim; figures in percent, as claims are."""
    return _frame(
        "claim metric v1 v2 improvement low high status met",
        (
            ({"claim": r.text}, r, r.equivalence_interval or r.interval or _NO_INTERVAL, r.claim, report)
            for r in report.results
        ),
    )


def gate_frame(result: GateResult) -> Frame:
    """A row for each guardrail."""
    return _frame(
        "metric baseline candidate v1_value v2_value worsening bound margin p_value p_adjusted state",
        ((check, result) for check in result.checks),
    )


def plan_frame(plan: RunPlan) -> Frame:
    """One row."""
    needed: object = plan.needed or dict.fromkeys(("runs", "runs_per_task", "tasks", "cost", "seconds"))
    return _frame(
        "metric v1 v2 decision effect power scope margin present enough runs runs_per_task tasks cost seconds",
        [(plan, needed)],
    )


def selftest_frame(result: SelfTest) -> Frame:
    """A row for each way of splitting."""
    return _frame(
        "version split splits different blocked literal inconclusive",
        (
            (
                {
                    "split": found.kind,
                    "blocked": found.rate,
                    "literal": found.literal_rate,
                    "inconclusive": found.inconclusive_rate,
                },
                found,
                result,
            )
            for found in (result.within_tasks, result.by_day)
            if found is not None
        ),
    )


def load_frame(result: LoadResult) -> Frame:
    """A row for each time's figure of each step."""
    return _frame(
        "version rate figure value low high n method",
        (
            ({"figure": f"{kind}.{name}"}, found, found.interval or _NO_INTERVAL, step)
            for step in result.steps
            for kind in ("response", "service")
            for name, found in step[kind].items()
        ),
    )


def savings_frame(found: Savings) -> Frame:
    """A row for each suggestion; the saving in USD a month."""
    return _frame(
        "kind replaced by tasks runs value low high success_at_worst strength",
        ((one, one.saving, one.saving.interval or _NO_INTERVAL) for one in found.suggestions),
    )


def to_pandas(columns: Frame) -> pd.DataFrame:
    """The table for pandas, in types that know what is missing.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise missing("to_pandas() needs pandas", "pandas") from error
    return pd.DataFrame(
        {name: pd.Series(column.values, dtype=_PANDAS[column.kind]) for name, column in columns.items()}
    )


def arrow_stream(columns: Frame, requested_schema: object | None = None) -> object:  # noqa: ARG001
    """The table as a capsule of Arrow's C stream interface, which whoever asked for it empties once.

    A requested schema is a wish by that interface, and whoever has it casts: the types are always these.

    Raises:
        MissingDependencyError: nanoarrow is not installed.
    """
    try:
        import nanoarrow as na
    except ImportError as error:
        raise missing("the Arrow interface needs nanoarrow", "arrow") from error
    types = {
        "text": na.string(),
        "float": na.float64(),
        "count": na.int64(),
        "truth": na.bool_(),
        "time": na.timestamp("us", "UTC"),
        "json": na.string(),
    }
    schema = na.struct({name: types[column.kind] for name, column in columns.items()})
    children = [na.c_array(column.plain, types[column.kind]) for column in columns.values()]
    length = max((len(column.values) for column in columns.values()), default=0)
    whole = na.c_array_from_buffers(schema, length, [None], children=children)
    stream: object = na.c_array_stream(whole).__arrow_c_stream__()  # nanoarrow refuses any wish
    return stream
