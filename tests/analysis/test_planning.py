from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from benchmark_recorder.analysis import RunPlan, compare, plan_runs
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs, task_names
from tests.perf.simulation.bench import Trial
from tests.perf.simulation.designs import LogNormal, Suite
from tests.perf.simulation.questions import check, comparison


def suite(
    repeats: int = 5, sd: float = 0.3, tasks: int = 13, seed: int = 1, versions: tuple[str, ...] = ("v1", "v2")
) -> Cells:
    """Times of exactly this standard deviation within each task, so that plans can be checked by formulas."""
    rng = np.random.default_rng(1)
    parts = []
    for version in versions:
        logs = rng.normal(0, 1, (tasks, repeats))
        logs = sd * (logs - logs.mean(1, keepdims=True)) / logs.std(1, ddof=1, keepdims=True)
        cost = 0.001 * np.exp(logs.ravel())
        parts.append(runs(version, task_names(tasks, repeats), time=np.exp(logs.ravel()), cost=cost))
    return cells_of(*parts)


@pytest.mark.parametrize("effect", [0.15, 0.25])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_a_verdict_takes_the_runs_that_statsmodels_says(effect: float, power: float) -> None:
    plan = plan_runs(suite(repeats=2), "v1", "v2", effect=effect, power=power, decision="verdict", margin=0.001)
    assert plan.needed is not None
    each = plan.needed.runs_per_task
    assert each is not None

    def reached(repeats: int) -> float:
        # As many values in each version, of the same standard deviation; the tasks' means cost degrees of freedom.
        return float(TTestIndPower().power(math.log1p(effect) / 0.3, 13 * repeats, 0.05))

    assert reached(each) >= power - 0.01
    assert reached(each - 1) < power + 0.01
    assert plan.needed.runs == 2 * 13 * (each - 2)


def test_numbers_are_further_runs_and_those_that_are_there_count() -> None:
    few = plan_runs(suite(repeats=2), "v1", "v2", effect=0.12, decision="verdict")
    more = plan_runs(suite(repeats=4), "v1", "v2", effect=0.12, decision="verdict")
    assert few.needed is not None
    assert more.needed is not None
    assert few.needed.runs_per_task == more.needed.runs_per_task
    assert few.needed.runs is not None
    assert few.needed.runs == (more.needed.runs or 0) + 2 * 13 * 2


def test_a_gate_takes_more_runs_than_one_test_as_it_allows_for_its_other_guardrails() -> None:
    cells = suite(repeats=2)
    gate = plan_runs(cells, "v1", "v2", effect=0.15)
    claim = plan_runs(cells, "v1", "v2", effect=1 - 1 / 1.15, decision="claim")
    assert gate.needed is not None
    assert claim.needed is not None
    assert gate.needed.runs is not None
    assert claim.needed.runs is not None
    assert gate.needed.runs > 1.1 * claim.needed.runs


def test_just_beyond_its_margin_a_gate_takes_very_many_runs_and_at_it_none_decide() -> None:
    cells = suite()
    near, far = (plan_runs(cells, "v1", "v2", effect=effect).needed for effect in (0.11, 0.15))
    assert near is not None
    assert near.runs is not None
    assert far is None or (far.runs or 0) < near.runs / 10
    with pytest.raises(InvalidQueryError, match="neither blocks nor passes"):
        plan_runs(cells, "v1", "v2", effect=0.10)


def test_enough_runs_are_said_to_be_enough() -> None:
    plan = worded(plan_runs(suite(repeats=20), "v1", "v2", effect=0.3))
    assert plan.enough
    assert plan.needed is None
    assert plan.present is not None
    assert plan.present > 0.9
    assert plan.sentence.startswith(
        "No further runs are needed to block a candidate whose execution time is worse by 30%"
    )


def test_a_candidate_that_has_not_run_is_planned_from_the_baseline() -> None:
    alone = plan_runs(suite(repeats=4, versions=("v1",)), "v1", effect=0.2)
    assert alone.v2 is None
    assert alone.present is None
    assert alone.needed is not None
    each = alone.needed.runs_per_task
    assert each is not None
    assert alone.needed.runs == 13 * each + 13 * max(0, each - 4)
    typo = plan_runs(suite(repeats=4, versions=("v1",)), "v1", "v2", effect=0.2)
    assert typo.needed == alone.needed
    assert [caveat.code for caveat in typo.warnings] == ["unknown_version"]


