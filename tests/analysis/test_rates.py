from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_oracle
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmark_recorder.analysis.evidence import wilson
from benchmark_recorder.analysis.metrics import Counts, Pair, Strata
from benchmark_recorder.analysis.rate_ratios import rate_ratio
from benchmark_recorder.analysis.rates import (
    PairedTable,
    _sato,
    collapsed,
    independent,
    mantel_haenszel,
    mcnemar,
    paired,
    paired_table,
    rate_difference,
    weigh,
)

Z = 1.959963984540054

counts = st.integers(1, 60).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
tables = st.builds(PairedTable, *[st.integers(0, 30)] * 4).filter(lambda table: table.n > 0)


def strata_of(*pairs: tuple[Counts, Counts]) -> Strata[Counts]:
    left, right = Counts.together([a for a, _ in pairs]), Counts.together([b for _, b in pairs])
    return Strata(tuple(Pair(f"t{i}", a, b) for i, (a, b) in enumerate(pairs)), left, right)


@given(counts)
def test_wilsons_interval_is_that_of_statsmodels(sample: Counts) -> None:
    expected = proportion_confint(sample.hits, sample.n, method="wilson")
    assert wilson(sample.hits, sample.n, Z) == pytest.approx(expected, abs=1e-12)


def test_no_failure_in_many_runs_still_leaves_room_for_one() -> None:
    low, high = wilson(0, 1000, Z)
    assert low == 0
    assert 0.003 < high < 0.005


@given(counts, counts)
def test_newcombes_interval_for_independent_rates_is_that_of_statsmodels(left: Counts, right: Counts) -> None:
    limits = independent(left, right).limits(0.95)
    expected = confint_proportions_2indep(right.hits, right.n, left.hits, left.n, compare="diff", method="newcomb")
    assert limits == pytest.approx(expected, abs=1e-9)


@given(counts, counts)
def test_fishers_mid_p_is_the_hypergeometric_tail_with_half_of_what_was_seen(left: Counts, right: Counts) -> None:
    null = stats.hypergeom(left.n + right.n, left.hits + right.hits, right.n)
    evidence = independent(left, right)
    half = null.pmf(right.hits) / 2
    assert evidence.above(0) == pytest.approx(null.sf(right.hits) + half, abs=1e-10)
    assert evidence.below(0) == pytest.approx(null.cdf(right.hits - 1) + half, abs=1e-10)


def test_fishers_test_holds_for_a_million_runs() -> None:
    left, right = Counts(1_000_000, 50_000), Counts(1_000_000, 50_700)
    pooled = 100_700 / 2_000_000
    z = 0.0007 / math.sqrt(pooled * (1 - pooled) * 2e-6)
    assert independent(left, right).p_value == pytest.approx(2 * stats.norm.sf(z), rel=1e-2)


@given(tables)
def test_mcnemars_mid_p_is_the_exact_one_less_the_probability_of_what_was_seen(table: PairedTable) -> None:
    a, b, c, d = table
    exact = mcnemar_oracle([[a, b], [c, d]], exact=True).pvalue
    seen = stats.binom(b + c, 0.5).pmf(min(b, c)) if b != c else 0.0
    assert paired(table).p_value == pytest.approx(exact - seen, abs=1e-12)


# Published: Cavo et al. 2012 and Bentur et al. 2009, as analysed by Fagerland, Lydersen & Laake; Newcombe 1998.


def test_mcnemars_mid_p_is_the_published_one() -> None:
    assert paired(PairedTable(59, 16, 6, 80)).p_value == pytest.approx(0.034690, abs=5e-7)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [(PairedTable(1, 7, 1, 12), -0.5069, -0.0256), (PairedTable(36, 2, 12, 0), 0.0569, 0.3404)],
)
def test_newcombes_paired_interval_is_the_published_one(table: PairedTable, low: float, high: float) -> None:
    assert paired(table).limits(0.95) == pytest.approx((low, high), abs=5e-5)


@given(tables)
def test_a_paired_interval_has_width_and_holds_its_point(table: PairedTable) -> None:
    evidence = paired(table)
    limits = evidence.limits(0.95)
    assert limits is not None
    assert -1 <= limits[0] <= evidence.estimate <= limits[1] <= 1
    assert limits[0] < limits[1]


@given(tables)
def test_both_one_sided_mid_p_values_add_up_to_one(table: PairedTable) -> None:
    assert sum(mcnemar(table)) == pytest.approx(1)


@given(tables)
def test_mantel_haenszel_on_single_runs_is_mcnemars_test(table: PairedTable) -> None:
    a, b, c, d = table
    outcomes = [(1, 1)] * a + [(1, 0)] * b + [(0, 1)] * c + [(0, 0)] * d
    pairs = [Pair("t", Counts(1, x), Counts(1, y)) for x, y in outcomes]
    evidence = mantel_haenszel(weigh(pairs, once=False))
    if not b + c:
        assert evidence is None
        return
    assert evidence is not None
    assert evidence.estimate == pytest.approx((c - b) / table.n)
    expected = mcnemar_oracle([[a, b], [c, d]], exact=False, correction=False).pvalue
    assert evidence.p_value == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("n1", "n2", "rate", "change"), [(1, 1, 0.3, 0.2), (2, 5, 0.4, 0.3), (7, 3, 0.8, -0.4)])
