"""The textbook's tests are those of scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.perf.simulation.designs import LogNormal, Suite
from tests.perf.simulation.textbook import analysis_of_variance, by_task, van_elteren


def test_times_are_sorted_by_version_and_task() -> None:
    suite = Suite(tasks=4, runs=(3, 3), noise=LogNormal(1e-9), slower=2.0, failing=0.0)
    logs = by_task(suite.draw(np.random.default_rng(0)))
    assert np.exp(logs) == pytest.approx(np.broadcast_to(suite.scale[:, None] * [[[1.0]], [[2.0]]], (2, 4, 3)))


def test_with_one_task_the_analysis_of_variance_is_students_test() -> None:
    logs = np.random.default_rng(1).normal(0, 1, (2, 1, 6))
    expected = stats.ttest_ind(logs[1, 0], logs[0, 0], alternative="greater").pvalue
    assert analysis_of_variance(logs) == pytest.approx(expected)


def test_the_analysis_of_variance_is_a_regression_on_version_and_task() -> None:
    logs = np.random.default_rng(2).normal(0, 1, (2, 5, 3))
    side, task, _ = (index.ravel() for index in np.indices(logs.shape))
    columns = np.column_stack([side, *(task == one for one in range(5))])
    fitted, (rest,), *_ = np.linalg.lstsq(columns, logs.ravel(), rcond=None)
    error = np.sqrt(rest / (30 - 6) * np.linalg.inv(columns.T @ columns)[0, 0])
    assert analysis_of_variance(logs) == pytest.approx(stats.t.sf(fitted[0] / error, 24))


def test_with_one_task_van_elterens_test_is_wilcoxons() -> None:
    logs = np.random.default_rng(3).normal(0, 1, (2, 1, 8))
    expected = stats.mannwhitneyu(
        logs[1, 0], logs[0, 0], alternative="greater", method="asymptotic", use_continuity=False
    ).pvalue
    assert van_elteren(logs) == pytest.approx(expected)
