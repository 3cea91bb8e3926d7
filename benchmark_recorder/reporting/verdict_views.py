"""The views of what compares and decides; see ``views``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import (
    ClaimReport,
    Comparison,
    GateResult,
    JointComparison,
    SelfTest,
)
from benchmark_recorder.reporting.views import View

if TYPE_CHECKING:
    from benchmark_recorder.analysis import Result
    from benchmark_recorder.reporting.page import Page


class ComparisonView(View, Comparison):
    """Two versions on one metric."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.pages import comparison_page

        return comparison_page(self)


class JointComparisonView(View, JointComparison):
    """Two versions on all metrics."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.pages import joint_page

        return joint_page(self)


class ClaimReportView(View, ClaimReport):
    """Claims against the runs."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import claims_page

        return claims_page(self)


class GateResultView(View, GateResult):
    """What CI is told."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import gate_page

        return gate_page(self)


class SelfTestView(View, SelfTest):
    """The gate on one version against itself."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import selftest_page

        return selftest_page(self)


VIEWS: Final[dict[type[Result], type[View]]] = {
    Comparison: ComparisonView,
    JointComparison: JointComparisonView,
    ClaimReport: ClaimReportView,
    GateResult: GateResultView,
    SelfTest: SelfTestView,
}
