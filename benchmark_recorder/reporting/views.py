"""What the recorder returns: the analysis's results with their sentences, ready to be shown.

A view is the result: the same type, fields, keys and equality. It can also be printed, shown in a notebook, drawn, and
turned into a data frame; what that takes is imported then.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from benchmark_recorder.analysis import (
    Caveat,
    ClaimReport,
    ClaimResult,
    Comparison,
    Estimate,
    GateCheck,
    GateResult,
    Interval,
    JointComparison,
    LiteralCheck,
    Result,
    SelfTest,
    SlicedComparison,
    Summary,
)
from benchmark_recorder.analysis.results import fields_as_they_are

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark_recorder.reporting.charts import Chart
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page
    from benchmark_recorder.reporting.task_texts import Scan, TaskTexts

R = TypeVar("R", bound=Result)


class View(Result):
    """Mixed into a result, in front of it."""

    __slots__ = ()

    def to_pandas(self) -> pd.DataFrame:
        """A data frame; docs/notebooks.md lists its rows.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from benchmark_recorder.reporting.frames import to_pandas

        return to_pandas(_frame(self))

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from benchmark_recorder.reporting.frames import arrow_stream

        return arrow_stream(_frame(self), requested_schema)

    def __str__(self) -> str:
        from benchmark_recorder.reporting.text import render_text

        return render_text(_page(self)).rstrip("\n")

    def _repr_html_(self) -> str:
        from benchmark_recorder.reporting.html import render_html

        return render_html(_page(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and _compared(self) == _compared(other)

    __hash__ = None  # type: ignore[assignment]


def _compared(result: Result) -> dict[str, Any]:
    """All but the sentences, which say the same in words."""
    return {field.name: result[field.name] for field in fields(result) if field.compare}  # type: ignore[arg-type]


class Plotted(View):
    """A view with a chart."""

    __slots__ = ()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it on matplotlib's axes.

        A summary: mean and percentiles of the execution times with their intervals. A comparison: the change of each
        task, or of all runs where tasks cannot be told apart. A joint comparison: the improvement in each metric.

        Args:
            ax: where; a new figure unless given.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from benchmark_recorder.reporting.drawing import plot

        return plot(_chart(self), ax)


class SummaryView(Plotted, Summary):
    """One version."""

    __slots__ = ()


class ComparisonView(Plotted, Comparison):
    """Two versions on one metric."""

    __slots__ = ("_texts",)  # not a field: a copy does without


class JointComparisonView(Plotted, JointComparison):
    """Two versions on all metrics."""

    __slots__ = ("_texts",)


class SlicedComparisonView(View, SlicedComparison):
    """Two versions on one metric, slice by slice."""

    __slots__ = ()


class GroupedSummaries(dict[str | None, SummaryView]):
    """One version's figures by group; can be printed.

    Args:
        version: of the runs.
        by: the key of the groups.
        summaries: by group, ``None`` for the runs that say nothing.
    """

    def __init__(self, version: str, by: str, summaries: Mapping[str | None, SummaryView]) -> None:
        super().__init__(summaries)
        self.version, self.by = version, by

    def __str__(self) -> str:
        from benchmark_recorder.reporting.slice_pages import groups_page
        from benchmark_recorder.reporting.text import render_text

        return render_text(groups_page(self.version, self.by, self)).rstrip("\n")

    def _repr_html_(self) -> str:
        from benchmark_recorder.reporting.html import render_html
        from benchmark_recorder.reporting.slice_pages import groups_page

        return render_html(groups_page(self.version, self.by, self))


class ClaimReportView(View, ClaimReport):
    """Claims against the runs."""

    __slots__ = ()


class GateResultView(View, GateResult):
    """What CI gets to know."""

    __slots__ = ()


class SelfTestView(View, SelfTest):
    """The gate on one version against itself."""

    __slots__ = ()


VIEWS: Final[dict[type[Result], type[Any]]] = {
    Summary: SummaryView,
    Comparison: ComparisonView,
    JointComparison: JointComparisonView,
    ClaimReport: ClaimReportView,
    GateResult: GateResultView,
    SelfTest: SelfTestView,
    SlicedComparison: SlicedComparisonView,
}


def _page(view: View) -> Page:
    """What is shown."""
    if isinstance(view, Summary):
        from benchmark_recorder.reporting.version_pages import summary_page

        return summary_page(view)
    if isinstance(view, Comparison | JointComparison):
        from benchmark_recorder.reporting.comparison_pages import comparison_page, joint_page

        texts: TaskTexts | None = getattr(view, "_texts", None)
        if isinstance(view, Comparison):
            return comparison_page(view, texts.of([view]) if texts else None)
        return joint_page(view, texts.of(view.comparisons.values()) if texts else None)
    if isinstance(view, SlicedComparison):
        from benchmark_recorder.reporting.slice_pages import slices_page

        return slices_page(view)
    from benchmark_recorder.reporting.decision_pages import claims_page, gate_page, selftest_page

    pages: dict[type[Result], Callable[[Any], Page]] = {
        ClaimReportView: claims_page,
        GateResultView: gate_page,
        SelfTestView: selftest_page,
    }
    return pages[type(view)](view)


def _frame(view: View) -> Frame:
    """The same as a table of plain columns."""
    from benchmark_recorder.reporting import frames

    tables: dict[type[Result], Callable[[Any], Frame]] = {
        SummaryView: frames.summary_frame,
        ComparisonView: frames.comparison_frame,
        JointComparisonView: frames.joint_frame,
        ClaimReportView: frames.claims_frame,
        GateResultView: frames.gate_frame,
        SelfTestView: frames.selftest_frame,
        SlicedComparisonView: frames.slices_frame,
    }
    return tables[type(view)](view)


def _chart(view: View) -> Chart:
    """What is drawn."""
    from benchmark_recorder.reporting.chart_figures import durations, metric_effects, task_effects, whole_effect

    if isinstance(view, Summary):
        return durations(view)
    if isinstance(view, JointComparison):
        return metric_effects(view)
    assert isinstance(view, Comparison)
    return task_effects(view) or whole_effect(view)


@overload
def view_of(result: Summary, *, narrowed: bool = ...) -> SummaryView: ...
@overload
def view_of(result: Comparison, *, narrowed: bool = ..., scan: Scan | None = ...) -> ComparisonView: ...
@overload
def view_of(result: JointComparison, *, narrowed: bool = ..., scan: Scan | None = ...) -> JointComparisonView: ...
@overload
def view_of(result: SlicedComparison, *, narrowed: bool = ..., scan: Scan | None = ...) -> SlicedComparisonView: ...
@overload
def view_of(result: ClaimReport, *, narrowed: bool = ...) -> ClaimReportView: ...
@overload
def view_of(result: GateResult, *, narrowed: bool = ...) -> GateResultView: ...
@overload
def view_of(result: SelfTest, *, narrowed: bool = ...) -> SelfTestView: ...
def view_of(result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Result:
    """The same result with its sentences, ready to be shown.

    Args:
        result: of the analysis, which knows what it was given, but not what was left out.
        narrowed: whether only some of the versions' runs were asked for; that none of them exists does not mean that
            the version has none.
        scan: of the store, to name a comparison's tasks by their texts when it is shown.
    """
    return _view(worded(result, narrowed=narrowed), scan)


def _view(result: Result, scan: Scan | None) -> Result:
    own = fields_as_they_are(result)
    if isinstance(result, JointComparison):
        own["comparisons"] = {name: _view(one, scan) for name, one in result.comparisons.items()}
    if isinstance(result, SlicedComparison):
        own["slices"] = tuple(
            replace(one, comparison=cast("Comparison", _view(one.comparison, scan))) for one in result.slices
        )
    view: Result = VIEWS[type(result)](**own)
    if scan is not None and not isinstance(result, SlicedComparison):
        from benchmark_recorder.reporting.task_texts import TaskTexts

        object.__setattr__(view, "_texts", TaskTexts(scan))
    return view


def worded(result: R, *, narrowed: bool = False) -> R:
    """The same result, its sentences filled in all the way down; see ``view_of``."""
    parts = fields_as_they_are(result)
    own = {name: _worded(value, narrowed=narrowed) for name, value in parts.items()}
    if any(own[name] is not parts[name] for name in own):
        result = type(result)(**own)
    words = _words(result, narrowed=narrowed)
    return type(result)(**own | words) if words else result


def _worded(value: Any, *, narrowed: bool) -> Any:  # noqa: ANN401 - any field
    """The value itself where it has no words."""
    if isinstance(value, Estimate | Interval) or not value:
        return value
    if isinstance(value, Result):
        return worded(value, narrowed=narrowed)
    if isinstance(value, tuple):
        return tuple(_worded(item, narrowed=narrowed) for item in value)
    if isinstance(value, dict):
        return {key: _worded(item, narrowed=narrowed) for key, item in value.items()}
    return value


def _words(result: Result, *, narrowed: bool) -> dict[str, Any]:
    """The fields of a result that hold words, made from its figures and from its worded parts."""
    if isinstance(result, Caveat):
        from benchmark_recorder.reporting.caveat_sentences import caveat_sentence

        return {"sentence": caveat_sentence(result, narrowed=narrowed)}
    if isinstance(result, Comparison | JointComparison):
        from benchmark_recorder.reporting.wording import comparison_words

        return comparison_words(result)
    if isinstance(result, GateCheck | LiteralCheck | GateResult | ClaimResult | ClaimReport | SelfTest):
        from benchmark_recorder.reporting.decision_sentences import decision_words

        return decision_words(result)
    return {}
