from __future__ import annotations

import csv
import io
import math
from datetime import UTC, datetime, timedelta

import pytest

from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.records import task_id_of
from benchmark_recorder.reporting.csv import COLUMNS
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs


@pytest.fixture(scope="module")
def recorder() -> BenchmarkRecorder:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, timestamp="2026-11-10T00:00:00+00:00")
    record_runs(recorder, {"v2.0": (2.1, 0.02)}, timestamp="2026-11-18T00:00:00+00:00")
    return recorder


def table(recorder: BenchmarkRecorder, *versions: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(recorder.generate_report(versions, "csv"), newline="")))


def of(rows: list[dict[str, str]], kind: str, **wanted: str) -> list[dict[str, str]]:
    return [row for row in rows if row["kind"] == kind and all(row[name] == value for name, value in wanted.items())]


def number(text: str) -> float | None:
    return float(text) if text else None


def test_the_columns_have_their_names_and_their_order(recorder: BenchmarkRecorder) -> None:
    """Programs rely on them: a new one goes to the end."""
    assert ",".join(COLUMNS) == (
        "kind,version,baseline,week,baseline_week,metric,unit,n,value,value_low,value_high,baseline_n,baseline_value,"
        "effect_kind,effect,effect_low,effect_high,p_value,margin,verdict,flag,method,task,expected_agent,agent_selected,"
        "error_type,text,by,group"
    )
    text = recorder.generate_report(["v1.0", "v2.0"], "csv")
    assert text.startswith(",".join(COLUMNS) + "\r\n")
    assert text.endswith("\r\n")


def test_each_figure_of_a_version_has_a_row(recorder: BenchmarkRecorder) -> None:
    rows = table(recorder, "v1.0", "v2.0")
    summary = recorder.get_historical_metrics("v2.0")
    for metric, estimate in summary.estimates.items():
        (row,) = of(rows, "version", version="v2.0", metric=metric)
        assert (number(row["value"]), int(row["n"])) == (estimate.value, estimate.n)
        low, high = (None, None) if estimate.interval is None else (estimate.interval.low, estimate.interval.high)
        assert (number(row["value_low"]), number(row["value_high"])) == (low, high)
    units = {row["metric"]: row["unit"] for row in rows if row["kind"] == "version"}
    assert units == {
        **dict.fromkeys(("count", "tasks"), "1"),
        **dict.fromkeys(("success_rate", "routing_accuracy"), "fraction"),
        **dict.fromkeys(("total_cost", "mean_cost", "cost_per_success"), "USD"),
        **dict.fromkeys(("min", "max", "std", "mean", "geometric_mean", "seconds_per_success"), "s"),
        **dict.fromkeys(("p50", "p90", "p95", "p99"), "s"),
    }


def test_each_metric_of_a_comparison_has_a_row(recorder: BenchmarkRecorder) -> None:
    rows = of(table(recorder, "v1.0", "v2.0"), "comparison")
    joint = recorder.compare_all("v1.0", "v2.0")
    assert [row["metric"] for row in rows] == list(joint.comparisons)
    for row, comparison in zip(rows, joint.comparisons.values(), strict=True):
        assert (row["version"], row["baseline"], row["verdict"]) == ("v2.0", "v1.0", comparison.verdict)
        assert number(row["effect"]) == comparison.effect
        assert comparison.interval is not None
        assert (number(row["effect_low"]), number(row["effect_high"])) == (
            comparison.interval.low,
            comparison.interval.high,
        )
        assert (number(row["baseline_value"]), number(row["value"])) == (comparison.v1_value, comparison.v2_value)
        assert (int(row["baseline_n"]), int(row["n"])) == (comparison.v1_count, comparison.v2_count)
        assert (row["effect_kind"], number(row["margin"])) == (comparison.kind, comparison.margin)


def test_each_week_and_its_change_has_a_row(recorder: BenchmarkRecorder) -> None:
    rows = table(recorder, "v2.0")
    weeks = {row["week"]: float(row["value"]) for row in of(rows, "week", metric="execution_time")}
    assert list(weeks) == ["2026-11-09", "2026-11-16"]
    (change,) = of(rows, "week_change", metric="execution_time")
    assert (change["week"], change["baseline_week"], change["flag"]) == ("2026-11-16", "2026-11-09", "worse")
    assert float(change["baseline_value"]) == weeks["2026-11-09"]
    assert float(change["value"]) == weeks["2026-11-16"]
    effect = float(change["effect"])
    # Drawn from 0.7 and 2.1, so three times as slow, on a day each.
    assert effect == pytest.approx(1 - 2.1 / 0.7, abs=0.3)
    assert float(change["effect_low"]) < effect < float(change["effect_high"]) < -0.1


def test_what_is_undefined_is_an_empty_cell() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    recorder.record_execution("t", 1.0, True, "v1")
    rows = table(recorder, "v1", "v9")
    assert {row["value"] for row in of(rows, "version", version="v1", metric="total_cost")} == {""}
    assert {row["effect"] for row in of(rows, "comparison")} == {""}
    assert not any(cell in {"nan", "inf", "None"} for row in rows for cell in row.values())
    assert [row["value"] for row in of(rows, "version", version="v9", metric="count")] == ["0"]


