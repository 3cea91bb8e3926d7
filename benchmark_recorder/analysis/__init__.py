"""Numbers to verdicts: pure functions from cells and columns to frozen results; no input, output, store or prose.

- ``results``: what every answer is made of: ``Result``, ``Estimate``, ``Interval``, ``Caveat``.
- ``metrics``: the metrics with their directions and margins, arguments that name a metric, a scope, a margin, and the
  runs of two versions, task by task. ``evidence``: an estimate with its interval and tests.
- ``means``, ``rates``, ``rate_ratios``: the methods, for durations and costs, for rates and for their ratios;
  ``fieller``: the interval of a ratio of sums. ``single_runs``: the values of single runs, and quantiles of them;
  ``ranks``.
- ``measured``: one metric of two versions by the method that fits; ``survivorship``: what failures and timeouts do to
  times. ``comparison``: its verdict, and each task on its own; ``joint``: the verdict on all metrics, and several
  versions against one.
- ``anytime``: evidence that may be looked at again and again.
- ``experiments``: their state, by units.
- ``planning``, ``run_plans``: how many more runs would decide; by ``spread``, what runs vary by, and how often a test
  decides at that.
- ``gates``: may a candidate be merged: states and exit codes in CI; by ``guardrails``, the rule of the default policy
  and the guide's literal one. ``claims``: targets. ``self_test``: how often the gate is wrong, by ``splits``.
- ``summary``, ``percentiles``: one version. ``trend``: week over week. ``change_points``, by ``segments`` of a series:
  when a metric moved; ``attribution``: why. ``prediction``, with variances by
  ``moderation``: what further runs will take. ``diagnostics``: failures and wrong routes.
- ``slices``: two versions compared group by group, and pooled.
- ``blocks``: runs that share more than their version, such as a day on one host.
- ``load``, ``load_results``: what a load test shows. ``savings``, ``savings_results``: where money
  can be saved.
- ``detector``: one version over time against its baseline, for alerts.
- ``run_order``: records that were stored twice, and runs that depend on those before.
- ``caveats``: what a reader must know, as codes and figures; ``reporting`` words them, and every other result.

The names below are imported on first use: a question about one version needs no comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder._lazy import lazy_names

if TYPE_CHECKING:
    from benchmark_recorder.analysis.change_points import ChangePoint, ChangePoints, SeriesPoint, find_changes
    from benchmark_recorder.analysis.claims import Claim, ClaimReport, ClaimResult, check_claims
    from benchmark_recorder.analysis.comparison import Comparison, TaskRow, compare
    from benchmark_recorder.analysis.diagnostics import (
        FAILURE_FIELDS,
        ROUTE_FIELDS,
        Attention,
        Confusion,
        FailureClass,
        WorstTask,
        what_to_look_at,
    )
    from benchmark_recorder.analysis.experiments import (
        ExperimentList,
        ExperimentMetric,
        ExperimentPlan,
        ExperimentResult,
        check_experiment,
        list_experiments,
    )
    from benchmark_recorder.analysis.gates import GateCheck, GateResult, check_gate
    from benchmark_recorder.analysis.guardrails import LiteralCheck
    from benchmark_recorder.analysis.joint import EachComparison, JointComparison, compare_all, compare_each
    from benchmark_recorder.analysis.metrics import METRICS, SCOPES
    from benchmark_recorder.analysis.percentiles import Distribution, distributions_of
    from benchmark_recorder.analysis.planning import Needed
    from benchmark_recorder.analysis.prediction import Backtest, Forecast, TaskForecast, forecast
    from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, Result
    from benchmark_recorder.analysis.run_plans import RunPlan, plan_runs
    from benchmark_recorder.analysis.self_test import SELFTEST_FIELDS, FalseBlocks, SelfTest, selftest
    from benchmark_recorder.analysis.slices import Pooled, Slice, SlicedComparison, compare_slices
    from benchmark_recorder.analysis.summary import Repeats, Summary, summarize_version
    from benchmark_recorder.analysis.trend import TREND_METRICS, Change, Trend, Week, trend_of, week_starts
    from benchmark_recorder.grouping import WEEK

__all__ = [
    "FAILURE_FIELDS",
    "METRICS",
    "ROUTE_FIELDS",
    "SCOPES",
    "SELFTEST_FIELDS",
    "TREND_METRICS",
    "WEEK",
    "Attention",
    "Backtest",
    "Caveat",
    "Change",
    "ChangePoint",
    "ChangePoints",
    "Claim",
    "ClaimReport",
    "ClaimResult",
    "Comparison",
    "Confusion",
    "Distribution",
    "EachComparison",
    "Estimate",
    "ExperimentList",
    "ExperimentMetric",
    "ExperimentPlan",
    "ExperimentResult",
    "FailureClass",
    "FalseBlocks",
    "Forecast",
    "GateCheck",
    "GateResult",
    "Interval",
    "JointComparison",
    "LiteralCheck",
    "Needed",
    "Pooled",
    "Repeats",
    "Result",
    "RunPlan",
    "SelfTest",
    "SeriesPoint",
    "Slice",
    "SlicedComparison",
    "Summary",
    "TaskForecast",
    "TaskRow",
    "Trend",
    "Week",
    "WorstTask",
    "check_claims",
    "check_experiment",
    "check_gate",
    "compare",
    "compare_all",
    "compare_each",
    "compare_slices",
    "distributions_of",
    "find_changes",
    "forecast",
    "list_experiments",
    "plan_runs",
    "selftest",
    "summarize_version",
    "trend_of",
    "week_starts",
    "what_to_look_at",
]

_HOMES: Final = {
    **dict.fromkeys(
        ("FAILURE_FIELDS", "ROUTE_FIELDS", "Attention", "Confusion", "FailureClass", "WorstTask", "what_to_look_at"),
        "diagnostics",
    ),
    **dict.fromkeys(("ChangePoint", "ChangePoints", "SeriesPoint", "find_changes"), "change_points"),
    **dict.fromkeys(("Claim", "ClaimReport", "ClaimResult", "check_claims"), "claims"),
    **dict.fromkeys(("Comparison", "TaskRow", "compare"), "comparison"),
    **dict.fromkeys(("Distribution", "distributions_of"), "percentiles"),
    **dict.fromkeys(
        (
            *("ExperimentList", "ExperimentMetric", "ExperimentPlan", "ExperimentResult"),
            *("check_experiment", "list_experiments"),
        ),
        "experiments",
    ),
    **dict.fromkeys(("GateCheck", "GateResult", "check_gate"), "gates"),
    "LiteralCheck": "guardrails",
    **dict.fromkeys(("EachComparison", "JointComparison", "compare_all", "compare_each"), "joint"),
    **dict.fromkeys(("METRICS", "SCOPES"), "metrics"),
    "Needed": "planning",
    **dict.fromkeys(("RunPlan", "plan_runs"), "run_plans"),
    **dict.fromkeys(("Backtest", "Forecast", "TaskForecast", "forecast"), "prediction"),
    **dict.fromkeys(("Caveat", "Estimate", "Interval", "Result"), "results"),
    **dict.fromkeys(("SELFTEST_FIELDS", "FalseBlocks", "SelfTest", "selftest"), "self_test"),
    **dict.fromkeys(("Pooled", "Slice", "SlicedComparison", "compare_slices"), "slices"),
    **dict.fromkeys(("Repeats", "Summary", "summarize_version"), "summary"),
    **dict.fromkeys(("TREND_METRICS", "WEEK", "Change", "Trend", "Week", "trend_of", "week_starts"), "trend"),
}

__getattr__ = lazy_names(__name__, {**_HOMES, "DEFAULT_CLAIMS": "claims"}, renamed={"Doubt": "Caveat"})
