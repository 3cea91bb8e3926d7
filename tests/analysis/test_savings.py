from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmark_recorder import BenchmarkRecorder, InvalidQueryError
from benchmark_recorder.reporting.json import json_text
from benchmark_recorder.stores.memory import MemoryStore
from tests.cli.commands import run
from tests.hostile import HOSTILE
from tests.perf.savings import tally
from tests.reporting.test_outputs import check_log, check_markdown
from tests.reporting.test_views import Reader


def history(*sides: dict[str, Any], tasks: int = 5, runs: int = 60) -> BenchmarkRecorder:
    """Runs of each task by each side, which says what its runs have in common, and their usual ``cost``."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    chance = np.random.default_rng(1)
    for side in sides:
        own = {"success": True, "version": "v1", **side}
        cost = own.pop("cost")
        for task in range(tasks):
            for _ in range(runs):
                paid = None if cost is None else cost * float(chance.lognormal(0, 0.2))
                recorder.record_execution(f"Task {task}", float(chance.lognormal(0, 0.2)), cost=paid, **own)
    return recorder


LARGE, SMALL = {"model": "large", "cost": 0.01}, {"model": "small", "cost": 0.004}


def codes(found: Any) -> set[str]:
    return {warning.code for warning in found.warnings}


def test_a_cheaper_model_that_is_as_good_is_suggested_with_its_saving() -> None:
    found = history(LARGE, SMALL, runs=200).suggest_savings()
    (one,) = found.suggestions
    assert (one.kind, one.replaced, one.by, one.tasks) == ("model", "large", "small", 5)
    true = 1000 * 0.006 * np.exp(0.02) * 365.25 / 12 / 30
    assert one.saving.interval is not None
    assert one.saving.value == pytest.approx(true, rel=0.05)
    assert one.strength == "evidence"
    assert one.needed is None
    assert one.success_at_worst is not None
    assert -0.02 < one.success_at_worst <= 0
    assert one.command == "benchmark-recorder gate v1 v1-small --margin failures=2% --require failures --require cost"


def test_times_that_are_fixed_by_design_are_no_reason_against_it() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    for number in range(1200):
        model, cost = ("large", 0.01) if number % 2 else ("small", 0.004)
        recorder.record_execution(f"t{number // 2 % 2}", 2.0, True, "v1", model=model, cost=cost + number / 1e7)
    assert [one.strength for one in recorder.suggest_savings().suggestions] == ["evidence"]


def test_too_few_runs_to_show_quality_are_something_to_try_with_the_runs_it_takes() -> None:
    (one,) = history(LARGE, SMALL, runs=10).suggest_savings().suggestions
    assert one.strength == "try"
    assert one.needed is not None
    assert one.needed > 50
    assert "not shown yet" in str(history(LARGE, SMALL, runs=10).suggest_savings())


def test_a_model_that_surely_fails_more_is_not_suggested() -> None:
    recorder = history(LARGE, runs=100)
    for number in range(500):
        recorder.record_execution(
            f"Task {number % 5}", 1.0, number % 4 > 0, "v1", model="small", cost=0.004 + number / 1e6
        )
    assert [one.kind for one in recorder.suggest_savings().suggestions] == ["failures"]


def test_models_that_did_different_tasks_are_never_compared() -> None:
    recorder = history(LARGE)
    for number in range(200):
        recorder.record_execution(f"Other task {number % 3}", 1.0, True, "v1", model="small", cost=0.001)
    found = recorder.suggest_savings()
    assert found.suggestions == ()
    assert codes(found) == {"no_matched_models"}


def test_agents_are_replaced_too() -> None:
    (one,) = (
        history({"agent_selected": "a", "cost": 0.01}, {"agent_selected": "b", "cost": 0.002})
        .suggest_savings()
        .suggestions
    )
    assert (one.kind, one.replaced, one.by) == ("agent", "a", "b")


def test_what_failures_and_repetitions_cost_is_the_most_that_could_be_saved() -> None:
    failing = {"success": False, "error_type": "Timeout", "cost": 0.02, "model": "m"}
    again = {"metadata": {"attempt": 2}, "cost": 0.005, "model": "m"}
    found = history({**LARGE, "model": "m", "metadata": {"attempt": 1}}, failing, again).suggest_savings()
    burnt = {one.kind: one for one in found.suggestions}
    assert burnt["failures"].replaced == "Timeout"
    assert burnt["failures"].saving.value == pytest.approx(300 * 0.02 * 365.25 / 12 / 30, rel=0.1)
    assert burnt["failures"].command == "benchmark-recorder show v1 --failure --error-type Timeout"
    assert burnt["retries"].runs == 300
    assert "up to" in str(found)


def test_without_any_cost_nothing_is_invented() -> None:
    found = history({"model": "large", "cost": None}, {"model": "small", "cost": None}).suggest_savings()
    assert found.suggestions == ()
    assert "no_known_costs" in codes(found)
    assert "No saving is shown" in str(found)


def test_unknown_costs_are_counted_and_left_out() -> None:
    found = history(LARGE, SMALL, {"model": "small", "cost": None}).suggest_savings()
    assert "costs_left_out" in codes(found)
    (one,) = found.suggestions
    assert one.saving.value == pytest.approx(300 * 0.006 * 1.02 * 365.25 / 12 / 30, rel=0.1)


def test_one_model_alone_leaves_nothing_to_choose() -> None:
    assert "nothing_to_choose" in codes(history(LARGE).suggest_savings())


def test_no_runs_at_all_are_said() -> None:
    found = BenchmarkRecorder(store=MemoryStore()).suggest_savings()
    assert codes(found) == {"no_runs_to_save_on"}
    assert found.runs == 0


@pytest.mark.parametrize("margin", [0, 1, 1.5, -0.1, True, "2%", float("nan")])
def test_a_margin_that_is_no_share_is_named(margin: Any) -> None:
    with pytest.raises(InvalidQueryError, match="quality_margin: expected a share"):
        BenchmarkRecorder(store=MemoryStore()).suggest_savings(quality_margin=margin)


@pytest.mark.parametrize("days", [0, -1, "x"])
def test_days_that_are_none_are_named(days: Any) -> None:
    with pytest.raises(InvalidQueryError, match="last_days"):
        BenchmarkRecorder(store=MemoryStore()).suggest_savings(last_days=days)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_is_shown_and_never_obeyed(text: str) -> None:
    failing = {"success": False, "error_type": text, "cost": 0.1, "model": text}
    found = history(
        {"model": text, "cost": 0.01, "version": text}, {**SMALL, "version": text}, failing, tasks=1, runs=20
    ).suggest_savings()
    assert found.suggestions
    check_log(str(found))
    check_markdown(found.render("markdown"))
    assert Reader(found._repr_html_()).text.replace("\n", "").isprintable()
    assert len(json.loads(json_text(found))["suggestions"]) == len(pa.table(found)) == len(found.to_pandas())


def test_advice_over_confounded_histories_is_seldom_wrong() -> None:
    """A small sample of ``tests/perf/savings.py``, which has the rates."""
    found = tally("confounded", 12, runs=6_000, loss=0.10, saving=0.4)
    assert found["evidence, wrong"] <= 1 / 12
    assert found["raw averages say yes"] == 1


def test_the_command_prints_and_writes_the_same(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recorder = BenchmarkRecorder("runs.json")
    for number in range(160):
        model, cost = ("large", 0.01) if number % 2 else ("small", 0.002)
        recorder.record_execution(f"t{number % 4 // 2}", 1.0, True, "v1", model=model, cost=cost + number / 1e6)
    shown = run("--store", "runs.json", "savings", "--margin", "0.1")
    assert shown.exit_code == 0, shown.output
    assert "small for large" in shown.stdout
    answer = json.loads(run("--store", "runs.json", "savings", "--json").stdout)["savings"]
    assert answer["suggestions"][0]["replaced"] == "large"
    assert run("--store", "runs.json", "savings", "--output", "s.html").exit_code == 0
    assert run("--store", "runs.json", "savings", "--version", "v9").exit_code == 4
