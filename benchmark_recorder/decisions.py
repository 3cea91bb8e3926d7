"""The questions about two versions: is the new one better, may it be merged?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, Unpack, overload

from benchmark_recorder.answering import Answering
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping, Sequence

    from benchmark_recorder.analysis import Claim
    from benchmark_recorder.queries import ComparisonArguments, QueryArguments
    from benchmark_recorder.reporting.comparison_views import ComparisonView, JointComparisonView, SlicedComparisonView
    from benchmark_recorder.reporting.decision_views import (
        ClaimReportView,
        GateResultView,
        RunPlanView,
    )

Scope: TypeAlias = Literal["suite", "tasks"]
Method: TypeAlias = Literal["auto", "log", "rank"]


class Decisions(Answering):
    """Decides between versions by the executions in a store; ``History`` has all questions."""

    @overload
    def compare_versions(
        self,
        v1: str,
        v2: str,
        metric: str = ...,
        *,
        by: None = None,
        scope: Scope = ...,
        margin: float | None = ...,
        method: Method = ...,
        sequential: bool = ...,
        **query: Unpack[ComparisonArguments],
    ) -> ComparisonView: ...
    @overload
    def compare_versions(
        self,
        v1: str,
        v2: str,
        metric: str = ...,
        *,
        by: str,
        scope: Scope = ...,
        margin: float | None = ...,
        method: Method = ...,
        sequential: bool = ...,
        **query: Unpack[ComparisonArguments],
    ) -> SlicedComparisonView: ...
    def compare_versions(  # noqa: PLR0913
        self,
        v1: str,
        v2: str,
        metric: str = "execution_time",
        *,
        by: str | None = None,
        scope: Scope = "suite",
        margin: float | None = None,
        method: Method = "auto",
        sequential: bool = False,
        **query: Unpack[ComparisonArguments],
    ) -> ComparisonView | SlicedComparisonView:
        """Is the new version better?

        Args:
            v1: the baseline.
            v2: the candidate.
            metric: ``time``, ``success``, ``failures``, ``cost``, ``routing``, ``input_tokens``, ``output_tokens``, or
                a statistic: ``time.mean``, ``cost.p99`` (mean, median, p95, p99); ``p95`` is that of the time.
                Statistics and tokens need the values of single runs: no ``by``, at most 5,000,000 runs.
            by: compare within each group (see ``get_historical_metrics``), and pool the groups.
            scope: ``"suite"``: about these tasks; ``"tasks"``: about other tasks of this kind, too.
            method: of times: ``"log"`` (means of logarithms), ``"rank"`` (within tasks; a few very long runs hardly
                move it) or ``"auto"`` (ranks where the runs within tasks vary so that these would see more).
            margin: the largest difference that does not matter; each metric's own unless given.
            sequential: let the verdict hold however often you ask while runs come in; not with ``by``, ranks or
                statistics.
            **query: which executions, and ``blocks``; see ``queries.ComparisonArguments``.

        Raises:
            InvalidQueryError: the metric, the scope or an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import compare, compare_slices
        from benchmark_recorder.comparing import judged_cells
        from benchmark_recorder.questions import by_key
        from benchmark_recorder.reporting.comparison_views import ComparisonView, SlicedComparisonView

        blocks = _blocks(query)
        asked = self._pair(v1, v2, query)
        if by is not None:
            if method == "rank":
                raise InvalidQueryError('method: "rank" compares all runs together; omit either it or by')
            if sequential:
                raise InvalidQueryError("sequential: groups are compared at one look; omit either it or by")
            cells = self._store.summarize(by_key(asked, by))
            sliced = compare_slices(cells, v1, v2, metric, by=by, scope=scope, margin=margin)
            return SlicedComparisonView.from_result(sliced, narrowed=bool(query), scan=self._store.scan)
        cells = judged_cells(self._store, asked, *blocks)
        compared = compare(cells, v1, v2, metric, scope=scope, margin=margin, method=method, sequential=sequential)
        return ComparisonView.from_result(compared, narrowed=bool(query), scan=self._store.scan)

    def compare_all(
        self,
        v1: str,
        v2: str,
        *,
        scope: Scope = "suite",
        method: Method = "auto",
        sequential: bool = False,
        **query: Unpack[ComparisonArguments],
    ) -> JointComparisonView:
        """Is the new version better in time, failures, cost and routing together?

        Args:
            v1: the baseline.
            v2: the candidate.
            scope: see ``compare_versions``.
            method: see ``compare_versions``.
            sequential: see there.
            **query: which executions, and ``blocks``; see ``queries.ComparisonArguments``.

        Raises:
            InvalidQueryError: the scope or an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import compare_all
        from benchmark_recorder.comparing import judged_cells
        from benchmark_recorder.reporting.comparison_views import JointComparisonView

        blocks = _blocks(query)
        asked = self._pair(v1, v2, query)
        cells = judged_cells(self._store, asked, *blocks)
        found = compare_all(cells, v1, v2, scope=scope, method=method, sequential=sequential)
        return JointComparisonView.from_result(found, narrowed=bool(query), scan=self._store.scan)

    def check_claims(  # noqa: PLR0913
        self,
        v1: str,
        v2: str,
        claims: Sequence[Claim | str],
        *,
        scope: Scope = "suite",
        method: Method = "auto",
        allow_partial: bool = False,
        **query: Unpack[ComparisonArguments],
    ) -> ClaimReportView:
        """Does the new version do what was claimed?

        Args:
            v1: the baseline.
            v2: the candidate.
            claims: such as ``"time 30% lower"``, ``"routing 25% higher"`` or ``"cost within 1%"``.
            scope: see ``compare_versions``.
            method: see ``compare_versions``.
            allow_partial: whether a claim may be shown although the remote store could not be reached.
            **query: which executions, and ``blocks``; see ``queries.ComparisonArguments``.

        Raises:
            InvalidQueryError: a claim, the scope or an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import check_claims
        from benchmark_recorder.comparing import compared_cells
        from benchmark_recorder.reporting.decision_views import ClaimReportView

        blocks = _blocks(query)
        cells = compared_cells(self._store, self._pair(v1, v2, query), *blocks)
        found = check_claims(cells, v1, v2, claims, scope=scope, method=method, allow_partial=allow_partial)
        return ClaimReportView.from_result(found, narrowed=bool(query))

    def check_gate(  # noqa: PLR0913 - settings
        self,
        baseline: str,
        candidate: str,
        *,
        policy: Literal["default", "guide", "literal"] = "default",
        margins: Mapping[str, float] | None = None,
        require: Collection[str] | None = None,
        on_inconclusive: Literal["warn", "fail", "pass"] | None = None,
        coverage: float | None = None,
        baseline_days: float | None = None,
        baseline_file: str | os.PathLike[str] | None = None,
        target: float | None = None,
        scope: Scope | None = None,
        method: Method | None = None,
        allow_partial: bool = False,
        sequential: bool = False,
        **query: Unpack[ComparisonArguments],
    ) -> GateResultView:
        """May the candidate be merged?

        ``margins``, ``require``, ``on_inconclusive``, ``coverage``, ``scope``, ``method`` and ``blocks`` come from
        ``[tool.benchmark_recorder.gate]`` where they are not given, and then from the defaults; ``settings`` of the
        result says where each came from.

        Args:
            baseline: version.
            candidate: version; the same one is fine with a window or a file.
            policy: ``"default"`` (evidence and size) or ``"guide"`` (its literal thresholds on points).
            margins: how much worse each metric may get: ``{"time": 0.05, "failures": 0.01}``; unless given, 10% of
                the time, 2 points of failures and 5% of the cost.
            require: the metrics that must be shown to be within their margin for a pass; ``["time"]`` unless given.
            on_inconclusive: what an inconclusive gate does: ``"warn"`` unless given.
            coverage: test coverage in percent, if known.
            baseline_days: take the baseline's runs from this many days before the candidate's first run.
            baseline_file: take the baseline's runs from this JSON file, pinned when they were good.
            target: warn if the candidate saves less than this many percent of the time; no such alert unless given,
                but the guide's 20 with its policy.
            scope: see ``compare_versions``.
            method: see ``compare_versions``.
            allow_partial: whether the candidate may pass although the remote store could not be reached, so that
                records of other machines are missing.
            sequential: see ``compare_versions``.
            **query: which executions, and ``blocks``; see ``queries.ComparisonArguments``.
                With a window or a file: of the candidate.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: a store cannot be read.
        """
        from benchmark_recorder.analysis.gates import GateSettings, check_gate, settled
        from benchmark_recorder.comparing import gated_cells
        from benchmark_recorder.reporting.decision_views import GateResultView

        given = GateSettings(
            margins=margins,
            require=require,
            on_inconclusive=on_inconclusive,
            coverage=coverage,
            scope=scope,
            method=method,
        )
        given["blocks"] = query.pop("blocks") or "none" if "blocks" in query else None
        settings, origins = settled(given, self.gate_settings)
        settings["method"] = settings["method"] or "auto"
        blocks = settings.pop("blocks") or "auto", query.pop("block_sd", None)
        asked = self._pair(baseline, candidate, query)
        baseline, cells = gated_cells(self._store, asked, baseline_days, baseline_file, blocks)
        found = check_gate(
            cells,
            baseline,
            candidate,
            policy=policy,
            window=baseline_days,
            target=target,
            allow_partial=allow_partial,
            sequential=sequential,
            **settings,
            origins=origins,
        )
        return GateResultView.from_result(found, narrowed=bool(query) or baseline_days is not None)

    def plan_runs(  # noqa: PLR0913 - settings
        self,
        v1: str,
        v2: str | None = None,
        metric: str = "execution_time",
        *,
        effect: float,
        power: float = 0.8,
        decision: Literal["gate", "verdict", "claim"] = "gate",
        scope: Scope = "suite",
        margin: float | None = None,
        **query: Unpack[QueryArguments],
    ) -> RunPlanView:
        """How many further runs does a decision take?

        Args:
            v1: the baseline.
            v2: the candidate; unless given, or where it has no runs yet, it is taken to vary as the baseline does.
            metric: see ``compare_versions``.
            effect: the true change to plan for: 0.1 is 10%, or 10 points. For a gate: how much worse the candidate
                is; beyond the margin it is to be blocked, within it (0 is unchanged) it is to pass. For a verdict: in
                either direction. For a claim: the improvement that is claimed, and is to be told from none.
            power: how often the decision is to be reached; 0.8 is 80%.
            decision: ``"gate"`` (its other guardrails are allowed for), ``"verdict"`` or ``"claim"``.
            scope: see ``compare_versions``.
            margin: of the gate or of the verdict; its usual one unless given.
            **query: which executions; not ``version``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong, or no number of runs decides at that effect.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import plan_runs
        from benchmark_recorder.comparing import compared_cells
        from benchmark_recorder.reporting.decision_views import RunPlanView

        found = plan_runs(
            compared_cells(self._store, self._pair(v1, v1 if v2 is None else v2, query)),
            v1,
            v2,
            metric,
            effect=effect,
            power=power,
            decision=decision,
            scope=scope,
            margin=margin,
            margins=self.gate_settings.get("margins"),
        )
        return RunPlanView.from_result(found, narrowed=bool(query))


def _blocks(query: ComparisonArguments) -> tuple[str | None, float | None]:
    """What comparisons take beside a query."""
    return query.pop("blocks", "auto"), query.pop("block_sd", None)
