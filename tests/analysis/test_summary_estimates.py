from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from benchmark_recorder.analysis import Estimate, summarize_version
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError
from tests.analysis.histories import Columns, cells_of, runs

if TYPE_CHECKING:
    from numpy.typing import NDArray


def drawn(seed: int, runs_of: list[int]) -> Columns:
    """Tasks that differ in length, in cost and in how often they fail."""
    rng = np.random.default_rng(seed)
    task = np.repeat(np.arange(len(runs_of)), runs_of)
    scale, chance = rng.lognormal(0, 0.7, len(runs_of))[task], rng.beta(1, 1, len(runs_of))[task]
    n = len(task)
    return runs(
        "v",
        [f"task-{number:03}" for number in task],
        time=scale * rng.lognormal(0, 0.4, n),
        cost=scale * rng.lognormal(0, 0.2, n),
        success=(rng.random(n) < chance).tolist(),
        routed=(rng.random(n) < chance).tolist(),
    )


def estimates(columns: Columns, scope: str) -> dict[str, Estimate]:
    return summarize_version("v", cells_of(columns), scope=scope).estimates


def clustered(values: NDArray[Any], task: NDArray[Any]) -> tuple[float, float]:
    """The interval of a mean by least squares with clusters."""
    codes = np.unique(task.astype(str), return_inverse=True)[1]
    fit = sm.OLS(values.astype(float), np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": codes}, use_t=True
    )
    low, high = fit.conf_int()[0]
    return float(low), float(high)


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.interval is not None
    assert estimate.interval.low is not None
    assert estimate.interval.high is not None
    return estimate.interval.low, estimate.interval.high


@pytest.mark.parametrize("seed", range(3))
def test_with_as_many_runs_of_each_task_scope_tasks_is_that_of_clustered_least_squares(seed: int) -> None:
    columns = drawn(seed, [4] * 30)
    found = estimates(columns, "tasks")
    task = columns["task_id"]
    assert ends(found["mean"]) == pytest.approx(clustered(columns["execution_time"], task))
    assert ends(found["mean_cost"]) == pytest.approx(clustered(columns["cost"], task))
    assert ends(found["success_rate"]) == pytest.approx(clustered(columns["success"], task))
    right = columns["agent_selected"] == columns["expected_agent"]
    assert ends(found["routing_accuracy"]) == pytest.approx(clustered(right, task))
    logs = clustered(np.log(columns["execution_time"]), task)
    assert ends(found["geometric_mean"]) == pytest.approx(np.exp(logs))


def test_tau_bench_has_the_interval_that_the_tasks_give_it() -> None:
    """Fifty tasks of four trials each, 42% solved, with the standard error and interval of least squares."""
    solved = [0] * 14 + [1] * 13 + [2] * 7 + [3] * 6 + [4] * 10
    columns = runs(
        "v",
        [f"task-{i:02}" for i in range(50) for _ in range(4)],
        success=[k < hits for hits in solved for k in range(4)],
    )
    found = estimates(columns, "tasks")["success_rate"]
    assert ends(found) == pytest.approx(clustered(columns["success"], columns["task_id"]), abs=1e-9)
    plain, suite = (
        stats.binomtest(sum(solved), 200).proportion_ci(method="wilson"),
        ends(estimates(columns, "suite")["success_rate"]),
    )
    assert suite[1] - suite[0] < plain.high - plain.low < ends(found)[1] - ends(found)[0]


def test_tasks_of_unequal_runs_have_bell_and_mccaffreys_variance_and_freedom() -> None:
    """By the matrices of their definition, of least squares on a constant with independent runs."""
    sizes = [1, 2, 3, 5, 8, 40]
    columns = drawn(5, sizes)
    y, codes = columns["execution_time"], np.repeat(np.arange(6), sizes)
    n = len(y)
    hat, residuals = np.full((n, n), 1 / n), y - y.mean()
    rows = []
    for g in range(6):
        own = codes == g
        annihilator = (np.eye(n) - hat)[np.ix_(own, own)]
        values, vectors = np.linalg.eigh(annihilator)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        rows.append((np.eye(n) - hat)[:, own] @ root @ np.full(own.sum(), 1 / n))
    stacked = np.array(rows)
    variance = float(((stacked @ y) ** 2).sum())
    products = stacked @ stacked.T
    freedom = np.trace(products) ** 2 / (products**2).sum()
    assert residuals.mean() == pytest.approx(0, abs=1e-12)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    low, high = ends(estimates(columns, "tasks")["mean"])
    assert high - y.mean() == pytest.approx(reach)
    assert low == pytest.approx(max(0.0, y.mean() - reach))