def test_satos_variance_is_right_on_average(n1: int, n2: int, rate: float, change: float) -> None:
    """The mean over all outcomes of one task, weighted by their probabilities, against the true variance."""
    truth = rate * (1 - rate) / n1 + (rate + change) * (1 - rate - change) / n2
    p1, p2 = stats.binom(n1, rate), stats.binom(n2, rate + change)
    mean = 0.0
    for x1, x2 in itertools.product(range(n1 + 1), range(n2 + 1)):
        (stratum,) = weigh([Pair("t", Counts(n1, x1), Counts(n2, x2))], once=False)
        slope, base = _sato(stratum)
        mean += p1.pmf(x1) * p2.pmf(x2) * (change * slope + base) / stratum.weight**2
    assert mean == pytest.approx(truth, rel=1e-9)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=8))
def test_the_interval_of_the_difference_is_what_its_test_does_not_refuse(
    pairs: list[tuple[Counts, Counts]],
) -> None:
    evidence = rate_difference(strata_of(*pairs), "suite", once=False)
    assert evidence is not None
    limits = evidence.limits(0.90)
    assert limits is not None
    low, high = limits
    assert low < high
    if -0.999 < low < evidence.estimate - 1e-6 and low != 0:
        assert evidence.above(low) == pytest.approx(0.05, abs=1e-6)
    if evidence.estimate + 1e-6 < high < 0.999 and high != 0:
        assert evidence.below(high) == pytest.approx(0.05, abs=1e-6)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=8), st.sampled_from(["suite", "tasks"]))
def test_swapping_the_versions_mirrors_the_difference(pairs: list[tuple[Counts, Counts]], scope: str) -> None:
    there = rate_difference(strata_of(*pairs), scope, once=True)
    back = rate_difference(strata_of(*[(b, a) for a, b in pairs]), scope, once=True)
    assert there is not None
    assert back is not None
    assert there.estimate == pytest.approx(-back.estimate, abs=1e-12)
    assert there.p_value == pytest.approx(back.p_value, abs=1e-9)
    one, other = there.limits(0.95), back.limits(0.95)
    assert one is not None
    assert other is not None
    assert one == pytest.approx((-other[1], -other[0]), abs=1e-9)


def test_repeats_of_a_router_without_chance_count_once() -> None:
    right, wrong = Counts(10, 10), Counts(10, 0)
    pairs = [(right, right)] * 8 + [(wrong, right)] * 4 + [(wrong, wrong)]
    evidence = rate_difference(strata_of(*pairs), "suite", once=True)
    assert evidence is not None
    assert evidence.p_value == pytest.approx(paired(PairedTable(8, 0, 4, 1)).p_value)
    assert evidence.p_value > 0.05
    assert collapsed(right) == Counts(1, 1)
    assert collapsed(Counts(10, 9)) == Counts(10, 9)


def test_a_task_without_chance_keeps_its_weight_beside_one_with_chance() -> None:
    pairs = [(Counts(10, 10), Counts(10, 10))] * 12 + [(Counts(10, 5), Counts(10, 7))]
    evidence = rate_difference(strata_of(*pairs), "suite", once=True)
    assert evidence is not None
    assert evidence.estimate == pytest.approx(0.2 / 13)


def test_without_any_failure_newcombes_interval_is_given() -> None:
    evidence = rate_difference(strata_of(*[(Counts(10, 10), Counts(10, 10))] * 13), "suite", once=False)
    assert evidence is not None
    assert evidence.method.startswith("Newcombe's interval")
    limits = evidence.limits(0.95)
    assert limits is not None
    assert limits[0] < -0.02
    assert limits[1] > 0.02


def test_single_runs_are_counted_by_the_outcomes_of_both_versions() -> None:
    pairs = [(Counts(1, 1), Counts(1, 1)), (Counts(1, 1), Counts(1, 0)), (Counts(1, 0), Counts(1, 1))]
    assert paired_table([*pairs, (Counts(1, 0), Counts(1, 0))]) == PairedTable(1, 1, 1, 1)


def test_a_large_sample_agrees_with_the_normal_test() -> None:
    rng = np.random.default_rng(7)
    pairs = [(Counts(500, int(x)), Counts(500, int(y))) for x, y in rng.binomial(500, 0.3, (20, 2))]
    evidence = rate_difference(strata_of(*pairs), "suite", once=False)
    assert evidence is not None
    d = np.array([b.rate - a.rate for a, b in pairs])
    v = np.array([a.rate * (1 - a.rate) / 500 + b.rate * (1 - b.rate) / 500 for a, b in pairs])
    z = d.mean() / math.sqrt(v.sum() / 400)
    assert evidence.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.02)


