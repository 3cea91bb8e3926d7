from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import integrate, stats

from benchmark_recorder.analysis import METRICS, compare, compare_all
from benchmark_recorder.analysis.anytime import EFFECT, FEWEST, Mixture, chance_of, coin_log_odds
from benchmark_recorder.analysis.gates import check_gate
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.history import History
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import make_document
from tests.analysis.histories import cells_of, known, runs, task_names
from tests.perf.simulation.looks import Looked, look, skewed, timeouts

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cells

FROM_CELLS = ("execution_time", "cost", "failure_rate", "success_rate", "routing_accuracy")


def two_versions(tasks: int = 5, repeats: int = 12, *, faster: float = 0.7, seed: int = 3) -> Cells:
    rng, n = np.random.default_rng(seed), tasks * repeats
    return known(
        *(
            runs(
                version,
                task_names(tasks, repeats),
                time=factor * rng.lognormal(0, 0.3, n),
                cost=factor * rng.lognormal(-5, 0.3, n),
                success=[*(rng.random(n) < 0.9)],
                routed=[*(rng.random(n) < 0.8)],
            )
            for version, factor in (("v1", 1.0), ("v2", faster))
        )
    )


@pytest.mark.parametrize(
    ("freedom", "t", "worth"),
    [(3, 0.5, 2), (4, 2.1, 5), (8, 4.0, 3), (30, 3.2, 31), (58, 0.0, 30), (98, 2.5, 50)],
)
def test_the_odds_are_the_integral_of_the_noncentral_t_over_the_mixture_of_effects(
    freedom: float, t: float, worth: float
) -> None:
    def density(effect: float) -> float:
        return float(stats.nct.pdf(t, freedom, effect * math.sqrt(worth)) * stats.norm.pdf(effect, 0, EFFECT))

    whole = integrate.quad(density, -2.5, 2.5, epsabs=0, epsrel=1e-9, limit=200, points=[0, t / math.sqrt(worth)])[0]
    odds = math.exp(Mixture(1 / (1 + EFFECT**2 * worth), freedom).log_odds(t))
    assert odds == pytest.approx(whole / stats.t.pdf(t, freedom), rel=1e-6)


@pytest.mark.parametrize(("z", "share"), [(0.0, 0.5), (1.5, 0.9), (3.0, 0.1), (5.0, 0.01)])
def test_with_a_known_error_they_are_those_of_a_wider_normal(z: float, share: float) -> None:
    odds = math.exp(Mixture(share, math.inf).log_odds(z))
    wider = stats.norm.pdf(z, scale=math.sqrt(1 / share))
    assert odds == pytest.approx(wider / stats.norm.pdf(z), rel=1e-9)


@pytest.mark.parametrize(("left", "right", "share"), [(0, 0, 0.5), (3, 9, 0.5), (40, 40, 0.5), (7, 2, 0.9)])
def test_the_odds_of_a_coin_are_the_integral_over_its_chances(left: int, right: int, share: float) -> None:
    def density(chance: float) -> float:
        return float(chance**left * (1 - chance) ** right * stats.beta.pdf(chance, 0.5, 0.5))

    whole = integrate.quad(density, 0, 0.5, epsabs=0)[0] + integrate.quad(density, 0.5, 1, epsabs=0)[0]
    odds = math.exp(coin_log_odds(left, right, share))
    assert odds == pytest.approx(whole / share**left / (1 - share) ** right, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.1, 1e-6])
@pytest.mark.parametrize(("share", "freedom"), [(0.2, 30.0), (0.01, 9.0), (0.5, math.inf), (0.001, 1e6)])
def test_at_the_reach_the_odds_are_as_asked(alpha: float, share: float, freedom: float) -> None:
    mixture = Mixture(share, freedom)
    assert chance_of(mixture.log_odds(mixture.reach(alpha))) == pytest.approx(alpha)


def test_where_no_estimate_is_enough_the_reach_is_infinite() -> None:
    assert math.isinf(Mixture(0.9, 3.0).reach(0.05))
    assert math.isinf(Mixture(1.0, math.inf).reach(0.05))
    assert math.isinf(Mixture(1.0, 5.0).reach(0.05))
    assert math.isinf(Mixture(0.5, 1e-9).reach(1e-300))


