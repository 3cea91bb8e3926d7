"""The texts of tasks whose ids say nothing to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import StoreError
from benchmark_recorder.identity import task_id_of
from benchmark_recorder.records import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from typing import TypeAlias

    from benchmark_recorder.analysis import Attention, Comparison
    from benchmark_recorder.records import Columns

    Scan: TypeAlias = Callable[[Query, Collection[str]], Columns]

_MADE: Final = re.compile(r"[0-9a-f]{12}")
"""What an id looks like that was made from the task's text."""


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
        if found := {task_id for task_id in named if _MADE.fullmatch(task_id)}:
            versions |= {comparison.v1, comparison.v2}
            made |= found
    for one in attention:
        if found := {task.task_id for task in one.worst_tasks if _MADE.fullmatch(task.task_id)}:
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
