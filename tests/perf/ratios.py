"""Ratios between what we do and the bare call, measured in turn, so that a machine's moods strike both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from benchmark_recorder.records import Document, task_id_of
from benchmark_recorder.stores.json_file import JSONFileStore

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table.

    Attributes:
        what: is measured, over what.
        ratios: one a round; or one value that is counted.
        target: the bound, as ``"<= 10"``; empty where it is only published.
        note: absolute figures.
    """

    what: str
    ratios: list[float]
    target: str = ""
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def holds(self) -> bool:
        if not self.target:
            return True
        sign, bound = self.target.split()
        return self.median <= float(bound) if sign == "<=" else self.median >= float(bound)


def print_table(title: str, lines: list[Line]) -> None:
    print(f"\n{title}\n\n| what | ratio | rounds | target | |\n|---|---|---|---|---|")
    for line in lines:
        rounds = f"{min(line.ratios):.3g}-{max(line.ratios):.3g}" if len(line.ratios) > 1 else ""
        verdict = "" if not line.target else "holds" if line.holds else "MISSED"
        print(f"| {line.what} | {line.median:.3g} | {rounds} | {line.target} | {verdict} {line.note} |")
    print(flush=True)


def call_times(call: Callable[[], object], count: int) -> list[int]:
    """Nanoseconds of each call, sorted."""
    clock = time.perf_counter_ns
    times = []
    for _ in range(count):
        start = clock()
        call()
        times.append(clock() - start)
    times.sort()
    return times


def percentile(times: list[int], percent: float) -> float:
    """Of sorted times, in microseconds."""
    return times[min(len(times) - 1, int(len(times) * percent / 100))] / 1000


def in_turn(calls: Mapping[str, Callable[[], object]], count: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """The p50 of each call in each round, in microseconds, of ``count`` calls in ten turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():  # warm up
        call_times(call, count // 10)
    for _ in range(rounds):
        times: dict[str, list[int]] = {name: [] for name in calls}
        for _ in range(10):
            for name, call in calls.items():
                times[name] += call_times(call, count // 10)
        for name in calls:
            found[name].append(percentile(sorted(times[name]), 50))
    return found


def over(times: Mapping[str, list[float]], one: str, other: str) -> list[float]:
    """One's figures over another's, round by round."""
    return [a / b for a, b in zip(times[one], times[other], strict=True)]


EXECUTION: dict[str, Any] = {
    "task": "Create a landing page with header and CTA",
    "duration": 3.456,
    "success": True,
    "version": "v2.0",
    "agent_selected": "builder_agent",
    "cost": 0.000120,
    "difficulty": 0.2,
    "metadata": {"git_commit": "abc123"},
}
"""The guide's execution."""

TASKS = [f"Create a landing page with header and CTA, variant {number}" for number in range(13)]


def history(count: int, first: int = 0) -> list[Document]:
    """Executions of two versions over 13 tasks, some 440 bytes each in the file."""
    rng, start = Random(first), datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {
            "record_id": f"{number:032x}",
            "timestamp": (start + timedelta(seconds=3 * number, microseconds=number)).isoformat(
                timespec="microseconds"
            ),
            "version": ("v1.0", "v2.0")[number % 2],
            "git_commit": "e65dc53eb735d66f518910b5449e4f35a2698998",
            "task_id": task_id_of(TASKS[number % 13]),
            "task_description": TASKS[number % 13],
            "execution_time": rng.lognormvariate(0, 0.5),
            "success": rng.random() < 0.9,
            "agent_selected": "builder_agent",
            "cost_estimated": rng.lognormvariate(-7, 0.3),
            "difficulty": 0.2,
            "metadata": {"run": "abc123"},
        }
        for number in range(first, first + count)
    ]


def write_history(path: Path, count: int) -> None:
    """A file of that many records."""
    with JSONFileStore(path) as store:
        for first in range(0, count, 5000):
            store.append(history(min(5000, count - first), first), fresh=True)
