from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis import METRICS, SCOPES, Claim, Comparison, check_claims, check_gate, compare, plan_runs
from benchmark_recorder.cells import Cells, collect, tabulate
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import ASKED, Columns, cells_of, known, runs, task_names

RATES = ("success_rate", "failure_rate", "routing_accuracy")
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS)
FROM_CELLS = pytest.mark.parametrize(
    "metric", [name for name, metric in METRICS.items() if metric.counts or metric.moments]
)
EVERY_SCOPE = pytest.mark.parametrize("scope", SCOPES)


def history(version: str, seed: int, tasks: int = 13, repeats: int = 5, **change: float) -> Columns:
    """Lognormal durations and costs on tasks of very different length."""
    rng = np.random.default_rng(seed)
    n = tasks * repeats
    scale = np.repeat(np.geomspace(1, 100, tasks), repeats)
    return runs(
        version,
        task_names(tasks, repeats),
        time=rng.lognormal(0, change.get("spread", 0.3), n) * scale * change.get("slower", 1),
        success=(rng.random(n) >= change.get("failing", 0.1)).tolist(),
        cost=rng.lognormal(-9, 0.2, n) * scale * change.get("pricier", 1),
        routed=(rng.random(n) < change.get("right", 0.7)).tolist(),
        tokens=rng.integers(900, 1100, n) * scale * change.get("wordier", 1),
    )


def codes(comparison: Comparison) -> list[str]:
    return [caveat.code for caveat in comparison.warnings]


# The guide's plain figures -----------------------------------------------------------------------------------


def test_the_plain_figures_are_means_and_rates_that_anyone_can_check() -> None:
    old, new = history("v1", 1), history("v2", 2, slower=0.65, failing=0.05)
    cells = cells_of(old, new)
    time = compare(cells, "v1", "v2")
    assert time.v1_value == pytest.approx(old["execution_time"].mean())
    assert time.v2_value == pytest.approx(new["execution_time"].mean())
    assert (time.v1_count, time.v2_count) == (65, 65)
    expected = (time.v1_value - time.v2_value) / time.v1_value
    assert time["improvement"] == pytest.approx(expected)
    assert time["improvement_percent"] == pytest.approx(100 * expected)
    failures = compare(cells, "v1", "v2", "failure_rate")
    assert failures.v1_value == pytest.approx(1 - old["success"].mean())
    assert failures.improvement == pytest.approx((failures.v1_value - failures.v2_value) / failures.v1_value)
    success = compare(cells, "v1", "v2", "success_rate")
    assert success.improvement == pytest.approx((success.v2_value - success.v1_value) / success.v1_value)
    cost = compare(cells, "v1", "v2", "cost")
    assert cost.v2_value == pytest.approx(new["cost"].mean())


def test_the_guides_example_is_35_percent() -> None:
    cells = cells_of(runs("v1.0", ["t"], time=[10.0]), runs("v2.0", ["t"], time=[6.5]))
    comparison = compare(cells, "v1.0", "v2.0")
    assert comparison["improvement_percent"] == pytest.approx(35)
    assert comparison.effect == pytest.approx(0.35)
    assert comparison.interval is None
    assert comparison.p_value is None
    assert not comparison.significant
    assert comparison.verdict == "inconclusive"
    assert "too_few_samples" in codes(comparison)


@EVERY_METRIC
def test_a_positive_effect_is_always_better(metric: str) -> None:
    old = history("v1", 1, repeats=100, failing=0.4, right=0.4)
    new = history("v2", 2, repeats=100, slower=0.5, failing=0.1, right=0.9, pricier=0.5, wordier=0.5)
    comparison = compare(known(old, new), "v1", "v2", metric)
    assert comparison.verdict == "improved"
    assert comparison.effect is not None
    assert comparison.effect > 0
    assert comparison.improvement > 0
    back = compare(known(old, new), "v2", "v1", metric)
    assert back.verdict == "regressed"
    assert back.effect is not None
    assert back.effect < 0


