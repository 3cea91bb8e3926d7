"""Views of gates, claims, plans of runs and the gate's self-test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.analysis import ClaimReport, GateResult, RunPlan, SelfTest
from benchmark_recorder.reporting.views import View

if TYPE_CHECKING:
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page


class ClaimReportView(View, ClaimReport, words=("results", "sentence", "warnings")):
    """Claims against the runs."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import claims_page

        return claims_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import claims_frame

        return claims_frame(self)


class GateResultView(View, GateResult, words=("checks", "literal", "alerts", "difference", "sentence", "warnings")):
    """What CI gets to know."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import gate_page

        return gate_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import gate_frame

        return gate_frame(self)


class SelfTestView(View, SelfTest, words=("sentence", "warnings")):
    """The gate on one version against itself."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import selftest_page

        return selftest_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import selftest_frame

        return selftest_frame(self)


class RunPlanView(View, RunPlan, words=("needed", "sentence", "warnings")):
    """How many further runs a decision takes."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import plan_page

        return plan_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import plan_frame

        return plan_frame(self)
