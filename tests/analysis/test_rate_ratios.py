from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.contingency_tables import StratifiedTable
from statsmodels.stats.proportion import confint_proportions_2indep

from benchmark_recorder.analysis.metrics import Counts, Pair, Strata
from benchmark_recorder.analysis.rate_ratios import (
    _restricted,
    _restricted_loss,
    greenland_robins,
    koopman,
    nam_blackwelder,
    rate_ratio,
)
from benchmark_recorder.analysis.rates import PairedTable, weigh

partial = st.integers(2, 60).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(1, n - 1)))
any_counts = st.integers(1, 40).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
tables = st.builds(PairedTable, *[st.integers(0, 20)] * 4).filter(lambda t: t.both + t.left_only + t.right_only > 0)


def exponentials(limits: tuple[float, float] | None) -> tuple[float, float]:
    assert limits is not None
    return math.exp(limits[0]), math.exp(limits[1])


@given(partial, partial)
def test_koopmans_interval_is_the_score_interval_of_statsmodels(left: Counts, right: Counts) -> None:
    found = exponentials(koopman(left, right).limits(0.95))
    expected = confint_proportions_2indep(
        right.hits, right.n, left.hits, left.n, compare="ratio", method="score", correction=False
    )
    assert found == pytest.approx(expected, rel=1e-4)


@given(any_counts, any_counts, st.floats(-3, 3))
def test_the_restricted_rate_is_the_most_likely_one(left: Counts, right: Counts, log_ratio: float) -> None:
    ratio = math.exp(log_ratio)

    def log_likelihood(p1: float) -> float:
        p2 = min(1.0, ratio * p1)
        return sum(
            x * math.log(max(p, 1e-300)) + (n - x) * math.log(max(1 - p, 1e-300))
            for (n, x), p in ((left, p1), (right, p2))
        )

    best = log_likelihood(_restricted(left, right, ratio))
    others = np.linspace(1e-9, min(1.0, 1 / ratio) - 1e-9, 400)
    assert best >= max(map(log_likelihood, others)) - 1e-6


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [(PairedTable(59, 16, 6, 80), 0.7476, 0.9876), (PairedTable(1, 7, 1, 12), 0.0653, 0.9069)],
)
def test_the_paired_ratio_has_the_published_interval(table: PairedTable, low: float, high: float) -> None:
    """Cavo et al. 2012 and Bentur et al. 2009, as analysed by Fagerland, Lydersen & Laake (2017)."""
    assert exponentials(nam_blackwelder(table).limits(0.95)) == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=40)
@given(st.builds(PairedTable, *[st.integers(1, 20)] * 4), st.floats(-1.5, 1.5))
def test_the_restricted_loss_is_the_most_likely_one(table: PairedTable, log_ratio: float) -> None:
    """The multinomial likelihood on the line where the ratio of the margins is the given one."""
    ratio = math.exp(log_ratio)
    hit = (table.both + table.left_only + table.right_only) / table.n

    def cells(lost: float, every: float) -> tuple[float, ...]:
        both = (every - (1 + ratio) * lost) / ratio
        return both, lost, every - both - lost, 1 - every

    def loss(at: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        shares = cells(*at.tolist())
        if min(shares) <= 0:
            return 1e9
        return -sum(n * math.log(p) for n, p in zip(table, shares, strict=True))

    mine = np.array([_restricted_loss(table, ratio), hit])
    nearby = optimize.minimize(loss, mine, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert loss(mine) <= nearby.fun + 1e-6


@given(st.lists(st.tuples(partial, partial), min_size=1, max_size=6))
def test_the_mantel_haenszel_ratio_is_that_of_statsmodels(pairs: list[tuple[Counts, Counts]]) -> None:
    evidence = greenland_robins(weigh([Pair("t", a, b) for a, b in pairs], once=False))
    assert evidence is not None
    stacked = [np.array([[b.hits, b.n - b.hits], [a.hits, a.n - a.hits]], dtype=float) for a, b in pairs]
    assert math.exp(evidence.estimate) == pytest.approx(StratifiedTable(stacked).riskratio_pooled, rel=1e-9)


@given(partial, partial)
def test_the_variance_on_one_task_is_that_of_katz(left: Counts, right: Counts) -> None:
    evidence = greenland_robins(weigh([Pair("t", left, right)], once=False))
    assert evidence is not None
    katz = 1 / left.hits - 1 / left.n + 1 / right.hits - 1 / right.n
    assert evidence.error == pytest.approx(math.sqrt(katz), rel=1e-9)


def strata_of(pairs: list[tuple[Counts, Counts]]) -> Strata[Counts]:
    left, right = Counts.together([a for a, _ in pairs]), Counts.together([b for _, b in pairs])
    return Strata(tuple(Pair(f"t{i}", a, b) for i, (a, b) in enumerate(pairs)), left, right)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(any_counts, any_counts), min_size=1, max_size=5),
    st.sampled_from(["suite", "tasks"]),
    st.booleans(),
)
def test_swapping_the_versions_inverts_the_ratio(pairs: list[tuple[Counts, Counts]], scope: str, once: bool) -> None:
    there = rate_ratio(strata_of(pairs), scope, once=once)
    back = rate_ratio(strata_of([(b, a) for a, b in pairs]), scope, once=once)
    assert (there is None) == (back is None)
    if there is None or back is None:
        return
    assert there.estimate == pytest.approx(-back.estimate, abs=1e-9)
    one, other = there.limits(0.95), back.limits(0.95)
    assert one is not None
    assert other is not None
    assert one == pytest.approx((-other[1], -other[0]), abs=1e-4)
    assert one[0] < one[1]


def test_no_hit_in_the_baseline_leaves_the_ratio_open_above() -> None:
    evidence = koopman(Counts(13, 0), Counts(13, 3))
    limits = evidence.limits(0.95)
    assert limits is not None
    assert math.isinf(limits[1])
    assert math.isfinite(limits[0])


def test_no_hit_at_all_has_no_ratio() -> None:
    assert rate_ratio(strata_of([(Counts(5, 0), Counts(5, 0))]), "suite", once=False) is None


def test_all_hits_on_both_sides_still_have_an_interval_with_width() -> None:
    evidence = rate_ratio(strata_of([(Counts(10, 10), Counts(10, 10))] * 13), "suite", once=False)
    assert evidence is not None
    assert evidence.method.startswith("Koopman")
    low, high = exponentials(evidence.limits(0.95))
    assert low < 0.99
    assert high > 1.01
