"""Questions about the time before and ahead: what changed, and what is to be expected."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Literal, Unpack

from benchmark_recorder.answering import query_of
from benchmark_recorder.decisions import Decisions
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.grouping import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.queries import Filters, Names, QueryArguments
    from benchmark_recorder.reporting.outlook_views import ChangePointsView, ForecastView
    from benchmark_recorder.reporting.savings_pages import SavingsView

DAYS = 30
"""That savings are looked for in, where a question says nothing."""


class Outlook(Decisions):
    """Looks back and ahead over the executions in a store; ``History`` has all questions."""

    def find_changes(
        self,
        version: Names = None,
        metric: str = "execution_time",
        *,
        by: Literal["commit", "day"] = "day",
        **query: Unpack[Filters],
    ) -> ChangePointsView:
        """When did a metric move, by how much, and was it the code?

        Args:
            version: a version, or several that are followed as one; all unless given.
            metric: ``time``, ``success``, ``failures``, ``cost`` or ``routing``.
            by: what a point of the series is made of.
            **query: any other argument of ``queries.Query.of``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.reporting.outlook_views import ChangePointsView
        from benchmark_recorder.series import changes_of

        asked = query_of(version=version, **query)
        label = ", ".join(asked.versions) if asked.versions is not None else "all versions"
        (found,) = changes_of(self._asked(), asked, label, [metric], by)
        return ChangePointsView.from_result(found, narrowed=bool(query))

    def predict(
        self,
        tasks: Sequence[str] | None = None,
        *,
        version: str,
        repeats: int = 1,
        concurrency: int = 1,
        **query: Unpack[QueryArguments],
    ) -> ForecastView:
        """How long will further runs take, what will they cost, and how many will fail?

        Only runs from after the last change of the execution time are used (see ``find_changes``).

        Args:
            tasks: ids or texts; all that the version ran unless given.
            version: whose runs are used.
            repeats: of each task.
            concurrency: runs at once.
            **query: which executions are used; not ``version``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.reporting.outlook_views import ForecastView
        from benchmark_recorder.series import check_runs, forecast_of

        check_runs(tasks, repeats, concurrency)
        if not isinstance(version, str) or not version:
            raise InvalidQueryError(f"version: expected the name of a version, got {preview(version)}")
        asked = self._about((version,), query)
        found = forecast_of(self._store, asked, version, tasks, repeats=repeats, concurrency=concurrency)
        return ForecastView.from_result(found, narrowed=bool(query))

    def suggest_savings(
        self, version: Names = None, *, quality_margin: float = 0.02, **query: Unpack[Filters]
    ) -> SavingsView:
        """Where can money be saved: a cheaper model or agent on tasks that both did, failures, retries.

        Args:
            version: a version, or several; all unless given.
            quality_margin: by how much the rate of success may fall: 0.02 is 2 points.
            **query: which executions; of the ``last_days=30`` unless given.

        Raises:
            InvalidQueryError: an argument is unknown or wrong, or there are more than 5,000,000 runs.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis.savings import FIELDS, savings_of
        from benchmark_recorder.comparing import retried
        from benchmark_recorder.questions import MOST_DURATIONS
        from benchmark_recorder.reporting.savings_pages import SavingsView

        if not isinstance(quality_margin, float) or not 0 < quality_margin < 1:
            raise InvalidQueryError(
                f"quality_margin: expected a share above 0 and below 1, such as 0.02, got {preview(quality_margin)}"
            )
        narrowed = bool(query)
        if query.get("last_days") is None and query.get("since") is None:
            query["last_days"] = DAYS
        asked, now = query_of(version=version, **query), time_ns() // 1000
        assert asked.since is not None
        days = (now if asked.until is None else min(asked.until, now)) / DAY - asked.since / DAY
        self._before_question()
        runs = sum(cell.n for cell in self._store.summarize(asked).cells)
        if runs > MOST_DURATIONS:
            raise InvalidQueryError(f"last_days: {runs:,} runs are too many to match one by one; ask for fewer days")
        found = savings_of(
            self._store.scan(asked, FIELDS),
            days=days,
            quality_margin=float(quality_margin),
            retried=retried(self._store, asked),
        )
        return SavingsView.from_result(found, narrowed=narrowed)
