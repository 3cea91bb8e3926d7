"""Views of gates, claims, plans of runs and the gate's self-test."""

from __future__ import annotations

from benchmark_recorder.analysis import ClaimReport, GateResult, RunPlan, SelfTest
from benchmark_recorder.reporting.views import Plotted, View


class ClaimReportView(
    Plotted,
    ClaimReport,
    page="decision_pages.claims_page",
    frame="claims_frame",
    chart="claim_effects",
    words=("results", "sentence", "warnings"),
):
    """Claims against the runs."""

    __slots__ = ()


class GateResultView(
    Plotted,
    GateResult,
    page="decision_pages.gate_page",
    frame="gate_frame",
    chart="guardrail_effects",
    words=("checks", "literal", "alerts", "difference", "sentence", "warnings"),
):
    """What CI gets to know."""

    __slots__ = ()


class SelfTestView(
    Plotted,
    SelfTest,
    page="decision_pages.selftest_page",
    frame="selftest_frame",
    chart="false_blocks",
    words=("sentence", "warnings"),
):
    """The gate on one version against itself."""

    __slots__ = ()


class RunPlanView(
    View, RunPlan, page="decision_pages.plan_page", frame="plan_frame", words=("needed", "sentence", "warnings")
):
    """How many further runs a decision takes."""

    __slots__ = ()
