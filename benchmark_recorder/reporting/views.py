"""What the recorder returns: the analysis's results, with a face for people.

A view is the result: the same type, fields, keys and equality. Only printing it, and showing it in a notebook, differ.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, overload

from benchmark_recorder.analysis import (
    ClaimReport,
    Comparison,
    Doubt,
    GateResult,
    JointComparison,
    Result,
    SelfTest,
    Summary,
)
from benchmark_recorder.reporting.charts import durations, metric_effects, task_effects, whole_effect
from benchmark_recorder.reporting.decisions import claims_page, gate_page, selftest_page
from benchmark_recorder.reporting.frames import (
    arrow_stream,
    claims_frame,
    comparison_frame,
    gate_frame,
    joint_frame,
    selftest_frame,
    summary_frame,
    to_pandas,
)
from benchmark_recorder.reporting.html import render_html
from benchmark_recorder.reporting.pages import comparison_page, joint_page, summary_page
from benchmark_recorder.reporting.plotting import plot
from benchmark_recorder.reporting.text import render_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page


class View(Result):
    """Mixed into a result, in front of it."""

    __slots__ = ()

    @abstractmethod
    def _page(self) -> Page:
        """What is shown."""

    @abstractmethod
    def _frame(self) -> Frame:
        """The same as a table of plain columns."""

    def to_pandas(self) -> pd.DataFrame:
        """A data frame; which rows it has stands in ``reporting.frames``, and in docs/notebooks.md.

        Raises:
            MissingDependencyError: there is no pandas.
        """
        return to_pandas(self._frame())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return arrow_stream(self._frame(), requested_schema)

    def __str__(self) -> str:
        return render_text(self._page()).rstrip("\n")

    def _repr_html_(self) -> str:
        return render_html(self._page())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]


class SummaryView(View, Summary):
    """One version."""

    __slots__ = ()

    def _page(self) -> Page:
        return summary_page(self)

    def _frame(self) -> Frame:
        return summary_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Mean and percentiles of the execution times with their intervals, on matplotlib's axes.

        Args:
            ax: where; a new figure unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        return plot(durations(self), ax)


class ComparisonView(View, Comparison):
    """Two versions on one metric."""

    __slots__ = ()

    def _page(self) -> Page:
        return comparison_page(self)

    def _frame(self) -> Frame:
        return comparison_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The change of each task with its interval, or of all runs where tasks cannot be told apart.

        Args:
            ax: matplotlib's axes; a new figure's unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        return plot(task_effects(self) or whole_effect(self), ax)


class JointComparisonView(View, JointComparison):
    """Two versions on all metrics."""

    __slots__ = ()

    def _page(self) -> Page:
        return joint_page(self)

    def _frame(self) -> Frame:
        return joint_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """The improvement in each metric with its interval.

        Args:
            ax: matplotlib's axes; a new figure's unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        return plot(metric_effects(self), ax)


class ClaimReportView(View, ClaimReport):
    """Claims against the runs."""

    __slots__ = ()

    def _page(self) -> Page:
        return claims_page(self)

    def _frame(self) -> Frame:
        return claims_frame(self)


class GateResultView(View, GateResult):
    """What CI is told."""

    __slots__ = ()

    def _page(self) -> Page:
        return gate_page(self)

    def _frame(self) -> Frame:
        return gate_frame(self)


class SelfTestView(View, SelfTest):
    """The gate on one version against itself."""

    __slots__ = ()

    def _page(self) -> Page:
        return selftest_page(self)

    def _frame(self) -> Frame:
        return selftest_frame(self)


_VIEWS: Final[dict[type[Result], type[View]]] = {
    Summary: SummaryView,
    Comparison: ComparisonView,
    JointComparison: JointComparisonView,
    ClaimReport: ClaimReportView,
    GateResult: GateResultView,
    SelfTest: SelfTestView,
}


@overload
def shown(result: Summary, *, narrowed: bool = ...) -> SummaryView: ...
@overload
def shown(result: Comparison, *, narrowed: bool = ...) -> ComparisonView: ...
@overload
def shown(result: JointComparison, *, narrowed: bool = ...) -> JointComparisonView: ...
@overload
def shown(result: ClaimReport, *, narrowed: bool = ...) -> ClaimReportView: ...
@overload
def shown(result: GateResult, *, narrowed: bool = ...) -> GateResultView: ...
@overload
def shown(result: SelfTest, *, narrowed: bool = ...) -> SelfTestView: ...
def shown(result: Result, *, narrowed: bool = False) -> Result:
    """The same result, with a face.

    Args:
        result: of the analysis, which knows what it was given, but not what was left out.
        narrowed: whether only some of the versions' runs were asked for; that there is none of them does not mean
            that the version has none.
    """
    fields = dict(result)
    if isinstance(result, JointComparison):
        fields["comparisons"] = {name: shown(one, narrowed=narrowed) for name, one in result.comparisons.items()}
    if narrowed:
        fields["warnings"] = tuple(map(_about_some, fields["warnings"]))
    return _VIEWS[type(result)](**fields)


def _about_some(doubt: Doubt) -> Doubt:
    if doubt.code != "unknown_version":
        return doubt
    sentence = f"There are no runs of version {doubt.figures['version']} that match the query."
    return Doubt(doubt.code, sentence, doubt.figures)
