"""Recorders whose reports have everything in them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs

VERSIONS = ["v1.0", "v2.0", "v2.1"]
END = datetime(2026, 11, 28, tzinfo=UTC)


def weeks_of_runs() -> BenchmarkRecorder:
    """Three versions over eight weeks, in which tasks repeat, fail, cost, and are routed wrong."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    chance = random.Random(3)
    runs = (("v1.0", 1, 0.12), ("v2.0", 0.7, 0.05), ("v2.1", 0.55, 0.04))
    for ordinal, (version, factor, failing) in enumerate(runs):
        for day in range(14 * ordinal, 14 * ordinal + 28, 2):
            for task in range(6):
                recorder.record_execution(
                    task=f"Task number {task}",
                    duration=0.9 * (task + 1) * factor * chance.lognormvariate(0, 0.3),
                    success=chance.random() >= failing,
                    version=version,
                    agent_selected="builder" if chance.random() < 0.8 else "writer",
                    expected_agent="builder",
                    cost=0.0012 * (1 + 0.2 * ordinal) * chance.lognormvariate(0, 0.2),
                    task_id=f"task-{task:02}",
                    timestamp=END - timedelta(days=56 - day),
                )
    return recorder


def hostile_runs(text: str, *, tasks: int = 1, repeats: int = 8) -> tuple[BenchmarkRecorder, list[str]]:
    """Two versions with a hostile name, and the same text in every other field; what the versions came to be called."""
    recorder = BenchmarkRecorder(store=MemoryStore())
    fields: dict[str, Any] = {
        "agent_selected": text,
        "expected_agent": f"{text[:4000]}?",
        "error_type": text,
        "model": text,
        "metadata": {text[:500]: text[:500]},
    }
    names = [text, f"{text[:4000]}2"]
    for task in range(tasks):
        called = {"task": text, "task_id": f"{text[:4000]}{task or ''}"}
        for days, factor in ((0, 1.0), (7, 1.3)):  # two weeks
            record_runs(
                recorder,
                {names[0]: (factor, 0.2), names[1]: (0.5 * factor, 0.0)},
                tasks=1,
                repeats=repeats // 2,
                timestamp=END - timedelta(days=days),
                **called,
                **fields,
            )
    stored = recorder.store.scan(Query(), ("version",))["version"].tolist()
    return recorder, list(dict.fromkeys(stored))
