from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from benchmark_recorder.analysis.evidence import Fixed, Point, Student
from benchmark_recorder.analysis.means import geometric, geometric_by_task, sums
from benchmark_recorder.analysis.metrics import Pair, Strata
from benchmark_recorder.cells import Moments

Values = NDArray[np.float64]


def moments(values: Values | list[float]) -> Moments:
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return Moments()
    return Moments(len(array), float(array.mean()), float(((array - array.mean()) ** 2).sum()))


def strata_of(pairs: list[tuple[Values, Values]]) -> Strata[Moments]:
    return Strata(
        tuple(Pair(f"t{i}", moments(a), moments(b)) for i, (a, b) in enumerate(pairs)),
        moments(np.concatenate([a for a, _ in pairs])),
        moments(np.concatenate([b for _, b in pairs])),
    )


def unmatched(a: Values, b: Values) -> Strata[Moments]:
    return Strata((), moments(a), moments(b))


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 50), st.integers(2, 50))
def test_unmatched_runs_are_compared_by_welchs_t_on_logarithms(seed: int, n1: int, n2: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, n1), rng.normal(0.2, 1.5, n2)
    evidence = geometric(unmatched(a, b), "suite")
    oracle = stats.ttest_ind(b, a, equal_var=False)
    assert isinstance(evidence, Student)
    assert evidence.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert evidence.freedom == pytest.approx(oracle.df, rel=1e-9)
    assert evidence.limits(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-8, abs=1e-12)


@given(seeds)
def test_one_sided_tests_at_any_bound_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, 8), rng.normal(0.2, 1.5, 11)
    evidence = geometric(unmatched(a, b), "suite")
    assert evidence is not None
    for bound in (-0.3, 0.0, 0.4):
        above = stats.ttest_ind(b - bound, a, equal_var=False, alternative="greater").pvalue
        assert evidence.above(bound) == pytest.approx(above, rel=1e-8)
        assert evidence.below(bound) == pytest.approx(1 - above, rel=1e-8)


@given(seeds, st.integers(2, 20))
def test_one_task_with_repeats_is_compared_by_welchs_t(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, n), rng.normal(0.2, 1.5, n + 1)
    evidence = geometric(strata_of([(a, b)]), "suite")
    assert evidence is not None
    assert evidence.p_value == pytest.approx(stats.ttest_ind(b, a, equal_var=False).pvalue, rel=1e-9)


@given(seeds, st.integers(2, 20))
def test_tasks_of_one_run_are_compared_by_the_paired_t(seed: int, tasks: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, tasks), rng.normal(0.2, 1.5, tasks)
    for scope in ("suite", "tasks"):
        evidence = geometric(strata_of([(a[[i]], b[[i]]) for i in range(tasks)]), scope)
        oracle = stats.ttest_rel(b, a)
        assert evidence is not None
        assert evidence.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
        assert evidence.limits(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-8)


@given(seeds, st.integers(2, 9), st.integers(2, 6))
def test_the_scope_tasks_is_the_t_over_the_tasks_means(seed: int, tasks: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, (tasks, repeats)), rng.normal(0.2, 1.5, (tasks, repeats))
    evidence = geometric(strata_of(list(zip(a, b, strict=True))), "tasks")
    assert evidence is not None
    assert evidence.p_value == pytest.approx(stats.ttest_rel(b.mean(1), a.mean(1)).pvalue, rel=1e-9)


@given(seeds, st.integers(2, 9), st.integers(2, 6))
def test_the_scope_suite_has_the_error_of_the_runs_within_the_tasks(seed: int, tasks: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, (tasks, repeats)), rng.normal(0.2, 1.5, (tasks, repeats))
    evidence = geometric(strata_of(list(zip(a, b, strict=True))), "suite")
    parts = np.concatenate([a.var(1, ddof=1), b.var(1, ddof=1)]) / repeats / tasks**2
    assert isinstance(evidence, Student)
    assert evidence.estimate == pytest.approx((b.mean(1) - a.mean(1)).mean())
    assert evidence.error == pytest.approx(math.sqrt(parts.sum()))
    assert evidence.freedom == pytest.approx(parts.sum() ** 2 / (parts**2 / (repeats - 1)).sum())