@pytest.mark.parametrize(("metric", "scope"), ASKED)
def test_twice_the_same_runs_are_equivalent_or_undecided_but_never_a_change(metric: str, scope: str) -> None:
    old = history("v1", 1, repeats=4)
    same = old | {"version": history("v2", 1, repeats=4)["version"]}
    comparison = compare(known(old, same), "v1", "v2", metric, scope=scope)
    assert comparison.verdict in {"equivalent", "inconclusive"}
    assert not comparison.significant
    assert comparison.effect == pytest.approx(0, abs=1e-12)


# Verdicts ----------------------------------------------------------------------------------------------------


def test_a_change_smaller_than_the_margin_is_equivalent_even_where_it_is_significant() -> None:
    old, new = history("v1", 1, repeats=400, failing=0), history("v2", 2, repeats=400, failing=0, slower=0.97)
    comparison = compare(cells_of(old, new), "v1", "v2")
    assert comparison.significant
    assert comparison.verdict == "equivalent"
    assert compare(cells_of(old, new), "v1", "v2", margin=0.005).verdict == "improved"


def test_equivalence_is_two_one_sided_t_tests() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.lognormal(0, 0.1, 60), rng.lognormal(0.005, 0.1, 60)
    cells = cells_of(runs("v1", ["t"] * 60, time=a), runs("v2", ["t"] * 60, time=b))
    for margin in (0.01, 0.02, 0.03, 0.04, 0.06, 0.1):
        low = stats.ttest_ind(np.log(b) - math.log1p(-margin), np.log(a), equal_var=False, alternative="greater")
        high = stats.ttest_ind(np.log(b) - math.log1p(margin), np.log(a), equal_var=False, alternative="less")
        expected = max(low.pvalue, high.pvalue) < 0.05
        assert (compare(cells, "v1", "v2", margin=margin).verdict == "equivalent") == expected


def test_an_undecided_comparison_says_how_many_runs_would_decide_whatever_the_effect_was() -> None:
    old, new = history("v1", 1), history("v2", 2)
    comparison = compare(cells_of(old, new), "v1", "v2")
    assert comparison.verdict == "inconclusive"
    assert comparison.needed is not None
    assert comparison.needed.runs is not None
    # A shift of all logarithms alike leaves the variance, and so the answer, as it is.
    shifted = new | {"execution_time": new["execution_time"] * 1.03}
    other = compare(cells_of(old, shifted), "v1", "v2")
    assert other.needed is not None
    assert other.needed.runs == comparison.needed.runs


def test_what_is_needed_is_planned_for_a_verdict_at_the_margin() -> None:
    cells = cells_of(history("v1", 1), history("v2", 2))
    for metric, margin in (("execution_time", 0.05), ("failure_rate", 0.02), ("cost", 0.01)):
        plan = plan_runs(cells, "v1", "v2", metric, effect=margin, decision="verdict")
        assert plan.needed is not None
        assert compare(cells, "v1", "v2", metric).needed == plan.needed


def test_tasks_that_differ_in_their_change_need_more_tasks_not_more_runs() -> None:
    rng = np.random.default_rng(4)
    names = task_names(8, 50)
    shift = np.repeat(rng.normal(0, 0.5, 8), 50)
    old = runs("v1", names, time=rng.lognormal(0, 0.1, 400))
    new = runs("v2", names, time=rng.lognormal(0, 0.1, 400) * np.exp(shift))
    comparison = compare(cells_of(old, new), "v1", "v2", scope="tasks")
    assert comparison.verdict == "inconclusive"
    assert comparison.needed is not None
    assert comparison.needed.runs is None
    assert comparison.needed.tasks is not None
    assert comparison.needed.tasks > 100


