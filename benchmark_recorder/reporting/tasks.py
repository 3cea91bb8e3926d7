"""The texts of tasks whose ids say nothing to people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from benchmark_recorder.records import Query, task_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from benchmark_recorder.analysis import Comparison
    from benchmark_recorder.records import Columns

_MADE: Final = re.compile(r"[0-9a-f]{12}")
"""What an id looks like that was made from the task's text."""


def task_texts(scan: Callable[[Query, Collection[str]], Columns], comparisons: Iterable[Comparison]) -> dict[str, str]:
    """The texts of the tasks that stand out and were given no id of their own, by the id that was made.

    Args:
        scan: of the store; asked once, and only where there is such a task.
        comparisons: whose tasks are told about.
    """
    versions, made = set(), set()
    for comparison in comparisons:
        found = {row.task_id for row in comparison.tasks if row.stands_out and _MADE.fullmatch(row.task_id)}
        if found:
            versions |= {comparison.v1, comparison.v2}
            made |= found
    if not made:
        return {}
    query = Query(versions=tuple(sorted(versions)), task_ids=tuple(sorted(made)))
    columns = scan(query, ("task_id", "task_description"))
    pairs = set(zip(columns["task_id"].tolist(), columns["task_description"].tolist(), strict=True))
    return {task_id: text for task_id, text in pairs if text and task_id == task_id_of(text)}
