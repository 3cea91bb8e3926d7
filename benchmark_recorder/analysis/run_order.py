"""What the runs themselves show: records that were stored twice, runs that depend on those before, models, texts.

Cells do not know the order of runs, so a comparison reads a few columns of both versions, unless they are too many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from benchmark_recorder.analysis.results import Caveat
from benchmark_recorder.columns import Durations, distinct, encode
from benchmark_recorder.grouping import GAP, LOAD_TURN
from benchmark_recorder.records import is_made

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark_recorder.cells import Cells, Runs
    from benchmark_recorder.columns import Coded
    from benchmark_recorder.records import Columns

MOST_LOOKED_AT: Final = 200_000
"""Runs of both versions beyond which single ones are not looked at."""

FIELDS: Final = ("version", "task_id", "execution_time", "success", "time", "host", "model")

FEWEST: Final = 5
"""Runs in a row that repeat earlier ones before it is reported; measured durations do not repeat even once."""

TWICE: Final = 0.20
"""Share of a version's runs that repeat earlier ones from which on its runs are not the evidence that they seem."""

DEPENDENT: Final = 2.6
"""Standard errors above zero from which on the correlation of a run with the one before it is not taken for chance."""

MOST_CARRIED: Final = 0.95
"""The largest correlation that is reckoned with."""


class Dependence(NamedTuple):
    """Runs that depend on the run before them.

    Attributes:
        correlation: of a run's time with that of the run before it.
        inflation: how many times as large the variance of the change is as if runs were independent.
    """

    correlation: float
    inflation: float