def test_a_deterministic_router_needs_more_tasks_and_never_more_repeats() -> None:
    names = task_names(13, 10)
    right = [number < 9 for number in range(13)]
    better = [number < 11 for number in range(13)]
    old = runs("v1", names, routed=np.repeat(right, 10).tolist())
    new = runs("v2", names, routed=np.repeat(better, 10).tolist())
    comparison = worded(compare(cells_of(old, new), "v1", "v2", "routing_accuracy"))
    assert comparison.verdict == "inconclusive"
    assert comparison.needed is not None
    assert comparison.needed.runs is None
    assert comparison.needed.tasks is not None
    assert comparison.needed.sentence.startswith("No number of repeats of these tasks")


# Bad questions, and little to answer with --------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["speed", "", None, 3, ["cost"]])
def test_an_unknown_metric_is_an_error_that_names_the_known_ones(metric: Any) -> None:
    with pytest.raises(InvalidQueryError, match="execution_time, success_rate, failure_rate, cost, routing_accuracy"):
        compare(Cells(), "v1", "v2", metric)


def test_an_unknown_scope_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(InvalidQueryError, match="suite, tasks"):
        compare(Cells(), "v1", "v2", scope="everything")


@pytest.mark.parametrize("margin", [0, -0.1, 1, 5, math.nan, math.inf, "0.05", True])
def test_a_margin_that_is_no_fraction_is_an_error(margin: Any) -> None:
    with pytest.raises(InvalidQueryError, match="margin"):
        compare(Cells(), "v1", "v2", margin=margin)


@EVERY_METRIC
@pytest.mark.parametrize(("v1", "v2"), [("v1", "v9"), ("v9", "v1"), ("v8", "v9"), ("v9", "v9")])
def test_a_side_without_runs_is_an_empty_answer_that_names_the_version(metric: str, v1: str, v2: str) -> None:
    comparison = compare(known(history("v1", 1)), v1, v2, metric)
    for version, value, n in (
        (v1, comparison.v1_value, comparison.v1_count),
        (v2, comparison.v2_value, comparison.v2_count),
    ):
        assert (n == 0) == (version != "v1")
        assert math.isnan(value) == (version != "v1")
    assert math.isnan(comparison.improvement_percent)
    assert comparison.significant is False
    assert comparison.verdict == "inconclusive"
    named = {caveat.figures["version"] for caveat in comparison.warnings if caveat.code == "unknown_version"}
    assert named == {version for version in (v1, v2) if version != "v1"}


def test_unknown_costs_are_left_out_and_counted() -> None:
    old = runs("v1", ["t"] * 6, cost=[1, 1.1, 0.9, 1, math.nan, math.nan])
    new = runs("v2", ["t"] * 6, cost=[2, 2.1, 1.9, 2, 2, 2])
    comparison = compare(cells_of(old, new), "v1", "v2", "cost")
    assert comparison.v1_count == 4
    assert comparison.v1_value == pytest.approx(1)
    assert "unknown_costs" in codes(comparison)


def test_costs_known_on_one_side_alone_cannot_be_compared() -> None:
    comparison = compare(cells_of(runs("v1", ["t"] * 5), runs("v2", ["t"] * 5, cost=[1] * 5)), "v1", "v2", "cost")
    assert (comparison.v1_count, comparison.v2_count) == (0, 5)
    assert comparison.effect is None
    assert "nothing_to_compare" in codes(comparison)


def test_a_free_baseline_has_no_relative_change() -> None:
    cells = cells_of(runs("v1", ["t"] * 5, cost=[0.0] * 5), runs("v2", ["t"] * 5, cost=[1] * 5))
    comparison = compare(cells, "v1", "v2", "cost")
    assert comparison.v1_value == 0
    assert math.isnan(comparison.improvement)
    assert comparison.effect is None
    assert "zero_baseline" in codes(comparison)


values = st.one_of(
    st.sampled_from([0.0, 1e-308, 1e-9, 1.0, 1e9, 1e100, 1e-100]), st.floats(0, 1e6, allow_subnormal=False)
)


