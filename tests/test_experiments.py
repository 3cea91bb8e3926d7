from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder import BenchmarkRecorder, InvalidQueryError, JSONFileStore, MemoryStore
from benchmark_recorder.analysis.anytime import chance_of, coin_log_odds
from benchmark_recorder.reporting.experiment_pages import experiment_page, list_page
from benchmark_recorder.reporting.html import render_html
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.text import render_text
from tests.cli.commands import run
from tests.hostile import HOSTILE
from tests.reporting.test_outputs import check_log, check_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_recorder.stores.base import Store

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def try_out(
    store: Store,
    units: int,
    *,
    faster: float = 1.0,
    failing: tuple[float, float] = (0.1, 0.1),
    name: str = "router",
    arms: tuple[str, str] = ("v1", "v2"),
    weight: float = 0.5,
    split: float | None = None,
    runs: tuple[int, int] = (1, 4),
    late: float = 0.0,
    first: int = 0,
) -> BenchmarkRecorder:
    """Record an experiment on some units, each with its own speed; ``split`` is what really becomes of the weight."""
    recorder = BenchmarkRecorder(store=store)
    experiment = recorder.experiment(name, control=arms[0], treatment=arms[1], weight=weight)
    chance = random.Random(f"{units} {first}")
    for unit in range(first, first + units):
        treated = experiment.assign(unit) == arms[1] if split is None else chance.random() < split
        speed = chance.lognormvariate(0, 0.3)
        with experiment.measure(unit, task="x") as mark:
            mark.discard()
        for _ in range(chance.randint(*runs)):
            begin = BEGIN + timedelta(minutes=unit, hours=late if treated else 0)
            recorder.record_execution(
                f"question {chance.random()}",
                (faster if treated else 1.0) * speed * chance.lognormvariate(0, 0.3),
                chance.random() >= failing[treated],
                arms[treated],
                cost=0.01 * chance.lognormvariate(0, 0.1),
                metadata=mark.metadata,
                timestamp=begin,
            )
    return recorder


def codes(found: Any) -> set[str]:
    return {caveat.code for caveat in found.warnings}


def test_a_clear_winner_wins_and_a_loser_loses(tmp_path: Path) -> None:
    store = JSONFileStore(tmp_path / "m.json")
    found = try_out(store, 300, faster=0.6).check_experiment("router")
    assert (found.state, found.control, found.treatment, found.weight) == ("treatment_wins", "v1", "v2", 0.5)
    assert found.control_units + found.treatment_units == 300
    assert found.control_runs + found.treatment_runs == sum(1 for _ in store.documents(_all()))
    assert found.runs_to_go is None
    assert try_out(MemoryStore(), 300, faster=1.6).check_experiment("router").state == "control_wins"


def _all() -> Any:
    from benchmark_recorder.queries import Query

    return Query()


def test_what_is_faster_and_fails_more_does_not_win() -> None:
    found = try_out(MemoryStore(), 500, faster=0.6, failing=(0.05, 0.4)).check_experiment("router")
    assert {one.metric: one.verdict for one in found.metrics}["execution_time"] == "improved"
    assert found.state == "control_wins"
    assert "though it is better in execution time" in found.sentence


def test_one_metric_may_decide_alone() -> None:
    recorder = try_out(MemoryStore(), 500, faster=0.6, failing=(0.05, 0.4))
    found = recorder.check_experiment("router", "time")
    assert (found.state, [one.metric for one in found.metrics]) == ("treatment_wins", ["execution_time"])


def test_without_a_difference_it_goes_on_until_none_can_matter() -> None:
    early = try_out(MemoryStore(), 200).check_experiment("router", "time")
    assert early.state == "continue"
    late = try_out(MemoryStore(), 3000).check_experiment("router", "time", margins={"time": 0.3})
    assert late.state == "no_difference"


def test_the_runs_to_go_lead_to_a_decision() -> None:
    found = try_out(MemoryStore(), 150, faster=0.85).check_experiment("router", "time")
    assert found.state == "continue"
    assert found.runs_to_go is not None
    assert 0 < found.runs_to_go < 5000


def test_below_sixty_units_an_arm_is_not_judged() -> None:
    found = try_out(MemoryStore(), 90, faster=0.3).check_experiment("router")
    assert found.state == "continue"
    assert "too_few_units" in codes(found)
    assert all(one.interval is None and one.verdict == "inconclusive" for one in found.metrics)
    assert found.runs_to_go


