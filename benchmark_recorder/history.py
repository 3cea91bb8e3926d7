"""Answers every question about recorded executions, and records nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, overload

from benchmark_recorder._lazy import Lent
from benchmark_recorder.answering import Answering, query_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.decisions import Method, Scope
    from benchmark_recorder.experiments import Experiments as _Questions
    from benchmark_recorder.queries import Filters, Names, QueryArguments
    from benchmark_recorder.reporting.comparison_views import EachComparisonView
    from benchmark_recorder.reporting.decision_views import SelfTestView
    from benchmark_recorder.reporting.record_views import Records
    from benchmark_recorder.reporting.views import GroupedSummaries, SummaryView, VersionSummaries
else:
    _Questions = Answering

DECISIONS = "benchmark_recorder.decisions.Decisions"
EXPERIMENTS = "benchmark_recorder.experiments.Experiments"
OUTLOOK = "benchmark_recorder.outlook.Outlook"
"""Whose questions are lent: a program that only records asks none."""


class History(_Questions):
    """Answers questions about the executions in a store: useful alone, in CI and in notebooks.

    Args:
        store: a store, or the path of a JSON file.

    Raises:
        ConfigurationError: it is neither.
        StoreFormatError: the path is a folder.
    """

    if not TYPE_CHECKING:
        compare_versions, compare_all, check_claims = Lent(DECISIONS), Lent(DECISIONS), Lent(DECISIONS)
        check_gate, plan_runs = Lent(DECISIONS), Lent(DECISIONS)
        find_changes, predict, suggest_savings = Lent(OUTLOOK), Lent(OUTLOOK), Lent(OUTLOOK)
        check_experiment, list_experiments = Lent(EXPERIMENTS), Lent(EXPERIMENTS)

    @overload
    def get_historical_metrics(
        self,
        version: Names = None,
        task_id: Names = None,
        *,
        by: None = None,
        scope: Scope = ...,
        **query: Unpack[Filters],
    ) -> SummaryView: ...
    @overload
    def get_historical_metrics(
        self, version: Names = None, task_id: Names = None, *, by: str, scope: Scope = ..., **query: Unpack[Filters]
    ) -> GroupedSummaries: ...
    def get_historical_metrics(
        self,
        version: Names = None,
        task_id: Names = None,
        *,
        by: str | None = None,
        scope: Scope = "suite",
        **query: Unpack[Filters],
    ) -> SummaryView | GroupedSummaries:
        """What happened: the figures of the matching executions, as attributes and as keys.

        Args:
            version: a version, or several; all unless given.
            task_id: a task's id, or several.
            by: ``week``, ``day``, ``hour``, ``commit``, ``model``, ``agent``, ``error_type``, ``host``,
                ``expected_agent`` or ``metadata.<key>``: the figures of each group (``None``: of the runs that say
                nothing) instead. Beyond the 1,000 largest, or 10,000 newest times or commits, groups are "(rest)".
            scope: of the intervals of means and rates: ``"suite"``: these tasks; ``"tasks"``: others of this kind, too.
            **query: any other argument of ``queries.Query.of``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.questions import by_key, summaries_by, summary_of

        asked, narrowed = query_of(version=version, task_id=task_id, **query), task_id is not None or bool(query)
        label = ", ".join(asked.versions) if asked.versions is not None else "all versions"
        if by is not None:
            return summaries_by(self._asked(), label, by_key(asked, by), narrowed=narrowed, scope=scope)
        return summary_of(self._asked(), label, asked, narrowed=narrowed, scope=scope)

    def versions(self, **query: Unpack[QueryArguments]) -> VersionSummaries:
        """The figures of each version, by its name, in the order of the first runs.

        Runs that are dated later than tomorrow are left out; ``future`` of the answer counts them.

        Args:
            **query: which executions.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.questions import versions_of

        return versions_of(self._asked(), query_of(**query), narrowed=bool(query))

    def records(self, version: Names = None, task_id: Names = None, **query: Unpack[Filters]) -> Records:
        """The matching records, roots and parts, read whenever they are iterated; also as a table, see ``Records``.

        Args:
            version: a version, or several; all unless given.
            task_id: a task's id, or several.
            **query: any other argument of ``queries.Query.of``; ``runs`` is ``"all"`` unless given.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
        """
        from benchmark_recorder.reporting.record_views import Records

        asked = query_of(**{"version": version, "task_id": task_id, "runs": "all", **query})
        return Records(lambda: self._asked().documents(asked), lambda fields: self._asked().scan(asked, fields))

    def compare_each(
        self,
        baseline: str,
        candidates: Sequence[str],
        *,
        scope: Scope = "suite",
        method: Method = "auto",
        **query: Unpack[QueryArguments],
    ) -> EachComparisonView:
        """Which of several versions are better than one?

        Args:
            baseline: the version that each is compared with.
            candidates: adjusted for their number, and for that of the metrics.
            scope: see ``compare_versions``.
            method: see ``compare_versions``.
            **query: which executions; not ``version``.

        Raises:
            InvalidQueryError: a name is repeated, or the scope or an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import compare_each
        from benchmark_recorder.comparing import compared_cells
        from benchmark_recorder.questions import candidate_names
        from benchmark_recorder.reporting.comparison_views import EachComparisonView

        names = candidate_names(candidates, baseline)
        cells = {name: compared_cells(self._store, self._pair(baseline, name, query), "auto") for name in names}
        found = compare_each(cells, baseline, scope=scope, method=method)
        return EachComparisonView.from_result(found, narrowed=bool(query), scan=self._store.scan)

    def selftest(
        self,
        version: str,
        *,
        splits: int = 2000,
        seed: int = 0,
        scope: Scope = "suite",
        **query: Unpack[QueryArguments],
    ) -> SelfTestView:
        """How often would the gate block this version against itself?

        Args:
            version: whose runs are split at random, thousands of times.
            splits: of each kind.
            seed: the same one gives the same answer.
            scope: see ``compare_versions``.
            **query: which executions; not ``version``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import SELFTEST_FIELDS, selftest
        from benchmark_recorder.reporting.decision_views import SelfTestView

        asked = self._pair(version, version, query)
        columns = self._store.scan(asked, SELFTEST_FIELDS)
        found = selftest(columns, version, splits=splits, seed=seed, scope=scope)
        return SelfTestView.from_result(found, narrowed=bool(query))

    def generate_report(
        self,
        versions: Sequence[str] | None = None,
        format: str = "text",  # noqa: A002 - the field's word
        *,
        by: str | None = None,
        baseline: str | None = None,
        sequential: bool = False,
        **query: Unpack[QueryArguments],
    ) -> str:
        """How are we doing: a report on some versions, each compared with the one before it, the newest first.

        Args:
            versions: oldest first; the latest two unless given.
            format: ``"text"``, ``"markdown"``, ``"html"``, ``"json"`` or ``"csv"``.
            by: also each version's groups, and the comparisons slice by slice; see ``get_historical_metrics``.
            baseline: compare each other version with this one instead.
            sequential: see ``compare_versions``; the groups of ``by`` are compared at one look.
            **query: which executions; not ``version``.

        Raises:
            InvalidQueryError: the format or an argument is unknown or wrong.
            MissingDependencyError: the extra ``report``, which HTML needs, is not installed.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.questions import names_of, report_of
        from benchmark_recorder.reporting import check_format, render

        check_format(format)
        names = names_of(self._asked(), versions, baseline, query_of(**query))
        asked = self._about(names, query)
        found = report_of(
            self._store, names, asked, query, self.health(), by=by, baseline=baseline, sequential=sequential
        )
        return render(found, format)
