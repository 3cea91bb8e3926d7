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
    from matplotlib.axes import Axes

    from benchmark_recorder.analysis import Result
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page


class ComparisonView(View, Comparison):
    """Two versions on one metric."""

    __slots__ = ("_texts",)  # no field: a copy does without

    def _page(self) -> Page:
        from benchmark_recorder.reporting.pages import comparison_page

        texts = getattr(self, "_texts", None)
        return comparison_page(self, texts and texts.of([self]))

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import comparison_frame

        return comparison_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The change of each task with its interval, or of all runs where tasks cannot be told apart.

        Args:
            ax: matplotlib's axes; a new figure's unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        from benchmark_recorder.reporting.charts import task_effects, whole_effect
        from benchmark_recorder.reporting.plotting import plot

        return plot(task_effects(self) or whole_effect(self), ax)


class JointComparisonView(View, JointComparison):
    """Two versions on all metrics."""

    __slots__ = ("_texts",)

    def _page(self) -> Page:
        from benchmark_recorder.reporting.pages import joint_page

        texts = getattr(self, "_texts", None)
        return joint_page(self, texts and texts.of(self.comparisons.values()))

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import joint_frame

        return joint_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The improvement in each metric with its interval.

        Args:
            ax: matplotlib's axes; a new figure's unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        from benchmark_recorder.reporting.charts import metric_effects
        from benchmark_recorder.reporting.plotting import plot

        return plot(metric_effects(self), ax)


class ClaimReportView(View, ClaimReport):
    """Claims against the runs."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import claims_page

        return claims_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import claims_frame

        return claims_frame(self)


class GateResultView(View, GateResult):
    """What CI is told."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import gate_page

        return gate_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import gate_frame

        return gate_frame(self)


class SelfTestView(View, SelfTest):
    """The gate on one version against itself."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decisions import selftest_page

        return selftest_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import selftest_frame

        return selftest_frame(self)


VIEWS: Final[dict[type[Result], type[View]]] = {
    Comparison: ComparisonView,
    JointComparison: JointComparisonView,
    ClaimReport: ClaimReportView,
    GateResult: GateResultView,
    SelfTest: SelfTestView,
}