@st.composite
def histories(draw: st.DrawFn, version: str) -> Columns:
    n = draw(st.integers(0, 12))
    row = st.tuples(
        st.sampled_from(["a", "b", "c"]),
        values,
        st.booleans(),
        st.one_of(st.none(), values),
        st.one_of(st.none(), st.booleans()),
    )
    rows = draw(st.lists(row, min_size=n, max_size=n))
    if draw(st.booleans()) and rows:
        rows = [replace_first(rows[0], task) for task, *_ in rows]
    return runs(
        version,
        [r[0] for r in rows],
        time=[r[1] for r in rows],
        success=[r[2] for r in rows],
        cost=[math.nan if r[3] is None else r[3] for r in rows],
        tokens=[math.nan if r[3] is None else r[3] for r in rows],
        routed=[r[4] for r in rows],
    )


def replace_first(row: tuple[Any, ...], task: str) -> tuple[Any, ...]:
    return (task, *row[1:])


def finite_everywhere(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(finite_everywhere, value.values()))
    if isinstance(value, list):
        return all(map(finite_everywhere, value))
    return not isinstance(value, float) or math.isfinite(value)


def no_infinity(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(no_infinity, value.values()))
    if isinstance(value, tuple | list):
        return all(map(no_infinity, value))
    if hasattr(value, "keys"):
        return all(no_infinity(value[key]) for key in value)  # type: ignore[index,attr-defined]
    return not (isinstance(value, float) and math.isinf(value))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(histories("v1"), histories("v2"), st.sampled_from(ASKED))
def test_no_runs_however_strange_make_an_error_an_infinity_or_a_width_of_zero(
    old: Columns, new: Columns, asked: tuple[str, str]
) -> None:
    metric, scope = asked
    comparison = compare(known(old, new), "v1", "v2", metric, scope=scope)
    assert no_infinity(comparison)
    json.dumps(comparison.to_dict(), allow_nan=False)
    assert finite_everywhere(comparison.to_dict())
    for interval in (comparison.interval, comparison.equivalence_interval):
        if interval is not None and interval.low is not None and interval.high is not None:
            assert interval.low < interval.high
    assert comparison.p_value is None or 0 <= comparison.p_value <= 1
    assert isinstance(comparison.significant, bool)


@settings(max_examples=60, deadline=None)
@given(histories("v1"), histories("v2"), st.sampled_from(ASKED))
def test_swapping_the_versions_mirrors_the_verdict(old: Columns, new: Columns, asked: tuple[str, str]) -> None:
    metric, scope = asked
    cells = known(old, new)
    there, back = (compare(cells, a, b, metric, scope=scope) for a, b in (("v1", "v2"), ("v2", "v1")))
    mirror = {"improved": "regressed", "regressed": "improved"}
    assert back.p_value == pytest.approx(there.p_value, abs=1e-9)
    if there.p_value is not None and abs(there.p_value - 0.05) > 1e-6:
        assert back.significant == there.significant
        # [1 - m, 1 + m] does not mirror itself as a ratio, and an improvement is withheld where failures rose.
        withheld = "failures_rose" in {caveat.code for caveat in (*there.warnings, *back.warnings)}
        if "equivalent" not in {there.verdict, back.verdict} and not withheld:
            assert back.verdict == mirror.get(there.verdict, there.verdict)
    if there.ratio and back.ratio and there.ratio.value and back.ratio.value:
        assert there.ratio.value == pytest.approx(1 / back.ratio.value, rel=1e-6)


@FROM_CELLS
@EVERY_SCOPE
def test_cells_that_arrive_in_parts_give_the_same_answer(metric: str, scope: str) -> None:
    old, new = history("v1", 1), history("v2", 2, slower=0.8)
    whole = compare(cells_of(old, new), "v1", "v2", metric, scope=scope)
    pieces = [
        cell
        for columns in (old, new)
        for part in np.array_split(np.random.default_rng(0).permutation(65), 9)
        for cell in tabulate({name: column[part] for name, column in columns.items()})
    ]
    merged = compare(collect(pieces, ("v1", "v2")), "v1", "v2", metric, scope=scope)
    assert merged.verdict == whole.verdict
    assert merged.p_value == pytest.approx(whole.p_value, rel=1e-9)
    assert merged.effect == pytest.approx(whole.effect, rel=1e-9)


