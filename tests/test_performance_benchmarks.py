"""The guide's benchmark: thirteen tasks, two orchestrators, four claims, in virtual time.

::

    pytest tests/test_performance_benchmarks.py -v
    python tests/test_performance_benchmarks.py

Where the simulation does not reach a figure of the guide, the verdict that does come out is asserted; docs/harness.md
gives the reasons.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is also run by its path

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.analysis import Claim, ClaimResult
from benchmark_recorder.harness import BenchmarkHarness, BenchmarkTasks, VirtualClock
from benchmark_recorder.reporting.escaping import terminal
from benchmark_recorder.stores.memory import MemoryStore
from examples.simulation.orchestrator import Orchestrator, orchestrator_v1, orchestrator_v2

if TYPE_CHECKING:
    from benchmark_recorder.harness import Task

__all__ = ["BenchmarkTasks"]

REPEATS: Final = 100
NAMED_STORE: Final = os.environ.get("BENCHMARK_RECORDER_STORE")
KNOWN_GOOD: Final = Path(__file__).parent / "harness" / "known_good.json"

TIME: Final = Claim("execution_time", at_least=30, acceptable=(20, 50), failure_threshold=20)
ROUTING: Final = Claim("routing_accuracy", at_least=25)
FAILURES: Final = Claim("failure_rate", at_least=50)
COST: Final = Claim("cost", within=1)
SAVING: Final = Claim("cost", at_least=48)


def run(*orchestrators: Any, repeats: int | None = None, tasks: list[Task] | None = None) -> BenchmarkRecorder:
    """Everything that the orchestrators did, in a recorder of its own."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    harness = BenchmarkHarness(
        orchestrators,
        recorder=recorder,
        repeats=repeats or REPEATS,
        clock=VirtualClock(),
        baseline=orchestrators[0].version,
    )
    harness.run(tasks)
    return recorder


def check(recorder: BenchmarkRecorder, claim: Claim, v1: str = "v1.0", v2: str = "v2.0", **query: Any) -> ClaimResult:
    return recorder.check_claims(v1, v2, [claim], **query).results[0]


def table_row(name: str, target: str, result: ClaimResult) -> str:
    """One line of the table in docs/harness.md: the plain change, the one that the verdict rests on, the verdict."""
    plain = 100 * abs(result.v2_value / result.v1_value - 1)
    assert result.improvement is not None
    assert result.interval is not None
    low, high = result.interval.low or 0.0, result.interval.high or 0.0
    found = f"{result.improvement:.0f}%, from {low:.0f} to {high:.0f}%"
    return f"| {name} | {target} | {plain:.0f}% | {found} | {result.status} |"


def ids(tasks: list[Task]) -> list[str]:
    return [task["id"] for task in tasks]


@pytest.fixture(scope="module")
def suite() -> BenchmarkRecorder:
    return run(orchestrator_v1(), orchestrator_v2())


@pytest.fixture(scope="module")
def premium() -> BenchmarkRecorder:
    v1, v2 = Orchestrator("v1.0", htdag=False, halo=False, aop=False), Orchestrator("v2.0")
    v1_premium = Orchestrator("v1.0 premium", htdag=False, halo=False, aop=False, daao=False)
    return run(v1_premium, Orchestrator("v2.0 premium", daao=False), v1, v2, repeats=20)


