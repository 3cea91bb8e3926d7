"""Results as tables of plain columns: for pandas, and through Arrow for polars, DuckDB, pyarrow and others.

Each column has one type in every table, also in an empty one; what is undefined is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmark_recorder.errors import MissingDependencyError
from benchmark_recorder.reporting.json import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from benchmark_recorder.analysis import (
        ClaimReport,
        Comparison,
        GateResult,
        Interval,
        JointComparison,
        SelfTest,
        Summary,
    )

Kind = Literal["text", "float", "count", "truth"]
_PANDAS: Final[Mapping[Kind, str]] = {"text": "str", "float": "float64", "count": "Int64", "truth": "boolean"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        kind: of its values.
        values: ``None`` where undefined.
    """

    kind: Kind
    values: tuple[Any, ...]


Frame = dict[str, Column]


def frame(kinds: Mapping[str, Kind], rows: Iterable[Sequence[Any]]) -> Frame:
    """Columns from rows.

    Args:
        kinds: of the columns, by name.
        rows: as many values each.
    """
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return {
        name: Column(kind, tuple(_value(kind, value) for value in values))
        for (name, kind), values in zip(kinds.items(), columns, strict=True)
    }


def _value(kind: Kind, value: Any) -> Any:  # noqa: ANN401
    if value is None:
        return None
    if kind == "text":
        return plain(str(value))
    if kind == "float":
        return float(value) if math.isfinite(value) else None
    return int(value) if kind == "count" else bool(value)


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def summary_frame(summary: Summary) -> Frame:
    """A row for each figure of a version."""
    return frame(
        {
            "version": "text",
            "figure": "text",
            "value": "float",
            "low": "float",
            "high": "float",
            "n": "count",
            "method": "text",
        },
        [
            (summary.version, name, found.value, *_ends(found.interval), found.n, found.method)
            for name, found in summary.estimates.items()
        ],
    )


def comparison_frame(comparison: Comparison) -> Frame:
    """A row for each task."""
    return frame(
        {
            "metric": "text",
            "v1": "text",
            "v2": "text",
            "task_id": "text",
            "v1_count": "count",
            "v2_count": "count",
            "v1_value": "float",
            "v2_value": "float",
            "effect": "float",
            "low": "float",
            "high": "float",
            "p_value": "float",
            "q_value": "float",
            "stands_out": "truth",
        },
        [
            (
                *(comparison.metric, comparison.v1, comparison.v2, row.task_id),
                *(row.v1_count, row.v2_count, row.v1_value, row.v2_value),
                *(row.effect, *_ends(row.interval), row.p_value, row.q_value, row.stands_out),
            )
            for row in comparison.tasks
        ],
    )


def joint_frame(joint: JointComparison) -> Frame:
    """A row for each metric."""
    return frame(
        {
            "metric": "text",
            "v1": "text",
            "v2": "text",
            "v1_value": "float",
            "v2_value": "float",
            "v1_count": "count",
            "v2_count": "count",
            "kind": "text",
            "effect": "float",
            "low": "float",
            "high": "float",
            "p_value": "float",
            "verdict": "text",
            "margin": "float",
            "method": "text",
        },
        [
            (
                *(c.metric, c.v1, c.v2, c.v1_value, c.v2_value, c.v1_count, c.v2_count, c.kind, c.effect),
                *(*_ends(c.interval), c.p_value, c.verdict, c.margin, c.method),
            )
            for c in joint.comparisons.values()
        ],
    )


def claims_frame(report: ClaimReport) -> Frame:
    """A row for each claim; figures in percent, as claims are."""
    return frame(
        {
            "claim": "text",
            "metric": "text",
            "v1": "text",
            "v2": "text",
            "improvement": "float",
            "low": "float",
            "high": "float",
            "status": "text",
            "met": "truth",
        },
        [
            (
                *(r.text, r.claim.metric, report.v1, report.v2, r.improvement),
                *(*_ends(r.equivalence_interval or r.interval), r.status, r.met),
            )
            for r in report.results
        ],
    )


def gate_frame(result: GateResult) -> Frame:
    """A row for each guardrail."""
    return frame(
        {
            "metric": "text",
            "baseline": "text",
            "candidate": "text",
            "v1_value": "float",
            "v2_value": "float",
            "worsening": "float",
            "bound": "float",
            "margin": "float",
            "p_value": "float",
            "p_adjusted": "float",
            "state": "text",
        },
        [
            (
                *(check.metric, result.baseline, result.candidate, check.v1_value, check.v2_value),
                *(check.worsening, check.bound, check.margin, check.p_value, check.p_adjusted, check.state),
            )
            for check in result.checks
        ],
    )


def selftest_frame(result: SelfTest) -> Frame:
    """A row for each way of splitting."""
    return frame(
        {
            "version": "text",
            "split": "text",
            "splits": "count",
            "different": "float",
            "blocked": "float",
            "literal": "float",
            "inconclusive": "float",
        },
        [
            (
                result.version,
                kind.kind,
                kind.splits,
                kind.different,
                kind.rate,
                kind.literal_rate,
                kind.inconclusive_rate,
            )
            for kind in (result.within_tasks, result.by_day)
            if kind is not None
        ],
    )


def to_pandas(columns: Frame) -> pd.DataFrame:
    """The table for pandas, in types that know what is missing.

    Raises:
        MissingDependencyError: there is no pandas.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError('to_pandas() needs pandas: pip install "benchmark-recorder[pandas]"') from error
    return pd.DataFrame(
        {name: pd.Series(column.values, dtype=_PANDAS[column.kind]) for name, column in columns.items()}
    )


def arrow_stream(columns: Frame, requested_schema: object | None = None) -> object:
    """The table as a capsule of Arrow's C stream interface, which whoever asked for it empties once.

    Args:
        columns: the table.
        requested_schema: a capsule of the types that are wanted; given as far as they can be.

    Raises:
        MissingDependencyError: there is no nanoarrow.
    """
    try:
        import nanoarrow as na
    except ImportError as error:
        raise MissingDependencyError(
            'the Arrow interface needs nanoarrow: pip install "benchmark-recorder[arrow]"'
        ) from error
    types = {"text": na.string(), "float": na.float64(), "count": na.int64(), "truth": na.bool_()}
    schema = na.struct({name: types[column.kind] for name, column in columns.items()})
    children = [na.c_array(column.values, types[column.kind]) for column in columns.values()]
    length = max((len(column.values) for column in columns.values()), default=0)
    whole = na.c_array_from_buffers(schema, length, [None], children=children)
    stream: object = na.c_array_stream(whole).__arrow_c_stream__(requested_schema)
    return stream
