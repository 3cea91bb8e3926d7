from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from benchmark_recorder.analysis.evidence import Both, Fixed, Point, Student
from benchmark_recorder.analysis.fieller import Fieller
from benchmark_recorder.analysis.means import geometric, geometric_by_task, singles_left_out, sums
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


@given(seeds, st.integers(5, 50), st.integers(5, 50))
def test_unmatched_runs_are_compared_by_welchs_t_on_logarithms(seed: int, n1: int, n2: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, n1), rng.normal(0.2, 1.5, n2)
    evidence = geometric(unmatched(a, b), "suite")
    oracle = stats.ttest_ind(b, a, equal_var=False)
    assert isinstance(evidence, Student)
    assert evidence.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert evidence.freedom == pytest.approx(oracle.df, rel=1e-9)
    assert evidence.limits(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)), rel=1e-8, abs=1e-12)


@given(seeds, st.integers(2, 4), st.integers(2, 300))
def test_a_side_of_few_runs_has_at_most_the_freedom_of_runs_that_vary_alike(seed: int, n1: int, n2: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.5, n1), rng.normal(0.2, 1.5, n2)
    evidence = geometric(unmatched(a, b), "suite")
    alike = (1 / n1 + 1 / n2) ** 2 / (1 / n1**2 / (n1 - 1) + 1 / n2**2 / (n2 - 1))
    oracle = stats.ttest_ind(b, a, equal_var=False)
    assert isinstance(evidence, Student)
    assert evidence.freedom == pytest.approx(min(oracle.df, alike), rel=1e-9)
    assert evidence.error == pytest.approx(float(oracle.statistic**-1 * evidence.estimate), rel=1e-9)


@pytest.mark.parametrize(("n1", "n2"), [(2, 200), (3, 300), (2, 10), (200, 2)])
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_an_unchanged_task_with_few_runs_on_one_side_is_seldom_a_change(n1: int, n2: int, spread: float) -> None:
    rng = np.random.default_rng(n1)
    false = 0
    for _ in range(400):
        evidence = geometric(strata_of([(rng.normal(0, spread, n1), rng.normal(0, 1, n2))]), "suite")
        assert evidence is not None
        false += evidence.p_value < 0.05
    assert stats.binomtest(false, 400, 0.05, "greater").pvalue > 0.01


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


@given(seeds, st.integers(5, 20))
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


def with_singles(
    rng: np.random.Generator, repeated: int, singles: int, noise: float = 1.0
) -> list[tuple[Values, Values]]:
    """Tasks with four runs a side, and tasks with one in the candidate and with one or four in the baseline."""
    several = [(rng.normal(0, 1, 4), rng.normal(0, 1, 4)) for _ in range(repeated)]
    return several + [(rng.normal(0, noise, 1 + 3 * (i % 2)), rng.normal(0, noise, 1)) for i in range(singles)]


@given(seeds, st.integers(1, 8), st.integers(4, 8))
def test_tasks_that_ran_once_bring_the_spread_of_their_own_differences(seed: int, repeated: int, singles: int) -> None:
    pairs = with_singles(np.random.default_rng(seed), repeated, singles)
    evidence = geometric_by_task(strata_of(pairs), "suite")
    several, once = pairs[:repeated], pairs[repeated:]
    parts = [side.var(ddof=1) / 4 for pair in several for side in pair]
    spread = singles * np.var([b.mean() - a.mean() for a, b in once], ddof=1)
    assert isinstance(evidence, Student)
    assert evidence.estimate == pytest.approx(np.mean([b.mean() - a.mean() for a, b in pairs]))
    assert evidence.error == pytest.approx(math.sqrt(sum(parts) + spread) / (repeated + singles))
    squares = sum(part**2 / 3 for part in parts) + spread**2 / (singles - 1)
    assert evidence.freedom == pytest.approx((sum(parts) + spread) ** 2 / squares)


@pytest.mark.parametrize("singles", [1, 2, 3])
def test_fewer_than_four_tasks_that_ran_once_are_left_out(singles: int) -> None:
    pairs = with_singles(np.random.default_rng(singles), 5, singles)
    for method in (geometric, sums):
        with_them = method(strata_of([(np.exp(a), np.exp(b)) for a, b in pairs]), "suite")
        without = method(strata_of([(np.exp(a), np.exp(b)) for a, b in pairs[:5]]), "suite")
        assert with_them == without
    strata = strata_of(pairs)
    assert [pair.task_id for pair in singles_left_out(strata, "suite")] == [f"t{5 + i}" for i in range(singles)]
    assert singles_left_out(strata, "tasks") == ()
    assert singles_left_out(strata_of(pairs[5:]), "suite") == ()