@EVERY_SCOPE
@pytest.mark.parametrize(("metric", "column"), [("execution_time", "execution_time"), ("cost", "cost")])
def test_another_unit_changes_no_verdict(metric: str, column: str, scope: str) -> None:
    old, new = history("v1", 1), history("v2", 2, slower=0.8, pricier=0.8)
    there = compare(cells_of(old, new), "v1", "v2", metric, scope=scope)
    scaled = [c | {column: c[column] * 1e6} for c in (old, new)]
    other = compare(cells_of(*scaled), "v1", "v2", metric, scope=scope)
    assert other.verdict == there.verdict
    assert other.effect == pytest.approx(there.effect, rel=1e-9)
    assert other.p_value == pytest.approx(there.p_value, rel=1e-6)


# Beside, tasks and warnings ----------------------------------------------------------------------------------


def test_the_time_of_all_runs_stands_beside_that_of_the_successful_ones() -> None:
    old, new = history("v1", 1), history("v2", 2)
    new["execution_time"][~new["success"]] *= 1e-3
    comparison = compare(cells_of(old, new), "v1", "v2")
    successes = [{name: column[c["success"]] for name, column in c.items()} for c in (old, new)]
    alone = compare(cells_of(*successes), "v1", "v2")
    assert comparison.effect == pytest.approx(alone.effect)
    assert comparison.alternatives["successful_runs"].value == comparison.effect
    for columns in (old, new):
        columns["success"][:] = True
    every = compare(cells_of(old, new), "v1", "v2")
    assert comparison.alternatives["all_runs"].value == pytest.approx(every.effect)
    assert every.effect != pytest.approx(comparison.effect)
    assert "fast_failures" in codes(comparison)


def test_fast_failures_give_both_shares_without_claiming_a_difference() -> None:
    names = task_names(4, 5)
    old, new = (runs(v, names, success=[i >= bad for i in range(20)]) for v, bad in (("v1", 2), ("v2", 3)))
    for columns in (old, new):
        columns["execution_time"] = np.where(columns["success"], 1.0, 0.01)
    comparison = compare(cells_of(old, new), "v1", "v2")
    assert compare(cells_of(old, new), "v1", "v2", "failure_rate").verdict == "inconclusive"
    caveat = next(caveat for caveat in worded(comparison).warnings if caveat.code == "fast_failures")
    assert "10.0% of the baseline's runs failed, and 15.0% of the candidate's" in caveat.sentence
    assert "may be chance" in caveat.sentence


@pytest.mark.parametrize(("last", "plain"), [(10.0, "better"), (500.0, "worse")])
def test_a_plain_mean_that_disagrees_is_worded_by_direction_and_not_by_sign(last: float, plain: str) -> None:
    rng = np.random.default_rng(0)
    names = task_names(10, 5)
    scale = np.repeat([*[1.0] * 9, 100.0], 5)
    old = runs("v1", names, time=scale * rng.lognormal(0, 0.05, 50))
    new = runs("v2", names, time=np.repeat([*[0.5] * 9, last], 5) * rng.lognormal(0, 0.05, 50))
    comparison = compare(cells_of(old, new), "v1", "v2")
    (caveat,) = [caveat for caveat in worded(comparison).warnings if caveat.code == "plain_differs"]
    assert comparison.effect is not None
    assert comparison.effect > 0
    assert f"candidate is {abs(comparison.improvement_percent):.1f}% {plain}; the verdict is based" in caveat.sentence
    assert f"by task, where it is {100 * comparison.effect:.1f}% better:" in caveat.sentence