def test_units_count_and_not_their_runs() -> None:
    """Each unit's runs are alike, so that many runs of few units are no evidence."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    experiment = recorder.experiment("router", control="v1", treatment="v2")
    rng = np.random.default_rng(3)
    for unit in range(160):
        time = float(rng.lognormal(0, 0.5))
        for _ in range(20):
            with experiment.measure(unit, task="x") as run:
                run.duration = time
    found = recorder.check_experiment("router")
    (time_,) = [one for one in found.metrics if one.metric == "execution_time"]
    assert time_.v1_count + time_.v2_count == 160
    assert found.state == "continue"


def test_units_that_are_split_otherwise_break_an_experiment() -> None:
    found = try_out(MemoryStore(), 600, faster=0.6, split=0.62).check_experiment("router")
    assert found.state == "broken"
    assert found.sample_ratio_e_value is not None
    odds = stats.betabinom.pmf(found.treatment_units, 600, 1, 1) / stats.binom.pmf(found.treatment_units, 600, 0.5)
    assert found.sample_ratio_e_value == pytest.approx(odds)
    assert try_out(MemoryStore(), 600, weight=0.1, split=0.1).check_experiment("router").state != "broken"


def test_the_split_is_seldom_called_broken_at_any_of_a_thousand_looks() -> None:
    rng = np.random.default_rng(5)
    treated = (rng.random((400, 1000)) < 0.3).cumsum(1)
    alarms = 0
    for history in treated:
        alarms += any(
            chance_of(coin_log_odds(int(history[n - 1]), n - int(history[n - 1]), 0.3, prior=1.0)) <= 0.01
            for n in range(10, 1001, 10)
        )
    assert alarms <= stats.binom.ppf(0.999, 400, 0.01)


def test_units_in_both_arms_are_counted_and_many_break_it() -> None:
    recorder = try_out(MemoryStore(), 400)
    experiment = recorder.experiment("router", control="v1", treatment="v2")
    for unit, broken in ((0, False), *((unit, True) for unit in range(1, 20))):
        with experiment.measure(unit, task="x") as mark:
            mark.discard()
        other = "v1" if mark.version == "v2" else "v2"
        recorder.record_execution("x", 1.0, True, other, metadata=mark.metadata)
        if not broken:
            found = recorder.check_experiment("router")
            assert "units_in_both_arms" in codes(found)
            assert found.state != "broken"
    assert recorder.check_experiment("router").state == "broken"


def test_a_plan_that_changed_midway_is_said_and_only_the_newest_counts() -> None:
    store = MemoryStore()
    try_out(store, 100, weight=0.5)
    found = try_out(store, 300, weight=0.2, first=100).check_experiment("router")
    assert (found.weight, found.control_units + found.treatment_units) == (0.2, 300)
    assert "changed_midway" in codes(found)


def test_an_arm_that_began_later_is_said() -> None:
    found = try_out(MemoryStore(), 150, late=30).check_experiment("router")
    assert "late_arm" in codes(found)
    assert "late_arm" not in codes(try_out(MemoryStore(), 150).check_experiment("router"))


def test_an_arm_without_runs_is_named() -> None:
    found = try_out(MemoryStore(), 20, split=0.0).check_experiment("router")
    assert (found.metrics, found.treatment_units, found.runs_to_go) == ((), 0, None)
    assert "unknown_version" in codes(found)


def test_an_unknown_experiment_has_no_data() -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    assert recorder.check_experiment("nothing").state == "no_data"
    recorder.record_execution("x", 1.0, True, "v1", metadata={"experiment": "mine", "experiment_plan": "by hand"})
    assert recorder.check_experiment("mine").state == "no_data"
    assert recorder.list_experiments().experiments == ()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"metric": "speed"}, "metric"),
        ({"metric": "p95"}, "metric"),
        ({"margins": {"time": 2}}, "margin"),
        ({"margins": {"speed": 0.1}}, "margins"),
        ({"margins": 0.1}, "margins"),
        ({"agents": "x"}, "unknown query argument"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidQueryError, match=rf"^{field}"):
        BenchmarkRecorder(store=MemoryStore()).check_experiment(**{"name": "router", **arguments})


def test_experiments_are_listed_with_their_plans() -> None:
    store = MemoryStore()
    try_out(store, 10)
    recorder = try_out(store, 10, name="prompt", arms=("a", "b"), weight=0.3, first=1000)
    listed = recorder.list_experiments().experiments
    assert [(one.name, one.control, one.treatment, one.weight) for one in listed] == [
        ("prompt", "a", "b", 0.3),
        ("router", "v1", "v2", 0.5),
    ]


def test_the_commands_exit_with_the_state(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    store = JSONFileStore(path)
    try_out(store, 300, faster=0.5)
    try_out(store, 60, name="young")
    decided = run("experiment", "check", "router", "--json", "--store", path)
    assert (decided.exit_code, json.loads(decided.stdout)["experiment"]["state"]) == (0, "treatment_wins")
    assert run("experiment", "check", "young", "--metric", "time", "--store", path).exit_code == 3
    assert run("experiment", "check", "none", "--store", path).exit_code == 4
    assert run("experiment", "check", "router", "--metric", "speed", "--store", path).exit_code == 2
    shown = run("experiment", "list", "--store", path)
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == ["router", "young"]


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_names_are_whole_in_every_output(text: str) -> None:
    name, control, treatment = text[:150] or "x", f"{text[:150]}1", f"{text[:150]}2"
    if not name.strip():
        name = "x"
    recorder = BenchmarkRecorder(store=MemoryStore())
    experiment = recorder.experiment(name, control=control, treatment=treatment)
    for unit in range(80):
        with experiment.measure(unit, task="x") as run_:
            run_.duration = 1.0 + unit % 7
    found = recorder.check_experiment(name)
    for page in (experiment_page(found), list_page(recorder.list_experiments())):
        check_log(render_text(page))
        check_markdown(render_markdown(page))
        render_html(page)
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.control_units + found.treatment_units == 80
