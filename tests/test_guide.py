"""The snippets of the benchmarking guide that users know, with today's import line."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import BenchmarkRecorder, get_benchmark_recorder


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_recording_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = get_benchmark_recorder()
    recorder.record_execution(
        task="Create landing page",
        duration=3.456,
        success=True,
        version="v2.0",
        agent_selected="builder_agent",
        cost=0.000120,
        difficulty=0.2,
        metadata={"git_commit": "abc123"},
    )

    metrics = recorder.get_historical_metrics(version="v2.0")
    print(f"Mean: {metrics['mean']:.3f}s")
    print(f"P95: {metrics['p95']:.3f}s")
    print(f"Success rate: {metrics['success_rate']:.1%}")

    comparison = recorder.compare_versions("v1.0", "v2.0", "execution_time")
    print(f"Improvement: {comparison['improvement_percent']:.1f}%")

    print(recorder.generate_report(["v1.0", "v2.0"]))

    out = capsys.readouterr().out
    assert out.startswith("Mean: 3.456s\nP95: 3.456s\nSuccess rate: 100.0%\nImprovement: nan%\n")
    assert Path("benchmarks/metrics.json").exists()


def test_vertex_ai_integration_without_credentials_records_locally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NO_GCE_CHECK": "true", "HOME": str(tmp_path), "CLOUDSDK_CONFIG": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    recorder = get_benchmark_recorder(enable_vertex_ai=True, vertex_project_id="genesis-production")
    task, duration, success, version = "Create landing page", 3.4, True, "v2.0"
    recorder.record_execution(task, duration, success, version)
    assert recorder.get_historical_metrics(version="v2.0")["count"] == 1
    recorder.close()


def test_a_claims_example_comes_out_as_the_guide_has_it() -> None:
    recorder = get_benchmark_recorder()
    for _ in range(3):
        recorder.record_execution("t", 10.0, True, "v1.0")
        recorder.record_execution("t", 6.5, True, "v2.0")
    comparison = recorder.compare_versions("v1.0", "v2.0", "execution_time")
    assert comparison["improvement"] == pytest.approx(0.35)
    assert comparison["improvement_percent"] == pytest.approx(35.0)


@dataclass
class Result:
    success: bool
    agent_selected: str
    cost: float


class Orchestrator:
    version = "v2.0"

    async def execute_task(self, task: dict[str, Any]) -> Result:
        await asyncio.sleep(0)
        if task["description"] == "break":
            raise RuntimeError("no agent can do this")
        return Result(success=True, agent_selected="builder_agent", cost=0.001)


async def orchestrate_with_monitoring(
    recorder: BenchmarkRecorder, orchestrator: Orchestrator, task: dict[str, Any]
) -> Result:
    """The guide's continuous monitoring, timed by a clock that cannot run backwards."""
    with recorder.measure(
        task=task["description"], version=orchestrator.version, difficulty=task.get("complexity")
    ) as run:
        result = await orchestrator.execute_task(task)
        run.success = result.success
        run.agent_selected = result.agent_selected
        run.cost = result.cost
        return result


def test_continuous_monitoring_records_successes_and_failures() -> None:
    recorder = get_benchmark_recorder()
    orchestrator = Orchestrator()
    task = {"description": "Create landing page", "complexity": 0.2}
    assert asyncio.run(orchestrate_with_monitoring(recorder, orchestrator, task)).success
    with pytest.raises(RuntimeError):
        asyncio.run(orchestrate_with_monitoring(recorder, orchestrator, {"description": "break"}))
    good, bad = recorder.get_all_metrics()
    assert (good.success, good.agent_selected, good.cost_estimated, good.difficulty) == (
        True,
        "builder_agent",
        0.001,
        0.2,
    )
    assert (bad.success, bad.error_type, bad.cost_known) == (False, "RuntimeError", None)


def test_historical_trend_analysis(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = get_benchmark_recorder()
    recorder.record_execution("a", 12.0, True, "v2.0")
    sent: list[str] = []

    metrics = recorder.get_historical_metrics(version="v2.0")
    if metrics["mean"] > 10.0:
        print("WARNING: Average execution time increased!")
    report = recorder.generate_report(["v1.0", "v2.0"])
    sent.append(report)

    assert "WARNING" in capsys.readouterr().out
    assert isinstance(report, str)
    assert recorder.get_historical_metrics(version="v2.0", last_days=30)["count"] == 1
    assert math.isnan(recorder.get_historical_metrics(version="v1.0")["mean"])
