from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder.analysis import check_claims, check_gate, compare, compare_slices, single_runs
from benchmark_recorder.errors import InvalidQueryError
from tests.analysis.histories import Columns, cells_of, known, runs, task_names

NEED_RUNS = pytest.mark.parametrize("metric", ["time.mean", "p95", "cost.median", "input_tokens"])


def history(version: str, seed: int, repeats: int = 12) -> Columns:
    rng = np.random.default_rng(seed)
    n = 5 * repeats
    scale = np.repeat(np.arange(1.0, 6), repeats)
    return runs(
        version,
        task_names(5, repeats),
        time=scale * rng.lognormal(0, 0.3, n),
        cost=scale * rng.lognormal(0, 0.2, n),
        tokens=np.round(1000 * scale * rng.lognormal(0, 0.2, n)),
    )


def test_tokens_are_compared_by_the_ratio_of_their_sums_as_costs_are() -> None:
    old, new = history("v1", 1), history("v2", 2)
    tokens = compare(known(old, new), "v1", "v2", "input_tokens")
    priced = [side | {"cost": side["input_tokens"]} for side in (old, new)]
    cost = compare(cells_of(*priced), "v1", "v2", "cost")
    assert (tokens.effect, tokens.interval, tokens.p_value) == (cost.effect, cost.interval, cost.p_value)
    assert tokens.tasks == cost.tasks
    assert tokens.v1_value == pytest.approx(old["input_tokens"].mean())


def test_less_is_better_in_tokens() -> None:
    old, new = history("v1", 1), history("v2", 2)
    new["input_tokens"] = new["input_tokens"] / 2
    assert compare(known(old, new), "v1", "v2", "input_tokens").verdict == "improved"
    assert compare(known(new, old), "v2", "v1", "input_tokens").verdict == "regressed"


def test_runs_whose_tokens_are_not_known_are_left_out() -> None:
    old, new = history("v1", 1), history("v2", 2)
    old["output_tokens"][::3] = np.nan
    found = compare(known(old, new), "v1", "v2", "output_tokens")
    assert found.v1_count == 40
    assert found.v1_value == pytest.approx(np.nanmean(old["output_tokens"]))


def test_the_change_of_the_mean_is_that_of_the_tasks_means() -> None:
    old, new = history("v1", 1), history("v2", 2)
    found = compare(known(old, new), "v1", "v2", "time.mean")
    before, after = (side["execution_time"].reshape(5, 12).mean(axis=1).sum() for side in (old, new))
    assert found.effect == pytest.approx(1 - after / before)
    assert found.metric == "execution_time.mean"


def test_the_interval_of_the_mean_is_about_that_of_the_delta_method() -> None:
    old, new = history("v1", 1, 400), history("v2", 2, 400)
    found = compare(known(old, new), "v1", "v2", "time.mean").ratio
    parts = [side["execution_time"].reshape(5, 400) for side in (old, new)]
    errors = [stats.sem(part, axis=1) / part.mean(axis=1).sum() for part in parts]
    reach = 1.96 * np.sqrt(sum((error**2).sum() for error in errors))
    assert found is not None
    assert found.interval is not None
    assert found.value is not None
    assert found.interval.low == pytest.approx(found.value * np.exp(-reach), rel=1e-3)
    assert found.interval.high == pytest.approx(found.value * np.exp(reach), rel=1e-3)


@NEED_RUNS
def test_a_metric_that_needs_single_runs_says_so_where_there_are_none(metric: str) -> None:
    with pytest.raises(InvalidQueryError, match="needs the values of single runs, which are not at hand by group"):
        compare(cells_of(history("v1", 1), history("v2", 2)), "v1", "v2", metric)


@NEED_RUNS
def test_a_metric_that_needs_single_runs_says_so_where_they_are_too_many(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_runs, "MOST_ROWS", 119)
    cells = known(history("v1", 1), history("v2", 2))
    with pytest.raises(InvalidQueryError, match=r"at most 119, and there are more; narrow the question"):
        compare(cells, "v1", "v2", metric)
    monkeypatch.setattr(single_runs, "MOST_ROWS", 120)
    assert compare(cells, "v1", "v2", metric).effect is not None


def test_a_quantile_of_a_slice_is_refused() -> None:
    cells = known(history("v1", 1), history("v2", 2))
    cells = replace(cells, cells=tuple(replace(cell, group=("monday",)) for cell in cells.cells))
    with pytest.raises(InvalidQueryError, match="not at hand by group"):
        compare_slices(cells, "v1", "v2", "p95", by="day")


def test_a_quantile_of_other_tasks_is_refused_and_both_words_are_named() -> None:
    with pytest.raises(InvalidQueryError, match=r'execution_time\.p95 .* omit scope="tasks"'):
        compare(known(history("v1", 1), history("v2", 2)), "v1", "v2", "p95", scope="tasks")


def test_a_gate_holds_a_quantile_and_tokens_to_a_limit() -> None:
    old, new = history("v1", 1, 60), history("v2", 2, 60)
    slower = new | {"execution_time": 1.4 * new["execution_time"], "input_tokens": 1.4 * new["input_tokens"]}
    margins = {"p95": 0.15, "input_tokens": 0.10}
    fine = {c.metric: c.state for c in check_gate(known(old, new), "v1", "v2", margins=margins).checks}
    worse = {c.metric: c.state for c in check_gate(known(old, slower), "v1", "v2", margins=margins).checks}
    assert fine["execution_time.p95"] == fine["input_tokens"] == "pass"
    assert worse["execution_time.p95"] == worse["input_tokens"] == "block"


def test_the_mean_guards_a_tail_that_the_runs_are_too_few_for() -> None:
    old, new = history("v1", 1, 5), history("v2", 2, 5)
    gate = check_gate(known(old, new), "v1", "v2", margins={"p95": 0.5}, require=["p95"])
    check = gate.checks[-1]
    alone = compare(known(old, new), "v1", "v2", "time.mean")
    assert check.metric == "execution_time.mean"
    assert check.margin == 0.5
    assert check.required
    assert check.worsening == pytest.approx(-(alone.effect or 0.0))
    said = [caveat.figures for caveat in gate.warnings if caveat.code == "mean_guards_tail"]
    assert said == [{"metric": "execution_time.p95", "needed": 10}]
    assert gate.state == "pass"


def test_a_claim_may_be_about_any_metric() -> None:
    old, new = history("v1", 1, 60), history("v2", 2, 60)
    new["execution_time"] = new["execution_time"] / 2
    claims = ["p95 30% lower", "time.mean 30% lower", "cost.median within 20%", "output_tokens within 10%"]
    report = check_claims(known(old, new), "v1", "v2", claims)
    assert [result.status for result in report.results] == ["PROVEN"] * 4
    assert report.results[0].text == "p95 execution time at least 30% lower"