def test_scope_suite_is_a_stratified_welch() -> None:
    sizes = [2, 3, 5, 8]
    columns = drawn(6, sizes)
    y, codes, n = columns["execution_time"], np.repeat(np.arange(4), sizes), sum(sizes)
    parts = [(m / n) ** 2 * y[codes == g].var(ddof=1) / m for g, m in enumerate(sizes)]
    freedom = sum(parts) ** 2 / sum(part**2 / (m - 1) for part, m in zip(parts, sizes, strict=True))
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert ends(estimates(columns, "suite")["mean"])[1] - y.mean() == pytest.approx(reach)


def test_tasks_that_ran_once_each_have_the_usual_intervals_in_both_scopes() -> None:
    columns = drawn(7, [1] * 40)
    y = columns["execution_time"]
    usual = stats.t.interval(0.95, 39, y.mean(), stats.sem(y))
    for scope in ("suite", "tasks"):
        found = estimates(columns, scope)
        assert ends(found["mean"]) == pytest.approx(usual)
    rate = stats.binomtest(int(columns["success"].sum()), 40).proportion_ci(method="wilson")
    assert ends(estimates(columns, "suite")["success_rate"]) == pytest.approx((rate.low, rate.high))


def test_pooled_cells_are_tasks_that_ran_once() -> None:
    """A store pools the tasks of which there is one run, as it cannot give a cell to each text."""
    columns = drawn(8, [1] * 25 + [4] * 5)
    pooled = summarize_version("v", cells_of(columns))
    assert any(cell.task_id is None for cell in cells_of(columns).cells)
    y, codes = columns["execution_time"], np.r_[np.arange(25), np.repeat(np.arange(25, 30), 4)]
    singles = y[:25]
    parts = [(25 / 45) ** 2 * singles.var(ddof=1) / 25] + [
        (4 / 45) ** 2 * y[codes == g].var(ddof=1) / 4 for g in range(25, 30)
    ]
    freedom = sum(parts) ** 2 / sum(part**2 / f for part, f in zip(parts, [24, 3, 3, 3, 3, 3], strict=True))
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert ends(pooled.estimates["mean"])[1] - y.mean() == pytest.approx(reach)


@pytest.mark.parametrize(("tasks", "repeats"), [(13, 5), (50, 4), (20, 50)])
def test_intervals_hold_the_truth_about_these_tasks_and_about_others(tasks: int, repeats: int) -> None:
    rng = np.random.default_rng(9)
    held = dict.fromkeys(("suite rate", "tasks rate", "suite mean", "tasks mean"), 0)
    for _ in range(150):
        chance, scale = rng.beta(1, 1, tasks), rng.uniform(1, 60, tasks)
        task = np.repeat(np.arange(tasks), repeats)
        columns = runs(
            "v",
            [f"task-{number:02}" for number in task],
            time=scale[task] * rng.lognormal(-0.125, 0.5, len(task)),
            success=(rng.random(len(task)) < chance[task]).tolist(),
        )
        truths = {"suite": (chance.mean(), scale.mean()), "tasks": (0.5, 30.5)}
        for scope, (rate, mean) in truths.items():
            found = estimates(columns, scope)
            for name, figure, truth in (("rate", "success_rate", rate), ("mean", "mean", mean)):
                low, high = ends(found[figure])
                held[f"{scope} {name}"] += low <= truth <= high
    for name, count in held.items():
        assert stats.binomtest(count, 150, 0.93, "less").pvalue > 0.001, (name, count)


@pytest.mark.parametrize("scope", ["suite", "tasks"])
@pytest.mark.parametrize("success", [True, False])
def test_an_interval_always_has_a_width(scope: str, success: bool) -> None:
    columns = runs("v", [f"task-{i}" for i in range(5) for _ in range(3)], success=[success] * 15)
    low, high = ends(estimates(columns, scope)["success_rate"])
    assert 0 <= low < high <= 1
    assert (high == 1) if success else (low == 0)


@pytest.mark.parametrize("scope", ["suite", "tasks"])
def test_one_run_of_one_task_has_no_interval_of_its_mean(scope: str) -> None:
    assert estimates(runs("v", ["t"], time=[2.0]), scope)["mean"].interval is None


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(InvalidQueryError, match="scope: expected one of suite, tasks"):
        summarize_version("v", Cells(), scope="all")
