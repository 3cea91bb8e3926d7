"""The task suite: thirteen tasks with their ground truth, and the check that a task can be run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from benchmark_recorder.errors import ConfigurationError, InvalidQueryError, preview

Task: TypeAlias = dict[str, Any]
"""What an orchestrator is given.

``id``, ``description``, ``expected_agent`` (or ``expected_agents``, the lead first), ``complexity`` (0 to 1)
and ``expected_duration`` (seconds); other keys are passed on untouched."""


def _task(task_id: str, description: str, agents: str, complexity: float, expected_duration: float) -> Task:
    names = [f"{name}_agent" for name in agents.split()]
    expected = {"expected_agent": names[0]} if len(names) == 1 else {"expected_agents": names}
    return {
        "id": task_id,
        "description": description,
        **expected,
        "complexity": complexity,
        "expected_duration": expected_duration,
    }


class BenchmarkTasks:
    """The suite that every version runs, so that versions can be compared.

    Assign your own tasks to ``BenchmarkTasks.CUSTOM_TASKS``; they are run after the thirteen.
    """

    SIMPLE_TASKS: ClassVar[list[Task]] = [
        _task("simple-001", "Create a landing page with header and CTA", "builder", 0.2, 5.0),
        _task("simple-002", "Write blog post about AI trends", "content", 0.2, 5.0),
        _task("simple-003", "Send welcome email to new users", "email", 0.1, 3.0),
        _task("simple-004", "Fix CSS of the navigation menu on mobile", "builder", 0.15, 4.0),
        _task("simple-005", "Generate SEO meta tags for the product pages", "seo", 0.15, 4.0),
    ]
    """One agent, low complexity."""

    MEDIUM_TASKS: ClassVar[list[Task]] = [
        _task("medium-001", "Build user authentication with OAuth and password reset", "security builder", 0.5, 20.0),
        _task(
            "medium-002", "Plan a marketing campaign with email and blog content", "marketing content email", 0.4, 15.0
        ),
        _task("medium-003", "Add payment processing with subscriptions and invoices", "billing builder", 0.6, 25.0),
        _task("medium-004", "Create an analytics dashboard with user metrics", "analyst builder", 0.5, 20.0),
        _task("medium-005", "Set up a deployment pipeline with automated tests", "deploy qa", 0.5, 20.0),
    ]
    """Several agents, moderate complexity; here routing matters most."""

    COMPLEX_TASKS: ClassVar[list[Task]] = [
        _task(
            "complex-001",
            "Build a SaaS MVP with authentication, billing and a dashboard",
            "builder spec security billing deploy marketing",
            0.8,
            60.0,
        ),
        _task(
            "complex-002",
            "Create an e-commerce platform with catalogue, checkout and order emails",
            "builder spec billing email deploy seo",
            0.85,
            75.0,
        ),
        _task(
            "complex-003",
            "Launch an AI content platform with generation, moderation and analytics",
            "builder spec content security analyst deploy",
            0.9,
            90.0,
        ),
    ]
    """A whole business, six agents."""

    CUSTOM_TASKS: ClassVar[list[Task]] = []
    """Yours."""

    @classmethod
    def get_all_tasks(cls) -> list[Task]:
        """Copies of all tasks: simple, medium, complex, custom."""
        return deepcopy([*cls.SIMPLE_TASKS, *cls.MEDIUM_TASKS, *cls.COMPLEX_TASKS, *cls.CUSTOM_TASKS])

    @classmethod
    def get_ground_truth_agent(cls, task_id: str) -> str | None:
        """The agent that a task should be routed to; of several, the lead. ``None`` if the task names none.

        Raises:
            ConfigurationError: a custom task cannot be run.
            InvalidQueryError: no task of the suite has this id.
        """
        for task in checked_tasks(cls.get_all_tasks()):
            if task.id == task_id:
                return task.expected_agent
        raise InvalidQueryError(f"task_id: no task {preview(task_id)} in the suite")


@dataclass(frozen=True, slots=True)
class CheckedTask:
    """A task that can be run and recorded.

    Attributes:
        id: the task's.
        description: the task's.
        expected_agent: of several, the lead; ``None`` if the task names none.
        complexity: 0 to 1, or ``None``.
        task: the dict as it was given; each execution gets a copy.
    """

    id: str
    description: str
    expected_agent: str | None
    complexity: float | None
    task: Task

    def copy(self) -> Task:
        """For one execution."""
        plain = all(value is None or isinstance(value, str | int | float) for value in self.task.values())
        return dict(self.task) if plain else deepcopy(self.task)


def checked_tasks(tasks: Iterable[Mapping[str, Any]]) -> tuple[CheckedTask, ...]:
    """The tasks, ready to run.

    Raises:
        ConfigurationError: there are no tasks, one cannot be run, or two have the same id; says which and why.
    """
    if isinstance(tasks, Mapping | str) or not isinstance(tasks, Iterable):
        raise ConfigurationError(f"tasks: expected a list of task dicts, got a {type(tasks).__name__}")
    checked = tuple(_checked(task, f"tasks[{place}]") for place, task in enumerate(tasks))
    if not checked:
        raise ConfigurationError("tasks: none given")
    seen: set[str] = set()
    for place, task in enumerate(checked):
        if task.id in seen:
            raise ConfigurationError(f"tasks[{place}]: an earlier task also has the id {preview(task.id)}")
        seen.add(task.id)
    return checked


_NUMBERS: Final = {
    "complexity": (1.0, "a number from 0 to 1"),
    "expected_duration": (math.inf, "a number of seconds, zero or more"),
}
"""The greatest value of each number of a task, and what it must be."""


def _checked(task: object, place: str) -> CheckedTask:
    if not isinstance(task, Mapping):
        raise ConfigurationError(f"{place}: expected a dict, got a {type(task).__name__}")
    for name in ("id", "description"):
        if not isinstance(task.get(name), str) or not task[name]:
            raise ConfigurationError(f"{place}: {name!r} must be a non-empty string")
    for name, (most, allowed) in _NUMBERS.items():
        value = 0 if task.get(name) is None else task[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise ConfigurationError(f"{place}: {name!r} must be {allowed}")
    return CheckedTask(task["id"], task["description"], _lead(task, place), task.get("complexity"), dict(task))


def _lead(task: Mapping[str, Any], place: str) -> str | None:
    agent, agents = task.get("expected_agent"), task.get("expected_agents")
    if agent is None and agents is not None:
        if not isinstance(agents, list | tuple) or not agents:
            raise ConfigurationError(f"{place}: 'expected_agents' must be a list of names, the lead first")
        agent = agents[0]
    if agent is not None and (not isinstance(agent, str) or not agent):
        raise ConfigurationError(f"{place}: an expected agent must be a non-empty string")
    return agent
