"""What to look at in one version: its worst tasks, wrong routes, classes of failures, and the cost per success.

All of it is descriptive: a reason to look, not a finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis.evidence import normal_quantile, wilson
from benchmark_recorder.analysis.results import Estimate, Result, finite, interval_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.analysis.summary import Summary
    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.records import Columns

ROUTE_FIELDS: Final = ("expected_agent", "agent_selected")
"""The columns that ``what_to_look_at`` needs of all runs."""

FAILURE_FIELDS: Final = ("task_id", "error_type")
"""The columns that it needs of those that failed."""

MOST_TASKS: Final = 5
"""Worst tasks that are named."""

MOST_CLASSES: Final = 20
"""Classes of failures, and wrong routes, that are listed; all others are counted."""


@dataclass(frozen=True, slots=True)
class WorstTask(Result):
    """A task with failed runs.

    Attributes:
        task_id: as recorded.
        runs: of the version.
        failures: failed ones among them, at least 1.
        success_rate: with Wilson's 95% interval.
        mean_time: of all its runs, seconds; ``None`` where unknown.
        cost_per_success: all its known costs for each run with a known cost that succeeded, USD; ``None`` where
            nothing succeeded, or no cost is known.
    """

    task_id: str
    runs: int
    failures: int
    success_rate: Estimate
    mean_time: float | None
    cost_per_success: float | None


@dataclass(frozen=True, slots=True)
class Confusion(Result):
    """Runs that went to another agent than the expected one.

    Attributes:
        expected: the agent that would have been right.
        selected: the agent that was chosen.
        runs: with this pair of agents.
        of: runs with a known route that expected this agent.
    """

    expected: str
    selected: str
    runs: int
    of: int


@dataclass(frozen=True, slots=True)
class FailureClass(Result):
    """Failed runs of one kind.

    Attributes:
        error_type: as recorded; ``None`` where none was.
        runs: failed ones.
        tasks: different tasks among them.
    """

    error_type: str | None
    runs: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Attention(Result):
    """What to look at in one version.

    Attributes:
        version: whose runs.
        runs: all of them.
        failures: those that failed.
        worst_tasks: at most five tasks that were run at least twice and failed at least once, worst first: by the
            upper end of the success rate's interval, so that one failure in one run does not rank above twenty in
            twenty.
        routed: runs whose selected and whose expected agent are both known.
        misrouted: those where they differ; the sum over all confusions, also those that are not listed.
        confusions: at most twenty, most frequent first.
        failure_classes: at most twenty, most frequent first.
        unlisted_failures: failed runs of classes that are not listed.
        cost_per_success: USD: all known costs for each success, with its 95% interval; failures cost, too.
        known_cost: USD: the sum of all known costs; ``None`` where none is known.
        failed_cost: USD: the part spent on failed runs.
    """

    version: str
    runs: int
    failures: int
    worst_tasks: tuple[WorstTask, ...]
    routed: int
    misrouted: int
    confusions: tuple[Confusion, ...]
    failure_classes: tuple[FailureClass, ...]
    unlisted_failures: int
    cost_per_success: Estimate
    known_cost: float | None
    failed_cost: float | None


def what_to_look_at(summary: Summary, cells: Cells, runs: Columns, failed: Columns) -> Attention:
    """What to look at in one version.

    Args:
        summary: of its runs.
        cells: of the same runs.
        runs: ``ROUTE_FIELDS`` of the same runs; none where no route is known.
        failed: ``FAILURE_FIELDS`` of those that failed.
    """
    pairs = zip(runs["expected_agent"].tolist(), runs["agent_selected"].tolist(), strict=True)
    routes = Counter((expected, selected) for expected, selected in pairs if None not in {expected, selected})
    wrong = sorted((pair for pair in routes if pair[0] != pair[1]), key=lambda pair: (-routes[pair], pair))
    expected_runs = Counter[str]()
    for (expected, _), n in routes.items():
        expected_runs[expected] += n
    classes = _classes(failed["error_type"].tolist(), failed["task_id"].tolist())
    priced = [cell for cell in cells.of(summary.version) if cell.cost.n]
    nothing = Estimate(None, None, 0, "ratio of sums, delta method on logarithms")
    return Attention(
        version=summary.version,
        runs=summary.count,
        failures=sum(one.runs for one in classes),
        worst_tasks=_worst(cells, summary.version),
        routed=sum(routes.values()),
        misrouted=sum(routes[pair] for pair in wrong),
        confusions=tuple(Confusion(*pair, routes[pair], expected_runs[pair[0]]) for pair in wrong[:MOST_CLASSES]),
        failure_classes=classes[:MOST_CLASSES],
        unlisted_failures=sum(one.runs for one in classes[MOST_CLASSES:]),
        cost_per_success=summary.estimates.get("cost_per_success", nothing),
        known_cost=finite(sum(cell.cost.total for cell in priced)) if priced else None,
        failed_cost=finite(sum(cell.cost.total for cell in priced if not cell.success)) if priced else None,
    )


def _classes(error_types: Sequence[str | None], task_ids: Sequence[str]) -> tuple[FailureClass, ...]:
    """Most frequent first; the unnamed one behind a named one that is as frequent."""
    tasks: defaultdict[str | None, Counter[str]] = defaultdict(Counter)
    for error_type, task_id in zip(error_types, task_ids, strict=True):
        tasks[error_type][task_id] += 1
    found = [FailureClass(error_type, own.total(), len(own)) for error_type, own in tasks.items()]
    return tuple(sorted(found, key=lambda one: (-one.runs, one.error_type is None, one.error_type or "")))


def _worst(cells: Cells, version: str) -> tuple[WorstTask, ...]:
    """Lowest upper end of the success rate first; of equals, the one with more failures."""
    found = [
        (high, task)
        for task_id, own in cells.by_task(version).items()
        if sum(cell.n for cell in own) > 1 and any(not cell.success for cell in own)
        for high, task in [_task(task_id, own)]
    ]
    found.sort(key=lambda one: (one[0], -one[1].failures, one[1].task_id))
    return tuple(task for _, task in found[:MOST_TASKS])


def _task(task_id: str, own: Sequence[Cell]) -> tuple[float, WorstTask]:
    runs, good = sum(cell.n for cell in own), sum(cell.n for cell in own if cell.success)
    low, high = wilson(good, runs, normal_quantile(0.975))
    timed, priced = sum(cell.time.n for cell in own), sum(cell.cost.n for cell in own if cell.success)
    return high, WorstTask(
        task_id=task_id,
        runs=runs,
        failures=runs - good,
        success_rate=Estimate(good / runs, interval_of(low, high), runs, "Wilson"),
        mean_time=finite(sum(cell.time.total for cell in own) / timed) if timed else None,
        cost_per_success=finite(sum(cell.cost.total for cell in own) / priced) if priced else None,
    )
