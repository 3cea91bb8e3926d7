from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark_recorder import BenchmarkRecorder, ConfigurationError
from benchmark_recorder.harness import VirtualClock, run_load, run_load_async
from benchmark_recorder.harness.arrivals import Slot, arrivals
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.memory import MemoryStore
from tests.harness.queues import TASK, Queue, Stalling, md1_response, mmc_response
from tests.pages import ROOT


@pytest.fixture
def recorder() -> BenchmarkRecorder:
    return BenchmarkRecorder(store=MemoryStore())


def virtual(recorder: BenchmarkRecorder, *orchestrators: Any, **settings: Any) -> Any:
    return run_load(orchestrators, [TASK], recorder=recorder, clock=VirtualClock(), **settings)


def metadata(recorder: BenchmarkRecorder) -> list[dict[str, Any]]:
    return [dict(found) for found in recorder.store.scan(Query(), ("metadata",))["metadata"].tolist()]


# Truth ---------------------------------------------------------------------------------------------------------------


LONG = {0.5: 3_000, 0.8: 6_000}
"""Mean service times: a queue that is nearly full forgets slowly how it began."""


@pytest.mark.parametrize("rho", [0.5, 0.8])
@pytest.mark.parametrize("servers", [1, 4])
def test_the_response_of_m_m_c_is_erlangs(recorder: BenchmarkRecorder, servers: int, rho: float) -> None:
    result = virtual(recorder, Queue(servers=servers), rate=rho * servers, duration=LONG[rho] / servers, turns=6)
    (step,) = result.steps
    interval = step.response["p95"].interval
    assert interval.low < mmc_response(0.95, servers, rho * servers, 1.0) < interval.high
    assert step.little == pytest.approx(1, abs=0.05)
    assert step.valid


@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_the_response_of_m_d_1_is_erlangs(recorder: BenchmarkRecorder, rho: float) -> None:
    result = virtual(recorder, Queue(fixed=True), rate=rho, duration=LONG[rho], turns=6)
    interval = result.steps[0].response["p95"].interval
    assert interval.low < md1_response(0.95, rho, 1.0) < interval.high


