"""The order of a run: versions interleaved, so that what changes over time touches all of them alike."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.harness.tasks import CheckedTask


class Job(NamedTuple):
    """One execution to come.

    Attributes:
        task: what to do.
        side: the index of the orchestrator.
        repeat: 1 for the first.
    """

    task: CheckedTask
    side: int
    repeat: int


def interleave(tasks: Sequence[CheckedTask], sides: int, repeats: int, seed: int) -> list[Job]:
    """Every task for every side in every repeat.

    All sides do a task one after the other. The tasks' order differs by repeat, and which side goes first
    rotates from repeat to repeat, beginning at random for each task: no side is always the first.
    """
    chance = random.Random(seed)  # noqa: S311
    first = {task.id: chance.randrange(sides) for task in tasks}
    jobs = []
    for repeat in range(1, repeats + 1):
        for task in chance.sample(tasks, len(tasks)):
            jobs += [Job(task, (first[task.id] + repeat + turn) % sides, repeat) for turn in range(sides)]
    return jobs
