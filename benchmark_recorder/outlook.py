"""Questions about the time before and ahead: what changed, and what is to be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Unpack

from benchmark_recorder.answering import query_of
from benchmark_recorder.decisions import Decisions
from benchmark_recorder.errors import InvalidQueryError, preview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.queries import Filters, Names, QueryArguments
    from benchmark_recorder.reporting.outlook_views import ChangePointsView, ForecastView


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