def test_a_task_that_ran_once_takes_the_pooled_variance_of_its_side() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(0, 1, 4), rng.normal(0, 1, 4)) for _ in range(5)]
    pairs[2] = (pairs[2][0][:1], pairs[2][1])
    evidence = geometric_by_task(strata_of(pairs), "suite")
    others = [a for i, (a, _) in enumerate(pairs) if i != 2]
    pooled = np.mean([a.var(ddof=1) for a in others])
    variance = sum(a.var(ddof=1) / 4 for a in others) + pooled + sum(b.var(ddof=1) / 4 for _, b in pairs)
    assert isinstance(evidence, Student)
    assert evidence.error == pytest.approx(math.sqrt(variance) / 5)
    assert evidence.freedom < 15 + 12


@given(seeds, st.integers(2, 40))
def test_the_ratio_of_mean_costs_has_the_error_of_the_delta_method(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.5, n), rng.lognormal(0.3, 0.3, n + 3)
    evidence = sums(unmatched(a, b), "suite")
    va, vb = a.var(ddof=1) / n / a.mean() ** 2, b.var(ddof=1) / (n + 3) / b.mean() ** 2
    assert isinstance(evidence, Student)
    assert math.exp(evidence.estimate) == pytest.approx(b.mean() / a.mean())
    assert evidence.error == pytest.approx(math.sqrt(va + vb))
    assert evidence.freedom == pytest.approx((va + vb) ** 2 / (va**2 / (n - 1) + vb**2 / (n + 2)))


@given(seeds, st.integers(2, 8), st.integers(2, 6))
def test_the_ratio_of_sums_over_tasks_has_the_error_of_the_delta_method(seed: int, tasks: int, repeats: int) -> None:
    rng = np.random.default_rng(seed)
    scale = rng.lognormal(0, 2, (tasks, 1))
    a, b = rng.lognormal(0, 0.5, (tasks, repeats)) * scale, rng.lognormal(0, 0.3, (tasks, repeats)) * scale
    evidence = sums(strata_of(list(zip(a, b, strict=True))), "suite")
    parts = np.concatenate([side.var(1, ddof=1) / repeats / side.mean(1).sum() ** 2 for side in (a, b)])
    assert isinstance(evidence, Student)
    assert math.exp(evidence.estimate) == pytest.approx(b.mean(1).sum() / a.mean(1).sum())
    assert evidence.error == pytest.approx(math.sqrt(parts.sum()))
    assert evidence.freedom == pytest.approx(parts.sum() ** 2 / (parts**2 / (repeats - 1)).sum())


@given(seeds, st.integers(3, 12))
def test_the_ratio_of_sums_of_single_runs_has_the_error_and_freedom_of_its_quadratic_form(seed: int, k: int) -> None:
    """The residuals' matrix written out: its trace frees the variance of bias, its square's gives the freedom."""
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0, 1, k)
    b = a * rng.lognormal(0.1, 0.3, k)
    evidence = sums(strata_of([(a[[i]], b[[i]]) for i in range(k)]), "suite")
    left, right = a / a.sum(), b / b.sum()
    weights = (left + right) / 2
    centring = np.eye(k) - np.outer(np.ones(k), weights)
    form = centring.T @ np.diag(weights**2) @ centring
    assert isinstance(evidence, Student)
    variance = ((right - left) ** 2).sum() * (weights**2).sum() / np.trace(form)
    assert evidence.error == pytest.approx(math.sqrt(variance), rel=1e-6)
    assert evidence.freedom == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-6)
    assert math.exp(evidence.estimate) == pytest.approx(b.sum() / a.sum())


