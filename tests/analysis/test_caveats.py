from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmark_recorder.analysis import compare
from benchmark_recorder.history import History
from benchmark_recorder.stores.memory import MemoryStore
from tests.analysis.histories import cells_of, runs, task_names, texts

if TYPE_CHECKING:
    from tests.analysis.histories import Columns

HOUR = 3_600_000_000
TASKS = task_names(13, 5)


def version(name: str, seed: int, start: int = 0, host: str | None = "here", factor: float = 1.0) -> Columns:
    """65 runs, ten seconds apart."""
    times = factor * np.random.default_rng(seed).lognormal(0, 0.3, 65)
    own = runs(name, TASKS, time=times, cost=times)
    return own | {"host": texts([host] * 65), "time": start + 10_000_000 * np.arange(65, dtype=np.int64)}


def codes(v1: Columns, v2: Columns, metric: str = "execution_time") -> set[str]:
    return {caveat.code for caveat in compare(cells_of(v1, v2), "v1", "v2", metric).warnings}


@pytest.mark.parametrize(
    ("start", "said"), [(0, False), (HOUR, False), (4 * HOUR, True), (72 * HOUR, True), (-72 * HOUR, True)]
)
def test_versions_that_ran_at_different_times_are_said_to_unless_one_followed_the_other(start: int, said: bool) -> None:
    assert ("not_overlapping" in codes(version("v1", 0), version("v2", 1, start))) is said


def test_another_host_is_named_wherever_no_host_ran_both() -> None:
    found = compare(cells_of(version("v1", 0), version("v2", 1, host="there")), "v1", "v2")
    (caveat,) = [caveat for caveat in found.warnings if caveat.code == "different_hosts"]
    assert caveat.figures == {"v1": "v1", "v2": "v2", "v1_hosts": ["here"], "v2_hosts": ["there"]}
    assert "different_hosts" not in codes(version("v1", 0), version("v2", 1))
    assert "different_hosts" not in codes(version("v1", 0), version("v2", 1, host=None))


@pytest.mark.parametrize("metric", ["execution_time", "cost"])
@pytest.mark.parametrize(
    ("factor", "said"), [(1000, True), (1e-3, True), (1e6, True), (100, False), (3, False), (1, False)]
)
def test_a_change_of_the_unit_is_asked_about(metric: str, factor: float, said: bool) -> None:
    assert ("another_unit" in codes(version("v1", 0), version("v2", 1, factor=factor), metric)) is said


def test_one_task_that_takes_a_thousand_times_as_long_is_no_change_of_the_unit() -> None:
    v2 = version("v2", 1)
    v2["execution_time"][:5] *= 1000
    assert "another_unit" not in codes(version("v1", 0), v2)


def test_runs_that_may_have_been_killed_are_asked_about_where_failures_are_judged() -> None:
    few = {name: column[::5] for name, column in version("v2", 1).items()}
    assert "uneven_runs" in codes(version("v1", 0), few, "failure_rate")
    assert "uneven_runs" not in codes(version("v1", 0), few, "execution_time")
    assert "uneven_runs" not in codes(version("v1", 0), version("v2", 1), "failure_rate")


# From a store: single runs are looked at ------------------------------------------------------------------------------


def history(*sides: tuple[str, str, str, int], seed: int = 0) -> History:
    """Runs by version, model, text and how often each is stored."""
    store, rng = MemoryStore(), np.random.default_rng(seed)
    documents: list[dict[str, Any]] = []
    for name, model, text, times in sides:
        once = [(task, float(rng.lognormal(0, 0.3))) for _ in range(5) for task in range(13)]
        for task, duration in once * times:
            documents.append(
                {
                    "record_id": f"{len(documents):032x}",
                    "timestamp": f"2026-02-03T10:00:{len(documents) % 60:02}.{len(documents):06}+00:00",
                    "version": name,
                    "task_id": f"{task}",
                    "task_description": f"{text} {task}",
                    "execution_time": duration * (3 if name == "v2" else 1),
                    "success": True,
                    "cost_estimated": duration,
                    "model": model,
                    "host": "here",
                }
            )
    store.append(documents)
    return History(store)


def test_runs_that_were_recorded_twice_decide_nothing() -> None:
    asked = history(("v1", "m", "task", 1), ("v2", "m", "task", 2))
    for metric in ("execution_time", "cost", "failure_rate"):
        found = asked.compare_versions("v1", "v2", metric)
        assert (found.verdict, found.needed) == ("inconclusive", None)
        assert "recorded_twice" in {caveat.code for caveat in found.warnings}
    gate = asked.check_gate("v1", "v2")
    assert gate.state == "inconclusive"
    assert [check.state for check in gate.checks] == ["inconclusive"] * 3
    assert "recorded twice" in gate.sentence
    assert {one.status for one in asked.check_claims("v1", "v2", ["time 50% lower", "cost within 1%"]).results} == {
        "NOT SHOWN"
    }


def test_the_same_runs_recorded_once_decide() -> None:
    asked = history(("v1", "m", "task", 1), ("v2", "m", "task", 1))
    assert asked.compare_versions("v1", "v2").verdict == "regressed"
    assert asked.check_gate("v1", "v2").state == "block"
    assert asked.check_claims("v1", "v2", ["time 50% lower"]).results[0].status == "REFUTED"


def test_other_models_and_texts_are_named_in_every_decision() -> None:
    asked = history(("v1", "small", "easy", 1), ("v2", "large", "hard", 1))
    for answer in (
        asked.compare_versions("v1", "v2"),
        asked.compare_all("v1", "v2"),
        asked.check_gate("v1", "v2"),
        asked.check_claims("v1", "v2", ["time 10% lower"]),
    ):
        said = {caveat.code: caveat.sentence for caveat in answer.warnings}
        assert said["different_models"].startswith("v1 ran with the model small, v2 with large")
        assert said["several_texts"].startswith("Task id 0 stands for 2 texts, among them 'easy 0' and 'hard 0'")
