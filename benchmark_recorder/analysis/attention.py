"""What to look at in one version: its worst tasks, wrong routes, kinds of failures, and what a success costs.

All of it is descriptive: a reason to look, and no finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmark_recorder.analysis.result import Estimate, Result

MOST_TASKS: Final = 5
"""Worst tasks that are named."""

MOST_CLASSES: Final = 20
"""Classes of failures, and wrong routes, that are named; all others are counted."""


@dataclass(frozen=True, slots=True)
class WorstTask(Result):
    """A task with failed runs.

    Attributes:
        task_id: as recorded.
        runs: of the version.
        failures: failed ones among them, at least 1.
        success_rate: with Wilson's 95 % interval.
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
        runs: that went so.
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
            upper end of the success rate's interval, so that one failure in one run is no worse than twenty in twenty.
        routed: runs whose selected and whose expected agent are both known.
        misrouted: those where they differ; the sum over all confusions, also those that are not listed.
        confusions: at most twenty, most frequent first.
        failure_classes: at most twenty, most frequent first.
        unlisted_failures: failed runs of classes that are not listed.
        cost_per_success: USD: all known costs for each success, with its 95 % interval; failures cost, too.
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
