"""What the recorder decides: claims, gates, and how far its own gate can be trusted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from benchmark_recorder.errors import InvalidQueryError, StoreUnavailableError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from benchmark_recorder.analysis import Claim
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.recorder import QueryArguments
    from benchmark_recorder.records import Query
    from benchmark_recorder.reporting.verdict_views import ClaimReportView, GateResultView, SelfTestView
    from benchmark_recorder.stores.base import Store


class DecisionMethods:
    """Mixed into ``BenchmarkRecorder``."""

    _store: Store

    if TYPE_CHECKING:  # what the class that this is mixed into has

        def _pair(self, v1: str, v2: str, query: QueryArguments) -> Query: ...

    def check_claims(
        self,
        v1: str,
        v2: str,
        claims: Sequence[Claim] | None = None,
        *,
        scope: Literal["suite", "tasks"] = "suite",
        **query: Unpack[QueryArguments],
    ) -> ClaimReportView:
        """Does the new version do what was claimed?

        Args:
            v1: the baseline.
            v2: the candidate.
            claims: the guide's four unless given.
            scope: see ``compare_versions``.
            **query: which executions, but for ``version``.

        Raises:
            InvalidQueryError: the scope or an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import DEFAULT_CLAIMS, check_claims
        from benchmark_recorder.reporting.views import shown

        cells = self._store.summarize(self._pair(v1, v2, query))
        found = check_claims(cells, v1, v2, DEFAULT_CLAIMS if claims is None else claims, scope=scope)
        return shown(found, narrowed=bool(query))

    def check_gate(  # noqa: PLR0913 - settings
        self,
        baseline: str,
        candidate: str,
        *,
        policy: Literal["default", "literal"] = "default",
        on_inconclusive: Literal["warn", "fail", "pass"] = "warn",
        coverage: float | None = None,
        baseline_days: float | None = None,
        baseline_file: str | os.PathLike[str] | None = None,
        target: float | None = 20,
        scope: Literal["suite", "tasks"] = "suite",
        **query: Unpack[QueryArguments],
    ) -> GateResultView:
        """May the candidate be merged?

        Args:
            baseline: version.
            candidate: version; the same one is fine with a window or a file.
            policy: ``"default"`` (evidence and size) or ``"literal"`` (the guide's thresholds on points).
            on_inconclusive: what a gate that cannot tell does.
            coverage: test coverage in percent, where a report is at hand.
            baseline_days: the baseline's runs are those of so many days before the candidate's first run.
            baseline_file: the baseline's runs are those in this JSON file, pinned when they were good.
            target: an alert warns where the candidate saves less of the time than so many percent; ``None`` for no
                such alert, as where a version only has to be no worse.
            scope: see ``compare_versions``.
            **query: which executions, but for ``version``; with a window or a file: of the candidate.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: a store cannot be read.
        """
        from benchmark_recorder.analysis import check_gate
        from benchmark_recorder.reporting.views import shown

        asked = self._pair(baseline, candidate, query)
        if baseline_days is None and baseline_file is None:
            cells = self._store.summarize(asked)
        else:
            there = _tabulated(self._store, replace(asked, versions=(candidate,)))
            past = self._past(baseline, there, baseline_days, baseline_file)
            baseline, cells = _side_by_side(baseline, past, candidate, there)
        found = check_gate(
            cells,
            baseline,
            candidate,
            policy=policy,
            on_inconclusive=on_inconclusive,
            coverage=coverage,
            scope=scope,
            window=baseline_days,
            target=target,
        )
        return shown(found, narrowed=bool(query) or baseline_days is not None)

    def _past(
        self, baseline: str, there: list[Cell], days: float | None, path: str | os.PathLike[str] | None
    ) -> list[Cell]:
        """The baseline's cells from a window of days, or a pinned file."""
        from benchmark_recorder.records import Query

        if path is not None:
            if days is not None:
                raise InvalidQueryError("baseline_days: give either baseline_days or baseline_file, not both")
            from benchmark_recorder.stores.json_file import JSONFileStore

            if not Path(path).exists():
                raise StoreUnavailableError(f"{path}: there is no such file")
            with JSONFileStore(path) as pinned:
                found = _tabulated(pinned, Query.of(version=baseline))
            if not found:
                raise StoreUnavailableError(f"{path}: there are no runs of the baseline {baseline!r} in this file")
            return found
        first = min((cell.first for cell in there), default=None)
        end = datetime.now(UTC) if first is None else datetime.fromtimestamp(first / 1e6, UTC)
        window = Query.of(version=baseline, last_days=days, now=end)
        return _tabulated(self._store, replace(window, until=first))

    def selftest(
        self,
        version: str,
        *,
        splits: int = 2000,
        seed: int = 0,
        scope: Literal["suite", "tasks"] = "suite",
        **query: Unpack[QueryArguments],
    ) -> SelfTestView:
        """How often would the gate block this version against itself?

        Args:
            version: whose runs are split at random, thousands of times.
            splits: of each kind.
            seed: the same one gives the same answer.
            scope: see ``compare_versions``.
            **query: which executions, but for ``version``.

        Raises:
            InvalidQueryError: an argument is unknown or wrong.
            StoreError: the store cannot be read.
        """
        from benchmark_recorder.analysis import SELFTEST_FIELDS, selftest
        from benchmark_recorder.reporting.views import shown

        asked = self._pair(version, version, query)
        columns = self._store.scan(asked, SELFTEST_FIELDS)
        found = selftest(columns, version, splits=splits, seed=seed, scope=scope)
        return shown(found, narrowed=bool(query))


def _tabulated(store: Store, query: Query) -> list[Cell]:
    """One cell for each task and outcome, however seldom the task was run."""
    from benchmark_recorder.cells import CELL_FIELDS, tabulate

    return tabulate(store.scan(query, CELL_FIELDS))


def _side_by_side(baseline: str, past: list[Cell], candidate: str, there: list[Cell]) -> tuple[str, Cells]:
    """Both sides' cells together; a baseline of the candidate's own name gets another."""
    from benchmark_recorder.cells import collect

    name = baseline if baseline != candidate else f"{baseline} (baseline)"
    return name, collect([*(replace(cell, version=name) for cell in past), *there], (name, candidate))
