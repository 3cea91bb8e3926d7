"""The questions of the recorder before this one, with the names and answers that its users know."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from benchmark_recorder.errors import StoreError
from benchmark_recorder.fields import METRIC_FIELDS, of_kind
from benchmark_recorder.history import History
from benchmark_recorder.records import BenchmarkMetric

if TYPE_CHECKING:
    import os

    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns
    from benchmark_recorder.stores.base import Store
    from benchmark_recorder.stores.json_file import JSONFileStore

_COUNTS: Final = of_kind("count")


class Statistics(TypedDict):
    """The result of ``get_statistics``: seconds, USD, and 0.0 where there is nothing."""

    total_tasks: int
    success_rate: float
    avg_execution_time: float
    median_execution_time: float
    p95_execution_time: float
    p99_execution_time: float
    total_cost: float
    avg_cost: float


class Trend(TypedDict):
    """The result of ``get_execution_time_trend``: mean seconds of the earlier and of the later half."""

    first_half_avg: float
    second_half_avg: float
    improvement: float
    trend: Literal["improving", "degrading"]
    samples: int


class LegacyQuestions(History):
    """The questions of the recorder before this one; ``BenchmarkRecorder`` takes them from here when one is asked."""

    @property
    def storage_path(self) -> Path:
        """The JSON file.

        Raises:
            StoreError: the records live in another kind of store.
        """
        return _json_file(self.store).path

    def get_all_metrics(self) -> list[BenchmarkMetric]:
        """Every record, in the order of recording."""
        return _metrics(self, _every())

    def get_metrics_by_version(self, version: str) -> list[BenchmarkMetric]:
        """One version's records."""
        return _metrics(self, _every(version=version))

    def get_metrics_by_agent(self, agent_name: str) -> list[BenchmarkMetric]:
        """The records of one selected agent."""
        return _metrics(self, _every(agent=agent_name))

    def get_recent_metrics(self, limit: int = 10) -> list[BenchmarkMetric]:
        """The latest records, newest first."""
        import numpy as np

        self._before_question()
        columns = self._store.scan(_every(), (*METRIC_FIELDS, "time"))  # at once: another process may prune between
        newest = np.argsort(columns["time"], kind="stable")[::-1][: max(limit, 0)]
        return _metrics_of({name: column[newest] for name, column in columns.items()})

    def get_success_rate(self, version: str | None = None) -> float:
        """From 0.0 to 1.0; 0.0 where there is nothing."""
        return _or_zero(self.get_historical_metrics(version).success_rate)

    def get_average_execution_time(self, version: str | None = None) -> float:
        """Mean seconds; 0.0 where there is nothing."""
        return _or_zero(self.get_historical_metrics(version).mean)

    def get_total_cost(self, version: str | None = None) -> float:
        """USD; 0.0 where there is nothing."""
        return _or_zero(self.get_historical_metrics(version).total_cost)

    def get_statistics(self, version: str | None = None) -> Statistics:
        """The usual figures at once."""
        summary = self.get_historical_metrics(version)
        return {
            "total_tasks": summary.count,
            "success_rate": _or_zero(summary.success_rate),
            "avg_execution_time": _or_zero(summary.mean),
            "median_execution_time": _or_zero(summary.p50),
            "p95_execution_time": _or_zero(summary.p95),
            "p99_execution_time": _or_zero(summary.p99),
            "total_cost": _or_zero(summary.total_cost),
            "avg_cost": _or_zero(summary.mean_cost),
        }

    def get_execution_time_trend(self, version: str | None = None) -> Trend | None:
        """The earlier half of the runs against the later half; ``None`` below two."""
        import numpy as np

        self._before_question()
        columns = self._store.scan(_every(version=version, runs="roots"), ("time", "execution_time"))
        seconds = columns["execution_time"][np.argsort(columns["time"], kind="stable")]
        seconds = seconds[np.isfinite(seconds)]  # older files may hold runs without a time
        count = len(seconds)
        if count < 2:
            return None
        first, second = float(seconds[: count // 2].mean()), float(seconds[count // 2 :].mean())
        improvement = (first - second) / first if first > 0 else 0.0
        return {
            "first_half_avg": first,
            "second_half_avg": second,
            "improvement": improvement,
            "trend": "improving" if improvement > 0 else "degrading",
            "samples": count,
        }

    def export_to_csv(self, csv_path: str | os.PathLike[str]) -> None:
        """Write every record to a CSV file that a spreadsheet opens safely.

        The first ten columns are those that the files always had. A text that a spreadsheet would take for a formula
        is written with an apostrophe before it.
        """
        from benchmark_recorder.reporting.csv import CSV_FIELDS, write_csv

        self._before_question()
        Path(csv_path).parent.mkdir(parents=True, exist_ok=True)
        write_csv(self._store.scan(_every(), CSV_FIELDS), csv_path)

    def clear(self) -> Path:
        """Move all records of the JSON file into a backup beside it.

        Returns:
            The backup's path.

        Raises:
            StoreError: the records live in another kind of store, or the file cannot be written.
        """
        self._before_question()
        return _json_file(self.store).clear()


def _metrics(history: History, query: Query) -> list[BenchmarkMetric]:
    history._before_question()  # noqa: SLF001
    return _metrics_of(history._store.scan(query, METRIC_FIELDS))  # noqa: SLF001


def _json_file(store: Store) -> JSONFileStore:
    from benchmark_recorder.stores.json_file import JSONFileStore

    if not isinstance(store, JSONFileStore):
        raise StoreError(f"{store.name} is not a JSON file; this works on the local file only")
    return store


def _every(**arguments: Any) -> Query:  # noqa: ANN401 - as Query.of has it
    from benchmark_recorder.queries import Query  # recording never needs it

    return Query.of(**{"runs": "all", **arguments})


def _metrics_of(columns: Columns) -> list[BenchmarkMetric]:
    values = ([_value(name, value) for value in columns[name].tolist()] for name in METRIC_FIELDS)
    return [BenchmarkMetric(*row) for row in zip(*values, strict=True)]


def _value(name: str, value: Any) -> Any:  # noqa: ANN401
    """A value of a column as a record has it: an absent number is ``None``, tokens are whole."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return int(value) if name in _COUNTS else value


def _or_zero(figure: float) -> float:
    return 0.0 if math.isnan(figure) else figure
