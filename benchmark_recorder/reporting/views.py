"""What the recorder returns: the analysis's results, with a face for people.

A view is the result: the same type, fields, keys and equality. Only printing it, and showing it in a notebook, differ.
What they are shown with is imported when they are: most answers are only read by programs.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Final, TypeVar, cast

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
from benchmark_recorder.analysis.deferred import fields_as_they_are

if TYPE_CHECKING:
    from benchmark_recorder.reporting.page import Page

R = TypeVar("R", bound=Result)


class View(Result):
    """Mixed into a result, in front of it."""

    __slots__ = ()

    @abstractmethod
    def _page(self) -> Page:
        """What is shown."""

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
        from benchmark_recorder.reporting.pages import summary_page

        return summary_page(self)


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


_VIEWS: Final[dict[type[Result], type[View]]] = {
    Summary: SummaryView,
    Comparison: ComparisonView,
    JointComparison: JointComparisonView,
    ClaimReport: ClaimReportView,
    GateResult: GateResultView,
    SelfTest: SelfTestView,
}


def shown(result: R, *, narrowed: bool = False) -> R:
    """The same result, with a face.

    Args:
        result: of the analysis, which knows what it was given, but not what was left out.
        narrowed: whether only some of the versions' runs were asked for; that there is none of them does not mean
            that the version has none.
    """
    fields = fields_as_they_are(result)
    if isinstance(result, JointComparison):
        fields["comparisons"] = {name: shown(one, narrowed=narrowed) for name, one in result.comparisons.items()}
    if narrowed:
        fields["warnings"] = tuple(map(_about_some, fields["warnings"]))
    return cast("R", _VIEWS[type(result)](**fields))


def _about_some(doubt: Doubt) -> Doubt:
    if doubt.code != "unknown_version":
        return doubt
    sentence = f"There are no runs of version {doubt.figures['version']} that match the query."
    return Doubt(doubt.code, sentence, doubt.figures)
