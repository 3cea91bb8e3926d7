from __future__ import annotations

import json
import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from benchmark_recorder.analysis import GateCheck, check_gate
from benchmark_recorder.analysis.guardrails import holm
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs, task_names
from tests.perf.simulation.bench import Trial, at_most
from tests.perf.simulation.designs import LogNormal, Suite
from tests.perf.simulation.questions import gate


def suite(
    *,
    slower: float = 1,
    failing: float = 0,
    pricier: float = 1,
    spread: float = 0.05,
    repeats: int = 20,
    seed: int = 0,
) -> Cells:
    rng = np.random.default_rng(seed)
    names = task_names(13, repeats)
    n = len(names)

    def side(version: str, time: float, failures: float, cost: float) -> dict[str, Any]:
        return runs(
            version,
            names,
            time=rng.lognormal(0, spread, n) * time,
            success=[(i % repeats) >= round(failures * repeats) for i in range(n)],
            cost=rng.lognormal(-9, spread, n) * cost,
        )

    return cells_of(side("v1", 1, 0, 1), side("v2", slower, failing, pricier))


def test_a_candidate_that_is_faster_and_no_worse_passes() -> None:
    result = check_gate(suite(slower=0.65), "v1", "v2")
    assert (result.state, result.exit_code) == ("pass", 0)
    assert result.difference is None
    assert result.alerts == ()


@pytest.mark.parametrize(
    ("change", "metric"),
    [({"slower": 1.2}, "execution_time"), ({"failing": 0.1}, "failure_rate"), ({"pricier": 1.1}, "cost")],
)
def test_evidence_of_a_large_worsening_blocks_and_names_the_metric(change: dict[str, Any], metric: str) -> None:
    result = worded(check_gate(suite(**change), "v1", "v2"))
    assert (result.state, result.exit_code) == ("block", 1)
    assert [check.metric for check in result.checks if check.state == "block"] == [metric]
    assert metric.replace("_", " ").capitalize() in result.sentence


@pytest.mark.parametrize("change", [{"slower": 1.08}, {"pricier": 1.03}])
def test_a_worsening_within_the_margin_does_not_block_however_sure_it_is(change: dict[str, Any]) -> None:
    result = check_gate(suite(**change), "v1", "v2")
    assert result.state == "pass"
    assert min(check.p_adjusted or 1 for check in result.checks) < 1e-6


def test_a_large_worsening_without_evidence_is_inconclusive_and_the_literal_thresholds_block() -> None:
    cells = suite(slower=1.3, spread=1.0, repeats=2, seed=2)
    result = worded(check_gate(cells, "v1", "v2"))
    time = result.checks[0]
    assert time.worsening is not None
    assert time.worsening > 0.1
    assert time.p_value is not None
    assert time.p_value > 0.05
    assert (result.state, result.literal_state) == ("inconclusive", "block")
    assert result.difference is not None
    assert "literal" in result.difference


@pytest.mark.parametrize(
    ("reaction", "state", "code"), [("warn", "inconclusive", 0), ("fail", "inconclusive", 3), ("pass", "pass", 0)]
)
def test_the_reaction_to_an_inconclusive_gate_is_the_callers(reaction: str, state: str, code: int) -> None:
    result = check_gate(suite(slower=0.7, spread=1.0, repeats=2), "v1", "v2", on_inconclusive=reaction, target=None)
    assert result.default_state == "inconclusive"
    assert (result.state, result.exit_code) == (state, code)


def test_an_alert_warns_however_lenient_the_gate_is_with_what_it_cannot_tell() -> None:
    cells = suite(slower=0.7, spread=1.0, repeats=2)
    result = worded(check_gate(cells, "v1", "v2", on_inconclusive="pass", coverage=50, target=None))
    assert (result.default_state, result.state, result.exit_code) == ("inconclusive", "warn", 0)
    assert result.sentence == "v2 against v1: warning. Test coverage is 50%, below 90%."


def test_a_required_metric_without_values_is_never_a_pass_and_another_one_is_a_line() -> None:
    names = task_names(13, 20)
    rng = np.random.default_rng(0)
    cells = cells_of(
        runs("v1", names, time=rng.lognormal(0, 0.05, 260)), runs("v2", names, time=rng.lognormal(-1, 0.05, 260))
    )
    result = worded(check_gate(cells, "v1", "v2"))
    assert result.checks[2].state == "missing"
    assert result.checks[2].sentence == "Cost cannot be judged: there are too few values."
    assert (result.state, result.sentence) == ("pass", "v2 against v1: passed.")
    asked = partial(check_gate, cells, "v1", "v2", require=["time", "cost"])
    assert asked().state == "inconclusive"
    assert asked(on_inconclusive="fail").exit_code == 3
    assert worded(asked()).sentence == f"v2 against v1: inconclusive. {result.checks[2].sentence}"
    assert check_gate(cells, "v1", "v2", policy="guide").state == "inconclusive"


