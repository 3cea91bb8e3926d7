"""What the recorder returns: the analysis's results with their sentences, ready to be shown.

A view is the result: the same type, fields, keys and equality. It can also be printed, shown in a notebook, drawn, and
turned into a data frame. What that takes is imported then, and a sentence is made when it is looked at. Here are the
views of one version; those of another noun are in its own module, so that a question imports no other's analysis.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, TypeVar

from benchmark_recorder.analysis import Estimate, Interval, Result, Summary
from benchmark_recorder.analysis.results import Deferred, deferred, defers, fields_as_they_are
from benchmark_recorder.errors import one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark_recorder.cells import StoreNote
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page

R = TypeVar("R", bound=Result)


def function_of(home: str) -> Callable[..., Any]:
    """A function of this package that is imported when it is needed: ``module.function``."""
    module, _, function = home.partition(".")
    found: Callable[..., Any] = getattr(import_module(f"benchmark_recorder.reporting.{module}"), function)
    return found


class Shown:
    """What prints itself, and gives its figures as a table."""

    __slots__ = ()

    @abstractmethod
    def _page(self) -> Page:
        """What is shown."""

    @abstractmethod
    def _frame(self) -> Frame:
        """The same as a table of plain columns."""

    def to_pandas(self) -> pd.DataFrame:
        """A data frame; docs/notebooks.md lists its rows.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        from benchmark_recorder.reporting.frames import to_pandas

        return to_pandas(self._frame())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from benchmark_recorder.reporting.frames import arrow_stream

        return arrow_stream(self._frame(), requested_schema)

    def __str__(self) -> str:
        return self.render("text").rstrip("\n")

    def render(self, format: Literal["text", "markdown", "html"]) -> str:  # noqa: A002 - as in ``generate_report``
        """The page as text (80 columns), Markdown, or a whole document of HTML.

        Raises:
            InvalidQueryError: the format is none of these.
            MissingDependencyError: what HTML needs is not installed.
        """
        render = {"text": "text.render_text", "markdown": "markdown.render_markdown", "html": "html.render_document"}
        text: str = function_of(render[one_of("format", format, render)])(self._page())
        return text

    def _repr_html_(self) -> str:
        from benchmark_recorder.reporting.html import render_html

        return render_html(self._page())