def test_tasks_that_differ_need_more_tasks_and_no_number_of_repeats() -> None:
    rng = np.random.default_rng(4)
    names, shift = task_names(13, 20), np.repeat(rng.normal(0, 0.3, 13), 20)
    cells = cells_of(
        runs("v1", names, time=rng.lognormal(0, 0.1, 260)),
        runs("v2", names, time=rng.lognormal(0, 0.1, 260) * np.exp(shift)),
    )
    plan = worded(plan_runs(cells, "v1", "v2", effect=0.15, scope="tasks"))
    assert plan.needed is not None
    assert plan.needed.runs is None
    assert plan.needed.tasks is not None
    assert plan.sentence.startswith("No number of repeats of these tasks is known to be enough; about")
    suite_wide = plan_runs(cells, "v1", "v2", effect=0.15)
    assert suite_wide.enough or (suite_wide.needed is not None and suite_wide.needed.runs is not None)


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_router_without_chance_is_never_told_to_repeat(repeats: int) -> None:
    names = task_names(13, repeats)
    old = runs("v1", names, routed=np.repeat([task < 7 for task in range(13)], repeats).tolist())
    new = runs("v2", names, routed=np.repeat([task < 9 or task == 12 for task in range(13)], repeats).tolist())
    cells = cells_of(old, new)
    needed = compare(cells, "v1", "v2", "routing_accuracy").needed
    plan = plan_runs(cells, "v1", "v2", "routing", effect=0.1, decision="verdict").needed
    for found in (needed, plan):
        assert found is not None
        assert found.runs is None
        assert found.tasks is not None


def test_tasks_that_always_or_never_fail_do_not_make_a_plan_longer() -> None:
    repeats = 20
    failing = np.zeros((13, repeats), dtype=bool)
    failing[0] = True
    failing[1:, 0] = True
    mixed = cells_of(*(runs(v, task_names(13, repeats), success=(~failing).ravel().tolist()) for v in ("v1", "v2")))
    plan = plan_runs(mixed, "v1", "v2", "failures", effect=0.05, decision="verdict")
    within = 12 / 13 * 0.05 * 0.95 * repeats / (repeats - 1)
    assert plan.needed is not None or plan.enough
    error = math.sqrt((2 * within + 0.05 * (1 - 2 * (1 + 12 / 20) / 13) - 0.05**2) / 13)
    each = plan.needed.runs_per_task if plan.needed else repeats
    assert each is not None
    # Normal theory: (1.96 + 0.84) standard errors.
    assert each <= math.ceil((2.8 * error / 0.05) ** 2 * 1.1)


PLANNED: dict[str, tuple[Suite, dict[str, Any]]] = {
    "a slower candidate is blocked": (Suite(runs=(3, 3), noise=LogNormal(0.3), slower=1.2), {"effect": 0.2}),
    "a candidate that fails more often is blocked": (Suite(worse=0.1), {"metric": "failure_rate", "effect": 0.1}),
    "an unchanged candidate passes": (Suite(runs=(3, 3), noise=LogNormal(0.3)), {"effect": 0.0}),
    "a dearer candidate is seen": (
        Suite(runs=(3, 3), price=LogNormal(0.3), dearer=1.1),
        {"metric": "cost", "effect": 0.1, "decision": "verdict"},
    ),
}


@pytest.mark.parametrize("name", PLANNED)
def test_a_plans_power_is_reached_in_fresh_histories(name: str) -> None:
    design, asked = PLANNED[name]
    metric = asked.get("metric", "execution_time")
    reached, histories = 0, 120
    for number in range(histories):
        trial = Trial(replace(design, slower=1.0, worse=0.0, dearer=1.0), 77, number, 0)
        plan: RunPlan = trial.ask("plan_runs", "v1", "v2", **asked)
        each = (plan.needed.runs_per_task if plan.needed else None) or 0
        runs_now = (max(design.runs[0], each), max(design.runs[1], each))
        fresh = trial.other(replace(design, runs=runs_now), 1)
        if asked.get("decision") == "verdict":
            reached += comparison(fresh, metric).verdict != "inconclusive"
        else:
            wanted = "block" if asked["effect"] else "pass"
            reached += check(fresh, metric).state == wanted
    assert 0.68 < reached / histories < 0.92


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"effect": -0.1}, "effect: expected a fraction at least 0"),
        ({"effect": 1.5, "decision": "claim"}, "effect: expected a fraction above 0 and below 1"),
        ({"effect": 0.0, "decision": "claim"}, "effect: expected a fraction above 0 and below 1"),
        ({"effect": math.nan}, "effect"),
        ({"effect": True}, "effect"),
        ({"effect": 0.2, "power": 1.0}, "power: expected a number above 0.05 and below 1"),
        ({"effect": 0.2, "decision": "merge"}, "decision"),
        ({"effect": 0.2, "metric": "routing"}, "margin: the gate has no limit for routing_accuracy; give one"),
        ({"effect": 0.2, "margin": 2.0}, "margin"),
        ({"effect": 0.2, "scope": "all"}, "scope"),
        ({"effect": 0.2, "v2": None, "scope": "tasks"}, "scope: how much tasks differ shows only"),
    ],
)
def test_a_bad_plan_is_refused_by_the_name_of_its_argument(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidQueryError, match=message):
        plan_runs(suite(2), "v1", **{"v2": "v2", **asked})


def test_without_runs_nothing_can_be_planned() -> None:
    plan = worded(plan_runs(Cells(), "v1", "v2", effect=0.2))
    assert plan.needed is None
    assert plan.sentence == "There are no runs of version v1 to plan from."
    assert plan.to_dict()["needed"] is None
