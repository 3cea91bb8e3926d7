"""The example orchestrators: what each mechanism does, shown by switching it off. All in virtual time."""

from __future__ import annotations

import ast
import asyncio
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.harness import BenchmarkHarness, BenchmarkTasks, RunResult, VirtualClock
from benchmark_recorder.stores.memory import MemoryStore
from examples.simulation import aop, halo, model, planning, work
from examples.simulation.orchestrator import Orchestrator, TaskResult, orchestrator_v1, orchestrator_v2

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
MEDIUM = [task["id"] for task in BenchmarkTasks.MEDIUM_TASKS]
REPEATS = 100


def variants() -> list[Orchestrator]:
    return [
        orchestrator_v1(),
        orchestrator_v2(),
        Orchestrator("v2.0 without HTDAG", htdag=False),
        Orchestrator("v2.0 without HALO", halo=False),
        Orchestrator("v2.0 without AOP", aop=False),
        Orchestrator("v2.0 without DAAO", daao=False),
    ]


def run(orchestrators: list[Orchestrator], repeats: int) -> tuple[BenchmarkRecorder, RunResult]:
    recorder = BenchmarkRecorder(store=MemoryStore())
    return recorder, BenchmarkHarness(orchestrators, recorder=recorder, repeats=repeats, clock=VirtualClock()).run()


@pytest.fixture(scope="module")
def measured() -> BenchmarkRecorder:
    return run(variants(), REPEATS)[0]


# Each switch takes its claim's effect away --------------------------------------------------------------------------


def test_without_htdag_v2_is_hardly_faster(measured: BenchmarkRecorder) -> None:
    with_it = measured.compare_versions("v1.0", "v2.0", "execution_time")
    without = measured.compare_versions("v1.0", "v2.0 without HTDAG", "execution_time")
    assert with_it.improvement_percent > 50
    assert without.improvement_percent < 20, "what is left comes from agents that have the skill"
    assert measured.compare_versions("v2.0 without HTDAG", "v2.0", "execution_time").verdict == "improved"


def test_without_halo_v2_routes_exactly_as_v1(measured: BenchmarkRecorder) -> None:
    assert measured.compare_versions("v1.0", "v2.0", "routing_accuracy", task_id=MEDIUM).improvement_percent > 25
    for tasks in (None, MEDIUM):
        without = measured.compare_versions("v1.0", "v2.0 without HALO", "routing_accuracy", task_id=tasks)
        assert without.v1_value == without.v2_value


def test_without_aop_failures_are_not_significantly_fewer(measured: BenchmarkRecorder) -> None:
    assert measured.compare_versions("v1.0", "v2.0", "failure_rate").verdict == "improved"
    assert not measured.compare_versions("v1.0", "v2.0 without AOP", "failure_rate").significant
    assert measured.compare_versions("v2.0 without AOP", "v2.0", "failure_rate").verdict == "improved"


def test_without_daao_v2_costs_more_than_twice_as_much(measured: BenchmarkRecorder) -> None:
    saved = measured.compare_versions("v2.0 without DAAO", "v2.0", "cost")
    assert saved.verdict == "improved"
    assert saved.improvement_percent > 48


def test_each_claim_is_its_mechanisms_alone(measured: BenchmarkRecorder) -> None:
    for version in ("v2.0 without AOP", "v2.0 without HALO", "v2.0 without DAAO"):
        assert measured.compare_versions("v2.0", version, "execution_time").verdict == "equivalent"
    for version in ("v2.0 without HTDAG", "v2.0 without HALO"):
        same = measured.compare_versions("v2.0", version, "failure_rate")
        assert same.v1_value == same.v2_value


def test_the_table_of_effects_in_the_documentation_is_the_measured_one(measured: BenchmarkRecorder) -> None:
    assert effects_table(measured) in (ROOT / "docs" / "harness.md").read_text(encoding="utf-8")


def effects_table(measured: BenchmarkRecorder) -> str:
    rows = [
        "| | seconds | routing accuracy, medium tasks | failures | cost per task |",
        "|---|---|---|---|---|",
    ]
    for variant in variants():
        every = measured.get_historical_metrics(variant.version)
        routing = measured.compare_versions("v1.0", variant.version, "routing_accuracy", task_id=MEDIUM)
        routed = routing.v1_value if variant.version == "v1.0" else routing.v2_value
        rows.append(
            f"| {variant.version} | {every.mean:.2f} | {routed:.1%} | {1 - every.success_rate:.1%} "
            f"| ${every.mean_cost:.4f} |"
        )
    return "\n".join(rows)


# No factor favours a version ------------------------------------------------------------------------------------------


def test_v2_with_three_switches_off_is_v1_to_the_last_digit() -> None:
    other = Orchestrator("v2.0", htdag=False, halo=False, aop=False)
    _, result = run([orchestrator_v1(), other], 10)
    sides: dict[str, list[Any]] = {"v1.0": [], "v2.0": []}
    for execution in sorted(result.executions, key=lambda e: (e.task_id, e.repeat)):
        sides[execution.version].append(replace(execution, version=""))
    assert len(sides["v1.0"]) == 130
    assert sides["v1.0"] == sides["v2.0"]