class View(Shown, Result):
    """Mixed into a result, in front of it.

    A subclass names functions of this package, imported when they are needed, and fields.

    Args:
        page: what makes its page: ``module.function``.
        frame: what makes its table, in ``frames``.
        chart: what makes its chart, in ``chart_figures``; empty where there is none.
        words: its fields that hold words, made when one of them is first looked at.
    """

    __slots__ = ()
    _functions: ClassVar[Mapping[str, str]]
    _with_words: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, page: str = "", frame: str = "", chart: str = "", words: tuple[str, ...] = ()) -> None:
        cls._functions = {"page": page, "frame": f"frames.{frame}", "chart": f"chart_figures.{chart}"}
        cls._with_words = words
        defers(*words)(cls)

    def _page(self) -> Page:
        page: Page = function_of(self._functions["page"])(self)
        return page

    def _frame(self) -> Frame:
        frame: Frame = function_of(self._functions["frame"])(self)
        return frame

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False) -> Self:
        """The same result, ready to be shown.

        Args:
            result: of the analysis, which knows what it was given, but not what was left out.
            narrowed: whether only some of the versions' runs were asked for; that none of them exists does not mean
                that the version has none.
        """
        return cls._made(result, narrowed=narrowed)

    @classmethod
    def _made(cls, result: Result, *, narrowed: bool, **parts: object) -> Self:
        """The view, some of its parts replaced."""
        whole = Deferred(lambda: worded(result, narrowed=narrowed))
        words = {name: deferred(_part(whole, name)) for name in cls._with_words}
        make: Callable[..., Self] = cls
        return make(**fields_as_they_are(result) | words | parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and _compared(self) == _compared(other)

    __hash__ = None  # type: ignore[assignment]


def _part(whole: Deferred[Result], name: str) -> Callable[[], Any]:
    return lambda: whole()[name]


def _compared(result: Result) -> dict[str, Any]:
    """All but the sentences, which say the same in words."""
    return {field.name: getattr(result, field.name) for field in fields(result) if field.compare}  # type: ignore[arg-type]


class Plotted(View):
    """A view with a chart."""

    __slots__ = ()

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw it on matplotlib's axes.

        A summary: mean and percentiles of the execution times with their intervals. A comparison: the change of each
        task, or of all runs where tasks cannot be told apart. A joint comparison, claims, a gate: the change in each
        metric. Several candidates, slices: the change in each. A self-test: how often the gate blocked. Changes have
        the sign of the tables: what is faster lies to the left.

        Args:
            ax: where; a new figure unless given.

        Raises:
            MissingDependencyError: matplotlib is not installed.
        """
        from benchmark_recorder.reporting.drawing import plot

        versions = function_of("chart_figures.title_of")(self)
        return plot(function_of(self._functions["chart"])(self), ax, versions)


class SummaryView(
    Plotted,
    Summary,
    page="version_pages.summary_page",
    frame="summary_frame",
    chart="durations",
    words=("warnings",),
):
    """One version."""

    __slots__ = ()


class GroupedSummaries(Shown, dict[str | None, SummaryView]):
    """One version's figures by group; can be printed.

    Args:
        version: of the runs.
        by: the key of the groups.
        summaries: by group, ``None`` for the runs that say nothing.
    """

    def __init__(self, version: str, by: str, summaries: Mapping[str | None, SummaryView]) -> None:
        super().__init__(summaries)
        self.version, self.by = version, by

    def _page(self) -> Page:
        from benchmark_recorder.reporting.version_pages import groups_page

        return groups_page(self.version, self.by, self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import groups_frame

        return groups_frame(self.by, self)


class VersionSummaries(Shown, dict[str, SummaryView]):
    """Each version's figures, in the order of the first runs; can be printed.

    Args:
        summaries: by version.
        future: runs that are dated in the future, and left out.
        warnings: what the store says of them: a server out of reach, records that cannot be read.
    """

    def __init__(self, summaries: Mapping[str, SummaryView], future: int, warnings: tuple[StoreNote, ...]) -> None:
        super().__init__(summaries)
        self.future, self.warnings = future, warnings

    def _page(self) -> Page:
        from benchmark_recorder.reporting.version_pages import list_page

        return list_page([*self.values()], self.future)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import summary_frame

        return summary_frame(*self.values())


WORDS: Final = {
    "Caveat": "caveat_sentences.caveat_words",
    "Comparison": "wording.comparison_words",
    "JointComparison": "wording.joint_words",
    "EachComparison": "wording.each_words",
    **dict.fromkeys(
        ("GateCheck", "LiteralCheck", "GateResult", "ClaimResult", "ClaimReport", "SelfTest"),
        "decision_sentences.decision_words",
    ),
    "RunPlan": "decision_sentences.plan_words",
    "ChangePoint": "outlook_sentences.change_words",
    "ExperimentResult": "experiment_sentences.experiment_words",
}
"""What makes the fields of a result that hold words, by the result's type; imported when it is needed."""


def worded(result: R, *, narrowed: bool = False) -> R:
    """The same result, its sentences filled in all the way down; see ``View.from_result``."""
    parts = fields_as_they_are(result)
    own = {name: _worded(value, narrowed=narrowed) for name, value in parts.items()}
    if any(own[name] is not parts[name] for name in own):
        result = type(result)(**own)
    home = WORDS.get(type(result).__name__)
    if home is None:
        return result
    return type(result)(**own | function_of(home)(result, narrowed=narrowed))


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