@pytest.mark.parametrize("noise", [0.2, 0.8])
@pytest.mark.parametrize("singles", [2, 4, 6])
def test_calm_tasks_that_repeat_lend_nothing_to_noisy_ones_that_ran_once(noise: float, singles: int) -> None:
    rng = np.random.default_rng(singles)
    false = {"time": 0, "cost": 0}
    for _ in range(400):
        logs = [(rng.normal(0, 0.2, 5), rng.normal(0, 0.2, 5)) for _ in range(7)]
        logs += [(rng.normal(0, noise, 1), rng.normal(0, noise, 1)) for _ in range(singles)]
        time, cost = (
            geometric(strata_of(logs), "suite"),
            sums(strata_of([(np.exp(a), np.exp(b)) for a, b in logs]), "suite"),
        )
        assert time is not None
        assert cost is not None
        false["time"] += time.p_value < 0.05
        false["cost"] += cost.p_value < 0.05
    assert all(stats.binomtest(n, 400, 0.06, "greater").pvalue > 0.01 for n in false.values()), false


# Costs ----------------------------------------------------------------------------------------------------------------


def fiellers_t(a: list[Values], b: list[Values], log_ratio: float) -> tuple[float, float]:
    """Statistic and degrees of freedom of one ratio, each sum of means from its own runs."""
    ratio = math.exp(log_ratio)
    sides = [(1.0, values) for values in b] + [(ratio, values) for values in a]
    parts = [(factor**2 * values.var(ddof=1) / len(values), len(values) - 1) for factor, values in sides]
    whole = sum(part for part, _ in parts)
    difference = sum(float(values.mean()) for values in b) - ratio * sum(float(values.mean()) for values in a)
    return difference / math.sqrt(whole), whole**2 / sum(part**2 / freedom for part, freedom in parts)


@given(seeds, st.integers(1, 8), st.integers(2, 6), st.floats(-1, 1))
def test_the_ratio_of_sums_is_tested_by_welchs_t_on_the_difference(
    seed: int, tasks: int, repeats: int, bound: float
) -> None:
    rng = np.random.default_rng(seed)
    scale = rng.lognormal(0, 2, (tasks, 1))
    a, b = rng.lognormal(0, 0.5, (tasks, repeats)) * scale, rng.lognormal(0, 0.3, (tasks, repeats)) * scale
    evidence = sums(strata_of(list(zip(a, b, strict=True))), "suite")
    assert isinstance(evidence, Fieller)
    assert math.exp(evidence.estimate) == pytest.approx(b.mean(1).sum() / a.mean(1).sum())
    t, freedom = fiellers_t(list(a), list(b), bound)
    assert evidence.above(bound) == pytest.approx(stats.t.sf(t, freedom), rel=1e-6, abs=1e-12)
    assert evidence.below(bound) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-6, abs=1e-12)
    delta = [side.var(1, ddof=1) / repeats / side.mean(1).sum() ** 2 for side in (a, b)]
    assert evidence.error == pytest.approx(math.sqrt(sum(part.sum() for part in delta)))


@given(seeds, st.integers(5, 40))
def test_one_cost_a_side_is_compared_as_scipy_compares_means(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.5, n), rng.lognormal(0.3, 0.3, n)
    evidence = sums(unmatched(a, b), "suite")
    assert evidence is not None
    assert evidence.p_value == pytest.approx(stats.ttest_ind(b, a, equal_var=False).pvalue, rel=1e-6)