class TestOrchestrationV1Baseline:
    """What v1.0 does: the figures that v2.0 is held against. They change where the simulation does."""

    def test_v1_simple_task_execution_time(self, suite: BenchmarkRecorder) -> None:
        simple = suite.get_historical_metrics("v1.0", ids(BenchmarkTasks.SIMPLE_TASKS))
        assert simple.count == 5 * REPEATS
        assert simple.mean == pytest.approx(2.10, abs=0.01)

    def test_v1_complex_task_execution_time(self, suite: BenchmarkRecorder) -> None:
        hard = suite.get_historical_metrics("v1.0", ids(BenchmarkTasks.COMPLEX_TASKS))
        assert hard.count == 3 * REPEATS
        assert hard.mean == pytest.approx(8.40, abs=0.01)

    def test_v1_agent_selection_accuracy(self, suite: BenchmarkRecorder) -> None:
        medium = suite.compare_versions("v1.0", "v2.0", "routing_accuracy", task_id=ids(BenchmarkTasks.MEDIUM_TASKS))
        assert medium.v1_value == 0.4

    def test_v1_failure_rate(self, suite: BenchmarkRecorder) -> None:
        assert suite.get_historical_metrics("v1.0").success_rate == pytest.approx(0.862, abs=0.001)

    def test_v1_cost_baseline(self, suite: BenchmarkRecorder) -> None:
        assert suite.get_historical_metrics("v1.0").mean_cost == pytest.approx(0.0286, abs=0.0001)

    def test_a_second_run_of_v1_is_the_same_to_the_last_digit(self, suite: BenchmarkRecorder) -> None:
        again = run(orchestrator_v1(), repeats=3)
        first = {(m.task_id, (m.metadata or {})["repeat"]): m for m in suite.get_metrics_by_version("v1.0")}
        for metric in again.get_all_metrics():
            other = first[metric.task_id, (metric.metadata or {})["repeat"]]
            assert (metric.execution_time, metric.success, metric.agent_selected, metric.cost_estimated) == (
                other.execution_time,
                other.success,
                other.agent_selected,
                other.cost_estimated,
            )


class TestOrchestrationV2Performance:
    """The four claims, each with the verdict that the runs give it."""

    def test_v2_simple_task_30_percent_faster(self, suite: BenchmarkRecorder) -> None:
        simple = ids(BenchmarkTasks.SIMPLE_TASKS)
        plain = suite.compare_versions("v1.0", "v2.0", "execution_time", task_id=simple)
        assert 20 <= plain.improvement_percent <= 50
        claim = check(suite, TIME, task_id=simple)
        assert claim.status == "NOT SHOWN", "surely faster by more than 20%, and by a little less than 30%"
        assert claim.interval is not None
        assert claim.interval.low is not None
        assert claim.interval.low > 20

    @pytest.mark.parametrize("kind", ["MEDIUM", "COMPLEX"])
    def test_v2_larger_tasks_are_faster_beyond_the_guides_range(self, suite: BenchmarkRecorder, kind: str) -> None:
        tasks = ids(getattr(BenchmarkTasks, f"{kind}_TASKS"))
        assert suite.compare_versions("v1.0", "v2.0", "execution_time", task_id=tasks).improvement_percent > 50
        assert check(suite, TIME, task_id=tasks).status == "PROVEN"

    def test_v2_whole_suite_30_percent_faster(self, suite: BenchmarkRecorder) -> None:
        claim = check(suite, TIME)
        assert claim.status == "PROVEN"
        assert "beyond_acceptable" in [caveat.code for caveat in claim.warnings]

    def test_v2_routing_25_percent_better_cannot_be_shown_with_five_tasks(self, suite: BenchmarkRecorder) -> None:
        medium = ids(BenchmarkTasks.MEDIUM_TASKS)
        plain = suite.compare_versions("v1.0", "v2.0", "routing_accuracy", task_id=medium)
        assert plain.improvement_percent >= 25
        assert check(suite, ROUTING, task_id=medium).status == "NOT SHOWN"

    def test_v2_fewer_failures(self, suite: BenchmarkRecorder) -> None:
        plain = suite.compare_versions("v1.0", "v2.0", "failure_rate")
        assert plain.verdict == "improved"
        assert plain.improvement_percent > 40
        claim = check(suite, FAILURES)
        assert claim.status == "NOT SHOWN", "surely fewer, and a little short of half"
        assert claim.interval is not None
        assert claim.interval.high is not None
        assert claim.interval.high > 50

    def test_v2_cost_is_not_the_same_but_lower(self, suite: BenchmarkRecorder) -> None:
        assert check(suite, COST).status == "REFUTED"
        assert suite.compare_versions("v1.0", "v2.0", "cost").verdict == "improved"

    @pytest.mark.parametrize("version", ["v1.0", "v2.0"])
    def test_daao_makes_both_versions_48_percent_cheaper_than_premium_calls(
        self, premium: BenchmarkRecorder, version: str
    ) -> None:
        assert check(premium, SAVING, f"{version} premium", version).status == "PROVEN"

    def test_the_documentation_tells_these_verdicts(self, suite: BenchmarkRecorder, premium: BenchmarkRecorder) -> None:
        simple, medium = ids(BenchmarkTasks.SIMPLE_TASKS), ids(BenchmarkTasks.MEDIUM_TASKS)
        rows = [
            ("faster", "30 to 40%", check(suite, TIME)),
            ("faster, simple tasks", "30 to 40%", check(suite, TIME, task_id=simple)),
            ("better routing, medium tasks", "25%", check(suite, ROUTING, task_id=medium)),
            ("fewer failures", "50%", check(suite, FAILURES)),
            ("the same cost", "within 1%", check(suite, COST)),
            ("cheaper than premium calls, v1.0", "48%", check(premium, SAVING, "v1.0 premium", "v1.0")),
            ("cheaper than premium calls, v2.0", "48%", check(premium, SAVING, "v2.0 premium", "v2.0")),
        ]
        page = (Path(__file__).parents[1] / "docs" / "harness.md").read_text(encoding="utf-8")
        missing = [row for row in starmap(table_row, rows) if row not in page]
        assert not missing, "\n".join(missing)

    def test_a_subset_can_be_run(self) -> None:
        recorder = run(orchestrator_v1(), orchestrator_v2(), repeats=2, tasks=BenchmarkTasks.SIMPLE_TASKS)
        assert {m.task_id for m in recorder.get_all_metrics()} == set(ids(BenchmarkTasks.SIMPLE_TASKS))

    def test_a_custom_task_is_run_by_both(self, monkeypatch: pytest.MonkeyPatch) -> None:
        custom = {
            "id": "custom-001",
            "description": "Your custom task",
            "expected_agent": "custom_agent",
            "complexity": 0.7,
            "expected_duration": 20.0,
        }
        monkeypatch.setattr(BenchmarkTasks, "CUSTOM_TASKS", [custom])
        recorder = run(orchestrator_v1(), orchestrator_v2(), repeats=1)
        ran = [m for m in recorder.get_all_metrics() if m.task_id == "custom-001"]
        assert sorted(m.version for m in ran) == ["v1.0", "v2.0"]
        assert {m.expected_agent for m in ran} == {"custom_agent"}


