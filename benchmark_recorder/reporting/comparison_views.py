"""Views of comparisons, and the texts of their tasks whose ids say nothing to people."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

from benchmark_recorder.analysis import Comparison, EachComparison, JointComparison, SlicedComparison
from benchmark_recorder.errors import StoreError
from benchmark_recorder.identity import is_made, task_id_of
from benchmark_recorder.queries import Query
from benchmark_recorder.reporting.page import MOST_UNMATCHED
from benchmark_recorder.reporting.views import Plotted, View

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import TypeAlias

    from benchmark_recorder.analysis import Attention, Result
    from benchmark_recorder.records import Columns
    from benchmark_recorder.reporting.charts import Chart
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page

    Scan: TypeAlias = Callable[[Query, Collection[str]], Columns]


def task_texts(
    scan: Scan,
    comparisons: Iterable[Comparison],
    attention: Iterable[Attention] = (),
) -> dict[str, str]:
    """The texts of the tasks that a page names and that were given no id of their own, by the id that was made.

    Args:
        scan: of the store; asked once, and only if there are tasks of this kind.
        comparisons: whose tasks are named.
        attention: the same.
    """
    versions, made = set(), set()
    for comparison in comparisons:
        named = {row.task_id for row in comparison.tasks if row.stands_out or row.turn}
        named.update(task_id for own in comparison.unmatched for task_id in own.first[:MOST_UNMATCHED])
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


class TaskTexts:
    """The texts of a result's tasks, looked up when it is first shown, and not again.

    Args:
        scan: of the store.
    """

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._found: Mapping[str, str] | None = None

    def of(self, comparisons: Iterable[Comparison]) -> Mapping[str, str]:
        """As ``task_texts`` has them; none where the store cannot be asked, as a result can be shown without."""
        if self._found is None:
            try:
                self._found = task_texts(self._scan, comparisons)
            except StoreError:
                return {}
        return self._found


class ComparisonView(Plotted, Comparison, words=("needed", "warnings")):
    """Two versions on one metric."""

    __slots__ = ("_texts",)  # not a field: a copy does without

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``View.from_result``.

        Args:
            result: of the analysis.
            narrowed: whether only some of the versions' runs were asked for.
            scan: of the store, to name tasks by their texts when the comparison is shown.
        """
        view = cls._made(result, narrowed=narrowed)
        object.__setattr__(view, "_texts", scan and TaskTexts(scan))
        return view

    def _page(self) -> Page:
        from benchmark_recorder.reporting.comparison_pages import comparison_page

        texts: TaskTexts | None = getattr(self, "_texts", None)
        return comparison_page(self, texts.of([self]) if texts else None)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import comparison_frame

        return comparison_frame(self)

    def _chart(self) -> Chart:
        from benchmark_recorder.reporting.chart_figures import task_effects, whole_effect

        return task_effects(self) or whole_effect(self)


class JointComparisonView(Plotted, JointComparison, words=("sentence", "warnings")):
    """Two versions on all metrics."""

    __slots__ = ("_texts",)

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``ComparisonView.from_result``."""
        compared = {
            name: ComparisonView.from_result(one, narrowed=narrowed, scan=scan)
            for name, one in result["comparisons"].items()
        }
        view = cls._made(result, narrowed=narrowed, comparisons=compared)
        object.__setattr__(view, "_texts", scan and TaskTexts(scan))
        return view

    def _page(self) -> Page:
        from benchmark_recorder.reporting.comparison_pages import joint_page

        texts: TaskTexts | None = getattr(self, "_texts", None)
        return joint_page(self, texts.of(self.comparisons.values()) if texts else None)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import joint_frame

        return joint_frame(self)

    def _chart(self) -> Chart:
        from benchmark_recorder.reporting.chart_figures import metric_effects

        return metric_effects(self)


class EachComparisonView(View, EachComparison, words=("sentence", "warnings")):
    """Several candidates against one baseline."""

    __slots__ = ("_texts",)

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``ComparisonView.from_result``."""
        compared = {
            name: JointComparisonView.from_result(one, narrowed=narrowed, scan=scan)
            for name, one in result["comparisons"].items()
        }
        view = cls._made(result, narrowed=narrowed, comparisons=compared)
        object.__setattr__(view, "_texts", scan and TaskTexts(scan))
        return view

    def _page(self) -> Page:
        from benchmark_recorder.reporting.comparison_pages import each_page

        texts: TaskTexts | None = getattr(self, "_texts", None)
        compared = [one for joint in self.comparisons.values() for one in joint.comparisons.values()]
        return each_page(self, texts.of(compared) if texts else None)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import each_frame

        return each_frame(self)


class SlicedComparisonView(View, SlicedComparison, words=("warnings",)):
    """Two versions on one metric, slice by slice."""

    __slots__ = ()

    @classmethod
    def from_result(cls, result: Result, *, narrowed: bool = False, scan: Scan | None = None) -> Self:
        """See ``ComparisonView.from_result``."""
        slices = tuple(
            replace(one, comparison=ComparisonView.from_result(one.comparison, narrowed=narrowed, scan=scan))
            for one in result["slices"]
        )
        return cls._made(result, narrowed=narrowed, slices=slices)

    def _page(self) -> Page:
        from benchmark_recorder.reporting.slice_pages import slices_page

        return slices_page(self)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import slices_frame

        return slices_frame(self)