UNEQUAL = [(5, 100, 1, 0.08), (13, 20, 1, 0.03), (13, 40, 3, 0.08)]
"""Tasks, runs of each in the baseline and in the candidate, failure rate of both."""


@pytest.mark.parametrize(("tasks", "n1", "n2", "rate"), UNEQUAL)
def test_an_unchanged_rate_over_tasks_is_seldom_a_change_however_unequal_the_runs(
    tasks: int, n1: int, n2: int, rate: float
) -> None:
    rng = np.random.default_rng(tasks * n1)
    false = 0
    for left, right in zip(rng.binomial(n1, rate, (300, tasks)), rng.binomial(n2, rate, (300, tasks)), strict=True):
        pairs = [(Counts(n1, int(x)), Counts(n2, int(y))) for x, y in zip(left, right, strict=True)]
        evidence = rate_difference(strata_of(*pairs), "tasks", once=False)
        assert evidence is not None
        false += evidence.p_value < 0.05
    assert false <= 0.05 * 300


def test_a_change_of_rates_over_tasks_needs_the_runs_within_the_tasks_to_agree() -> None:
    """One candidate's run of each task, none of which failed, is no evidence against few failures in many runs."""
    pairs = [(Counts(20, 1 + i % 2), Counts(1, 0)) for i in range(13)]
    over, within = (rate_difference(strata_of(*pairs), scope, once=False) for scope in ("tasks", "suite"))
    assert over is not None
    assert within is not None
    alone = stats.ttest_1samp([b.rate - a.rate for a, b in pairs], 0.0)
    assert alone.pvalue < 1e-6
    assert over.estimate == pytest.approx(-19 / 260)
    assert over.p_value == within.p_value > 0.1
    wide, narrow, own = over.limits(0.95), alone.confidence_interval(0.95), within.limits(0.95)
    assert wide is not None
    assert own is not None
    assert wide[0] == pytest.approx(min(narrow.low, own[0]))
    assert wide[1] > 0 > narrow.high


@pytest.mark.parametrize(
    ("runs", "before", "after"), [((20, 20), 0.0, 0.02), ((50, 50), 0.005, 0.025), ((10, 40), 0.0, 0.02)]
)
def test_rare_failures_that_rose_by_the_margin_are_seldom_equivalent(
    runs: tuple[int, int], before: float, after: float
) -> None:
    rng = np.random.default_rng(5)
    weight = np.geomspace(0.3, 3, 13) / np.geomspace(0.3, 3, 13).mean()
    equivalent = 0
    for _ in range(800):
        hits = [rng.binomial(n, rate * weight).tolist() for n, rate in zip(runs, (before, after), strict=True)]
        pairs = [(Counts(runs[0], x), Counts(runs[1], y)) for x, y in zip(*hits, strict=True)]
        found = rate_difference(strata_of(*pairs), "suite", once=False)
        limits = found.limits(0.90) if found else None
        equivalent += limits is not None and -0.02 < limits[0] < limits[1] < 0.02
    assert equivalent <= 800 * 0.07  # 5% but for chance


def test_equal_runs_over_tasks_that_differ_are_judged_by_the_tasks() -> None:
    pairs = [(Counts(50, x), Counts(50, y)) for x, y in ((5, 20), (9, 12), (20, 31), (7, 30), (2, 9), (11, 13))]
    evidence = rate_difference(strata_of(*pairs), "tasks", once=False)
    assert evidence is not None
    oracle = stats.ttest_1samp([b.rate - a.rate for a, b in pairs], 0.0)
    assert evidence.p_value == pytest.approx(oracle.pvalue)
    assert evidence.limits(0.95) == pytest.approx(tuple(oracle.confidence_interval(0.95)))


def test_tasks_that_always_end_alike_in_both_versions_do_not_differ_however_often_they_ran() -> None:
    """Otherwise a version that ran more of the hopeless tasks would seem to fail more often."""
    pairs = (Pair("easy", Counts(30, 0), Counts(10, 0)), Pair("hopeless", Counts(10, 10), Counts(30, 30)))
    strata = Strata(pairs, Counts(40, 10), Counts(40, 30))
    for scope in ("suite", "tasks"):
        difference, ratio = rate_difference(strata, scope, once=False), rate_ratio(strata, scope, once=False)
        assert difference is not None
        assert difference.estimate == pytest.approx(0, abs=1e-12)
        assert difference.p_value == pytest.approx(1)
        limits = difference.limits(0.95)
        assert limits is not None
        assert limits[0] == pytest.approx(-limits[1])
        assert 0.1 < limits[1] < 0.9
        assert ratio is not None
        assert ratio.estimate == pytest.approx(0, abs=1e-12)
