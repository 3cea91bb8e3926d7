"""The orchestrator, with a switch for each mechanism; v1.0 is v2.0 with three of them off, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from .aop import repaired
from .halo import is_able, route_by_keyword, route_by_rules
from .planning import Attempt, StepFailedError, as_graph, decompose, step_by_step
from .work import work_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.harness import Task

    from .model import Call
    from .work import Step


class TaskResult(NamedTuple):
    """What became of a task; ``agent_selected`` leads it, ``cost`` is in USD and of all calls that were begun."""

    success: bool
    agent_selected: str
    cost: float
    error_type: str | None = None  # "StepFailed", or "WrongResult" where something was left out


class Orchestrator:
    """Does tasks with a team of agents.

    Args:
        version: what its executions are recorded under.
        htdag: decompose the task into a graph and run what is independent at once; else plan before each step.
        halo: route by rules over what agents can do; else by keywords.
        aop: check the plan and repair it before it runs.
        daao: choose the model by difficulty; else the premium one for every call.
    """

    def __init__(
        self, version: str, *, htdag: bool = True, halo: bool = True, aop: bool = True, daao: bool = True
    ) -> None:
        self.version = version
        self._htdag, self._halo, self._aop, self._daao = htdag, halo, aop, daao
        self._repeats: Counter[str] = Counter()

    async def execute_task(self, task: Task) -> TaskResult:
        """Do one task."""
        self._repeats[task["id"]] += 1
        work = work_of(task["description"])
        goals = len({step.goal for step in work})
        difficulty = task.get("complexity", 0.5)
        attempt = Attempt(task["id"], self._repeats[task["id"]], difficulty, goals, daao=self._daao)
        draft = attempt.draft(work)
        lead, plan = route_by_rules(draft) if self._halo else route_by_keyword(task["description"], draft)
        if self._aop:
            plan = repaired(plan, work)
        team = _Team(attempt, work)
        try:
            if self._htdag:
                await decompose(draft, attempt, team.ask)
                await as_graph(plan, team.do)
            else:
                await step_by_step(plan, attempt, team.ask, team.do)
        except StepFailedError:
            return TaskResult(success=False, agent_selected=lead, cost=team.cost, error_type="StepFailed")
        complete = {step.name for step in work} == {step.name for step in plan}
        return TaskResult(complete, lead, team.cost, None if complete else "WrongResult")


class _Team:
    """The agents at one task, and what they have spent."""

    def __init__(self, attempt: Attempt, work: Sequence[Step]) -> None:
        self.cost = 0.0
        self._attempt = attempt
        self._sizes = {step.name: step.size for step in work}
        self._times: Counter[str] = Counter()

    async def ask(self, call: Call) -> bool:
        self.cost += call.cost
        await asyncio.sleep(call.seconds)
        return not call.goes_wrong

    async def do(self, step: Step) -> None:
        self._times[step.name] += 1
        read = sum(self._sizes[need] for need in step.needs)
        what = f"{step.name}, time {self._times[step.name]}"
        if not await self.ask(self._attempt.call(what, read, step.size, step.size, skilled=is_able(step))):
            raise StepFailedError


def orchestrator_v1() -> Orchestrator:
    """Routes by keyword, plans before each step, runs one agent after the other."""
    return Orchestrator("v1.0", htdag=False, halo=False, aop=False)


def orchestrator_v2() -> Orchestrator:
    """HTDAG, HALO and AOP; both versions have DAAO."""
    return Orchestrator("v2.0")
