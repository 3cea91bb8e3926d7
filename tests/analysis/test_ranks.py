from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder.analysis import check_claims, check_gate, compare
from benchmark_recorder.analysis.ranks import Ranked, rank_shift, ranks_see_more
from benchmark_recorder.analysis.single_runs import Values
from benchmark_recorder.errors import InvalidQueryError
from tests.analysis.histories import Columns, cells_of, known, runs, task_names


def side(tasks: list[list[float]]) -> Values:
    value = np.array([value for values in tasks for value in values])
    task = np.repeat(np.arange(len(tasks)), [len(values) for values in tasks])
    return Values(value, task, value, task)


def ranked(left: list[list[float]], right: list[list[float]]) -> Ranked:
    found = rank_shift(side(left), side(right), len(left))
    assert isinstance(found, Ranked)
    return found


def drawn(seed: int, sizes: list[tuple[int, int]], slower: float = 1.0) -> tuple[list[list[float]], list[list[float]]]:
    rng = np.random.default_rng(seed)
    left = [(3.0**i * rng.lognormal(0, 0.3, n)).tolist() for i, (n, _) in enumerate(sizes)]
    right = [(slower * 3.0**i * rng.lognormal(0, 0.3, n)).tolist() for i, (_, n) in enumerate(sizes)]
    return left, right


