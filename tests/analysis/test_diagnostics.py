from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis import Attention, Confusion, FailureClass, summarize_version, what_to_look_at
from benchmark_recorder.analysis.diagnostics import MOST_CLASSES
from benchmark_recorder.cells import Cells
from tests.analysis.histories import cells_of, runs, texts


def look(columns: dict[str, Any], **texts_of: list[str | None]) -> Attention:
    """What is said of some runs of ``v``; columns of texts replace those of ``runs``."""
    n = len(columns["success"])
    whole = {"error_type": texts([None] * n), **columns, **{name: texts(values) for name, values in texts_of.items()}}
    cells = cells_of(whole) if n else Cells()
    failed = {name: column[~columns["success"]] for name, column in whole.items()}
    return what_to_look_at(summarize_version("v", cells), cells, whole, failed)


def test_wrong_routes_are_counted_by_agent_most_frequent_first() -> None:
    found = look(
        runs("v", ["t"] * 9),
        expected_agent=["a", "a", "a", "a", "b", "b", "c", None, "c"],
        agent_selected=["b", "b", "c", "a", "a", "b", "c", "x", None],
    )
    assert found.confusions == (Confusion("a", "b", 2, 4), Confusion("a", "c", 1, 4), Confusion("b", "a", 1, 2))
    assert (found.routed, found.misrouted) == (7, 4)


def test_failures_are_counted_by_class_with_their_tasks() -> None:
    found = look(
        runs("v", ["a", "a", "b", "a", "b", "c"], success=[False, False, False, False, False, True]),
        error_type=["Timeout", "Timeout", "Timeout", None, "ValueError", "Ignored"],
    )
    assert found.failure_classes == (
        FailureClass("Timeout", 3, 2),
        FailureClass("ValueError", 1, 1),
        FailureClass(None, 1, 1),
    )
    assert (found.runs, found.failures, found.unlisted_failures) == (6, 5, 0)


def test_of_many_classes_the_rarest_are_only_counted() -> None:
    names = [f"E{i:02}" for i in range(30) for _ in range(1 + (i < 5))]
    found = look(runs("v", ["t"] * 35, success=[False] * 35), error_type=list(names))
    assert len(found.failure_classes) == MOST_CLASSES
    assert found.failure_classes[0] == FailureClass("E00", 2, 1)
    assert sum(one.runs for one in found.failure_classes) + found.unlisted_failures == found.failures == 35
    routes = look(runs("v", ["t"] * 35), expected_agent=list(names), agent_selected=["other"] * 35)
    assert len(routes.confusions) == MOST_CLASSES
    assert routes.misrouted == 35


def test_the_worst_tasks_are_those_that_surely_fail() -> None:
    tasks = ["once"] + ["rarely"] * 20 + ["always"] * 20 + ["twice"] * 2 + ["never"] * 5
    success = [False] + [True] * 19 + [False] + [False] * 20 + [False] * 2 + [True] * 5
    found = look(runs("v", tasks, success=success, time=np.arange(48.0), cost=[0.5] * 48))
    assert [task.task_id for task in found.worst_tasks] == ["always", "twice", "rarely"]
    always, _, rarely = found.worst_tasks
    assert (always.runs, always.failures, always.cost_per_success) == (20, 20, None)
    assert (rarely.runs, rarely.failures) == (20, 1)
    assert rarely.mean_time == pytest.approx(np.arange(1, 21).mean())
    assert rarely.cost_per_success == pytest.approx(20 * 0.5 / 19)
    wilson = stats.binomtest(19, 20).proportion_ci(method="wilson")
    assert rarely.success_rate.value == 0.95
    assert rarely.success_rate.interval is not None
    assert (rarely.success_rate.interval.low, rarely.success_rate.interval.high) == pytest.approx(
        (wilson.low, wilson.high)
    )


def test_at_most_five_tasks_are_the_worst() -> None:
    tasks = [f"t{i}" for i in range(9) for _ in range(3)]
    assert len(look(runs("v", tasks, success=[False] * 27)).worst_tasks) == 5


def test_a_success_bears_the_costs_of_failures() -> None:
    found = look(runs("v", ["t"] * 5, success=[True, True, False, False, True], cost=[1.0, 2.0, 4.0, np.nan, np.nan]))
    assert found.cost_per_success.value == pytest.approx(7 / 2)
    assert (found.known_cost, found.failed_cost) == (7.0, 4.0)
    free = look(runs("v", ["t"] * 5))
    assert (free.cost_per_success.value, free.known_cost, free.failed_cost) == (None, None, None)


def test_of_no_runs_there_is_nothing_to_look_at() -> None:
    found = look(runs("v", []))
    assert (found.runs, found.failures, found.worst_tasks, found.confusions, found.failure_classes) == (
        0,
        0,
        (),
        (),
        (),
    )
    assert found.cost_per_success.value is None
    json.dumps(found.to_dict(), allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", None]), st.booleans()), max_size=40))
def test_the_parts_add_up(rows: list[tuple[str, str | None, bool]]) -> None:
    found = look(
        runs("v", [task for task, _, _ in rows], success=[good for *_, good in rows]),
        expected_agent=[task for task, _, _ in rows],
        agent_selected=[agent for _, agent, _ in rows],
        error_type=[agent for _, agent, _ in rows],
    )
    assert sum(one.runs for one in found.failure_classes) == found.failures == sum(not good for *_, good in rows)
    assert sum(one.runs for one in found.confusions) == found.misrouted
    assert found.misrouted == sum(agent is not None and agent != task for task, agent, _ in rows)
    assert all(one.runs <= one.of for one in found.confusions)
