"""Made-up histories: how a suite is run, what is random in it, and what the candidate really does differently."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import numpy as np
from scipy.signal import lfilter
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark_recorder.records import Document

SHORTEST, LONGEST = 1.0, 60.0
"""Seconds of the shortest and of the longest task."""

DAY: Final = 86_400_000_000
"""Microseconds."""

START: Final = datetime(2026, 1, 5, 6, tzinfo=UTC)
"""A Monday."""


# What is random in a run ----------------------------------------------------------------------------------------------


class Shape(Protocol):
    """Positive factors whose distribution is the same for each run of a task."""

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]: ...

    @property
    def mean(self) -> float: ...


@dataclass(frozen=True)
class LogNormal:
    """Log-normal; a share of the runs takes ``factor`` times as long."""

    sd: float
    share: float = 0.0
    factor: float = 1.0

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return self.of(rng.normal(0, 1, n), rng)

    def of(self, normal: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """The same from standard normal values, which need not be independent."""
        return np.exp(self.sd * normal) * np.where(rng.random(len(normal)) < self.share, self.factor, 1.0)

    @property
    def mean(self) -> float:
        return math.exp(self.sd**2 / 2) * (1 + self.share * (self.factor - 1))

    def below(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of less than so much."""
        usual, long = (ndtr(np.log(value / factor) / self.sd) for factor in (1.0, self.factor))
        mixed: NDArray[np.float64] = (1 - self.share) * usual + self.share * long
        return mixed


@dataclass(frozen=True)
class Pareto:
    """At least 1, with a tail that has no variance where ``alpha`` is at most 2."""

    alpha: float

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return 1 + rng.pareto(self.alpha, n)

    @property
    def mean(self) -> float:
        return self.alpha / (self.alpha - 1)


@dataclass(frozen=True)
class MostlyFree:
    """A share of the runs costs nothing, the others are log-normal."""

    free: float
    sd: float = 0.5

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return np.exp(rng.normal(0, self.sd, n)) * (rng.random(n) >= self.free)

    @property
    def mean(self) -> float:
        return (1 - self.free) * math.exp(self.sd**2 / 2)


# The runs -------------------------------------------------------------------------------------------------------------


class Runs(NamedTuple):
    """Runs in the order in which they are stored; one entry a run in each array."""

    version: NDArray[np.str_]
    task: NDArray[np.int64]
    time: NDArray[np.float64]
    success: NDArray[np.bool_]
    cost: NDArray[np.float64]
    routed: NDArray[np.bool_]
    moment: NDArray[np.int64]
    """Microseconds since ``START``."""

    def again(self, rows: NDArray[np.bool_]) -> Runs:
        """With some of the runs once more, after all others."""
        return Runs(*(np.concatenate([column, column[rows]]) for column in self))

    def documents(self) -> list[Document]:
        """As a store takes them."""
        columns = zip(*(column.tolist() for column in self), strict=True)
        return [_document(number, *values) for number, values in enumerate(columns)]


def _document(  # noqa: PLR0917 - a row of all columns
    number: int, version: str, task: int, time: float, success: bool, cost: float, routed: bool, moment: int
) -> dict[str, Any]:
    return {
        "record_id": f"{number:032x}",
        "timestamp": (START + timedelta(microseconds=moment)).isoformat(timespec="microseconds"),
        "version": version,
        "git_commit": "abc123",
        "task_id": f"task {task:03}",
        "task_description": f"task {task:03}",
        "execution_time": time,
        "success": success,
        "agent_selected": "right" if routed else "wrong",
        "cost_estimated": cost,
        "cost_known": True,
        "expected_agent": "right",
        "error_type": None if success else "ValueError",
        "host": "here",
    }


class Design(Protocol):
    """What a history is drawn from; hashable, so that rows of one design share its histories."""

    @property
    def records(self) -> int: ...

    def draw(self, rng: np.random.Generator) -> Runs: ...


