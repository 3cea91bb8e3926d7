"""What the recorder reports: the questions that a report asks of the store, and what it makes of the answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from time import time_ns
from typing import TYPE_CHECKING, Final, Unpack

from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark_recorder.analysis import Trend
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.intake import Health
    from benchmark_recorder.recorder import QueryArguments
    from benchmark_recorder.records import Columns, Query
    from benchmark_recorder.reporting import Report
    from benchmark_recorder.stores.base import Store

MOST_NAMED_TASKS: Final = 2000
"""Tasks that are followed from week to week on their own, those with the most runs; each is named in the questions."""


class ReportMethods:
    """Mixed into ``BenchmarkRecorder``."""

    _store: Store

    if TYPE_CHECKING:  # what the class that this is mixed into has

        def _about(self, versions: Sequence[str], query: QueryArguments) -> Query: ...

        def health(self) -> Health:
            """How recording fares."""

    def generate_report(
        self,
        versions: Sequence[str],
        format: str = "text",  # noqa: A002 - the field's word
        **query: Unpack[QueryArguments],
    ) -> str:
        """How are we doing: what people read, for some versions, each compared with the one before it.

        Args:
            versions: oldest first.
            format: ``"text"``, ``"markdown"``, ``"html"``, ``"json"`` or ``"csv"``.
            **query: which executions, but for ``version``.

        Raises:
            InvalidQueryError: the format or an argument is unknown or wrong.
            MissingDependencyError: the extra ``report``, which HTML needs, is not installed.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.reporting import check_format, render

        check_format(format)
        return render(self._report(versions, query), format)

    def _report(self, versions: Sequence[str], query: QueryArguments) -> Report:
        """Everything that a report says."""
        from benchmark_recorder.analysis import compare_all, distributions_of, summarize_version, what_to_look_at
        from benchmark_recorder.reporting import Basis, Report
        from benchmark_recorder.reporting.tasks import task_texts
        from benchmark_recorder.reporting.views import shown

        names = version_names(versions)
        asked = self._about(names, query)
        cells = {name: self._store.summarize(replace(asked, versions=(name,))) for name in dict.fromkeys(names)}
        durations = {name: self._store.durations(replace(asked, versions=(name,))) for name in cells}
        routed = _by_version(self._routed(asked, cells), cells)
        failed = _by_version(self._failed(asked, cells), cells)
        narrowed = bool(query)
        summaries = {
            name: shown(summarize_version(name, cells[name], durations[name]), narrowed=narrowed) for name in cells
        }
        joint = [
            shown(compare_all(self._store.summarize(replace(asked, versions=(v1, v2))), v1, v2), narrowed=narrowed)
            for v1, v2 in pairwise(names)
        ]
        attention = {name: what_to_look_at(summaries[name], cells[name], routed[name], failed[name]) for name in cells}
        spread = distributions_of({name: durations[name].ordered for name in cells})
        # What the last few days were like is told by the weeks before them.
        trends = self._trends(asked, cells, looks_back=query.get("last_days") is not None)
        return Report(
            summaries=tuple(summaries[name] for name in names),
            comparisons=tuple(joint),
            basis=Basis(store=self._store.name, health=self.health(), query=dict(query)),
            texts=task_texts(
                self._store.scan,
                [one for each in joint for one in each.comparisons.values()],
                attention.values(),
            ),
            attention=tuple(attention[name] for name in names),
            trends=tuple(trends[name] for name in names),
            distributions=tuple(spread[name] for name in names),
        )

    def _routed(self, asked: Query, cells: Mapping[str, Cells]) -> Columns:
        """Expected and selected agents, where there are such."""
        if not any(cell.routed for found in cells.values() for cell in found.cells):
            return _none_of(_ROUTED)
        return self._store.scan(asked, _ROUTED)

    def _failed(self, asked: Query, cells: Mapping[str, Cells]) -> Columns:
        """What is told of failed runs, which a store may have to look for in each record."""
        if all(cell.success for found in cells.values() for cell in found.cells):
            return _none_of(_FAILED)
        return self._store.scan(replace(asked, success=False), _FAILED)

    def _trends(self, asked: Query, cells: Mapping[str, Cells], *, looks_back: bool) -> dict[str, Trend]:
        """Each version that has cells, week over week: one question for each week, about all versions.

        Args:
            asked: which executions.
            cells: of each version.
            looks_back: whether the weeks go back as far as a trend does, and not only as far as the cells.
        """
        from benchmark_recorder.analysis import WEEK, Doubt, trend_of, week_starts

        own = [cell for found in cells.values() for cell in found.cells]
        weekly: dict[int, Cells] = {}
        if own and not _is_partial(cells.values()):
            # A task that is run once a week has cells of its own only where it is named.
            since, first = (None, 0) if looks_back else (asked.since, min(cell.first for cell in own))
            followed = replace(asked, since=since, apart=frozenset(_most_run(own, MOST_NAMED_TASKS)))
            for start in week_starts(first, max(cell.last for cell in own)):
                weekly[start] = self._store.summarize(_within(followed, start, start + WEEK))
        warnings: tuple[Doubt, ...] = ()
        if _is_partial([*cells.values(), *weekly.values()]):
            # What this machine alone recorded is no trend, and each question would wait for the store once more.
            weekly = {}
            warnings = (Doubt("no_trend", "There is no trend, as the store could not be asked.", {}),)
        present = time_ns() // 1000
        return {name: trend_of(name, weekly if cells[name].cells else {}, present, warnings) for name in cells}


_ROUTED: Final = ("version", "expected_agent", "agent_selected")
"""Of each record: for wrong routes."""

_FAILED: Final = ("version", "task_id", "error_type")
"""Of each that failed."""


def version_names(versions: object) -> list[str]:
    """What a caller says a report is about.

    Raises:
        InvalidQueryError: no names.
    """
    names = [versions] if isinstance(versions, str) else list(versions) if isinstance(versions, Iterable) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidQueryError(f"versions: expected the names of one or more versions, got {versions!r}")
    return names


def _none_of(fields: Iterable[str]) -> Columns:
    """Columns of texts without a record."""
    import numpy as np

    return dict.fromkeys(fields, np.empty(0, dtype=object))


def _by_version(columns: Columns, versions: Iterable[str]) -> dict[str, Columns]:
    """Each version's records, in the order in which they were stored."""
    rows = {version: columns["version"] == version for version in versions}
    return {version: {name: column[own] for name, column in columns.items()} for version, own in rows.items()}


def _is_partial(answers: Iterable[Cells]) -> bool:
    """Whether a store that was out of reach is missing from some answers."""
    return any(caveat.code == "store_out_of_reach" for answer in answers for caveat in answer.caveats)


def _most_run(cells: Iterable[Cell], most: int) -> list[str]:
    """The tasks with the most runs over all versions, ties by id."""
    runs = Counter[str]()
    for cell in cells:
        if cell.task_id is not None:
            runs[cell.task_id] += cell.n
    return sorted(runs, key=lambda task_id: (-runs[task_id], task_id))[:most]


def _within(query: Query, start: int, end: int) -> Query:
    """The same question about a week, or what the question itself leaves of it."""
    return replace(
        query,
        since=start if query.since is None else max(start, query.since),
        until=end if query.until is None else min(end, query.until),
    )