@pytest.mark.parametrize(("metric", "scope"), [*product(FROM_CELLS, ("suite", "tasks"))])
@pytest.mark.parametrize("seed", range(4))
def test_an_interval_at_any_look_is_wider_and_leaves_out_what_the_test_refuses(
    metric: str, scope: str, seed: int
) -> None:
    cells = two_versions(seed=seed, faster=(1.0, 0.8, 0.5, 0.6)[seed])
    once = compare(cells, "v1", "v2", metric, scope=scope)
    found = compare(cells, "v1", "v2", metric, scope=scope, sequential=True)
    assert found.sequential
    assert not once.sequential
    assert (found.effect, found.v1_compared, found.v2_compared) == (once.effect, once.v1_compared, once.v2_compared)
    assert found.p_value is not None
    assert once.p_value is not None
    assert found.p_value >= once.p_value
    if found.interval is None:
        assert found.p_value > 0.05
        return
    assert once.interval is not None
    ends = [interval.low if interval.low is not None else -math.inf for interval in (found.interval, once.interval)]
    assert ends[0] < ends[1]
    if metric == "execution_time":
        assert (found.p_value < 0.05) == (not ends[0] < 0 < (found.interval.high or math.inf))


def test_what_is_certain_at_one_look_is_seen_at_any() -> None:
    found = compare(two_versions(faster=0.5), "v1", "v2", sequential=True)
    assert (found.verdict, found.significant) == ("improved", True)
    same = compare(two_versions(13, 100, faster=1.0), "v1", "v2", sequential=True)
    assert same.verdict == "equivalent"


def test_pairs_of_single_runs_are_a_coin() -> None:
    names = task_names(50, 1)
    failing = [*[False] * 25, *[True] * 25]
    found = compare(
        cells_of(runs("v1", names), runs("v2", names, success=failing)), "v1", "v2", "failure_rate", sequential=True
    )
    assert found.p_value == pytest.approx(math.exp(-coin_log_odds(0, 25)))
    assert found.verdict == "regressed"


def test_runs_without_spread_need_no_more_than_at_one_look() -> None:
    cells = cells_of(runs("v1", task_names(3, 3)), runs("v2", task_names(3, 3), time=np.full(9, 2.0)))
    once, found = (compare(cells, "v1", "v2", sequential=asked) for asked in (False, True))
    assert found.p_value == once.p_value
    assert found.verdict == once.verdict == "regressed"


@pytest.mark.parametrize("metric", FROM_CELLS)
def test_versions_with_other_tasks_are_not_judged_below_sixty_runs(metric: str) -> None:
    def some(version: str, n: int) -> dict[str, Any]:
        rng = np.random.default_rng(n)
        return runs(
            version,
            [f"{version}-{i}" for i in range(n)],
            time=rng.lognormal(0 if version == "v1" else 2, 0.1, n),
            cost=rng.lognormal(0 if version == "v1" else 2, 0.1, n),
            success=[version == "v1" or i % 3 == 0 for i in range(n)],
            routed=[version == "v1"] * n,
        )

    early = compare(cells_of(some("v1", 500), some("v2", 3 * FEWEST)), "v1", "v2", metric, sequential=True)
    assert "not_yet" not in {caveat.code for caveat in early.warnings}
    assert early.interval is not None
    few = compare(cells_of(some("v1", 500), some("v2", FEWEST - 42)), "v1", "v2", metric, sequential=True)
    (caveat,) = [caveat for caveat in few.warnings if caveat.code == "not_yet"]
    assert caveat.figures["needed"] == FEWEST
    assert caveat.figures["runs"] < FEWEST
    assert (few.verdict, few.interval, few.p_value, few.needed) == ("inconclusive", None, None, None)


@pytest.mark.parametrize("metric", FROM_CELLS)
def test_the_answer_comes_from_cells_alone(metric: str) -> None:
    cells = two_versions()
    one, other = (compare(own, "v1", "v2", metric, sequential=True) for own in (cells, replace(cells, runs=None)))
    assert (one.interval, one.p_value, one.verdict) == (other.interval, other.p_value, other.verdict)


@pytest.mark.parametrize("metric", sorted(METRICS.keys() - set(FROM_CELLS)))
def test_what_needs_single_runs_is_refused_by_name(metric: str) -> None:
    with pytest.raises(InvalidQueryError, match=rf"^sequential: {metric} "):
        compare(two_versions(), "v1", "v2", metric, sequential=True)


