"""Records as an answer: read anew whenever they are asked for, and never all at once unless as a table."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.fields import METRIC_FIELDS
from benchmark_recorder.records import BenchmarkMetric, known_cost, timestamp_micros
from benchmark_recorder.reporting.numbers import UNDEFINED, dollars, moment, number, seconds
from benchmark_recorder.reporting.page import Paragraph, Table, Untrusted
from benchmark_recorder.reporting.views import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.reporting.frames import Frame
    from benchmark_recorder.reporting.page import Page

MOST_SHOWN: Final = 20
"""Records that are printed."""

_CHECKED: Final = {
    "version": str,
    "success": bool,
    "execution_time": int | float | None,
    "cost_estimated": int | float | None,
    **dict.fromkeys(("task_id", "git_commit", "agent_selected", "expected_agent", "host"), str | None),
}
"""What statistics need, and so what makes a record valid."""

_ABSENT: Final = {"task_id": "", "task_description": "", "execution_time": math.nan, "cost_estimated": 0.0}
"""Of fields that only an older file lacks."""


class Records(Shown):
    """The records that match a query, as ``BenchmarkMetric``, in the order of recording.

    Iterating reads them from the store, a few thousand at a time, and so does iterating again: records that were added
    since are there, too. ``to_pandas()`` and Arrow give a row for each: ``timestamp`` is a time in UTC, an unknown cost
    is missing, ``metadata`` and ``dropped`` are objects for pandas and JSON in Arrow.

    Args:
        documents: reads them from the store.
        scan: reads them as columns.
    """

    def __init__(self, documents: Callable[[], Iterator[Document]], scan: Callable[[tuple[str, ...]], Columns]) -> None:
        self._documents, self._scan = documents, scan

    def __iter__(self) -> Iterator[BenchmarkMetric]:
        return map(metric_of, filter(_is_valid, self._documents()))

    def _page(self) -> Page:
        shown = [*islice(filter(_is_valid, self._documents()), MOST_SHOWN + 1)]
        more, costs = len(shown) > MOST_SHOWN, [*map(known_cost, shown)]
        times = seconds(one.get("execution_time") for one in shown)
        money = dollars(costs)
        names = ("time (UTC)", "version", "task", f"took ({times.symbol})", "success", f"cost ({money.symbol})")
        rows = tuple(
            (
                (moment(timestamp_micros(one["timestamp"])),),
                (Untrusted(one["version"]),),
                (Untrusted(one.get("task_description") or one.get("task_id") or UNDEFINED),),
                (number(one.get("execution_time"), times),),
                ("yes" if one["success"] else "no",),
                (number(cost, money),),
            )
            for one, cost in zip(shown[:MOST_SHOWN], costs, strict=False)
        )
        if not rows:
            return (Paragraph(("No records match.",)),)
        table = Table(tuple((name,) for name in names), rows, "lllrlr")
        return (table, Paragraph((f"These are the first {MOST_SHOWN}; there are more.",))) if more else (table,)

    def _frame(self) -> Frame:
        from benchmark_recorder.reporting.frames import RECORD_COLUMNS, records_frame

        return records_frame(self._scan(RECORD_COLUMNS))


def metric_of(document: Document) -> BenchmarkMetric:
    """A document as people read it."""
    values: dict[str, Any] = {name: document.get(name) for name in METRIC_FIELDS}
    for name, absent in _ABSENT.items():
        values[name] = absent if values[name] is None else values[name]
    return BenchmarkMetric(**values)


def _is_valid(document: Document) -> bool:
    """Whether questions count it: an older file may lack fields, or have them of other types."""
    try:
        timestamp_micros(document["timestamp"])
    except (KeyError, TypeError, ValueError):
        return False
    return all(isinstance(document.get(name), kinds) for name, kinds in _CHECKED.items())