@pytest.mark.parametrize("policy", ["default", "literal"])
def test_an_empty_side_is_never_a_pass(policy: str) -> None:
    for cells, candidate in ((Cells(), "v2"), (suite(), "v9")):
        result = worded(check_gate(cells, "v1", candidate, policy=policy, on_inconclusive="pass"))
        assert (result.state, result.exit_code) == ("no_data", 4)
        assert {caveat.code for caveat in result.warnings} == {"unknown_version"}
        assert f"there are no runs of version {'v1 or v2' if candidate == 'v2' else 'v9'} to compare" in result.sentence


@pytest.mark.parametrize(("window", "said"), [(30, "in the 30 days"), (1, "in the day"), (0.5, "in the 0.5 days")])
def test_an_empty_window_is_named(window: float, said: str) -> None:
    result = worded(check_gate(cells_of(runs("v2", ["t"] * 5)), "v1", "v2", window=window))
    assert result.state == "no_data"
    assert result.sentence == (
        f"v2 against v1: there are no runs of version v1 {said} before the first run of v2, so nothing can be judged."
    )


def test_the_guides_alerts_warn() -> None:
    assert check_gate(suite(slower=0.65), "v1", "v2", coverage=90).state == "pass"
    low = check_gate(suite(slower=0.65), "v1", "v2", coverage=89.9)
    assert (low.state, low.exit_code, [a.code for a in low.alerts]) == ("warn", 0, ["low_coverage"])
    slow = check_gate(suite(slower=0.85), "v1", "v2", target=20)
    assert (slow.state, [a.code for a in slow.alerts]) == ("warn", ["small_improvement"])


@pytest.mark.parametrize(("target", "state"), [(20, "warn"), (16, "warn"), (14, "pass"), (0, "pass"), (None, "pass")])
def test_the_alert_on_speed_is_below_the_callers_target_and_none_switches_it_off(
    target: float | None, state: str
) -> None:
    result = worded(check_gate(suite(slower=0.85, spread=0.01), "v1", "v2", target=target))
    assert result.state == state
    assert [alert.code for alert in result.alerts] == (["small_improvement"] if state == "warn" else [])
    assert all(f"below an improvement of {target}%" in alert.sentence for alert in result.alerts)


def test_an_improvement_is_asked_for_only_where_someone_names_it_and_by_the_guides_policy() -> None:
    cells = suite(spread=0.01)
    assert check_gate(cells, "v1", "v2").state == "pass"
    assert check_gate(cells, "v1", "v2", target=5).state == "warn"
    guide = check_gate(cells, "v1", "v2", policy="guide")
    assert (guide.state, [alert.code for alert in guide.alerts]) == ("warn", ["small_improvement"])


@pytest.mark.parametrize("slower", [1.12, 1.15, 1.2])
def test_a_check_passes_only_where_the_bound_is_within_the_limit(slower: float) -> None:
    """What is beyond the limit passes in at most 5% of histories, however few its runs."""
    n = 200
    passed = sum(
        check_gate(suite(slower=slower, spread=0.3, repeats=3, seed=seed), "v1", "v2").checks[0].state == "pass"
        for seed in range(n)
    )
    assert at_most(0.05).holds(passed, n)


def test_a_worsening_that_is_probable_and_beyond_its_limit_warns() -> None:
    found = {}
    for seed in range(60):
        result = worded(check_gate(suite(slower=1.12, spread=0.3, repeats=5, seed=seed), "v1", "v2"))
        time = result.checks[0]
        assert time.p_adjusted is not None
        assert time.worsening is not None
        beyond = time.worsening > 0.10
        state = "block" if beyond and time.p_adjusted < 0.05 else "warn" if beyond and time.p_adjusted < 0.10 else None
        assert state is None or (time.state, result.state) == (state, state)
        found[time.state] = result
    assert found["warn"].exit_code == 0
    assert "probably worse" in found["warn"].sentence