def test_the_geometric_mean_is_an_alternative_to_the_cost() -> None:
    comparison = compare(cells_of(history("v1", 1), history("v2", 2, pricier=1.2)), "v1", "v2", "cost")
    assert comparison.alternatives["geometric_mean"].value == pytest.approx(-0.2, abs=0.1)


def test_tasks_that_stand_out_are_those_with_a_small_adjusted_p_value() -> None:
    old, new = history("v1", 1, repeats=10, failing=0), history("v2", 2, repeats=10, failing=0)
    new["execution_time"][:10] *= 4
    comparison = compare(cells_of(old, new), "v1", "v2")
    p_values = [row.p_value for row in comparison.tasks]
    adjusted = stats.false_discovery_control(np.array(p_values, dtype=np.float64))
    assert [row.q_value for row in comparison.tasks] == pytest.approx(list(adjusted))
    assert [row.task_id for row in comparison.tasks if row.stands_out] == ["task-000"]
    first = comparison.tasks[0]
    assert first.p_value == pytest.approx(
        stats.ttest_ind(np.log(new["execution_time"][:10]), np.log(old["execution_time"][:10]), equal_var=False).pvalue
    )


def test_a_single_task_does_not_stand_out_where_the_verdict_is_undecided() -> None:
    old, new = runs("v1", ["t"] * 4, time=[1.0, 1.2, 0.9, 1.3]), runs("v2", ["t"] * 4, time=[1.3, 1.2, 1.6, 1.45])
    comparison = compare(cells_of(old, new), "v1", "v2")
    (row,) = comparison.tasks
    assert row.q_value is not None
    assert 0.05 < row.q_value < 0.10
    assert comparison.verdict == "inconclusive"
    assert not row.stands_out


def test_simpsons_paradox_is_named_with_both_answers() -> None:
    rng = np.random.default_rng(2)

    def suite(version: str, easy: int, hard: int, factor: float) -> Columns:
        time = np.concatenate([rng.lognormal(0, 0.1, easy), rng.lognormal(4, 0.1, hard)]) * factor
        return runs(version, ["easy"] * easy + ["hard"] * hard, time=time)

    comparison = compare(cells_of(suite("v1", 40, 10, 1.0), suite("v2", 10, 40, 0.8)), "v1", "v2")
    assert comparison.verdict == "improved"
    assert comparison.improvement < 0
    (caveat,) = [d for d in worded(comparison).warnings if d.code == "simpson"]
    assert caveat.figures["within_tasks"] == pytest.approx(0.2, abs=0.05)
    assert re.search(r"Within the tasks .* [\d.]+% better; over all runs .* [\d.]+% worse:", caveat.sentence)
    assert caveat.figures["pooled"] < 0


def test_tasks_of_one_version_alone_are_left_out_and_named() -> None:
    old = history("v1", 1)
    new = history("v2", 2)
    extra = runs("v2", ["only-new"] * 5, time=[1e6] * 5)
    comparison = compare(cells_of(old, new, extra), "v1", "v2")
    assert comparison.matched_tasks == 13
    assert comparison.effect == pytest.approx(compare(cells_of(old, new), "v1", "v2").effect)
    (caveat,) = [d for d in comparison.warnings if d.code == "different_tasks"]
    assert caveat.figures["v2_unmatched_runs"] == 5


def test_where_hardly_any_task_is_shared_all_runs_are_compared() -> None:
    rng = np.random.default_rng(3)
    old = runs("v1", ["shared"] + [f"a{i}" for i in range(99)], time=rng.lognormal(0, 0.5, 100))
    new = runs("v2", ["shared"] + [f"b{i}" for i in range(99)], time=rng.lognormal(-1, 0.5, 100))
    comparison = compare(cells_of(old, new), "v1", "v2")
    assert comparison.matched_tasks == 0
    assert comparison.method == "Welch's t on logarithms"
    expected = stats.ttest_ind(np.log(new["execution_time"]), np.log(old["execution_time"]), equal_var=False)
    assert comparison.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert "unmatched_tasks" in codes(comparison)


