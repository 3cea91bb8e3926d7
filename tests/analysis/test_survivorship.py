from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder import BenchmarkRecorder, MemoryStore
from benchmark_recorder.analysis import Claim, Comparison, check_claims, check_gate, compare
from benchmark_recorder.analysis.survivorship import Survivorship, is_timeout, survivorship, worst_rank
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import Columns, cells_of, known, runs, task_names, texts

seeds = st.integers(0, 2**32 - 1)


def ranked(tasks: list[tuple[list[float], list[float]]]) -> Columns:
    """Times of both versions by task; infinite ones are failures."""
    rows = [
        (version, f"t{i}", time)
        for i, pair in enumerate(tasks)
        for version, times in zip(("v1", "v2"), pair, strict=True)
        for time in times
    ]
    times = np.array([time for _, _, time in rows])
    return {
        "version": texts([version for version, _, _ in rows]),
        "task_id": texts([task for _, task, _ in rows]),
        "success": np.isfinite(times),
        "execution_time": np.where(np.isfinite(times), times, 0.1),
    }


def drawn(rng: np.random.Generator, n: int, failing: float) -> list[float]:
    """Rounded, so that there are ties."""
    times = np.round(rng.lognormal(0, 0.5, n), 1)
    times[rng.random(n) < failing] = math.inf
    return list(times)


@given(seeds, st.integers(2, 30), st.integers(2, 30))
def test_within_one_task_the_worst_ranks_are_the_test_of_mann_and_whitney(seed: int, n1: int, n2: int) -> None:
    rng = np.random.default_rng(seed)
    old, new = drawn(rng, n1, 0.2), drawn(rng, n2, 0.3)
    found = worst_rank(ranked([(old, new)]), "v1", "v2", by_task=True)
    if len({*old, *new}) == 1:
        assert found == 1.0
    else:
        oracle = stats.mannwhitneyu(new, old, alternative="less", method="asymptotic")
        assert found == pytest.approx(oracle.pvalue, rel=1e-9)


def test_fast_survivors_of_more_failures_are_not_shown_to_be_faster() -> None:
    """Two against five failures of twelve, 82 of 144 pairs won: two-sided p = 0.5787."""
    rng = np.random.default_rng(0)
    while True:
        old = [*rng.lognormal(0, 0.4, 10), *[math.inf] * 2]
        new = [*rng.lognormal(-0.2, 0.4, 7), *[math.inf] * 5]
        if stats.mannwhitneyu(new, old).statistic in {62, 82}:
            break
    columns = ranked([(old, new)])
    sides = [worst_rank(columns, *versions, by_task=True) for versions in (("v1", "v2"), ("v2", "v1"))]
    assert 2 * min(sides) == pytest.approx(0.578700150132, abs=1e-12)


@given(seeds, st.integers(2, 8))
def test_over_tasks_the_worst_ranks_are_summed_with_van_elterens_weights(seed: int, tasks: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(drawn(rng, int(rng.integers(1, 7)), 0.2), drawn(rng, int(rng.integers(1, 7)), 0.3)) for _ in range(tasks)]
    excess, variance, weights = 0.0, 0.0, []
    for old, new in pairs:
        n1, n2 = len(old), len(new)
        ranks = stats.rankdata([*old, *new])
        # Of all ways to deal a task's ranks to the versions, by the variance of a sum without replacement.
        spread = n1 * n2 / (n1 + n2) * float(np.var(ranks, ddof=1))
        if spread > 0:
            weights.append(1 / (n1 + n2 + 1))
            excess += weights[-1] * (float(ranks[n1:].sum()) - n2 * (n1 + n2 + 1) / 2)
            variance += weights[-1] ** 2 * spread
    expected = stats.norm.cdf((excess + min(weights) / 2) / math.sqrt(variance)) if weights else 1.0
    assert worst_rank(ranked(pairs), "v1", "v2", by_task=True) == pytest.approx(expected, rel=1e-9)


def test_other_versions_and_runs_without_a_time_have_no_rank() -> None:
    columns = ranked([([1.0, 2.0, 3.0], [0.5, 0.7])])
    more = {
        "version": texts(["v3", "v1"]),
        "task_id": texts(["t0", "t0"]),
        "success": np.array([True, True]),
        "execution_time": np.array([0.1, math.nan]),
    }
    both = {name: np.concatenate([column, more[name]]) for name, column in columns.items()}
    expected = worst_rank(columns, "v1", "v2", by_task=True)
    assert worst_rank(both, "v1", "v2", by_task=True) == expected
    assert worst_rank({name: column[:0] for name, column in columns.items()}, "v1", "v2", by_task=True) == 1.0


@pytest.mark.parametrize("name", ["Timeout", "TimeoutError", "asyncio.TimeoutError", "ReadTimeout", "TimeoutExpired"])
def test_a_timeout_is_known_by_its_name(name: str) -> None:
    assert is_timeout(name)


@pytest.mark.parametrize("name", [None, "", "ValueError", "Cancelled", "TimeError"])
def test_other_errors_are_no_timeouts(name: str | None) -> None:
    assert not is_timeout(name)


# Verdicts ---------------------------------------------------------------------------------------------------------


