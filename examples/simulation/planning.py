"""The planner, which slips as any model does, and what is done with a plan: step by step, or HTDAG."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from .daao import tier_for
from .model import PREMIUM, Call, chance

if TYPE_CHECKING:
    from .work import Step

PLANNED_STEP: Final = 0.1
"""Thousands of tokens that a planner writes for a step."""

PLANNED_GOAL: Final = 0.05
"""Thousands of tokens that a planner writes to name a goal."""

BRIEFING: Final = 0.2
"""Thousands of tokens that every call reads: the description and its instructions."""

Ask: TypeAlias = Callable[[Call], Awaitable[bool]]
"""Pays a call, waits for it, and says whether it went well."""

Do: TypeAlias = "Callable[[Step], Awaitable[None]]"
"""Has a step done by its agent, or raises."""


class StepFailedError(Exception):
    """An agent got a step wrong, so the task cannot be finished."""


class Attempt:
    """One repeat of one task: what all its calls have in common."""

    def __init__(self, task_id: str, repeat: int, difficulty: float, goals: int, *, daao: bool) -> None:
        self._key = task_id, repeat
        self._difficulty, self._goals, self._daao = difficulty, goals, daao

    def call(self, what: str, read: float, written: float, size: float, *, skilled: bool = True) -> Call:
        """A call for ``what``, whose tier is chosen by ``size`` (in thousands of tokens)."""
        tier = tier_for(self._goals, size) if self._daao else PREMIUM
        return Call((*self._key, what), BRIEFING + read, written, self._difficulty, tier, skilled)

    def planning(self, what: str, read: float, written: float) -> Call:
        """A planning call; its tier is the same whether it plans one step or many."""
        return self.call(what, read, written, PLANNED_STEP)

    def draft(self, work: Sequence[Step]) -> list[Step]:
        """The plan as the planner makes it: where it slips on a step, it forgets it or has it done twice."""
        plan: list[Step] = []
        for step in work:
            slips = self.planning(f"plan {step.name}", 0, PLANNED_STEP).goes_wrong
            times = 1 if not slips else 0 if chance("forgets", *self._key, step.name) < 0.5 else 2
            plan += [step] * times
        return plan


async def step_by_step(plan: Sequence[Step], attempt: Attempt, ask: Ask, do: Do) -> None:
    """Before each step a planner reads all that was done so far and says what is next."""
    history = 0.0
    for place, step in enumerate(plan):
        await ask(attempt.planning(f"next {place}", history, PLANNED_STEP))
        await do(step)
        history += step.size


async def decompose(plan: Sequence[Step], attempt: Attempt, ask: Ask) -> None:
    """HTDAG: one call names the goals (if there are several), then one for each goal, all at once, names its steps."""
    goals = Counter(step.goal for step in plan)
    if len(goals) > 1:
        await ask(attempt.planning("goals", 0, PLANNED_GOAL * len(goals)))
    calls = (attempt.planning(f"steps of {goal}", PLANNED_GOAL, PLANNED_STEP * n) for goal, n in goals.items())
    await asyncio.gather(*map(ask, calls))


async def as_graph(plan: Sequence[Step], do: Do) -> None:
    """HTDAG: each step as soon as what it needs is done; a failure stops the others."""
    done = {step.name: asyncio.Event() for step in plan}

    async def when_ready(step: Step) -> None:
        for need in step.needs:
            if need in done:
                await done[need].wait()
        await do(step)
        done[step.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for step in plan:
                group.create_task(when_ready(step))
    except* StepFailedError:
        raise StepFailedError from None