def test_limits_are_the_callers_by_any_name_of_a_metric() -> None:
    cells = suite(slower=1.08)
    assert check_gate(cells, "v1", "v2").state == "pass"
    strict = check_gate(cells, "v1", "v2", margins={"time": 0.05})
    assert (strict.state, strict.checks[0].margin) == ("block", 0.05)
    assert strict == check_gate(cells, "v1", "v2", margins={"execution_time": 0.05})
    routed = check_gate(cells, "v1", "v2", margins={"routing": 0.1, "success": 0.03}, require=["success"])
    states = {check.metric: check.state for check in routed.checks}
    assert states == {
        "execution_time": "pass",
        "success_rate": "pass",
        "failure_rate": "pass",
        "cost": "pass",
        "routing_accuracy": "missing",
    }
    assert [check.metric for check in routed.checks if check.required] == ["success_rate"]


def test_more_successes_are_better_and_fewer_are_worse() -> None:
    worse = check_gate(suite(failing=0.2), "v1", "v2", margins={"success": 0.02})
    better = check_gate(suite(failing=0.2), "v2", "v1", margins={"success": 0.02})
    for result, state, sign in ((worse, "block", 1), (better, "pass", -1)):
        success, failures = result.checks[1:3]
        assert (success.metric, success.state, failures.state) == ("success_rate", state, state)
        assert success.worsening == pytest.approx(sign * 0.2)
        assert (success.worsening, success.bound, success.p_value) == pytest.approx(
            (failures.worsening, failures.bound, failures.p_value)
        )


def test_a_candidate_that_did_not_run_all_tasks_of_the_baseline_passes_nothing() -> None:
    names = task_names(13, 20)
    rng = np.random.default_rng(0)
    old = runs("v1", names, time=rng.lognormal(0, 0.05, 260))
    part = [name for name in names if name in {"task 0", "task 1", "task 2"}] or names[:60]
    new = runs("v2", [*part, *["new"] * 20], time=rng.lognormal(-1, 0.05, len(part) + 20))
    result = worded(check_gate(cells_of(old, new), "v1", "v2", on_inconclusive="fail"))
    assert (result.state, result.exit_code, result.checks[0].state) == ("inconclusive", 3, "pass")
    caveat = result.warnings[0]
    gone = sorted(set(names) - set(part))
    assert (caveat.code, caveat.figures["tasks"], caveat.figures["task_ids"]) == ("tasks_not_run", len(gone), gone)
    assert (caveat.figures["new_tasks"], caveat.figures["new_task_ids"]) == (1, ["new"])
    assert caveat.sentence in result.sentence
    assert caveat.sentence.startswith(f"v2 did not run {len(gone)} tasks of v1: {gone[0]}, ")
    assert caveat.sentence.endswith(f" and {len(gone) - 5} more; it ran 1 new task: new.")
    slow = runs("v2", part, time=rng.lognormal(1, 0.05, len(part)))
    assert check_gate(cells_of(old, slow), "v1", "v2").state == "block"
    assert check_gate(cells_of(new, old), "v2", "v1").state != "pass"
    both = check_gate(cells_of(runs("v1", part), runs("v2", names)), "v1", "v2")
    assert "tasks_not_run" not in {caveat.code for caveat in both.warnings}


@pytest.mark.parametrize("slower", [0.2, 1, 5])
def test_versions_without_a_common_task_are_not_judged(slower: float) -> None:
    rng = np.random.default_rng(0)
    old = runs("v1", [f"a{n % 9}" for n in range(90)], time=rng.lognormal(0, 0.1, 90))
    new = runs("v2", [f"b{n % 9}" for n in range(90)], time=slower * rng.lognormal(0, 0.1, 90))
    result = worded(check_gate(cells_of(old, new), "v1", "v2"))
    assert result.state == "inconclusive"
    assert "v2 and v1 have no task in common." in result.sentence


def test_from_free_to_paid_is_a_rise_beyond_any_limit() -> None:
    names = task_names(13, 5)
    free = runs("v1", names, cost=[0.0] * len(names))
    for paid, state in ((65, "block"), (1, "inconclusive"), (0, "pass")):
        cost = [0.001] * paid + [0.0] * (len(names) - paid)
        result = worded(check_gate(cells_of(free, runs("v2", names, cost=cost)), "v1", "v2", margins={"cost": 0.9}))
        check = result.checks[2]
        if paid:
            assert (check.state, check.worsening) == (state, None)
            assert check.sentence.startswith("Cost rose from zero: ")
        assert (result.state == "block") == (state == "block")


