"""What the recorder returns: the analysis's results, with a face for people.

A view is the result: the same type, fields, keys and equality. Only printing it, and showing it in a notebook, differ.
What they are shown with is imported when they are: most answers are only read by programs. So are the views of verdicts
(``verdict_views``): a question about one version needs no comparison.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, TypeVar, cast

from benchmark_recorder.analysis import Doubt, Result, Summary
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


def _view_of(kind: type[Result]) -> type[View]:
    if kind is Summary:
        return SummaryView
    from benchmark_recorder.reporting.verdict_views import VIEWS

    return VIEWS[kind]


def shown(result: R, *, narrowed: bool = False) -> R:
    """The same result, with a face.

    Args:
        result: of the analysis, which knows what it was given, but not what was left out.
        narrowed: whether only some of the versions' runs were asked for; that there is none of them does not mean
            that the version has none.
    """
    fields = fields_as_they_are(result)
    if comparisons := fields.get("comparisons"):  # a joint one's
        fields["comparisons"] = {name: shown(one, narrowed=narrowed) for name, one in comparisons.items()}
    if narrowed:
        fields["warnings"] = tuple(map(_about_some, fields["warnings"]))
    return cast("R", _view_of(type(result))(**fields))


def _about_some(doubt: Doubt) -> Doubt:
    if doubt.code != "unknown_version":
        return doubt
    sentence = f"There are no runs of version {doubt.figures['version']} that match the query."
    return Doubt(doubt.code, sentence, doubt.figures)