def test_the_simulated_world_knows_of_no_version() -> None:
    for module in (aop, halo, model, planning, work):
        tree = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))
        words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        words |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        assert not words & {"version", "v1", "v2"}, module.__name__


def test_a_run_is_the_same_in_every_process() -> None:
    program = (
        "from examples.simulation.model import chance; from tests.test_examples import run, orchestrator_v2;"
        "print(chance('a', 1), [e.duration for e in run([orchestrator_v2()], 1)[1].executions])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_the_orchestrators_stay_a_lesson_of_600_lines() -> None:
    lesson = [EXAMPLES / "demo.py", EXAMPLES / "monitoring.py", *(EXAMPLES / "simulation").glob("*.py")]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in lesson) <= 600


# The parts ------------------------------------------------------------------------------------------------------------


def steps(description: str) -> tuple[work.Step, ...]:
    return work.work_of(description)


@pytest.mark.parametrize("task", BenchmarkTasks.get_all_tasks(), ids=lambda task: task["id"])
def test_the_work_of_a_task_can_be_done_in_its_order(task: dict[str, Any]) -> None:
    done: set[str] = set()
    for step in steps(task["description"]):
        assert step.name not in done
        assert done.issuperset(step.needs)
        done.add(step.name)
        assert halo.is_able(replace(step, agent=halo.specialist(step.skill)))
    assert len(done) >= 3


def test_a_task_that_nobody_foresaw_is_work_too() -> None:
    assert [step.skill for step in steps("Your custom task")] == ["research", "writing", "writing"]


def test_everything_waits_for_a_specification() -> None:
    first, *others = steps(BenchmarkTasks.COMPLEX_TASKS[0]["description"])
    assert first.name == "SaaS: specification"
    assert all(step.needs for step in others)


def test_rules_send_a_step_to_the_specialist_of_its_skill() -> None:
    assert halo.specialist("database") == "analyst_agent"
    assert halo.specialist("frontend") == "builder_agent"
    assert halo.specialist("astrology") == halo.GENERALIST


def test_keywords_mistake_a_task_for_its_words() -> None:
    lead, _ = halo.route_by_keyword("Generate SEO meta tags for the product pages", [])
    assert lead == "builder_agent"
    lead, _ = halo.route_by_rules(steps("Generate SEO meta tags for the product pages"))
    assert lead == "seo_agent"


def routed(description: str) -> list[work.Step]:
    return halo.route_by_rules(steps(description))[1]


def test_a_plan_that_is_right_is_left_as_it_is() -> None:
    plan = routed("Write blog post about AI trends")
    assert (aop.unsolvable(plan), aop.redundant(plan), aop.missing(plan, plan)) == ([], [], [])
    assert aop.repaired(plan, plan) == plan


def test_a_step_that_is_planned_twice_is_removed() -> None:
    plan = routed("Write blog post about AI trends")
    assert aop.redundant([plan[0], *plan]) == [plan[0]]
    assert aop.repaired([plan[0], *plan], plan) == plan


def test_a_forgotten_step_is_added_where_it_is_stated_or_built_on() -> None:
    whole = routed("Write blog post about AI trends")
    research, _, _, post = whole
    for forgotten in (research, post):
        plan = [step for step in whole if step != forgotten]
        assert [step.name for step in aop.missing(plan, whole)] == [forgotten.name]
        assert aop.repaired(plan, whole) == whole


def test_a_forgotten_step_that_leaves_no_trace_stays_forgotten() -> None:
    whole = routed("Write blog post about AI trends")
    plan = [step for step in whole if not step.name.endswith("picture")]
    assert aop.repaired(plan, whole) == plan


def test_a_step_whose_agent_lacks_the_skill_goes_to_one_that_has_it() -> None:
    whole = routed("Write blog post about AI trends")
    plan = [replace(step, agent="email_agent") for step in whole]
    assert aop.unsolvable(plan) == plan
    assert aop.repaired(plan, whole) == whole


def test_the_harder_the_call_the_better_the_model() -> None:
    from examples.simulation.daao import tier_for

    assert tier_for(1, 0.1).name == "economy"
    assert tier_for(3, 0.6).name == "standard"
    assert tier_for(6, 1.0).name == tier_for(60, 10.0).name == "premium"


def test_a_call_follows_from_what_is_asked_and_of_whom() -> None:
    call = model.Call(("task", 1, "step"), 0.2, 0.5, 1.0, model.PREMIUM)
    assert call.cost == pytest.approx(0.2 * 0.0025 + 0.5 * 0.01)
    assert replace(call, skilled=False).cost == pytest.approx(0.2 * 0.0025 + 0.75 * 0.01)
    assert call.seconds > model.SECONDS_TO_FIRST_TOKEN
    assert replace(call, skilled=False).seconds > call.seconds
    assert replace(call, luck=("task", 2, "step")).seconds != call.seconds