class TestRegressionPrevention:
    """The candidate against what came before it: v1.0, the last known good version, the weeks before."""

    def test_v2_is_not_worse_than_v1(self, suite: BenchmarkRecorder) -> None:
        assert suite.check_gate("v1.0", "v2.0").state == "pass"

    def test_this_checkout_is_not_worse_than_the_last_known_good_version(self, known_good: BenchmarkRecorder) -> None:
        baseline = last_version(known_good)
        recorder = with_history(known_good, baseline, Orchestrator("this checkout"))
        result = recorder.check_gate(baseline, "this checkout")
        assert result.default_state in {"pass", "warn"}, result.sentence
        assert not [check for check in result.literal if check.blocks], result.sentence

    def test_a_checkout_whose_decomposition_is_broken_is_blocked(self, known_good: BenchmarkRecorder) -> None:
        baseline = last_version(known_good)
        recorder = with_history(known_good, baseline, Orchestrator("broken", htdag=False))
        result = recorder.check_gate(baseline, "broken")
        assert (result.state, result.exit_code) == ("block", 1)
        assert {c.metric for c in result.checks if c.state == "block"} == {"execution_time", "cost"}

    def test_a_candidate_that_fails_fast_on_hard_tasks_is_not_called_faster_without_a_warning(self) -> None:
        class Rigged(Orchestrator):
            async def execute_task(self, task: Task) -> Any:
                if task["complexity"] < 0.5:
                    return await super().execute_task(task)
                await asyncio.sleep(0.1)
                return {"success": False, "agent_selected": None, "cost": 0.0001}

        recorder = run(orchestrator_v1(), Rigged("rigged", htdag=False, halo=False, aop=False), repeats=10)
        comparison = recorder.compare_versions("v1.0", "rigged", "execution_time")
        assert comparison.improvement_percent > 50
        assert "fast_failures" in [caveat.code for caveat in comparison.warnings]
        assert recorder.check_gate("v1.0", "rigged").state == "block"

    def test_a_week_that_is_slower_than_the_one_before_stands_out(self) -> None:
        recorder, monday = BenchmarkRecorder(store=MemoryStore()), datetime(2025, 10, 6, tzinfo=UTC)
        for week, works in enumerate([True, True, True, False]):
            for metric in run(Orchestrator("v2.0", htdag=works), repeats=5).get_all_metrics():
                recorder.record(replace(metric, timestamp=str(monday + timedelta(weeks=week, days=1))))
        means = [
            recorder.get_historical_metrics(
                "v2.0", since=monday + timedelta(weeks=week), until=monday + timedelta(weeks=week + 1)
            ).mean
            for week in range(4)
        ]
        slower = [later / earlier - 1 > 0.10 for earlier, later in pairwise(means)]
        assert slower == [False, False, True]

    @pytest.fixture
    def known_good(self, tmp_path: Path) -> BenchmarkRecorder:
        """The pinned file, or the store that is named; virtual time alone."""
        if NAMED_STORE:
            return BenchmarkRecorder(NAMED_STORE)
        return BenchmarkRecorder(shutil.copy(KNOWN_GOOD, tmp_path))