def test_one_run_that_makes_much_of_a_sum_is_named() -> None:
    old = runs("v1", ["t"] * 20, time=[1.0] * 19 + [30.0], cost=[1.0] * 19 + [30.0])
    new = runs("v2", ["t"] * 20, time=np.linspace(1, 2, 20), cost=np.linspace(1, 2, 20))
    cells = cells_of(old, new)
    (caveat,) = [d for d in compare(cells, "v1", "v2").warnings if d.code == "one_run_dominates_time"]
    assert caveat.figures["share"] == pytest.approx(30 / 49)
    assert caveat.figures["version"] == "v1"
    assert "one_run_dominates_cost" in codes(compare(cells, "v1", "v2", "cost"))


def test_several_commits_inside_one_version_are_named() -> None:
    old = runs("v1", ["t"] * 3, time=[1, 2, 3], commit="aaa")
    more = runs("v1", ["t"] * 3, time=[1, 2, 3], commit="bbb")
    new = runs("v2", ["t"] * 3, time=[1, 2, 3], commit="ccc")
    (caveat,) = [d for d in compare(cells_of(old, more, new), "v1", "v2").warnings if d.code == "several_commits"]
    assert (caveat.figures["least"], caveat.figures["greatest"]) == ("aaa", "bbb")


def test_single_runs_of_tasks_fall_back_to_the_tasks_and_say_so() -> None:
    comparison = compare(cells_of(history("v1", 1, repeats=1), history("v2", 2, repeats=1)), "v1", "v2")
    assert comparison.method == "t over the tasks' differences"
    (caveat,) = [caveat for caveat in worded(comparison).warnings if caveat.code == "single_runs"]
    assert caveat.sentence.endswith("run each task at least twice.")


def test_fixed_values_get_a_verdict_but_no_interval() -> None:
    names = task_names(13, 3)
    cells = cells_of(runs("v1", names, cost=[0.5] * 39), runs("v2", names, cost=[0.5] * 39))
    comparison = compare(cells, "v1", "v2", "cost")
    assert comparison.verdict == "equivalent"
    assert comparison.interval is None
    assert "no_spread" in codes(comparison)


def test_fixed_times_that_differ_by_task_are_not_called_single_runs() -> None:
    names = task_names(6, 3)
    new = np.repeat([1.1, 1.2, 0.9, 1.4, 1.3, 1.0], 3)
    comparison = compare(cells_of(runs("v1", names), runs("v2", names, time=new)), "v1", "v2")
    assert comparison.method == "t over the tasks' differences"
    assert codes(comparison) == ["no_spread"]


def test_tasks_whose_cost_one_version_does_not_know_are_called_so() -> None:
    names = task_names(4, 3)
    old = runs("v1", names, cost=np.linspace(1, 2, 12))
    new = runs("v2", names, cost=[math.nan] * 3 + np.linspace(1, 2, 9).tolist())
    found = worded(compare(cells_of(old, new), "v1", "v2", "cost"))
    (caveat,) = [d for d in found.warnings if d.code == "different_tasks"]
    assert "has no known cost for" in caveat.sentence


def test_a_hostile_version_name_is_only_a_name() -> None:
    name = "\x1b[2J<script>|`\n"
    comparison = compare(Cells(), name, "v2")
    assert comparison.v1 == name


# Results -----------------------------------------------------------------------------------------------------


def test_a_result_reads_as_attribute_and_as_key_and_is_frozen() -> None:
    comparison = compare(cells_of(history("v1", 1), history("v2", 2)), "v1", "v2")
    assert comparison["verdict"] == comparison.verdict
    assert set(dict(**comparison)) == set(comparison.keys())
    assert "metric" in repr(comparison.keys())
    assert "0." not in repr(comparison.keys())  # the names alone
    assert "interval" in comparison
    with pytest.raises(KeyError, match="there are metric"):
        comparison["nothing"]
    with pytest.raises(AttributeError):
        comparison.verdict = "improved"  # type: ignore[misc]
    assert replace(comparison, v1="other").v1 == "other"


