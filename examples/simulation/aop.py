"""AOP, agent-oriented planning: three checks of a plan before anything runs, and its repair.

The checks see the plan, the agents' skills and the description, and not the truth: a step that was forgotten shows only
where the description names what it makes, or another step builds on it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .halo import is_able, specialist

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .work import Step


def unsolvable(plan: Sequence[Step]) -> list[Step]:
    """Steps whose agent lacks the skill."""
    return [step for step in plan if not is_able(step)]


def redundant(plan: Sequence[Step]) -> list[Step]:
    """Steps that an earlier one does already."""
    names = [step.name for step in plan]
    return [step for place, step in enumerate(plan) if step.name in names[:place]]


def missing(plan: Sequence[Step], work: Sequence[Step]) -> list[Step]:
    """Steps that are stated in the description, or built on by the plan, and are not in it."""
    present = {step.name for step in plan}
    built_on = {need for step in plan for need in step.needs}
    return [step for step in work if step.name not in present and (step.stated or step.name in built_on)]


def repaired(plan: Sequence[Step], work: Sequence[Step]) -> list[Step]:
    """The plan with what is redundant removed, what is missing added, and what is unsolvable reassigned."""
    kept = list({step.name: step for step in plan}.values()) if redundant(plan) else list(plan)
    while absent := missing(kept, work):  # what is added may itself build on something forgotten
        kept += absent
    hopeless = unsolvable(kept)
    order = {step.name: place for place, step in enumerate(work)}
    solvable = [replace(step, agent=specialist(step.skill)) if step in hopeless else step for step in kept]
    return sorted(solvable, key=lambda step: order[step.name])