def test_a_call_goes_wrong_as_often_as_its_tier_says() -> None:
    calls = [model.Call(("task", n, "step"), 0, 1, 1.0, model.TIERS[0]) for n in range(20_000)]
    wrong = sum(call.goes_wrong for call in calls) / len(calls)
    assert wrong == pytest.approx(0.04, abs=0.005)
    unskilled = sum(replace(call, skilled=False).goes_wrong for call in calls) / len(calls)
    assert unskilled == pytest.approx(0.08, abs=0.007)


def in_virtual_time(work: Any) -> Any:
    loop = VirtualClock().new_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def execute(orchestrator: Orchestrator, description: str) -> tuple[TaskResult, float]:
    async def timed() -> tuple[TaskResult, float]:
        task = {"id": "t", "description": description, "complexity": 0.0}
        return await orchestrator.execute_task(task), VirtualClock().now()

    return cast("tuple[TaskResult, float]", in_virtual_time(timed()))


def test_step_by_step_takes_the_sum_of_all_calls_and_a_graph_the_longest_path() -> None:
    description = "Send welcome email to new users"
    attempt = planning.Attempt("t", 1, 0.0, 1, daao=True)
    size = {step.name.rpartition(" ")[2]: step for step in steps(description)}

    def takes(name: str) -> float:
        step = size[name]
        return attempt.call(f"{step.name}, time 1", 0, step.size, step.size).seconds

    plans = [attempt.planning(f"next {place}", 0, planning.PLANNED_STEP).seconds for place in range(4)]
    off = Orchestrator("v1.0", htdag=False)
    assert execute(off, description)[1] == pytest.approx(sum(plans) + sum(map(takes, size)), abs=1e-9)

    plan = attempt.planning("steps of welcome email", 0, 4 * planning.PLANNED_STEP).seconds
    path = max(takes("recipients"), takes("subject"), takes("text")) + takes("mailing")
    assert execute(orchestrator_v2(), description)[1] == pytest.approx(plan + path, abs=1e-9)


def test_a_task_without_difficulty_succeeds() -> None:
    result, _ = execute(orchestrator_v2(), BenchmarkTasks.COMPLEX_TASKS[0]["description"])
    assert (result.success, result.error_type) == (True, None)
    assert result.cost > 0


# The programs --------------------------------------------------------------------------------------------------------


def test_monitoring_records_what_it_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from examples import monitoring

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCHMARK_RECORDER_STORE", raising=False)
    for times in (1, 2):
        in_virtual_time(monitoring.main())
        assert f"{3 * times} tasks in 30 days: mean" in capsys.readouterr().out
    assert (tmp_path / "benchmarks" / "metrics.json").exists()


@pytest.mark.parametrize("program", ["demo.py", "monitoring.py"])
def test_an_example_finds_what_it_imports_when_it_is_run_by_its_path(program: str, tmp_path: Path) -> None:
    code = f"import runpy; runpy.run_path({str(EXAMPLES / program)!r})"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted_ends_at_once_and_keeps_what_it_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCHMARK_RECORDER_STORE", raising=False)
    metrics = tmp_path / "benchmarks" / "demo.json"
    program = (
        "import runpy, signal;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job inherits that it is ignored
        f"runpy.run_path({str(EXAMPLES / 'demo.py')!r}, run_name='__main__')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        while not (metrics.exists() and '"run"' in metrics.read_text(encoding="utf-8")):
            assert demo.poll() is None
            time.sleep(0.05)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate()
    assert demo.returncode == -signal.SIGINT
    assert out == ""
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "was destroyed" not in err
    assert not (tmp_path / "benchmarks" / "metrics.json").exists()
    assert 0 < BenchmarkRecorder(metrics).get_historical_metrics().count < 260


def test_monitoring_lets_an_exception_pass_and_records_it() -> None:
    from examples.monitoring import orchestrate_with_monitoring

    class Broken:
        version = "v3.0"

        async def execute_task(self, task: dict[str, Any]) -> None:
            raise LookupError

    recorder = BenchmarkRecorder(store=MemoryStore())
    with pytest.raises(LookupError):
        asyncio.run(orchestrate_with_monitoring(recorder, Broken(), {"description": "Do it"}))
    (metric,) = recorder.get_all_metrics()
    assert (metric.success, metric.error_type, metric.version) == (False, "LookupError", "v3.0")


def test_the_load_test_shows_both_versions_under_rising_load(capsys: pytest.CaptureFixture[str]) -> None:
    from examples import load_test

    load_test.main(16)
    shown = capsys.readouterr().out
    assert "v2.0 against v1.0 at 10/s: response p95" in shown
    assert "Benchmark report" in shown or "Versions" in shown