def test_an_undefined_plain_figure_is_null_in_json() -> None:
    plain = compare(Cells(), "v1", "v2").to_dict()
    assert plain["v1_value"] is None
    assert plain["warnings"][0]["code"] == "unknown_version"


# Different tasks ------------------------------------------------------------------------------------------------------


def replaced(kept: int, gone: int, longer: float = 3.0) -> Cells:
    """Unchanged tasks in common, and others that are replaced by longer ones; each runs five times."""
    sides = []
    for seed, (version, factor) in enumerate((("v1", 1.0), ("v2", longer))):
        rng = np.random.default_rng(seed)
        names = [f"kept-{i}" if i < kept else f"{version}-{i}" for i in range(kept + gone) for _ in range(5)]
        scale = np.array([1.0 if name.startswith("kept") else factor for name in names])
        sides.append(runs(version, names, time=rng.lognormal(0, 0.2, len(names)) * scale, cost=scale))
    return cells_of(*sides)


def test_enough_common_tasks_decide_where_most_runs_are_of_others() -> None:
    comparison = compare(replaced(6, 12), "v1", "v2")
    assert comparison.matched_tasks == 6
    assert comparison.p_value is not None
    assert comparison.p_value > 0.05
    assert "different_tasks" in codes(comparison)


@pytest.mark.parametrize("kept", [0, 1, 4])
@pytest.mark.parametrize("metric", ["execution_time", "cost"])
def test_a_suite_of_other_tasks_has_no_verdict(kept: int, metric: str) -> None:
    cells = replaced(kept, 9)
    comparison = compare(cells, "v1", "v2", metric)
    assert comparison.effect is not None
    assert comparison.effect < -0.5
    assert comparison.verdict == "inconclusive"
    assert comparison.needed is None
    (caveat,) = [caveat for caveat in worded(comparison).warnings if caveat.code == "unmatched_tasks"]
    assert caveat.sentence.endswith("so no verdict is given: run the same tasks in both versions.")
    (claim,) = check_claims(cells, "v1", "v2", [Claim(metric, at_least=5)]).results
    assert claim.status == "NOT SHOWN"
    gate = check_gate(cells, "v1", "v2")
    assert {check.state for check in gate.checks} == {"inconclusive"}
    assert gate.state == "inconclusive"


def test_texts_that_hardly_repeat_are_compared_without_a_block() -> None:
    rng = np.random.default_rng(1)
    sides = [
        runs(version, [f"{version}-{i}" for i in range(200)], time=rng.lognormal(0, 0.3, 200) * factor)
        for version, factor in (("v1", 1.0), ("v2", 2.0))
    ]
    cells = cells_of(*sides)
    assert compare(cells, "v1", "v2").verdict == "regressed"
    assert check_gate(cells, "v1", "v2").state == "inconclusive"


def test_tasks_of_unequal_weight_in_the_same_proportions_are_no_paradox() -> None:
    rng = np.random.default_rng(1)
    names = ["short"] * 40 + ["long"] * 5
    scale = np.where(np.array(names) == "short", 1.0, 1.5)
    old = runs("v1", names, time=rng.lognormal(0, 0.02, 45) * np.where(scale > 1, 50, 1))
    new = runs("v2", names, time=rng.lognormal(0, 0.02, 45) * np.where(scale > 1, 10, 1.5))
    comparison = compare(cells_of(old, new), "v1", "v2")
    assert comparison.effect is not None
    assert comparison.effect > 0.1
    pooled = comparison.alternatives["pooled"].value
    assert pooled is not None
    assert pooled < 0
    assert "simpson" not in codes(comparison)
