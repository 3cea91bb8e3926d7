from __future__ import annotations

import pytest

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.analysis.metrics import SHORT, metric_named
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.fields import COLUMNS


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("time", "execution_time"),
        ("success", "success_rate"),
        ("failures", "failure_rate"),
        ("routing", "routing_accuracy"),
        ("p95", "execution_time.p95"),
        ("time.p95", "execution_time.p95"),
        ("time.mean", "execution_time.mean"),
        ("execution_time.median", "execution_time.median"),
        ("cost.mean", "cost"),
        ("cost.p99", "cost.p99"),
        ("input_tokens", "input_tokens"),
        ("output_tokens.mean", "output_tokens"),
    ],
)
def test_a_metric_has_short_forms(said: str, meant: str) -> None:
    assert metric_named(said) is METRICS[meant]


@pytest.mark.parametrize(
    "name", ["time.p90", "success.mean", "routing.p95", ".p95", "time.", "p99", "mean", "p95.time", "."]
)
def test_what_is_no_statistic_of_a_figure_is_refused(name: str) -> None:
    with pytest.raises(InvalidQueryError, match="margins: expected one of execution_time, "):
        metric_named(name, "margins")


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_metric_that_needs_single_runs_has_a_column_for_them(metric: object) -> None:
    assert metric.counts or metric.moments or COLUMNS[metric.figure] == "float64"  # type: ignore[attr-defined]


def test_a_short_form_means_a_metric() -> None:
    assert set(SHORT.values()) <= METRICS.keys()
