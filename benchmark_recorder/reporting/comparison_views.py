"""Views of comparisons, and the texts of their tasks whose ids say nothing to people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Self

from benchmark_recorder.analysis import Comparison, EachComparison, JointComparison, SlicedComparison
from benchmark_recorder.errors import StoreError
from benchmark_recorder.queries import Query
from benchmark_recorder.records import is_made, task_id_of
from benchmark_recorder.reporting.page import MOST_UNMATCHED
from benchmark_recorder.reporting.views import Plotted, View, function_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from benchmark_recorder.analysis import Attention, Result
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page

    Scan: TypeAlias = Callable[[Query, Collection[str]], Columns]


def task_texts(
    scan: Scan,
    comparisons: Iterable[Comparison],
    attention: Iterable[Attention] = (),
    *,
    every: bool = False,
) -> dict[str, str]:
    """The texts of the tasks that a page names and that were given no id of their own, by the id that was made.

    The store is asked once, and only if there are tasks of this kind.

    Args:
        scan: of the store.
        comparisons: whose tasks.
        attention: whose tasks, too.
        every: also of the tasks that no page names.
    """
    versions, made = set(), set()
    for comparison in comparisons:
        named = {row.task_id for row in comparison.tasks} if every else set[str]()
        named |= tasks_named([comparison])
        if found := {task_id for task_id in named if is_made(task_id)}:
            versions |= {comparison.v1, comparison.v2}
            made |= found
    for one in attention:
        if found := {task.task_id for task in one.worst_tasks if is_made(task.task_id)}:
            versions.add(one.version)
            made |= found
    if not made:
        return {}
    query = Query(versions=tuple(sorted(versions)), task_ids=tuple(sorted(made)))
    columns = scan(query, ("task_id", "task_description"))
    pairs = set(zip(columns["task_id"].tolist(), columns["task_description"].tolist(), strict=True))
    return {task_id: text for task_id, text in pairs if text and task_id == task_id_of(text)}


def tasks_named(comparisons: Iterable[Comparison]) -> set[str]:
    """The ids of the tasks that a page about comparisons names."""
    named = set()
    for comparison in comparisons:
        named |= {row.task_id for row in comparison.tasks if row.stands_out or row.turn}
        named.update(task_id for own in comparison.unmatched for task_id in own.first[:MOST_UNMATCHED])
    return named


class TaskTexts:
    """The texts of a result's tasks, looked up when it is first shown, and not again.

    Args:
        scan: of the store.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._found: dict[bool, Mapping[str, str]] = {}

    def of(self, comparisons: Iterable[Comparison], *, every: bool = False) -> Mapping[str, str]:
        """As ``task_texts`` has them; none where the store cannot be asked, as a result can be shown without."""
        if every not in self._found:
            try:
                self._found[every] = task_texts(self._scan, comparisons, every=every)
            except StoreError:
                return {}
        return self._found[every]


class WithTexts(View):
    """A view that names tasks by their texts. A subclass keeps them in a slot, not a field: copies do without them.

    Its ``comparisons``, where it has some, become views, too.
    """

    __slots__ = ()
    _part: ClassVar[type[WithTexts] | None] = None

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``View.from_result``.

        Args:
            result: of the analysis.
            narrowed: whether only some of the versions' runs were asked for.
            scan: of the store, to name tasks by their texts when the comparison is shown.
        """
        part, parts = cls._part, {}
        if part is not None:
            found = result["comparisons"].items()
            parts["comparisons"] = {name: part.from_result(one, narrowed=narrowed, scan=scan) for name, one in found}
        view = cls._made(result, narrowed=narrowed, **parts)
        object.__setattr__(view, "_texts", scan and TaskTexts(scan))
        return view

    def _page(self) -> Page:
        texts: TaskTexts | None = getattr(self, "_texts", None)
        page: Page = function_of(self._functions["page"])(self, texts.of(_compared(self)) if texts else None)
        return page


def _compared(result: Result) -> Iterator[Comparison]:
    """Each comparison that a result is, or holds."""
    if isinstance(result, Comparison):
        yield result
    else:
        for part in result["comparisons"].values():
            yield from _compared(part)


class ComparisonView(
    WithTexts,
    Plotted,
    Comparison,
    page="comparison_pages.comparison_page",
    frame="comparison_frame",
    chart="comparison_effects",
    words=("needed", "warnings"),
):
    """Two versions on one metric."""

    __slots__ = ("_texts",)

    def _frame(self) -> Frame:
        texts: TaskTexts | None = getattr(self, "_texts", None)
        frame: Frame = function_of(self._functions["frame"])(self, texts.of([self], every=True) if texts else {})
        return frame


class JointComparisonView(
    WithTexts,
    Plotted,
    JointComparison,
    page="comparison_pages.joint_page",
    frame="joint_frame",
    chart="metric_effects",
    words=("sentence", "warnings"),
):
    """Two versions on all metrics."""

    __slots__ = ("_texts",)
    _part = ComparisonView


class EachComparisonView(
    WithTexts,
    Plotted,
    EachComparison,
    page="comparison_pages.each_page",
    frame="each_frame",
    chart="candidate_effects",
    words=("sentence", "warnings"),
):
    """Several candidates against one baseline."""

    __slots__ = ("_texts",)
    _part = JointComparisonView


class SlicedComparisonView(
    Plotted,
    SlicedComparison,
    page="comparison_pages.slices_page",
    frame="slices_frame",
    chart="slice_effects",
    words=("warnings",),
):
    """Two versions on one metric, slice by slice."""

    __slots__ = ()

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``WithTexts.from_result``."""
        slices = tuple(
            replace(one, comparison=ComparisonView.from_result(one.comparison, narrowed=narrowed, scan=scan))
            for one in result["slices"]
        )
        return cls._made(result, narrowed=narrowed, slices=slices)
