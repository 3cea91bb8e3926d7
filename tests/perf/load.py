"""How exactly a load begins its runs, and what it costs: beside a bare asyncio loop, and locust where it is installed.

``python tests/perf/run.py load``. The work of a run is a sleep of two seconds. Each figure comes from a process of its
own. Only ratios mean anything on a machine that others share.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmark_recorder import BenchmarkRecorder
from benchmark_recorder.harness import run_load
from benchmark_recorder.stores.memory import MemoryStore
from tests.perf.ratios import Line, print_table

WORK = 2.0
SECONDS = 8.0
CONCURRENT = (100, 1_000, 5_000)
ROUNDS = 3


class Sleeper:
    """An agent that waits."""

    version = "v1.0"

    async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(WORK)
        return {"success": True, "cost": 0.001}


def ours(rate: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = BenchmarkRecorder(Path(folder) / "metrics.json")
        recorder.record_execution("warm", 1.0, success=True, version="v0")
        before = time.process_time()
        for _ in range(2_000):
            recorder.record_execution("t", 1.0, success=True, version="v0", metadata={"a": 1}, cost=0.1)
        record = (time.process_time() - before) / 2_000
        before = time.process_time()
        result = run_load(
            [Sleeper()], recorder=recorder, rate=rate, duration=SECONDS, turns=1, warm_up=WORK, max_concurrency=20_000
        )
        spent = time.process_time() - before
        (step,) = result.steps
        return {
            "p99": step.generator_error["p99"] or 0.0,
            "cpu": spent / (rate * SECONDS) - record,
            "record": record,
        }


def bare(rate: float) -> dict[str, float]:
    """The same schedule, without timeouts, records, or anything that is kept but how late a run began."""
    chance, late = Random(0), []

    async def work(due: float) -> None:
        late.append(time.perf_counter() - due)
        await asyncio.sleep(WORK)

    async def main() -> None:
        start = time.perf_counter()
        due, tasks = start, set()
        while (due := due + chance.expovariate(rate)) < start + SECONDS:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(work(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    before = time.process_time()
    asyncio.run(main())
    return {"p99": float(np.quantile(late, 0.99)), "cpu": (time.process_time() - before) / len(late)}


def locust(rate: float) -> dict[str, float]:
    """As many users as runs are in flight, each of which runs again at once: how late its sleep of two seconds ends."""
    import gevent
    from locust import User, constant, task
    from locust.env import Environment

    late: list[float] = []

    def work(_: object) -> None:
        begun = time.perf_counter()
        gevent.sleep(WORK)
        late.append(time.perf_counter() - begun - WORK)

    users = int(rate * WORK)
    environment = Environment(user_classes=[type("Agent", (User,), {"wait_time": constant(0), "work": task(work)})])
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(WORK + 2)
    late.clear()
    before = time.process_time()
    gevent.sleep(SECONDS)
    spent = time.process_time() - before
    runner.quit()
    return {"p99": float(np.quantile(late, 0.99)), "cpu": spent / len(late)}


def memory(rate: float) -> dict[str, float]:
    """Bytes for each run in flight, all of which began before the first one ends."""
    held = asyncio.Event()
    sizes: list[int] = []

    class Holder(Sleeper):
        async def execute_task(self, task: dict[str, Any]) -> dict[str, Any]:
            if not held.is_set():
                sizes.append(tracemalloc.get_traced_memory()[0])
            if len(sizes) == rate:
                held.set()
            await held.wait()
            return {"success": True}

    tracemalloc.start()
    recorder = BenchmarkRecorder(store=MemoryStore())
    settings: dict[str, Any] = {"pacing": "even", "duration": 2.0, "turns": 1, "max_concurrency": 20_000}
    run_load([Holder()], recorder=recorder, rate=rate, **settings)
    return {"bytes": (sizes[-1] - sizes[0]) / len(sizes)}


KINDS = {"ours": ours, "bare": bare, "locust": locust, "memory": memory}


def measured(kind: str, rate: float) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.perf.load", kind, str(rate)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    if len(sys.argv) == 3:
        print(json.dumps(KINDS[sys.argv[1]](float(sys.argv[2]))))
        return 0
    kinds = ["ours", "bare", *(["locust"] if importlib.util.find_spec("locust") else [])]
    if "locust" not in kinds:
        print("locust is not installed: compared with a bare loop alone")
    lines = []
    for concurrent in CONCURRENT:
        rounds = [{kind: measured(kind, concurrent / WORK) for kind in kinds} for _ in range(ROUNDS)]
        ms = {kind: 1e3 * float(np.median([own[kind]["p99"] for own in rounds])) for kind in kinds}
        us = {kind: 1e6 * float(np.median([own[kind]["cpu"] for own in rounds])) for kind in kinds}
        record = 1e6 * float(np.median([own["ours"]["record"] for own in rounds]))
        for other in kinds[1:]:
            ratios = [own["ours"]["p99"] / own[other]["p99"] for own in rounds]
            target = "" if other == "bare" else "<= 2" if concurrent == CONCURRENT[-1] else "<= 1"
            note = f"({ms['ours']:.1f} ms, {ms[other]:.1f} ms)"
            lines.append(
                Line(f"p99 of the scheduling error over {other}, {concurrent:,} in flight", ratios, target, note)
            )
        ratios = [own["ours"]["cpu"] / own["bare"]["cpu"] for own in rounds]
        note = f"({us['ours']:.0f} us without a record of {record:.0f} us, {us['bare']:.0f} us)"
        lines.append(Line(f"CPU of a run over a bare loop, {concurrent:,} in flight", ratios, "<= 5", note))
    size = measured("memory", 4_000)["bytes"]
    lines.append(Line("KB for each run in flight", [size / 1e3], "<= 6"))
    print_table("Load", lines)
    return 0 if all(line.holds for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
