from __future__ import annotations

from typing import Any

import pytest

from benchmark_recorder.errors import ConfigurationError, InvalidQueryError
from benchmark_recorder.harness import BenchmarkTasks
from benchmark_recorder.harness.tasks import checked_tasks

CUSTOM = {
    "id": "custom-001",
    "description": "Your custom task",
    "expected_agent": "custom_agent",
    "complexity": 0.7,
    "expected_duration": 20.0,
}


def test_the_suite_is_the_guides() -> None:
    assert len(BenchmarkTasks.SIMPLE_TASKS) == 5
    assert len(BenchmarkTasks.MEDIUM_TASKS) == 5
    assert len(BenchmarkTasks.COMPLEX_TASKS) == 3
    assert BenchmarkTasks.CUSTOM_TASKS == []
    assert len(checked_tasks(BenchmarkTasks.get_all_tasks())) == 13


def test_a_simple_task_has_one_agent_and_a_complex_one_six() -> None:
    assert all("expected_agent" in task for task in BenchmarkTasks.SIMPLE_TASKS)
    assert all(len(task["expected_agents"]) > 1 for task in BenchmarkTasks.MEDIUM_TASKS)
    assert all(len(task["expected_agents"]) == 6 for task in BenchmarkTasks.COMPLEX_TASKS)


def test_every_task_has_all_that_the_guides_dict_has() -> None:
    for task in BenchmarkTasks.get_all_tasks():
        assert {"id", "description", "complexity", "expected_duration"} < task.keys()


def test_a_custom_task_that_a_user_sets_is_part_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BenchmarkTasks, "CUSTOM_TASKS", [CUSTOM])
    assert BenchmarkTasks.get_all_tasks()[-1] == CUSTOM
    assert BenchmarkTasks.get_ground_truth_agent("custom-001") == "custom_agent"


def test_of_several_agents_the_first_leads() -> None:
    assert BenchmarkTasks.get_ground_truth_agent("simple-001") == "builder_agent"
    assert BenchmarkTasks.get_ground_truth_agent("medium-002") == "marketing_agent"


def test_an_unknown_task_has_no_ground_truth() -> None:
    with pytest.raises(InvalidQueryError, match="no-such-task"):
        BenchmarkTasks.get_ground_truth_agent("no-such-task")


def test_changing_what_the_suite_returned_does_not_change_the_suite() -> None:
    BenchmarkTasks.get_all_tasks()[0]["description"] = "changed"
    assert BenchmarkTasks.get_all_tasks()[0]["description"] != "changed"


def test_a_task_needs_no_more_than_an_id_and_a_description() -> None:
    (task,) = checked_tasks([{"id": "a", "description": "b"}])
    assert (task.expected_agent, task.complexity) == (None, None)


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([], "none given"),
        ({"id": "a"}, "expected a list"),
        ("a", "expected a list"),
        (["a"], r"tasks\[0\]: expected a dict, got a str"),
        ([{"description": "b"}], r"tasks\[0\]: 'id'"),
        ([{"id": 3, "description": "b"}], r"tasks\[0\]: 'id'"),
        ([{"id": "a", "description": ""}], r"tasks\[0\]: 'description'"),
        ([CUSTOM, {**CUSTOM, "complexity": 1.2}], r"tasks\[1\]: 'complexity' must be a number from 0 to 1"),
        ([{**CUSTOM, "complexity": float("nan")}], "'complexity'"),
        ([{**CUSTOM, "complexity": "hard"}], "'complexity'"),
        ([{**CUSTOM, "expected_duration": -1}], "'expected_duration' must be a number of seconds"),
        ([{**CUSTOM, "expected_agent": 3}], "an expected agent must be a non-empty string"),
        ([{"id": "a", "description": "b", "expected_agents": []}], "'expected_agents' must be a list"),
        ([{"id": "a", "description": "b", "expected_agents": [""]}], "an expected agent must be a non-empty string"),
        ([CUSTOM, CUSTOM], r"tasks\[1\]: an earlier task also has the id 'custom-001'"),
    ],
)
def test_an_invalid_task_is_refused_with_its_place_and_field(tasks: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        checked_tasks(tasks)