def history(
    seed: int, rates: tuple[float, float], *, slower: float = 1.0, hard: bool = False
) -> tuple[Columns, Columns]:
    """13 tasks with 5 runs in both versions; failed runs take a tenth of the time; ``hard``: only slow ones fail."""
    rng = np.random.default_rng(seed)
    names = task_names(13, 5)
    sides = []
    for version, rate, factor in (("v1", rates[0], 1.0), ("v2", rates[1], slower)):
        time = factor * rng.lognormal(0, 0.5 if hard else 0.3, 65)
        failed = time > np.quantile(time, 1 - rate) if hard else rng.random(65) < rate
        sides.append(runs(version, names, time=np.where(failed, 0.1 * time, time), success=list(~failed)))
    return sides[0], sides[1]


def codes(comparison: Comparison) -> list[str]:
    return [caveat.code for caveat in comparison.warnings]


def test_the_time_is_that_of_the_runs_that_succeeded() -> None:
    old, new = history(1, (0.08, 0.2))
    alone = [{name: column[c["success"]] for name, column in c.items()} for c in (old, new)]
    comparison, successes = compare(cells_of(old, new), "v1", "v2"), compare(cells_of(*alone), "v1", "v2")
    assert comparison.effect == successes.effect
    assert comparison.p_value == successes.p_value
    assert comparison.v2_value == pytest.approx(new["execution_time"].mean())
    assert comparison.alternatives["successful_runs"].value == comparison.effect
    assert comparison.alternatives["all_runs"].value != pytest.approx(comparison.effect)


def test_failing_faster_is_not_called_faster() -> None:
    verdicts = [compare(known(*history(seed, (0.08, 0.2))), "v1", "v2").verdict for seed in range(60)]
    assert verdicts.count("improved") <= 5


def test_slower_successes_are_found_behind_fast_failures() -> None:
    verdicts = [compare(known(*history(seed, (0.08, 0.2), slower=1.25)), "v1", "v2").verdict for seed in range(30)]
    assert verdicts.count("regressed") >= 24


def test_where_slow_runs_fail_instead_no_improvement_is_claimed() -> None:
    cells = known(*history(3, (0.02, 0.5), hard=True))
    comparison = compare(cells, "v1", "v2")
    assert comparison.effect is not None
    assert comparison.effect > 0.1
    assert comparison.significant
    assert comparison.verdict == "inconclusive"
    assert "failures_rose" in codes(comparison)
    (claim,) = check_claims(cells, "v1", "v2", [Claim("execution_time", at_least=5)]).results
    assert claim.status == "NOT SHOWN"
    assert comparison.needed is None
    check = next(one for one in check_gate(cells, "v1", "v2").checks if one.metric == "execution_time")
    assert check.state == "inconclusive"
    assert worded(check).sentence.endswith("but failures may have risen, and slow runs among them.")


def test_an_improvement_that_holds_with_failures_as_the_slowest_runs_is_called_one() -> None:
    cells = known(*history(1, (0.02, 0.2), slower=0.4))
    comparison = compare(cells, "v1", "v2")
    assert survivorship(cells, "v1", "v2").risen < 0.10
    assert comparison.verdict == "improved"
    assert "failures_rose" not in codes(comparison)


def test_without_single_runs_at_hand_nothing_is_claimed_where_failures_rose() -> None:
    comparison = compare(cells_of(*history(1, (0.02, 0.2), slower=0.4)), "v1", "v2")
    assert comparison.verdict == "inconclusive"
    caveat = next(caveat for caveat in comparison.warnings if caveat.code == "failures_rose")
    assert caveat.figures["looked_at"] is False


def test_single_runs_are_not_read_beyond_five_million() -> None:
    def read(*_: object) -> Columns:
        raise AssertionError

    found = survivorship(cells_of(*history(1, (0.02, 0.2))), "v1", "v2")
    left = found.counts.left._replace(n=5_000_001)
    many = Survivorship("v1", "v2", type(found.counts)(found.counts.pairs, left, found.counts.right), read)
    assert many.better is None


def test_a_candidate_without_a_success_has_no_time_to_compare_and_is_blocked_for_its_failures() -> None:
    old, new = history(1, (0.02, 1.0))
    cells = known(old, new)
    comparison = compare(cells, "v1", "v2")
    assert comparison.effect is None
    assert "nothing_to_compare" in codes(comparison)
    assert check_gate(cells, "v1", "v2").state == "block"


def test_a_recorder_names_timeouts_as_times_that_are_not_known() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    rng = np.random.default_rng(1)
    for version in ("v1", "v2"):
        for i in range(20):
            late = version == "v2" and i < 3
            recorder.record_execution(
                f"task {i % 4}", rng.lognormal(), not late, version, error_type="TimeoutError" if late else None
            )
    comparison = recorder.compare_versions("v1", "v2")
    caveat = next(caveat for caveat in comparison.warnings if caveat.code == "censored_times")
    assert caveat.figures == {"version": "v2", "timeouts": 3, "runs": 20}
    assert "3 of 20 runs of v2 ran out of time" in caveat.sentence


def test_a_recorder_looks_at_single_runs_where_failures_rose() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for side in history(1, (0.02, 0.2), slower=0.4):
        for version, task, time, success in zip(
            *(side[name].tolist() for name in ("version", "task_id", "execution_time", "success")), strict=True
        ):
            recorder.record_execution(task, time, success, version, task_id=task)
    assert recorder.compare_versions("v1", "v2").verdict == "improved"
    assert recorder.compare_all("v1", "v2").comparisons["execution_time"].verdict == "improved"
    assert recorder.check_claims("v1", "v2", [Claim("execution_time", at_least=20)]).all_met
    assert {c.metric: c.state for c in recorder.check_gate("v1", "v2").checks}["execution_time"] == "pass"