@dataclass(frozen=True)
class Suite:
    """Two versions of a suite.

    Attributes:
        tasks: of the suite.
        runs: of each task, by version.
        noise: of a run's time.
        price: of a run's cost.
        failing: the mean rate of failures; tasks differ.
        slower: factor on the candidate's times; ``dearer``: on its costs; ``worse``: added to its rate of failures.
        failures_take: factor on the times of runs that fail.
        singles: so many of the tasks run once in each version, ``singly``: with this noise.
        between: standard deviation of what versions differ by on each task, on logarithms, with a mean of 0.
        days: on which each version runs, in turn; all on one day unless given.
        day_sd: what the runs of a day share, on logarithms of times.
        carried: correlation of a run's time with that of the run before it.
        order: of the versions' runs on a day.
        twice: whose runs are all recorded twice.
        routed: the tasks that each version routes right, always, where its router knows no chance.
    """

    tasks: int = 13
    runs: tuple[int, int] = (5, 5)
    noise: LogNormal = LogNormal(0.5)
    price: Shape = LogNormal(0.3)
    failing: float = 0.08
    slower: float = 1.0
    dearer: float = 1.0
    worse: float = 0.0
    failures_take: float = 1.0
    singles: int = 0
    singly: LogNormal = LogNormal(0.5)
    between: float = 0.0
    days: tuple[tuple[int, ...], tuple[int, ...]] = ((0,), (0,))
    day_sd: float = 0.0
    carried: float = 0.0
    order: Literal["interleaved", "one after the other"] = "interleaved"
    twice: tuple[str, ...] = ()
    routed: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def records(self) -> int:
        return len(self._plan.task)

    @cached_property
    def scale(self) -> NDArray[np.float64]:
        """Seconds of each task."""
        return np.geomspace(SHORTEST, LONGEST, self.tasks)

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """Of failures, by version and task."""
        weight = np.geomspace(0.3, 3, self.tasks) if self.tasks > 1 else np.ones(1)
        mean = np.array([[self.failing], [self.failing + self.worse]])
        rates: NDArray[np.float64] = np.minimum(0.95, mean * weight / weight.mean())
        return rates

    @cached_property
    def routes(self) -> NDArray[np.float64]:
        """The chance of the right agent, by version and task: some tasks are always routed right."""
        if self.routed is not None:
            return np.array([np.isin(np.arange(self.tasks), right) for right in self.routed], dtype=np.float64)
        return np.tile(np.minimum(1.0, np.linspace(0.5, 1.1, self.tasks)), (2, 1))

    @cached_property
    def _plan(self) -> _Plan:
        """Which version runs which task when."""
        parts = []
        for side, (runs, days) in enumerate(zip(self.runs, self.days, strict=True)):
            often = np.full(self.tasks, runs)
            often[: self.singles] = 1
            task = np.repeat(np.arange(self.tasks), often)
            repeat = np.concatenate([np.arange(n) for n in often])
            place = (repeat + 0.5) / often[task]
            day = np.array(days)[repeat % len(days)]
            parts.append(np.stack([day, place, task, np.full(len(task), side)]))
        day, place, task, side = np.concatenate(parts, axis=1)
        keys = (task, place, side, day) if self.order == "one after the other" else (side, task, place, day)
        rows = np.lexsort(keys)
        day, task, side = (column[rows].astype(np.int64) for column in (day, task, side))
        within = np.arange(len(rows)) - np.searchsorted(day, day)
        step = min(30_000_000, DAY // 2 // max(1, int(within.max()) + 1))
        return _Plan(day, task, side, day * DAY + within * step)

    def draw(self, rng: np.random.Generator) -> Runs:
        """A history of both versions, ``v1`` and ``v2``."""
        day, task, side, moment = self._plan
        n = len(task)
        normal = rng.normal(0, 1, n)
        if self.carried:
            normal[1:] *= math.sqrt(1 - self.carried**2)
            normal = lfilter([1], [1, -self.carried], normal)
        time = self.noise.of(normal, rng)
        if self.singles:
            time = np.where(task < self.singles, self.singly.draw(rng, n), time)
        time *= self.scale[task] * np.where(side == 1, self.slower, 1.0)
        time *= np.exp(rng.normal(0, self.day_sd, int(day.max()) + 1))[day]
        cost = self.price.draw(rng, n) * self.scale[task] * 1e-4 * np.where(side == 1, self.dearer, 1.0)
        if self.between:
            own = np.exp(rng.normal(0, self.between, (2, 2, self.tasks)))
            time, cost = time * own[0][side, task], cost * own[1][side, task]
        success = rng.random(n) >= self.rates[side, task]
        time = np.where(success, time, time * self.failures_take)
        routed = rng.random(n) < self.routes[side, task]
        runs = Runs(np.array(["v1", "v2"])[side], task, time, success, cost, routed, moment)
        return runs.again(np.isin(runs.version, self.twice)) if self.twice else runs


class _Plan(NamedTuple):
    day: NDArray[np.int64]
    task: NDArray[np.int64]
    side: NDArray[np.int64]
    moment: NDArray[np.int64]


@dataclass(frozen=True)
class Weeks:
    """One version, week after week.

    Attributes:
        weeks: from Monday to Sunday.
        a_day: runs of each of 13 tasks on each day.
        day_sd: what the runs of a day share, on logarithms of times.
        bad_days: share of the days on which half of the runs fail.
        begins: the day, counted from 0, from which on times are multiplied by ``slower``, and ``worse`` is added to the
            rate of failures.
    """

    weeks: int = 8
    a_day: int = 1
    noise: LogNormal = LogNormal(0.2)
    failing: float = 0.08
    day_sd: float = 0.0
    bad_days: float = 0.0
    begins: int = 35
    slower: float = 1.0
    worse: float = 0.0

    @property
    def records(self) -> int:
        return self.weeks * 7 * self.a_day * 13

    def draw(self, rng: np.random.Generator) -> Runs:
        """A history of ``v1``."""
        days, n = self.weeks * 7, self.records
        day, task = np.repeat(np.arange(days), 13 * self.a_day), np.tile(np.arange(13), days * self.a_day)
        changed = day >= self.begins
        scale = np.geomspace(SHORTEST, LONGEST, 13)[task]
        shared = np.exp(rng.normal(0, self.day_sd, days))[day]
        time = scale * shared * self.noise.draw(rng, n) * np.where(changed, self.slower, 1.0)
        bad = (rng.random(days) < self.bad_days)[day]
        success = rng.random(n) >= np.where(bad, 0.5, self.failing + self.worse * changed)
        cost, routed = 1e-4 * scale * np.exp(rng.normal(0, 0.2, n)), rng.random(n) < 0.8
        moment = day * DAY + np.tile(np.arange(13 * self.a_day), days) * 60_000_000
        return Runs(np.array(["v1"] * n), task, time, success, cost, routed, moment)