@pytest.mark.parametrize(
    ("change", "blocks"),
    [
        ({"slower": 1.12}, True),
        ({"slower": 1.05}, False),
        ({"failing": 0.05}, True),
        ({"pricier": 1.07}, True),
        ({"pricier": 1.02}, False),
    ],
)
def test_the_literal_policy_blocks_on_the_guides_thresholds(change: dict[str, Any], blocks: bool) -> None:
    result = check_gate(suite(spread=0.01, **change), "v1", "v2", policy="literal")
    assert (result.state == "block") == blocks
    assert result.exit_code == int(blocks)


def test_any_increase_of_failures_blocks_literally() -> None:
    n = 2000
    names = task_names(1, n)
    rng = np.random.default_rng(0)
    cells = cells_of(
        runs("v1", names, time=rng.lognormal(0, 0.1, n), cost=rng.lognormal(0, 0.1, n)),
        runs(
            "v2",
            names,
            time=rng.lognormal(-1, 0.1, n),
            cost=rng.lognormal(0, 0.1, n),
            success=[i > 0 for i in range(n)],
        ),
    )
    result = worded(check_gate(cells, "v1", "v2"))
    assert (result.literal_state, result.default_state) == ("block", "pass")
    assert result.difference is not None
    assert "Failure rate +0.1 points is beyond 0 points. That may well be chance" in result.difference
    assert "is within the limit of 2 points" in result.difference


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holms_adjustment_is_that_of_statsmodels(p_values: list[float]) -> None:
    adjusted = holm({str(i): p for i, p in enumerate(p_values)})
    expected = multipletests(p_values, method="holm")[1]
    assert [adjusted[str(i)] for i in range(len(p_values))] == pytest.approx(list(expected))


def test_the_smallest_detectable_change_is_found_four_times_in_five() -> None:
    def time(seed: int, slower: float) -> GateCheck:
        return check_gate(suite(slower=slower, spread=0.3, repeats=5, seed=seed), "v1", "v2").checks[0]

    detectable = float(np.mean([time(seed, 1).detectable or math.nan for seed in range(100)]))
    blocked = sum(time(seed, 1 + detectable).state == "block" for seed in range(100, 400))
    assert 0.72 < blocked / 300 < 0.88


def test_a_result_is_json_with_a_schema_version() -> None:
    plain = check_gate(suite(), "v1", "v2").to_dict()
    assert plain["schema_version"] == 1
    json.dumps(plain, allow_nan=False)
    json.dumps(check_gate(Cells(), "a", "b").to_dict(), allow_nan=False)


def test_values_that_never_vary_are_judged() -> None:
    names = task_names(13, 3)
    for cost, state in ((0.5, "pass"), (0.6, "block")):
        cells = cells_of(
            runs("v1", names, time=[1.0] * 39, cost=[0.5] * 39), runs("v2", names, time=[1.0] * 39, cost=[cost] * 39)
        )
        result = check_gate(cells, "v1", "v2")
        assert {check.metric: check.state for check in result.checks}["cost"] == state


@pytest.mark.parametrize(
    "arguments",
    [
        {"policy": "strict"},
        {"on_inconclusive": "block"},
        {"coverage": 101},
        {"coverage": 0.93},
        {"coverage": "90"},
        {"coverage": math.nan},
        {"scope": "all"},
        {"target": 100},
        {"target": "20"},
        {"target": True},
        {"target": math.nan},
        {"policy": None},
        {"margins": [0.05]},
        {"margins": {"speed": 0.05}},
        {"margins": {"time": 5}},
        {"margins": {"time": "5%"}},
        {"margins": {"time": math.nan}},
        {"require": "time"},
        {"require": ["speed"]},
        {"require": ["routing"]},
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidQueryError, match=next(iter(arguments))):
        check_gate(suite(), "v1", "v2", **arguments)


@pytest.mark.parametrize("shape", [LogNormal(0.5), LogNormal(0.2, 0.3, 3), LogNormal(0.3, 0.05, 10)])
@pytest.mark.parametrize("repeats", [1, 5])
def test_the_gate_seldom_cries_wolf(shape: LogNormal, repeats: int) -> None:
    """A part of what ``tests/perf/verdicts.py`` simulates; the literal thresholds are there to see the difference."""
    design = Suite(runs=(repeats, repeats), noise=shape)
    results = [gate(Trial(design, repeats, number)) for number in range(200)]
    assert at_most(0.05).holds(sum(result.default_state == "block" for result in results), 200)
    assert sum(result.literal_state == "block" for result in results) > 100