def test_runs_behind_a_stall_are_seen_to_wait(recorder: BenchmarkRecorder) -> None:
    """Nothing ends for 3 of 10 s. Ten users of a closed loop would see ten slow runs, and a p90 of 13 ms."""
    result = virtual(recorder, Stalling(4.0, 7.0), rate=100, duration=10, turns=1, warm_up=0, pacing="even")
    due = np.array([arrival.due for arrival in arrivals(Slot(1, 100, 0, 0), 10, 1, 0, even=True)])
    since = due - due[0]
    exact = np.where((since >= 3.99) & (since < 7), np.maximum(0.010, 7 - since), 0.010)
    found = result.steps[0].response
    for name, q in (("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
        assert found[name].value == pytest.approx(np.quantile(exact, q), rel=0.05)
    assert found["p50"].value == pytest.approx(0.010, abs=1e-6)


def test_a_wait_for_a_place_is_in_the_response_and_not_in_the_service(recorder: BenchmarkRecorder) -> None:
    result = virtual(
        recorder, Queue(servers=9, fixed=True), rate=4, duration=5, turns=1, warm_up=0, pacing="even", max_concurrency=2
    )
    (step,) = result.steps
    assert step.service["p99"].value == pytest.approx(1.0)
    assert step.response["p99"].value > 3
    assert (step.in_flight_max, step.dropped) == (2, 0)
    assert step.queued == 17
    waits = [found["load_wait"] for found in metadata(recorder)]
    assert max(waits) == pytest.approx(step.response["p99"].value - 1, abs=0.2)
    assert recorder.get_historical_metrics("v1").max == pytest.approx(1.0)


def test_runs_beyond_the_queue_are_dropped_and_counted(recorder: BenchmarkRecorder) -> None:
    result = virtual(
        recorder,
        Queue(fixed=True),
        rate=4,
        duration=5,
        turns=1,
        warm_up=0,
        pacing="even",
        max_concurrency=1,
        max_queue=2,
    )
    (step,) = result.steps
    assert step.dropped + step.runs == 19
    assert step.dropped > 9
    assert "runs_dropped" in {warning.code for warning in result.warnings}


# What is recorded ----------------------------------------------------------------------------------------------------


def test_records_say_which_load_rate_and_turn_they_are_of(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue("v1"), Queue("v2"), steps=[1, 2], duration=20, turns=2)
    found = metadata(recorder)
    assert {one["load"] for one in found} == {result.run_id}
    assert {(one["load_turn"], one["load_rate"]) for one in found} == {(n, 1 + (n > 4)) for n in range(1, 9)}
    assert all(one["under_load"] is True and one["clock"] == "virtual" for one in found)
    assert recorder.get_historical_metrics("v1", **result.query).count == len(found) / 2
    assert recorder.get_historical_metrics("v1", **result.query_at(2)).count > len(found) / 4
    assert not result.warnings


def test_what_an_orchestrator_records_is_a_part_of_its_run(recorder: BenchmarkRecorder) -> None:
    class Recording(Queue):
        async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
            with recorder.measure("step", version="v1", cost=0.5):
                return await super().execute_task(task)

    virtual(recorder, Recording(), rate=1, duration=5, turns=1)
    runs = recorder.get_historical_metrics("v1")
    assert runs.count == recorder.get_historical_metrics("v1", runs="children").count > 0
    assert runs.mean_cost == 0.5


def test_a_comparison_of_a_load_takes_turns_for_its_units(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue("v1"), Queue("v2", mean=0.9), rate=0.8, duration=600, turns=6)
    for blocks in ("auto", "metadata.load_turn"):
        found = recorder.compare_versions("v1", "v2", **result.query, blocks=blocks)
        codes = {warning.code: warning for warning in found.warnings}
        assert codes["blocks_differ"].figures["v1_blocks"] == 6
        assert "autocorrelation" not in codes
        assert "turns are the unit" in codes["blocks_differ"].sentence
        assert "mixed_load" not in codes


def test_the_change_between_versions_comes_from_rounds_with_the_same_arrivals(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue("v1", fixed=True), Queue("v2", fixed=True, mean=0.5), rate=0.1, duration=600)
    mean, tail = result.changes
    assert (mean.figure, tail.figure, mean.rate) == ("mean", "p95", 0.1)
    assert mean.change.n == 4
    assert mean.change.interval.low < mean.change.value < mean.change.interval.high < -0.4


# The knee ------------------------------------------------------------------------------------------------------------


def test_the_knee_is_between_the_last_rate_that_holds_and_the_first_that_does_not(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue(servers=4, fixed=True), steps=[6, 1, 2], duration=400)
    (knee,) = result.knees
    assert (knee.low, knee.high) == (2, 6)
    assert [step.rate for step in result.steps] == [1, 2, 6]
    assert result.steps[-1].achieved == pytest.approx(4, rel=0.05)
    assert result.steps[-1].in_flight > 30


def test_a_version_that_keeps_up_everywhere_has_its_knee_beyond(recorder: BenchmarkRecorder) -> None:
    knee = virtual(recorder, Queue(servers=99), steps=[2, 4], duration=400).knees[0]
    assert (knee.low, knee.high) == (4, None)


# Failures ------------------------------------------------------------------------------------------------------------


class RateLimitError(Exception):
    pass


class HttpError(Exception):
    def __init__(self) -> None:
        self.response = type("Response", (), {"status_code": 429})()


@pytest.mark.parametrize("error", [RateLimitError(), HttpError()], ids=["by name", "by status"])
def test_a_providers_refusal_is_a_kind_of_its_own(recorder: BenchmarkRecorder, error: Exception) -> None:
    class Limited(Queue):
        async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
            if self.seen % 2:
                self.seen += 1
                raise error
            return await super().execute_task(task)

    result = virtual(recorder, Limited(servers=99), rate=2, duration=50, turns=1)
    (step,) = result.steps
    assert dict(step.errors) == {"RateLimited": step.rate_limited}
    assert step.rate_limited == pytest.approx(step.runs / 2, abs=1)
    assert step.achieved == pytest.approx(step.offered / 2, rel=0.1)
    assert "rate_limited" in {warning.code for warning in result.warnings}
    kinds = set(recorder.store.scan(Query(success=False), ("error_type",))["error_type"].tolist())
    assert kinds == {type(error).__name__}


def test_an_orchestrator_that_ignores_its_cancellation_is_left_running(recorder: BenchmarkRecorder) -> None:
    class Stubborn(Queue):
        async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
            for _ in range(20):
                try:
                    await asyncio.sleep(1)
                except asyncio.CancelledError:
                    continue
            return await super().execute_task(task)

    result = virtual(recorder, Stubborn(), rate=1, duration=4, turns=1, warm_up=0, timeout=2.0, pacing="even")
    (step,) = result.steps
    assert dict(step.errors) == {"Timeout": 3}
    assert step.service["p99"].value == pytest.approx(2.0)
    (left,) = [warning for warning in result.warnings if warning.code == "left_running"]
    assert left.figures["runs"] == 3
    assert recorder.get_historical_metrics("v1").count == 3


# How it ends ---------------------------------------------------------------------------------------------------------


def test_the_cost_cap_counts_what_is_under_way_and_keeps_what_ran(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue(servers=99, cost=0.25), rate=2, duration=600, turns=2, max_cost=5.0, warm_up=0)
    assert result.ended == "max_cost"
    assert 4.0 <= result.cost <= 5.25
    assert recorder.get_historical_metrics("v1").count == result.cost / 0.25
    assert "would have cost more than $5" in str(result)


def test_a_cap_that_cannot_hold_is_said(recorder: BenchmarkRecorder) -> None:
    result = virtual(recorder, Queue(), rate=0.5, duration=20, turns=1, max_cost=5.0)
    assert "costs_not_capped" in {warning.code for warning in result.warnings}


PROGRAM = """
import json, os, signal, threading
from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.harness import run_load
from tests.harness.queues import TASK, Queue

recorder = BenchmarkRecorder("runs.json")
threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
result = run_load([Queue(servers=99, mean=0.1)], [TASK], recorder=recorder, rate=30, duration=60, warm_up=0)
print(json.dumps([result.ended, result.steps[0].runs, len(json.load(open("runs.json"))["metrics"])]))
"""


def test_ctrl_c_ends_it_and_what_ran_is_shown_and_stored(tmp_path: Any) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    ended, runs, stored = json.loads(done.stdout)
    assert ended == "interrupted"
    assert stored == runs > 5


def test_a_store_that_fails_ends_a_strict_load() -> None:
    class Broken(MemoryStore):
        def append(self, *_: Any, **__: Any) -> Any:
            raise OSError("no space")

    with pytest.raises(Exception, match="no space"):
        virtual(BenchmarkRecorder(store=Broken(), strict=True), Queue(), rate=1, duration=30)


def test_in_a_running_loop_it_is_awaited(recorder: BenchmarkRecorder) -> None:
    async def main() -> Any:
        with pytest.raises(RuntimeError, match="await run_load_async"):
            run_load([Queue()], [TASK], recorder=recorder)
        return await run_load_async(
            [Queue(servers=9, mean=0.01)], [TASK], recorder=recorder, rate=50, duration=0.5, turns=1, pacing="even"
        )

    assert asyncio.run(main()).steps[0].runs == 22


# The generator itself ------------------------------------------------------------------------------------------------


def test_a_real_load_says_how_late_it_began_its_runs(recorder: BenchmarkRecorder) -> None:
    result = run_load(
        [Queue(servers=99, mean=0.2, fixed=True)], [TASK], recorder=recorder, rate=40, duration=1.5, turns=1
    )
    (step,) = result.steps
    errors = [step.generator_error[name] or 0.0 for name in ("p50", "p99", "max")]
    assert errors == sorted(errors)
    assert errors[0] >= 0
    assert step.runs == pytest.approx(54, abs=30)
    assert all("clock" not in one for one in metadata(recorder))


def test_an_orchestrator_that_blocks_the_loop_makes_its_times_invalid(recorder: BenchmarkRecorder) -> None:
    class Blocking(Queue):
        async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
            time.sleep(0.12)  # noqa: ASYNC251 - it blocks
            return await super().execute_task(task)

    result = run_load([Blocking(mean=0.001)], [TASK], recorder=recorder, rate=5, duration=1, turns=1, warm_up=0)
    assert not result.steps[0].valid
    assert result.steps[0].loop_lag >= 0.1
    (blocked,) = [warning for warning in result.warnings if warning.code == "loop_blocked"]
    assert "held up" in blocked.sentence


def test_more_runs_than_descriptors_are_pointed_out(recorder: BenchmarkRecorder, monkeypatch: Any) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (3, 3))
    result = virtual(recorder, Queue(), rate=5, duration=20, turns=1)
    assert "few_descriptors" in {warning.code for warning in result.warnings}


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"rate": 0}, "rate: expected runs a second above 0"),
        ({"rate": float("nan")}, "rate: "),
        ({"steps": [10, -1]}, "rate: "),
        ({"steps": []}, "steps: expected a list"),
        ({"steps": [1], "rate": 2}, "steps: give either"),
        ({"duration": 0}, "duration: expected seconds above 0"),
        ({"rate": 0.01, "duration": 10}, "duration: at 0.01 a second hardly any run"),
        ({"warm_up": 30.0}, "warm_up: expected seconds"),
        ({"turns": 0}, "turns: "),
        ({"max_concurrency": 0}, "max_concurrency: "),
        ({"max_queue": -1}, "max_queue: "),
        ({"max_cost": 0}, "max_cost: expected US dollars above 0"),
        ({"timeout": 0}, "timeout: "),
        ({"pacing": "random"}, "pacing: "),
        ({"seed": "x"}, "seed: "),
        ({"speed": 3}, "speed: no such setting"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_before_anything_runs(
    recorder: BenchmarkRecorder, settings: dict[str, Any], match: str
) -> None:
    queue = Queue()
    with pytest.raises(ConfigurationError, match=match):
        virtual(recorder, queue, **settings)
    assert queue.seen == 0


def test_the_result_does_not_depend_on_the_order_of_the_tests(recorder: BenchmarkRecorder) -> None:
    first, second = (virtual(recorder, Queue(), rate=0.5, duration=100) for _ in range(2))
    assert replace(first, run_id="") == replace(second, run_id="")