def test_a_version_that_is_named_twice_has_its_figures_once(recorder: BenchmarkRecorder) -> None:
    rows = table(recorder, "v2.0", "v2.0")
    assert len(of(rows, "version", metric="mean")) == 1
    assert len(of(rows, "week", metric="count")) == 2


def test_figures_keep_all_their_digits() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    moment = datetime(2026, 11, 10, tzinfo=UTC)
    times = [1 / 3, 2 / 3]
    for i, time in enumerate(times):
        recorder.record_execution("t", time, True, "v", timestamp=moment + timedelta(hours=i))
    (row,) = of(table(recorder, "v"), "version", metric="geometric_mean")
    assert float(row["value"]) == pytest.approx(math.sqrt(2) / 3, rel=1e-15)


def test_what_to_look_at_has_rows() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for version, fails in (("v1", 0), ("v2", 8)):
        for i in range(10):
            recorder.record_execution(
                "break the build",
                1.0 + i / 100,
                i >= fails,
                version,
                agent_selected="wrong",
                expected_agent="right",
                error_type=None if i >= fails else "Timeout",
            )
    rows = table(recorder, "v1", "v2")
    task_id = task_id_of("break the build")
    (broken,) = of(rows, "task", metric="failure_rate")
    assert (broken["task"], broken["text"], broken["flag"]) == (task_id, "break the build", "begins_to_fail")
    assert (broken["baseline_value"], broken["value"], broken["n"]) == ("0.0", "0.8", "10")
    (worst,) = of(rows, "worst_task")
    assert (worst["version"], worst["task"], worst["text"], worst["value"]) == ("v2", task_id, "break the build", "0.2")
    assert float(worst["value_low"]) < 0.2 < float(worst["value_high"])
    (failed,) = of(rows, "failure_class")
    assert (failed["version"], failed["error_type"], failed["value"], failed["n"]) == ("v2", "Timeout", "8", "8")
    for wrong in of(rows, "confusion"):
        assert (wrong["expected_agent"], wrong["agent_selected"]) == ("right", "wrong")
        assert (wrong["value"], wrong["n"]) == ("10", "10")
    assert len(of(rows, "confusion")) == 2


def test_warnings_and_what_the_report_rests_on_have_rows_once_each() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    recorder.record_execution("t", 1.0, True, "v1")
    rows = list(csv.DictReader(io.StringIO(recorder.generate_report(["v1", "v9"], "csv", success=True), newline="")))
    warnings = of(rows, "warning")
    assert "unknown_version" in {row["metric"] for row in warnings}
    assert len({row["text"] for row in warnings}) == len(warnings)
    basis = {row["metric"]: row["text"] or row["value"] for row in of(rows, "basis")}
    assert basis == {
        "store": "memory",
        "query_success": "True",
        **dict.fromkeys(("waiting", "lost", "invalid", "pending", "quarantined"), "0"),
    }


def test_each_group_and_each_slice_has_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for model in ("a", "=b|'x'!A0", None):
        for version in ("v1", "v2"):
            for run in range(10):
                time = (1 + run / 100) * (0.5 if version == "v2" else 1.0)
                recorder.record_execution("t", time, True, version, model=model)
    monkeypatch.setattr("benchmark_recorder.grouping.MOST_GROUPS", 2)
    recorder.record_execution("t", 1.0, True, "v2", model="one too many")
    text = recorder.generate_report(["v1", "v2"], "csv", by="model")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert list(rows[0]) == list(COLUMNS)
    summaries = recorder.get_historical_metrics("v2", by="model")
    shown = dict(zip(summaries, ["(rest)", "'=b|'x'!A0", "a", "(none)"], strict=True))
    for group, summary in summaries.items():
        found = of(rows, "group", version="v2", by="model", group=shown[group])
        plain = {row["metric"]: number(row["value"]) for row in found}
        assert (plain["count"], plain["mean"]) == (summary.count, summary.estimates["mean"].value)
        assert plain.keys() == {row["metric"] for row in of(rows, "version", version="v2")}
    sliced = recorder.compare_versions("v1", "v2", by="model")
    for one in sliced.slices:
        (row,) = of(rows, "slice", metric="execution_time", group=shown[one.group])
        assert (row["baseline"], row["version"], row["verdict"]) == ("v1", "v2", one.comparison.verdict)
        assert number(row["effect"]) == one.comparison.effect
    assert sliced.pooled is not None
    (pooled,) = of(rows, "pooled_slices", metric="execution_time")
    assert (number(pooled["effect"]), pooled["verdict"], pooled["by"]) == (
        sliced.pooled.effect,
        sliced.pooled.verdict,
        "model",
    )
    assert len(of(rows, "slice", metric="failure_rate")) == 3
    (note,) = of(rows, "warning", metric="groups_pooled")
    assert note["text"] == "1 more groups by model are together in (rest)."


def test_a_report_without_groups_leaves_their_columns_empty(recorder: BenchmarkRecorder) -> None:
    rows = table(recorder, "v1.0", "v2.0")
    assert {(row["by"], row["group"]) for row in rows} == {("", "")}
    assert not {"group", "slice", "pooled_slices"} & {row["kind"] for row in rows}