def last_version(history: BenchmarkRecorder) -> str:
    """The version of the latest run in virtual time."""
    versions = [m.version for m in history.get_all_metrics() if (m.metadata or {}).get("clock") == "virtual"]
    assert versions, f"no run in virtual time in {history.store.name}; pin one, as docs/harness.md says"
    return versions[-1]


def with_history(history: BenchmarkRecorder, version: str, candidate: Orchestrator) -> BenchmarkRecorder:
    """A candidate's run, together with the history of a version in virtual time."""
    recorder = run(candidate, repeats=10)
    for metric in history.get_metrics_by_version(version):
        if (metric.metadata or {}).get("clock") == "virtual":
            recorder.record(metric)
    return recorder


class TestManualSuite:
    """``python tests/test_performance_benchmarks.py``."""

    def test_it_prints_the_guides_form_and_no_mark_that_is_not_earned(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys.modules[__name__], "REPEATS", 20)
        main([])
        out = capsys.readouterr().out
        for place, task in enumerate(BenchmarkTasks.get_all_tasks(), 1):
            assert f"[{place}/13] {task['id']}: {task['description']}...\n  v1.0: " in out
        for title in ("1. EXECUTION TIME", "2. FAILURE RATE", "3. COST EFFICIENCY", "4. ROUTING (medium tasks)"):
            assert f"\n{title}\n   v1.0" in out
        summary = out.rpartition("SUMMARY")[2]
        assert [line[0] for line in summary.splitlines() if "(target" in line] == ["✅", "❔", "❌", "❔"]
        assert "1 of 4 orchestration v2.0 claims validated" in summary
        assert "🚀" not in out

    def test_it_runs_by_its_path_from_anywhere(self, tmp_path: Path) -> None:
        code = f"import runpy; print(runpy.run_path({__file__!r})['BenchmarkTasks'])"
        done = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{BenchmarkTasks}\n"
        assert list(tmp_path.iterdir()) == []

    def test_its_tasks_are_the_harnesses(self) -> None:
        from tests import test_performance_benchmarks

        assert test_performance_benchmarks.BenchmarkTasks is BenchmarkTasks


# The suite as a program ----------------------------------------------------------------------------------------------

RULE: Final = "=" * 79
MARKS: Final = {"PROVEN": "✅", "SUPPORTED": "✅", "NOT SHOWN": "❔", "REFUTED": "❌"}


def main(arguments: list[str]) -> None:
    """Print the suite's result; with ``--pin``, make this checkout the last known good version instead."""
    if arguments == ["--pin"]:
        pin()
        return
    tasks = BenchmarkTasks.get_all_tasks()
    heading("GENESIS ORCHESTRATION BENCHMARK SUITE")
    print(f"Running {len(tasks)} benchmark tasks, {REPEATS} times each, in virtual time...\n")
    recorder = run(orchestrator_v1(), orchestrator_v2())
    for place, task in enumerate(tasks, 1):
        print(f"[{place}/{len(tasks)}] {terminal(task['id'])}: {terminal(task['description'])}...")
        for version in ("v1.0", "v2.0"):
            runs = recorder.get_historical_metrics(version, task["id"])
            failed = round(runs.count * (1 - runs.success_rate))
            print(f"  {version}: {runs.mean:.4f}s {f'❌ {failed} of {runs.count} failed' if failed else '✅'}")
        print()
    medium = ids(BenchmarkTasks.MEDIUM_TASKS)
    claims = [
        check(recorder, TIME),
        check(recorder, FAILURES),
        check(recorder, COST),
        check(recorder, ROUTING, task_id=medium),
    ]
    print_sections(recorder, claims, medium)
    print_summary(recorder, claims, medium)


