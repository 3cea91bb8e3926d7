from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from benchmark_recorder.errors import MissingDependencyError
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE
from tests.reporting.histories import hostile_runs
from tests.runs import record_runs

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS: dict[str, Callable[[BenchmarkRecorder, str, str], Any]] = {
    "summary": lambda recorder, v1, _: recorder.get_historical_metrics(v1),
    "comparison": lambda recorder, v1, v2: recorder.compare_versions(v1, v2),
    "joint": lambda recorder, v1, v2: recorder.compare_all(v1, v2),
    "each": lambda recorder, v1, v2: recorder.compare_each(v1, [v2]),
    "claims": lambda recorder, v1, v2: recorder.check_claims(v1, v2, GUIDE_CLAIMS),
    "gate": lambda recorder, v1, v2: recorder.check_gate(v1, v2),
    "plan": lambda recorder, v1, v2: recorder.plan_runs(v1, v2, effect=0.2),
    "selftest": lambda recorder, v1, _: recorder.selftest(v1, splits=20),
    "changes": lambda recorder, v1, _: recorder.find_changes(v1),
    "forecast": lambda recorder, v1, _: recorder.predict(version=v1),
}
ROWS = {"summary": 11, "comparison": 13, "joint": 4, "each": 4, "claims": 4, "gate": 3, "plan": 1, "selftest": 1} | {
    "changes": 0,  # of runs of one day
    "forecast": 39,
}
each = pytest.mark.parametrize("name", ANSWERS)


@pytest.fixture(scope="module")
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder)
    return recorder


@each
def test_pandas_polars_pyarrow_and_duckdb_hold_the_same_table(recorder: BenchmarkRecorder, name: str) -> None:
    answer = ANSWERS[name](recorder, "v1.0", "v2.0")
    frame, arrow = answer.to_pandas(), pa.table(answer)
    assert len(frame) == ROWS[name]
    rows = arrow.to_pylist()
    assert pl.DataFrame(answer).to_dicts() == rows
    relation = duckdb.sql("SELECT * FROM answer")
    assert relation is not None
    assert [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()] == rows
    plain = frame.astype(object).where(frame.notna(), None)
    assert plain.to_dict("records") == rows


@each
def test_an_empty_table_has_the_same_columns_and_types(recorder: BenchmarkRecorder, name: str) -> None:
    nothing = ANSWERS[name](BenchmarkRecorder(store=MemoryStore()), "v1.0", "v2.0")
    full = ANSWERS[name](recorder, "v1.0", "v2.0")
    assert pa.table(nothing).schema == pa.table(full).schema
    assert nothing.to_pandas().dtypes.to_dict() == full.to_pandas().dtypes.to_dict()


def test_the_rows_are_the_results(recorder: BenchmarkRecorder) -> None:
    comparison = recorder.compare_versions("v1.0", "v2.0")
    frame = comparison.to_pandas()
    assert frame["task_id"].tolist() == [row.task_id for row in comparison.tasks]
    assert frame["effect"].tolist() == [row.effect for row in comparison.tasks]
    assert frame["low"].tolist() == [row.interval.low for row in comparison.tasks if row.interval]
    joint = recorder.compare_all("v1.0", "v2.0")
    verdicts = joint.to_pandas().set_index("metric")["verdict"]
    assert verdicts.to_dict() == {metric: c.verdict for metric, c in joint.comparisons.items()}


def test_frames_of_versions_stack(recorder: BenchmarkRecorder) -> None:
    summaries = [recorder.get_historical_metrics(version) for version in ("v1.0", "v2.0")]
    frames: list[pd.DataFrame] = [summary.to_pandas() for summary in summaries]
    stacked = pd.concat(frames)
    wide = stacked.pivot_table(index="figure", columns="version", values="value")
    assert wide.loc["mean", "v1.0"] == pytest.approx(summaries[0].mean)
    assert wide.loc["mean", "v2.0"] == pytest.approx(summaries[1].mean)


def test_a_result_can_be_read_as_often_as_wanted(recorder: BenchmarkRecorder) -> None:
    joint: Any = recorder.compare_all("v1.0", "v2.0")
    assert pa.table(joint) == pa.table(joint)


def test_a_schema_may_be_asked_for(recorder: BenchmarkRecorder) -> None:
    joint: Any = recorder.compare_all("v1.0", "v2.0")
    whole = pa.table(joint)
    assert pa.table(joint, schema=whole.schema) == whole
    assert pa.RecordBatchReader.from_stream(joint, schema=whole.schema).read_all() == whole


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_stand_in_the_tables_as_they_were_recorded(text: str) -> None:
    recorder, versions = hostile_runs(text)
    for name, ask in ANSWERS.items():
        answer = ask(recorder, versions[0], versions[-1])
        rows = pa.table(answer).to_pylist()
        assert versions[0] in {value for row in rows for value in row.values()} or not ROWS[name]
        assert len(answer.to_pandas()) == len(rows)


@pytest.mark.parametrize(
    ("module", "use"),
    [
        ("pandas", lambda answer: answer.to_pandas()),
        ("nanoarrow", lambda answer: answer.__arrow_c_stream__()),
    ],
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    recorder: BenchmarkRecorder, module: str, use: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f'pip install "{module}>='):
        use(recorder.compare_all("v1.0", "v2.0"))


def test_a_tasks_row_has_its_text_where_the_id_was_made_from_it() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version in ("v1.0", "v2.0"):
        for _ in range(3):
            recorder.record_execution("Fix CSS", 1.0, True, version)
            recorder.record_execution("Write a post", 1.0, True, version, task_id="post")
    rows = pa.table(recorder.compare_versions("v1.0", "v2.0")).to_pylist()
    assert {row["task"] for row in rows} == {"Fix CSS", None}