def pairs(left: list[float], right: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = np.subtract.outer(np.log(right), np.log(left)).ravel()
    return found


def test_with_one_task_it_is_the_test_of_mann_and_whitney() -> None:
    (left, right) = drawn(1, [(14, 9)], 1.3)
    found = ranked(left, right)
    oracle = stats.mannwhitneyu(right[0], left[0], use_continuity=False, method="asymptotic")
    assert found.p_value == pytest.approx(oracle.pvalue)
    slower = stats.mannwhitneyu(right[0], left[0], use_continuity=False, alternative="greater", method="asymptotic")
    assert found.above(0) == pytest.approx(slower.pvalue)


def test_ties_are_corrected_for_as_scipy_does() -> None:
    left, right = [[1.0, 1.0, 2.0, 3.0, 3.0, 4.0]], [[1.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]]
    oracle = stats.mannwhitneyu(right[0], left[0], use_continuity=False, method="asymptotic")
    assert ranked(left, right).p_value == pytest.approx(oracle.pvalue)


def test_the_shift_of_one_task_is_the_median_of_all_differences() -> None:
    for sizes in ((14, 9), (8, 8), (3, 5)):
        (left, right) = drawn(2, [sizes], 1.3)
        assert ranked(left, right).estimate == pytest.approx(np.median(pairs(left[0], right[0])), abs=1e-8)


def test_several_tasks_are_weighted_as_van_elteren_has_it() -> None:
    sizes = [(4, 6), (10, 10), (3, 2), (1, 1)]
    left, right = drawn(3, sizes, 1.2)
    excess = variance = 0.0
    for a, b in zip(left, right, strict=True):
        n = len(a) + len(b)
        ranks = stats.rankdata([*a, *b])[len(a) :]
        excess += (ranks.sum() - len(b) * (n + 1) / 2) / (n + 1)
        variance += len(a) * len(b) * (n + 1) / 12 / (n + 1) ** 2
    z = excess / np.sqrt(variance)
    found = ranked(left, right)
    assert found.ranks.statistic(0.0) == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_the_interval_is_all_shifts_that_the_test_does_not_refuse() -> None:
    found = ranked(*drawn(4, [(5, 5)] * 13, 1.2))
    low, high = found.limits(0.95)
    for end, out in ((low, -1), (high, 1)):
        inside, outside = found.ranks.statistic(end - out * 1e-6), found.ranks.statistic(end + out * 1e-6)
        assert abs(inside) < 1.96 < abs(outside) + 0.02
    assert low < found.estimate < high
    assert (found.p_value < 0.05) == (not low <= 0 <= high)
    assert found.above(low) == pytest.approx(0.025, abs=0.01)


def test_swapping_the_versions_mirrors_everything() -> None:
    left, right = drawn(5, [(5, 7)] * 6, 1.1)
    there, back = ranked(left, right), ranked(right, left)
    assert back.estimate == pytest.approx(-there.estimate, abs=1e-8)
    assert back.p_value == pytest.approx(there.p_value)
    assert back.limits(0.9) == pytest.approx(tuple(-end for end in reversed(there.limits(0.9))), abs=1e-8)


def test_one_run_a_side_limits_nothing() -> None:
    assert ranked([[1.0]], [[2.0]]).limits(0.95) == (-np.inf, np.inf)
    assert rank_shift(side([[1.0, 1.0]]), side([[1.0]]), 1) is None


def test_the_interval_holds_the_change_and_an_unchanged_version_is_seldom_refused() -> None:
    rng = np.random.default_rng(6)
    held = false = 0
    for _ in range(300):
        scale = np.geomspace(1, 60, 13)[:, None]
        late = np.where(rng.random((2, 13, 5)) < 0.1, 10.0, 1.0)
        times = scale * rng.lognormal(0, 0.3, (2, 13, 5)) * late
        found = ranked(times[0].tolist(), (1.2 * times[1]).tolist())
        low, high = found.limits(0.95)
        held += low <= np.log(1.2) <= high
        false += ranked(times[0].tolist(), times[1].tolist()).p_value < 0.05
    assert stats.binomtest(held, 300, 0.93, "less").pvalue > 0.001
    assert stats.binomtest(false, 300, 0.05, "greater").pvalue > 0.001


@pytest.mark.parametrize(("share", "factor", "expected"), [(0.0, 1.0, False), (0.1, 10.0, True), (0.05, 10.0, True)])
def test_outlying_runs_are_seen_whatever_the_tasks_and_versions(share: float, factor: float, *, expected: bool) -> None:
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(50):
        times = np.geomspace(1, 60, 13)[:, None] * rng.lognormal(0, 0.3, (2, 13, 5))
        times = times * np.where(rng.random(times.shape) < share, factor, 1.0) * np.array([1.0, 3.0])[:, None, None]
        seen += ranks_see_more(side(times[0].tolist()), side(times[1].tolist()))
    assert seen >= 45 if expected else seen <= 5


@pytest.mark.parametrize("runs", [3, 4, 5, 10, 40])
def test_means_are_kept_where_times_are_log_normal_and_ranks_taken_where_they_have_two_modes(runs: int) -> None:
    rng, chosen = np.random.default_rng(8), [0, 0]
    for _ in range(40):
        for shape, (sd, share) in enumerate(((0.5, 0.0), (0.2, 0.3))):
            times = rng.lognormal(0, sd, (2, 13, runs)) * np.where(rng.random((2, 13, runs)) < share, 3.0, 1.0)
            chosen[shape] += ranks_see_more(side(times[0].tolist()), side(times[1].tolist()))
    assert chosen[0] <= 10
    assert chosen[1] >= 30


def outliers(version: str, seed: int, slower: float = 1.0, share: float = 0.1) -> Columns:
    """Thirteen tasks of five runs, of which some take ten times as long."""
    rng = np.random.default_rng(seed)
    scale = np.repeat(np.geomspace(1, 60, 13), 5)
    late = np.where(rng.random(65) < share, 10.0, 1.0)
    return runs(version, task_names(13, 5), time=slower * scale * rng.lognormal(0, 0.3, 65) * late)


def test_auto_takes_ranks_where_runs_are_far_from_the_rest_and_says_so() -> None:
    cells = known(outliers("v1", 1), outliers("v2", 2, 1.2))
    auto, rank, log = (compare(cells, "v1", "v2", method=method) for method in ("auto", "rank", "log"))
    assert auto == rank
    assert "van Elteren" in auto.method
    assert "Welch" in log.method
    assert auto.v1_compared is not None
    assert auto.v2_compared is not None
    assert auto.effect == pytest.approx(1 - auto.v2_compared / auto.v1_compared)
    calm = known(outliers("v1", 1, share=0), outliers("v2", 2, share=0))
    assert compare(calm, "v1", "v2", method="auto") == compare(calm, "v1", "v2", method="log")


def test_ranks_find_what_a_few_long_runs_hide_from_means() -> None:
    found = {"rank": 0, "log": 0}
    for seed in range(40):
        cells = known(outliers("v1", seed), outliers("v2", seed + 1000, 1.2))
        for method in found:
            found[method] += compare(cells, "v1", "v2", method=method).verdict == "regressed"
    assert found["rank"] >= 30
    assert found["rank"] > found["log"] + 10


def test_the_gate_and_claims_decide_by_ranks_too() -> None:
    cells = known(outliers("v1", 1), outliers("v2", 2, 0.5))
    alone = compare(cells, "v1", "v2", method="rank")
    check = check_gate(cells, "v1", "v2", method="rank").checks[0]
    (claim,) = check_claims(cells, "v1", "v2", ["time 20% lower"], method="rank").results
    assert check.worsening == pytest.approx(-(alone.effect or 0.0))
    assert claim.method == alone.method
    assert claim.status == "PROVEN"


def test_where_single_runs_are_not_at_hand_auto_means_logarithms_and_says_so() -> None:
    sides = outliers("v1", 1), outliers("v2", 2)
    auto = compare(cells_of(*sides), "v1", "v2", method="auto")
    assert "Welch" in auto.method
    assert [caveat.code for caveat in auto.warnings].count("not_looked_at") == 1
    assert "not_looked_at" not in [c.code for c in compare(known(*sides), "v1", "v2", method="auto").warnings]
    with pytest.raises(InvalidQueryError, match="needs the values of single runs"):
        compare(cells_of(*sides), "v1", "v2", method="rank")


def test_ranks_of_other_tasks_are_refused_as_is_an_unknown_method() -> None:
    cells = known(outliers("v1", 1), outliers("v2", 2))
    with pytest.raises(InvalidQueryError, match='method: "rank" .* omit scope="tasks"'):
        compare(cells, "v1", "v2", scope="tasks", method="rank")
    with pytest.raises(InvalidQueryError, match="method: expected one of auto, log, rank"):
        compare(cells, "v1", "v2", method="median")
    assert compare(cells, "v1", "v2", scope="tasks", method="auto") == compare(cells, "v1", "v2", scope="tasks")


def test_versions_without_a_common_task_are_ranked_as_they_are() -> None:
    old, new = outliers("v1", 1), outliers("v2", 2, 3.0)
    new["task_id"] = np.array([f"other-{name}" for name in new["task_id"]], dtype=object)
    found = compare(known(old, new), "v1", "v2", method="rank")
    oracle = stats.mannwhitneyu(new["execution_time"], old["execution_time"], use_continuity=False, method="asymptotic")
    assert found.p_value == pytest.approx(oracle.pvalue)
