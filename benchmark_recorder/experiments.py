"""Questions about experiments, whose plans travel in their records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from benchmark_recorder.answering import query_of
from benchmark_recorder.errors import InvalidQueryError, preview
from benchmark_recorder.outlook import Outlook
from benchmark_recorder.records import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.queries import Filters
    from benchmark_recorder.reporting.experiment_views import ExperimentListView, ExperimentView

KEY, PLAN, UNIT = "experiment", "metadata.experiment_plan", "metadata.unit"


class Experiments(Outlook):
    """Looks at experiments; ``History`` has all questions."""

    def check_experiment(
        self,
        name: str,
        metric: str | None = None,
        *,
        margins: Mapping[str, float] | None = None,
        **query: Unpack[Filters],
    ) -> ExperimentView:
        """Go on, stop with a winner, or stop because it is broken? Ask as often as you like.

        Args:
            name: of the experiment.
            metric: the one that decides: ``time``, ``success``, ``failures``, ``cost`` or ``routing``; unless given,
                time, failures, cost and routing do together, adjusted for their number.
            margins: changes that do not matter, by metric, as in ``check_gate``; each metric's own unless given.
            **query: which executions.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import check_experiment
        from benchmark_recorder.reporting.experiment_views import ExperimentView

        if not isinstance(name, str) or not name:
            raise InvalidQueryError(f"name: expected the name of an experiment, got {preview(name)}")
        asked = query_of(**{**query, "metadata": {**(query.get("metadata") or {}), KEY: plain_text(name)[0]}})
        cells = self._asked().summarize(replace(asked, by=(PLAN,), unit=UNIT))
        found = check_experiment(cells, name, metric=metric, margins=margins)
        return ExperimentView.from_result(found, narrowed=bool(query))

    def list_experiments(self, **query: Unpack[Filters]) -> ExperimentListView:
        """The experiments that runs name, each with its plans.

        Args:
            **query: which executions.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import list_experiments
        from benchmark_recorder.reporting.experiment_views import ExperimentListView

        cells = self._asked().summarize(replace(query_of(**query), by=(f"metadata.{KEY}", PLAN)))
        return ExperimentListView.from_result(list_experiments(cells), narrowed=bool(query))