def heading(text: str) -> None:
    print(f"{RULE}\n{text}\n{RULE}\n")


def print_sections(recorder: BenchmarkRecorder, claims: list[ClaimResult], medium: list[str]) -> None:
    heading("BENCHMARK RESULTS")
    time, failures, cost, routing = claims
    v1, v2 = recorder.get_historical_metrics("v1.0"), recorder.get_historical_metrics("v2.0")
    plain = recorder.compare_versions("v1.0", "v2.0", "routing_accuracy", task_id=medium)
    sections = {
        "EXECUTION TIME": (
            [
                f"v1.0 average: {v1.mean:.4f}s",
                f"v2.0 average: {v2.mean:.4f}s",
                f"Improvement: {100 * (1 - v2.mean / v1.mean):.1f}% faster",
                f"Target: 30-40% faster {MARKS[time.status]}",
            ],
            time,
        ),
        "FAILURE RATE": (
            [
                f"v1.0: {failures.v1_value:.1%}",
                f"v2.0: {failures.v2_value:.1%}",
                f"Reduction: {100 * (1 - failures.v2_value / failures.v1_value):.1f}%",
                f"Target: 50% reduction {MARKS[failures.status]}",
            ],
            failures,
        ),
        "COST EFFICIENCY": (
            [
                f"v1.0 total cost: ${v1.total_cost:.6f}",
                f"v2.0 total cost: ${v2.total_cost:.6f}",
                f"DAAO maintained (within 1%): {MARKS[cost.status]}",
            ],
            cost,
        ),
        "ROUTING (medium tasks)": (
            [
                f"v1.0: {routing.v1_value:.1%}",
                f"v2.0: {routing.v2_value:.1%}",
                f"Improvement: {plain.improvement_percent:.1f}%",
                f"Target: 25% better {MARKS[routing.status]}",
            ],
            routing,
        ),
    }
    for place, (title, (lines, claim)) in enumerate(sections.items(), 1):
        print(f"{place}. {title}")
        for line in (*lines, claim.sentence, *(caveat.sentence for caveat in claim.warnings)):
            print(f"   {line}")
        if claim.needed:
            print(f"   {claim.needed.sentence}")
        print()


def print_summary(recorder: BenchmarkRecorder, claims: list[ClaimResult], medium: list[str]) -> None:
    heading("SUMMARY")
    faster = recorder.compare_versions("v1.0", "v2.0", "execution_time").improvement_percent
    fewer = recorder.compare_versions("v1.0", "v2.0", "failure_rate").improvement_percent
    cheaper = recorder.compare_versions("v1.0", "v2.0", "cost").improvement_percent
    routed = recorder.compare_versions("v1.0", "v2.0", "routing_accuracy", task_id=medium).improvement_percent
    lines = [
        f"Execution time improvement: {faster:.1f}% (target: 30-40%)",
        f"Failure rate reduction: {fewer:.1f}% (target: 50%)",
        f"Cost change: {-cheaper:+.1f}% (target: within 1%)",
        f"Routing improvement: {routed:.1f}% (target: 25%)",
    ]
    for line, claim in zip(lines, claims, strict=True):
        print(f"{MARKS[claim.status]} {line}: {claim.status}")
    met = sum(claim.met for claim in claims)
    print()
    if met == len(claims):
        print("All orchestration v2.0 claims validated! 🚀")
    else:
        print(f"{met} of {len(claims)} orchestration v2.0 claims validated; docs/harness.md says why not the others.")


def pin() -> None:
    """Write this checkout's run to the pinned file, without what tells the machine."""
    KNOWN_GOOD.unlink(missing_ok=True)
    with BenchmarkRecorder(KNOWN_GOOD) as recorder:
        for metric in run(orchestrator_v2(), repeats=10).get_all_metrics():
            recorder.record(replace(metric, host=None, git_commit=None))
    shutil.rmtree(KNOWN_GOOD.with_name(f"{KNOWN_GOOD.name}.d"), ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
