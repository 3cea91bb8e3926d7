"""Which tasks get cells of their own, and what is known of all others where two versions are compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from heapq import nsmallest
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from benchmark_recorder.columns import Moments

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

MAX_MATCHED_TASKS: Final = 10_000
"""Tasks that get cells of their own; the rest of a version is pooled."""

LISTED: Final = 100
"""Tasks that are listed by their ids where only one of two versions ran them."""

NUMBERS: Final = (
    "n",
    *(f"{name}_{part}" for name in ("log_time", "cost", "log_cost") for part in ("n", "mean", "m2")),
    "routed",
    "routed_right",
)
"""What ``BeyondTasks`` has of the runs of one task, version, outcome and group."""


def matched_tasks(
    seen: Mapping[str, Collection[str]], runs: Mapping[str, int], asked: int
) -> tuple[set[str], set[str]]:
    """The tasks that get cells of their own, and those that are matched but beyond the most that do; see ``Cells``.

    Args:
        seen: the versions that ran each task.
        runs: of each task.
        asked: how many versions were asked for; those that are there, where all were.
    """
    counts = {task: len(versions) for task, versions in seen.items()} if asked > 1 else runs
    matched = [task for task, count in counts.items() if count >= 2]
    if len(matched) > MAX_MATCHED_TASKS:
        matched.sort(key=lambda task: (-runs[task], task))
    return set(matched[:MAX_MATCHED_TASKS]), set(matched[MAX_MATCHED_TASKS:])


def are_matched(
    tasks: Sequence[str], runs: NDArray[np.int64], versions: NDArray[np.int64], asked: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """``matched_tasks`` as masks, by each task's runs and the number of versions that it was seen in."""
    matched = versions >= 2 if asked > 1 else runs >= 2
    beyond = np.zeros(len(matched), np.bool_)
    if np.count_nonzero(matched) > MAX_MATCHED_TASKS:
        most = sorted(np.flatnonzero(matched).tolist(), key=lambda place: (-runs[place], tasks[place]))
        beyond[most[MAX_MATCHED_TASKS:]] = True
    return matched & ~beyond, beyond


def compared(versions: Collection[str] | None) -> frozenset[str]:
    """The two versions that are compared; none where one, more or all versions are asked for."""
    different = frozenset(versions or ())
    return different if len(different) == 2 else frozenset()


class UnmatchedTasks(NamedTuple):
    """The tasks that only one of two compared versions ran.

    Attributes:
        version: the one that ran them.
        tasks: how many there are.
        first: the ids of the first 100 by id.
    """

    version: str
    tasks: int
    first: tuple[str, ...]

    @classmethod
    def together(cls, parts: Iterable[UnmatchedTasks]) -> tuple[UnmatchedTasks, ...]:
        """Parts without common tasks, together: one for each version that has such tasks, by version."""
        by_version: defaultdict[str, list[UnmatchedTasks]] = defaultdict(list)
        for part in parts:
            by_version[part.version].append(part)
        return tuple(
            cls(version, sum(p.tasks for p in own), tuple(nsmallest(LISTED, (id_ for p in own for id_ in p.first))))
            for version, own in sorted(by_version.items())
        )


class TaskNumbers(NamedTuple):
    """The runs of one task in one version that all succeeded, or all failed; the fields are those of a ``Cell``."""

    task: int
    version: str
    success: bool
    n: int
    log_time: Moments
    cost: Moments
    log_cost: Moments
    routed: int
    routed_right: int


@dataclass(frozen=True, slots=True, eq=False)
class BeyondTasks:
    """The matched tasks of two compared versions beyond the most that have cells of their own, as bare numbers.

    With them, a comparison covers every matched task, and yet only the others have to be named. There is a row for each
    task, version, outcome and group that has runs, in any order.

    Attributes:
        task: a number that rows of one task share.
        version: a place in ``versions``.
        success: whether these runs succeeded.
        group: a place in ``groups``.
        numbers: the other columns, ``NUMBERS``: as the fields of a ``Cell``, moments in three parts.
        versions: names.
        groups: labels; see ``Cell.group``.
    """

    task: NDArray[np.int64]
    version: NDArray[np.int64]
    success: NDArray[np.bool_]
    group: NDArray[np.int64]
    numbers: Mapping[str, NDArray[np.float64]]
    versions: tuple[str, ...]
    groups: tuple[tuple[str | None, ...], ...] = ((),)

    @classmethod
    def of(
        cls,
        labels: Iterable[tuple[str, str, bool, tuple[str | None, ...]]],
        numbers: Mapping[str, Sequence[float]],
    ) -> BeyondTasks:
        """Rows as they come from anywhere: version, task, success and group of each, and its ``NUMBERS``."""
        versions: dict[str, int] = {}
        tasks: dict[str, int] = {}
        groups: dict[tuple[str | None, ...], int] = {}
        codes = [
            (
                tasks.setdefault(task, len(tasks)),
                versions.setdefault(version, len(versions)),
                groups.setdefault(group, len(groups)),
                success,
            )
            for version, task, success, group in labels
        ]
        task, version, group, success = np.array(codes, np.int64).reshape(-1, 4).T
        return cls(
            task,
            version,
            success.astype(np.bool_),
            group,
            {name: np.array(numbers[name], np.float64) for name in NUMBERS},
            tuple(versions),
            tuple(groups),
        )

    @property
    def tasks(self) -> int:
        """How many tasks these are."""
        return len(np.unique(self.task))

    def within(self, group: tuple[str | None, ...]) -> BeyondTasks | None:
        """One group's rows; ``None`` where there are none."""
        rows = self.group == (self.groups.index(group) if group in self.groups else -1)
        if not rows.any():
            return None
        return replace(
            self,
            task=self.task[rows],
            version=self.version[rows],
            success=self.success[rows],
            group=np.zeros(np.count_nonzero(rows), np.int64),
            numbers={name: column[rows] for name, column in self.numbers.items()},
            groups=((),),
        )

    def rows(self, version: str) -> Iterator[TaskNumbers]:
        """One version's rows, one by one."""
        rows = self.version == (self.versions.index(version) if version in self.versions else -1)
        count, *parts, routed, right = (self.numbers[name][rows].tolist() for name in NUMBERS)
        moments = (map(Moments, map(int, n), mean, m2) for n, mean, m2 in zip(*[iter(parts)] * 3, strict=True))
        return map(
            TaskNumbers,
            self.task[rows].tolist(),
            repeat(version),
            self.success[rows].tolist(),
            map(int, count),
            *moments,
            map(int, routed),
            map(int, right),
        )
