"""Numbers to verdicts: pure functions from cells and columns to frozen results. No input, no output, no store.

The names below are imported on first use: a question about one version needs no comparison.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmark_recorder.analysis.attention import (
        FAILURE_FIELDS,
        ROUTE_FIELDS,
        Attention,
        Confusion,
        FailureClass,
        WorstTask,
        what_to_look_at,
    )
    from benchmark_recorder.analysis.claims import DEFAULT_CLAIMS, Claim, ClaimReport, ClaimResult, check_claims
    from benchmark_recorder.analysis.comparison import Comparison, compare
    from benchmark_recorder.analysis.distribution import Distribution, distributions_of
    from benchmark_recorder.analysis.gates import GateCheck, GateResult, LiteralCheck, check_gate
    from benchmark_recorder.analysis.joint import JointComparison, compare_all
    from benchmark_recorder.analysis.metrics import METRICS, SCOPES
    from benchmark_recorder.analysis.needs import Needed
    from benchmark_recorder.analysis.result import Doubt, Estimate, Interval, Result
    from benchmark_recorder.analysis.self_test import SELFTEST_FIELDS, FalseBlocks, SelfTest, selftest
    from benchmark_recorder.analysis.summary import Repeats, Summary, summarize_version
    from benchmark_recorder.analysis.tasks import TaskRow
    from benchmark_recorder.analysis.trend import TREND_METRICS, WEEK, Change, Trend, Week, trend_of, week_starts

__all__ = [
    "DEFAULT_CLAIMS",
    "FAILURE_FIELDS",
    "METRICS",
    "ROUTE_FIELDS",
    "SCOPES",
    "SELFTEST_FIELDS",
    "TREND_METRICS",
    "WEEK",
    "Attention",
    "Change",
    "Claim",
    "ClaimReport",
    "ClaimResult",
    "Comparison",
    "Confusion",
    "Distribution",
    "Doubt",
    "Estimate",
    "FailureClass",
    "FalseBlocks",
    "GateCheck",
    "GateResult",
    "Interval",
    "JointComparison",
    "LiteralCheck",
    "Needed",
    "Repeats",
    "Result",
    "SelfTest",
    "Summary",
    "TaskRow",
    "Trend",
    "Week",
    "WorstTask",
    "check_claims",
    "check_gate",
    "compare",
    "compare_all",
    "distributions_of",
    "selftest",
    "summarize_version",
    "trend_of",
    "week_starts",
    "what_to_look_at",
]

_HOMES: Final = {
    name: home
    for home, names in {
        "attention": (
            "FAILURE_FIELDS",
            "ROUTE_FIELDS",
            "Attention",
            "Confusion",
            "FailureClass",
            "WorstTask",
            "what_to_look_at",
        ),
        "claims": ("DEFAULT_CLAIMS", "Claim", "ClaimReport", "ClaimResult", "check_claims"),
        "comparison": ("Comparison", "compare"),
        "distribution": ("Distribution", "distributions_of"),
        "gates": ("GateCheck", "GateResult", "LiteralCheck", "check_gate"),
        "joint": ("JointComparison", "compare_all"),
        "metrics": ("METRICS", "SCOPES"),
        "needs": ("Needed",),
        "result": ("Doubt", "Estimate", "Interval", "Result"),
        "self_test": ("SELFTEST_FIELDS", "FalseBlocks", "SelfTest", "selftest"),
        "summary": ("Repeats", "Summary", "summarize_version"),
        "tasks": ("TaskRow",),
        "trend": ("TREND_METRICS", "WEEK", "Change", "Trend", "Week", "trend_of", "week_starts"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the above
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