@given(seeds, st.integers(1, 8), st.integers(2, 9), st.integers(2, 9), st.floats(0.1, 2))
def test_the_interval_of_a_ratio_of_sums_is_what_its_test_does_not_refuse(
    seed: int, tasks: int, n1: int, n2: int, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    evidence = sums(
        strata_of([(rng.lognormal(0, spread, n1), rng.lognormal(0, spread, n2)) for _ in range(tasks)]), "suite"
    )
    assert evidence is not None
    low, high = evidence.limits(0.90) or (-math.inf, math.inf)
    assert low <= evidence.estimate <= high
    assert evidence.above(low) == pytest.approx(0.05, abs=1e-6) if math.isfinite(low) else evidence.above(-60) >= 0.05
    assert evidence.below(high) == pytest.approx(0.05, abs=1e-6) if math.isfinite(high) else evidence.below(60) >= 0.05


def test_few_runs_without_the_rare_expensive_ones_take_the_variance_of_the_many() -> None:
    rng = np.random.default_rng(1)
    a, b = np.where(rng.random(100) < 0.1, 100.0, 1.0), np.array([1.0, 1.1, 0.9])
    evidence = sums(strata_of([(a, b)]), "suite")
    assert evidence is not None
    assert stats.ttest_ind(b, a, equal_var=False).pvalue < 0.01
    pooled = stats.ttest_ind(b, a, equal_var=True)
    assert evidence.p_value == pytest.approx(pooled.pvalue, rel=0.1)


TAILS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Values]] = {
    "log-sd 1": lambda rng, shape: rng.lognormal(0, 1, shape),
    "log-sd 2": lambda rng, shape: rng.lognormal(0, 2, shape),
    "Pareto 1.1": lambda rng, shape: 1 + rng.pareto(1.1, shape),
    "1 in 50 costs 100 times as much": lambda rng, shape: (
        np.where(rng.random(shape) < 0.02, 100.0, 1.0) * rng.lognormal(0, 0.2, shape)
    ),
    "98% cost nothing": lambda rng, shape: np.where(rng.random(shape) < 0.02, 1.0, 0.0) * rng.lognormal(0, 0.5, shape),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize(("n1", "n2"), [(5, 5), (10, 10), (20, 20), (5, 20), (3, 60)])
def test_an_unchanged_cost_is_seldom_a_change_however_heavy_its_tail(tail: str, n1: int, n2: int) -> None:
    rng = np.random.default_rng(n1 + n2)
    scale = np.geomspace(1, 60, 13)[:, None]
    false = refused = 0
    for _ in range(200):
        a, b = TAILS[tail](rng, (13, n1)) * scale, TAILS[tail](rng, (13, n2)) * scale
        evidence = sums(strata_of(list(zip(a, b, strict=True))), "suite")
        false += evidence is not None and evidence.p_value < 0.05
        refused += evidence is None or evidence.limits(0.95) is None
    assert stats.binomtest(false, 200, 0.05, "greater").pvalue > 0.01
    assert tail != "log-sd 1" or refused <= 0.05 * 200


@given(seeds, st.integers(3, 12), st.floats(-1, 1))
def test_the_ratio_of_sums_of_single_runs_has_the_error_and_freedom_of_its_quadratic_form(
    seed: int, k: int, bound: float
) -> None:
    """The residuals' matrix written out: its trace frees the variance of bias, its square's gives the freedom."""
    rng = np.random.default_rng(seed)
    a = rng.lognormal(0, 1, k)
    b = a * rng.lognormal(0.1, 0.3, k)
    evidence = sums(strata_of([(a[[i]], b[[i]]) for i in range(k)]), "suite")
    left, right = a / a.sum(), b / b.sum()
    weights = (left + right) / 2
    centring = np.eye(k) - np.outer(weights, np.ones(k))
    form = centring @ np.diag(weights**2) @ centring.T
    ratio = math.exp(bound) * a.sum() / b.sum()
    residuals = centring @ (right - ratio * left)
    error = math.sqrt((residuals**2).sum() * (weights**2).sum() / np.trace(form))
    freedom = np.trace(form) ** 2 / np.trace(form @ form)
    assert isinstance(evidence, Fieller)
    assert evidence.freedom == pytest.approx(freedom, rel=1e-6)
    assert evidence.above(bound) == pytest.approx(stats.t.sf((1 - ratio) / error, freedom), rel=1e-6)
    assert math.exp(evidence.estimate) == pytest.approx(b.sum() / a.sum())


@given(seeds, st.integers(3, 12))
def test_the_ratio_of_sums_of_tasks_of_one_price_is_the_paired_ratio_estimator(seed: int, k: int) -> None:
    """The delta method by the gradient of log(sum b / sum a) and the sample covariance."""
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 1e-4, k), rng.lognormal(0.1, 1e-4, k)
    evidence = sums(strata_of([(a[[i]], b[[i]]) for i in range(k)]), "suite")
    gradient = np.array([-1 / a.mean(), 1 / b.mean()])
    assert isinstance(evidence, Fieller)
    assert evidence.error == pytest.approx(math.sqrt(gradient @ np.cov(a, b) @ gradient / k), rel=1e-3)
    assert evidence.freedom == pytest.approx(k - 1, rel=1e-3)


@given(seeds, st.floats(-20, 20), st.floats(-20, 20))
def test_other_units_change_nothing_but_the_ratio(seed: int, left: float, right: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.lognormal(0, 0.5, (4, 3)), rng.lognormal(0, 0.5, (4, 3))
    one = sums(strata_of(list(zip(a, b, strict=True))), "suite")
    other = sums(strata_of(list(zip(a * math.exp(left), b * math.exp(right), strict=True))), "suite")
    assert isinstance(one, Fieller)
    assert isinstance(other, Fieller)
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
    assert isinstance(evidence, Fieller | Both)
