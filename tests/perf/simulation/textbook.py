"""Tests of a textbook, for what a test of ours is held against: each sees whether the candidate is slower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from tests.perf.simulation.bench import Answer, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.perf.simulation.designs import Runs


def by_task(runs: Runs) -> NDArray[np.float64]:
    """Logarithms of the times by version, task and run of a balanced suite."""
    logs = np.log(runs.time)
    rows = np.lexsort((runs.task, runs.version))
    shaped: NDArray[np.float64] = logs[rows].reshape(2, int(runs.task.max()) + 1, -1)
    return shaped


def analysis_of_variance(logs: NDArray[np.float64]) -> float:
    """One-sided p-value of the version's effect beside that of the task, without interaction."""
    _, tasks, runs = logs.shape
    residuals = logs - logs.mean(axis=(0, 2), keepdims=True)
    change = residuals[1].mean() - residuals[0].mean()
    residuals -= residuals.mean(axis=(1, 2), keepdims=True)
    freedom = 2 * tasks * runs - tasks - 1
    error = np.sqrt((residuals**2).sum() / freedom * 2 / (tasks * runs))
    return float(stats.t.sf(change / error, freedom))


def van_elteren(logs: NDArray[np.float64]) -> float:
    """One-sided p-value of Wilcoxon's test stratified by task, without ties (van Elteren 1960)."""
    _, tasks, runs = logs.shape
    ranks = stats.rankdata(np.concatenate([logs[0], logs[1]], axis=1), axis=1)
    off = ranks[:, runs:].sum() - tasks * runs * (2 * runs + 1) / 2
    return float(stats.norm.sf(off / np.sqrt(tasks * runs * runs * (2 * runs + 1) / 12)))


TEXTBOOK: Final = (
    Question("ANOVA on logs", lambda trial: Answer(analysis_of_variance(by_task(trial.runs)) < 0.025)),
    Question("van Elteren", lambda trial: Answer(van_elteren(by_task(trial.runs)) < 0.025)),
)
