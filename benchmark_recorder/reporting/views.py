"""What the recorder returns: the analysis's results, with a face for people.

A view is the result: the same type, fields, keys and equality. Only printing it, and showing it in a notebook, differ.
What they are shown with is imported when they are shown.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, overload

from benchmark_recorder.analysis import (
    Caveat,
    ClaimReport,
    Comparison,
    GateResult,
    JointComparison,
    Result,
    SelfTest,
    Summary,
)
from benchmark_recorder.analysis.results import fields_as_they_are

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page
    from benchmark_recorder.reporting.task_texts import Scan


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
        from benchmark_recorder.reporting.frames import to_pandas

        return to_pandas(self._frame())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from benchmark_recorder.reporting.frames import arrow_stream

        return arrow_stream(self._frame(), requested_schema)

    def __str__(self) -> str:
        from benchmark_recorder.reporting.text import render_text

        return render_text(self._page()).rstrip("\n")

    def _repr_html_(self) -> str:
        from benchmark_recorder.reporting.html import render_html

        return render_html(self._page())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]


class SummaryView(View, Summary):
    """One version."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.version_pages import summary_page

        return summary_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import summary_frame

        return summary_frame(self)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Mean and percentiles of the execution times with their intervals, on matplotlib's axes.

        Args:
            ax: where; a new figure unless given.

        Raises:
            MissingDependencyError: there is no matplotlib.
        """
        from benchmark_recorder.reporting.chart_figures import durations
        from benchmark_recorder.reporting.drawing import plot

        return plot(durations(self), ax)


def _view_class(kind: type[Result]) -> type[View]:
    if kind is Summary:
        return SummaryView
    return VIEWS[kind]


@overload
def view_of(result: Summary, *, narrowed: bool = ...) -> SummaryView: ...
@overload
def view_of(result: Comparison, *, narrowed: bool = ..., scan: Scan | None = ...) -> ComparisonView: ...
@overload
def view_of(result: JointComparison, *, narrowed: bool = ..., scan: Scan | None = ...) -> JointComparisonView: ...
@overload
def view_of(result: ClaimReport, *, narrowed: bool = ...) -> ClaimReportView: ...
@overload
def view_of(result: GateResult, *, narrowed: bool = ...) -> GateResultView: ...
@overload
def view_of(result: SelfTest, *, narrowed: bool = ...) -> SelfTestView: ...
def view_of(result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Result:
    """The same result, with a face.

    Args:
        result: of the analysis, which knows what it was given, but not what was left out.
        narrowed: whether only some of the versions' runs were asked for; that there is none of them does not mean
            that the version has none.
        scan: of the store, to name a comparison's tasks by their texts when it is shown.
    """
    fields = fields_as_they_are(result)
    if comparisons := fields.get("comparisons"):  # a joint one's
        fields["comparisons"] = {name: view_of(one, narrowed=narrowed, scan=scan) for name, one in comparisons.items()}
    if narrowed:
        fields["warnings"] = tuple(map(_about_some, fields["warnings"]))
    view = _view_class(type(result))(**fields)
    if scan is not None:
        from benchmark_recorder.reporting.task_texts import TaskTexts

        object.__setattr__(view, "_texts", TaskTexts(scan))
    return view


def _about_some(caveat: Caveat) -> Caveat:
    if caveat.code != "unknown_version":
        return caveat
    sentence = f"There are no runs of version {caveat.figures['version']} that match the query."
    return Caveat(caveat.code, sentence, caveat.figures)


class ComparisonView(View, Comparison):
    """Two versions on one metric."""

    __slots__ = ("_texts",)  # no field: a copy does without

    def _page(self) -> Page:
        from benchmark_recorder.reporting.comparison_pages import comparison_page

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
        from benchmark_recorder.reporting.chart_figures import task_effects, whole_effect
        from benchmark_recorder.reporting.drawing import plot

        return plot(task_effects(self) or whole_effect(self), ax)


class JointComparisonView(View, JointComparison):
    """Two versions on all metrics."""

    __slots__ = ("_texts",)

    def _page(self) -> Page:
        from benchmark_recorder.reporting.comparison_pages import joint_page

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
        from benchmark_recorder.reporting.chart_figures import metric_effects
        from benchmark_recorder.reporting.drawing import plot

        return plot(metric_effects(self), ax)


class ClaimReportView(View, ClaimReport):
    """Claims against the runs."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import claims_page

        return claims_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import claims_frame

        return claims_frame(self)


class GateResultView(View, GateResult):
    """What CI is told."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import gate_page

        return gate_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import gate_frame

        return gate_frame(self)


class SelfTestView(View, SelfTest):
    """The gate on one version against itself."""

    __slots__ = ()

    def _page(self) -> Page:
        from benchmark_recorder.reporting.decision_pages import selftest_page

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