def test_ranks_hold_at_one_look_only() -> None:
    with pytest.raises(InvalidQueryError, match=r"^method: .*sequential"):
        compare(two_versions(), "v1", "v2", method="rank", sequential=True)
    with pytest.raises(InvalidQueryError, match=r"^method: .*sequential"):
        check_gate(two_versions(), "v1", "v2", method="rank", sequential=True)
    automatic = compare(two_versions(), "v1", "v2", method="auto", sequential=True)
    assert "not_looked_at" in {caveat.code for caveat in automatic.warnings}


def test_each_part_of_the_answer_holds_at_any_look() -> None:
    once, found = (compare(two_versions(), "v1", "v2", sequential=asked) for asked in (False, True))
    for name, estimate in found.alternatives.items():
        wide, narrow = estimate.interval, once.alternatives[name].interval
        assert narrow is not None
        assert wide is None or (wide.low is not None and narrow.low is not None and wide.low < narrow.low)
    pairs = zip(found.tasks, once.tasks, strict=True)
    assert all((wide.p_value or 0) > (narrow.p_value or 0) for wide, narrow in pairs)
    joint = compare_all(two_versions(), "v1", "v2", sequential=True)
    assert all(one.sequential for one in joint.comparisons.values())


def test_a_gate_at_any_look_follows_its_reaction_where_it_cannot_tell() -> None:
    few, clear = two_versions(repeats=4, faster=1.0), two_versions(repeats=40, faster=1.6)
    codes = [
        check_gate(few, "v1", "v2", sequential=True, on_inconclusive=reaction).exit_code
        for reaction in ("warn", "fail", "pass")
    ]
    assert codes == [0, 3, 0]
    blocked = check_gate(clear, "v1", "v2", sequential=True)
    assert (blocked.state, blocked.exit_code, blocked.sequential) == ("block", 1, True)
    assert {check.detectable for check in blocked.checks} == {None}


def test_blocks_widen_what_is_looked_at_again_and_again() -> None:
    rng = np.random.default_rng(5)

    def history(day: int) -> History:
        store = MemoryStore()
        for version, begins, factor in (("v1", 1, 1.0), ("v2", day, 1.3)):
            for i in range(200):
                document = make_document(version=version, task_id=f"t{i % 5}", success=True)
                document["execution_time"] = float(factor * rng.lognormal(0, 0.1))
                document["timestamp"] = f"2026-01-{begins:02}T{10 + i // 60}:{i % 60:02}:00+00:00"
                document["host"] = "here"
                store.append([document])
        return History(store)

    together = history(1).compare_versions("v1", "v2", sequential=True)
    apart = history(5).compare_versions("v1", "v2", sequential=True)
    assert (together.verdict, apart.verdict) == ("regressed", "inconclusive")
    assert "block_sd_assumed" in {caveat.code for caveat in apart.warnings}
    known_sd = history(5).compare_versions("v1", "v2", sequential=True, block_sd=0.01)
    assert known_sd.verdict == "regressed"


@pytest.mark.parametrize(
    "design",
    [
        Looked(13),
        Looked(1, timeouts, each=(9, 1)),
        Looked(3, skewed),
        Looked(1, skewed, each=(9, 1), matched=False),
        Looked(13, rates=(0.05, 0.3)),
    ],
)
def test_among_many_looks_hardly_any_is_wrong(design: Looked) -> None:
    """A small part of ``python -m tests.perf.anytime``: of 200 histories at most 5% are, but for chance (99.9%)."""
    looks = look(design, 200, 40, seed=11)
    assert looks.wrong.sum() <= stats.binom.ppf(0.999, 200, 0.05)
    assert looks.held.sum() >= stats.binom.ppf(0.001, 200, 0.95)
    assert looks.naive.sum() > 10  # else the histories would show nothing


def test_a_change_is_found_after_about_as_many_runs_as_a_single_look_takes() -> None:
    looks = look(Looked(1, change=math.log(0.8)), 200, 400, seed=12)
    assert (looks.stops > 0).all()
    assert np.median(looks.stops) < 1.3 * 79  # of which a single t test finds 80%