@dataclass(frozen=True)
class RunOrder:
    """Both versions' runs in their order.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        columns: ``FIELDS``, in the order in which the runs were stored; with the tasks' texts, unless every id was
            made from one.
        in_turns: whether turns of a load are the blocks: how its runs depend on each other is in their variance.
    """

    v1: str
    v2: str
    columns: Columns
    in_turns: bool = False

    @cached_property
    def twice(self) -> tuple[Caveat, ...]:
        """The versions whose runs repeat earlier ones so often that no verdict can rest on them."""
        return tuple(caveat for version in dict.fromkeys((self.v1, self.v2)) for caveat in self._twice(version))

    def _is_of(self, version: str) -> NDArray[np.bool_]:
        """Which runs are of a version."""
        codes, vocabulary = self._versions
        code = vocabulary.index(version) if version in vocabulary else len(vocabulary)
        return np.equal(codes, code)

    @cached_property
    def _versions(self) -> Coded:
        return encode(self.columns["version"])

    def _twice(self, version: str) -> Iterator[Caveat]:
        own = self._is_of(version)
        times = self.columns["execution_time"][own]
        again = repeated_rows(Durations.of(times))
        if len(again) < FEWEST:
            return
        # A task that always takes the same time says nothing: its durations may be fixed by design.
        task = encode(self.columns["task_id"][own]).codes
        fixed = np.full(task.max() + 1, fill_value=True)
        first = np.unique(task, return_index=True)[1]
        np.logical_and.at(fixed, task, times == times[first[task]])
        repeated = int(np.count_nonzero(~fixed[task[again]]))
        if repeated >= max(FEWEST, TWICE * len(times)):
            yield _recorded_twice(version, repeated, len(times), withheld=True)

    @cached_property
    def dependence(self) -> Dependence | None:
        """How the times of successful runs depend on those before them; ``None`` where that may be chance."""
        if self.in_turns:
            return None
        order, residual, chained = self._in_turn()
        products = (residual[1:] * residual[:-1])[chained[1:]]
        square, error = float(residual @ residual), math.sqrt(float(products @ products))
        if not (square > 0 and error > 0) or float(products.sum()) < DEPENDENT * error:
            return None
        correlation = float(products.sum()) / square
        # At least as much as that: the correlation of few runs is often too low by chance.
        bound = min(MOST_CARRIED, correlation + 1.645 * error / square)
        inflation = _inflation(self._is_of(self.v2)[order], chained, bound)
        return Dependence(correlation, inflation) if inflation > 1 else None

    def _in_turn(self) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
        """Successful runs of each host by their time.

        Returns:
            Their rows; how the logarithm of each one's time differs from the mean of its version, task and session;
            and whether it follows a run of the same session.
        """
        time = self.columns["execution_time"]
        host, moment = encode(self.columns["host"]).codes, self.columns["time"]
        order = np.lexsort((moment, host))
        order = order[(time[order] > 0) & np.isfinite(time[order]) & self.columns["success"][order]]
        host, moment = host[order], moment[order]
        chained = np.r_[False, (np.diff(host) == 0) & (np.diff(moment) <= GAP)][: len(order)]
        side = self._is_of(self.v2)[order]
        task = encode(self.columns["task_id"]).codes[order]
        residual = np.log(time[order].astype(np.float64))
        for label in (task, np.cumsum(~chained)):
            group = distinct((label + 1) * 2 + side, 2 * int(label.max(initial=0)) + 4)[2]
            residual -= (np.bincount(group, residual) / np.bincount(group))[group]
        return order, residual, chained

    @cached_property
    def models(self) -> tuple[list[str], list[str]]:
        """The models of each version's runs."""
        left, right = (
            sorted({model for model in self.columns["model"][self._is_of(version)].tolist() if model})
            for version in (self.v1, self.v2)
        )
        return left, right

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The texts of each task that has more than one and that both versions ran."""
        found: dict[str, dict[str, None]] = {}
        sides: dict[str, set[str]] = {}
        names = ("version", "task_id", "task_description")
        if names[-1] not in self.columns:
            return {}
        for version, task, text in dict.fromkeys(zip(*(self.columns[name].tolist() for name in names), strict=True)):
            sides.setdefault(task, set()).add(version)
            if text:
                found.setdefault(task, {})[text] = None
        return {task: list(own) for task, own in sorted(found.items()) if len(own) > 1 and len(sides[task]) > 1}


_KNOWN: WeakKeyDictionary[Runs, dict[tuple[str, str], RunOrder]] = WeakKeyDictionary()
"""What was read already: a comparison on all metrics looks once."""


def run_order(cells: Cells, v1: str, v2: str) -> RunOrder | None:
    """The runs behind some cells; ``None`` where they are not at hand, or are too many."""
    if cells.runs is None or sum(cell.n for cell in cells.cells) > MOST_LOOKED_AT:
        return None
    known = _KNOWN.setdefault(cells.runs, {})
    if (v1, v2) not in known:
        made = all(is_made(cell.task_id) for cell in cells.cells if cell.task_id is not None)
        fields = FIELDS if made else (*FIELDS, "task_description")
        in_turns = cells.blocks is not None and LOAD_TURN in cells.blocks.keys
        known[v1, v2] = RunOrder(v1, v2, cells.runs(fields, None), in_turns)
    return known[v1, v2]


def _inflation(right: NDArray[np.bool_], chained: NDArray[np.bool_], correlation: float) -> float:
    """How many times as large the variance of a difference of means is if each run depends on the one before it.

    Args:
        right: whether each run, in turn, is one of the candidate's.
        chained: whether it follows one that it depends on.
        correlation: of a run with the one before it.
    """
    n2 = int(np.count_nonzero(right))
    n1 = len(right) - n2
    if not (n1 and n2):
        return 1.0
    carried = variance = 0.0
    for weight, follows in zip(np.where(right, 1 / n2, -1 / n1).tolist(), chained.tolist(), strict=True):
        carried = carried * correlation if follows else 0.0
        variance += weight * (weight + 2 * carried)
        carried += weight
    return variance / (1 / n1 + 1 / n2)


# Recorded twice -------------------------------------------------------------------------------------------------------


def recorded_twice(version: str, durations: Durations) -> Iterator[Caveat]:
    """A caveat if a stretch of runs repeats an earlier stretch exactly."""
    if repeated := len(repeated_rows(durations)):
        yield _recorded_twice(version, repeated, len(durations.stored()), withheld=False)


def _recorded_twice(version: str, repeated: int, runs: int, *, withheld: bool) -> Caveat:
    figures: dict[str, Any] = {"version": version, "repeated": repeated, "runs": runs}
    return Caveat("recorded_twice", figures=figures | ({"withheld": True} if withheld else {}))


def repeated_rows(durations: Durations) -> NDArray[np.intp]:
    """Runs in stretches of at least ``FEWEST``, with at least three different durations, that occurred before.

    Returns:
        Their places in the order in which the runs were stored.
    """
    ordered = durations.ordered
    again = ordered[1:] == ordered[:-1]
    nothing = np.empty(0, np.intp)
    if np.count_nonzero(again) < FEWEST:  # nearly always, and far faster than what follows
        return nothing
    times, several = durations.stored(), np.unique(ordered[1:][again])
    places = np.minimum(several.searchsorted(times), len(several) - 1)
    rows = np.flatnonzero(several[places] == times)
    order = rows[np.argsort(times[rows], kind="stable")]
    equal = times[order[1:]] == times[order[:-1]]
    earlier, later = order[:-1][equal], order[1:][equal]
    if len(later) < FEWEST:
        return nothing
    lag = later - earlier
    by_lag = np.lexsort((later, lag))
    later, lag = later[by_lag], lag[by_lag]
    starts = np.flatnonzero(np.r_[True, (np.diff(later) != 1) | (np.diff(lag) != 0)])
    stretches = np.split(later, starts[1:])
    return np.concatenate(
        [nothing, *(one for one in stretches if len(one) >= FEWEST and len(np.unique(times[one])) >= 3)]
    )