@given(seeds, st.integers(3, 12))
def test_the_ratio_of_sums_of_tasks_of_one_price_is_the_paired_ratio_estimator(seed: int, k: int) -> None:
    """The delta method by the gradient of log(sum b / sum a) and the sample covariance."""
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 1e-4, k), rng.lognormal(0.1, 1e-4, k)
    evidence = sums(strata_of([(a[[i]], b[[i]]) for i in range(k)]), "suite")
    gradient = np.array([-1 / a.mean(), 1 / b.mean()])
    assert isinstance(evidence, Student)
    assert evidence.error == pytest.approx(math.sqrt(gradient @ np.cov(a, b) @ gradient / k), rel=1e-3)
    assert evidence.freedom == pytest.approx(k - 1, rel=1e-3)


@given(seeds, st.floats(-20, 20), st.floats(-20, 20))
def test_other_units_change_nothing_but_the_ratio(seed: int, left: float, right: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.5, (4, 3)), rng.lognormal(0, 0.5, (4, 3))
    one = sums(strata_of(list(zip(a, b, strict=True))), "suite")
    other = sums(strata_of(list(zip(a * math.exp(left), b * math.exp(right), strict=True))), "suite")
    assert isinstance(one, Student)
    assert isinstance(other, Student)
    assert other.estimate - one.estimate == pytest.approx(right - left, abs=1e-8)
    assert other.error == pytest.approx(one.error, rel=1e-8)


def test_runs_that_never_vary_are_judged_by_the_number_of_ways_to_split_them() -> None:
    same = [(np.zeros(2), np.full(2, 0.5))] * 3
    evidence = geometric(strata_of(same), "suite")
    assert isinstance(evidence, Fixed)
    assert evidence.p_value == pytest.approx(2 / 6**3)
    assert evidence.limits(0.95) is None
    assert evidence.above(0.4) == pytest.approx(1 / 6**3)
    assert evidence.above(0.6) == 1


def test_equal_runs_that_never_vary_show_no_change() -> None:
    evidence = geometric(strata_of([(np.zeros(10), np.zeros(10))] * 13), "suite")
    assert isinstance(evidence, Fixed)
    assert evidence.p_value == 1
    assert max(evidence.above(-0.01), evidence.below(0.01)) < 1e-9


def test_fixed_times_that_differ_by_task_are_compared_over_the_tasks() -> None:
    rng = np.random.default_rng(5)
    pairs = [(np.full(3, x), np.full(3, y)) for x, y in rng.normal(0, 1, (6, 2))]
    evidence = geometric(strata_of(pairs), "suite")
    assert isinstance(evidence, Student)
    assert evidence.freedom == 5


@pytest.mark.parametrize("values", [([1.0], [2.0]), ([1.0], [2.0, 3.0]), ([1.0, 2.0], [3.0])])
def test_a_single_run_of_a_task_and_side_is_no_evidence(values: tuple[list[float], list[float]]) -> None:
    a, b = (np.array(side) for side in values)
    for evidence in (
        geometric(strata_of([(a, b)]), "suite"),
        sums(strata_of([(a, b)]), "suite"),
        geometric(unmatched(a, b), "suite"),
    ):
        assert isinstance(evidence, Point)
        assert evidence.limits(0.95) is None
        assert min(evidence.above(-math.inf), evidence.below(math.inf)) == 1


def test_what_costs_nothing_has_no_ratio() -> None:
    zero, some = np.zeros(5), np.arange(1.0, 6.0)
    assert sums(unmatched(zero, some), "suite") is None
    assert sums(unmatched(some, zero), "suite") is None
    assert sums(strata_of([(zero, some)]), "suite") is None


def test_a_free_task_among_others_that_cost_is_taken_along() -> None:
    rng = np.random.default_rng(1)
    pairs = [(rng.lognormal(size=3), rng.lognormal(size=3)) for _ in range(3)] + [(np.zeros(3), np.zeros(1))]
    evidence = sums(strata_of(pairs), "suite")
    assert isinstance(evidence, Student)
    assert math.isfinite(evidence.freedom)
