"""One version's runs split in two at random, thousands of times, and the sums of both sides by task.

Sums over a task's runs are a product of a matrix of splits by runs with one of runs by figures; those of whole days or
runs of the suite, of splits by days with sums of days.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from benchmark_recorder.analysis.guardrails import GUARDRAILS
from benchmark_recorder.cells import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

DAY: Final = 86_400_000_000
"""Microseconds."""

PAUSE: Final = 1_800_000_000
"""Microseconds without an execution that end a run of the suite."""

_CHUNK: Final = 8_000_000
"""Runs times splits that are held in memory at once, a byte each."""


class Repeated(NamedTuple):
    """The runs of the tasks that repeat, sorted by task."""

    task: NDArray[np.int64]
    block: NDArray[np.int64]
    """The day or the run of the suite, counted from 0."""
    blocks: str
    """Which of them: ``"day"`` or ``"run"``."""
    failed: NDArray[np.bool_]
    time: NDArray[np.float64]
    figures: NDArray[np.float64]
    """By run, for each guardrail: whether it has a value, that less its task's mean, and its square; the duration."""
    centres: dict[str, NDArray[np.float64]]
    """The tasks' means, by guardrail."""
    sums: NDArray[np.float64]
    """Of the figures, by task."""

    @property
    def tasks(self) -> int:
        """How many they are."""
        return int(self.task[-1]) + 1 if len(self.task) else 0


def repeated(columns: Mapping[str, NDArray[Any]]) -> Repeated:
    """The runs of the tasks that repeat, from the columns that ``selftest`` needs."""
    codes = encode(columns["task_id"]).codes.astype(np.int64)
    often = np.bincount(codes + 1)[codes + 1] >= 2
    rows = np.flatnonzero(often)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    _, task = np.unique(codes[rows], return_inverse=True)
    time = np.asarray(columns["execution_time"], dtype=np.float64)[rows]
    block, blocks = _blocks(np.asarray(columns["time"], dtype=np.int64)[rows])
    succeeded = np.asarray(columns["success"], dtype=np.bool_)[rows]
    logs = np.log(time, out=np.full(len(time), np.nan), where=succeeded & (time > 0))
    values = {
        "execution_time": logs,
        "failure_rate": 1.0 - succeeded,
        "cost": np.asarray(columns["cost"], dtype=np.float64)[rows],
    }
    figures, centres = _figures(task, values, time)
    tasks = int(task[-1]) + 1 if len(task) else 0
    sums: NDArray[np.float64] = np.stack([np.bincount(task, column, tasks) for column in figures.T], axis=1)
    return Repeated(task.astype(np.int64), block, blocks, ~succeeded, time, figures, centres, sums)


_FIGURES: Final = 3 * len(GUARDRAILS) + 1
TIME: Final = _FIGURES - 1
RUNS: Final = 3 * tuple(GUARDRAILS).index("failure_rate")
"""The columns of ``Repeated.figures``: how many there are, the duration, and one that counts each run."""


def _figures(
    task: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]], time: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """What sums are made of, and the tasks' means: deviations from these keep digits that squares would lose."""
    columns, centres = [], {}
    for name in GUARDRAILS:
        known = np.isfinite(values[name])
        value = np.where(known, values[name], 0.0)
        with np.errstate(all="ignore"):
            centres[name] = np.bincount(task, value) / np.maximum(1, np.bincount(task, known))
            off = np.where(known, value - centres[name][task], 0.0)
            columns += [known, off, off * off]
    return np.stack([*columns, time], axis=1).astype(np.float64), centres


def _blocks(moment: NDArray[np.int64]) -> tuple[NDArray[np.int64], str]:
    """The day of each execution; where all are of one, the run of the suite."""
    days, day = np.unique(moment // DAY, return_inverse=True)
    if len(days) > 1 or not len(moment):
        return day.astype(np.int64), "day"
    order = np.argsort(moment, kind="stable")
    run = np.empty(len(moment), np.int64)
    run[order] = np.concatenate([[0], np.cumsum(np.diff(moment[order]) > PAUSE)])
    return run, "run"


# Splits: for each, which runs are the candidate's ---------------------------------------------------------------------


def _chunks(rows: int, splits: int) -> Iterator[int]:
    size = max(1, _CHUNK // max(1, rows))
    for start in range(0, splits, size):
        yield min(size, splits - start)


class Batch(NamedTuple):
    """Some splits.

    Attributes:
        sums: of ``Repeated.figures`` over the candidate's runs, by split and task.
        sides: which runs are the candidate's in one of the splits.
    """

    sums: NDArray[np.float64]
    sides: Callable[[int], NDArray[np.bool_]]


def within_tasks(history: Repeated, splits: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Half of each task's runs; where their number is odd, the last one goes to either side."""
    if not history.tasks:
        return
    n = np.bincount(history.task)
    ends = np.cumsum(n).tolist()
    for size in _chunks(len(history.task), splits):
        sides = np.zeros((size, len(history.task)), np.bool_)
        sums = np.empty((size, history.tasks, _FIGURES))
        for task, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            half = (end - start) // 2
            sides[:, start : start + half] = True
            if (end - start) % 2:
                sides[:, start + half] = rng.integers(0, 2, size)
            part = rng.permuted(sides[:, start:end], axis=1)
            sides[:, start:end] = part
            sums[:, task] = part.astype(np.float64) @ history.figures[start:end]
        yield Batch(sums, sides.__getitem__)


def by_block(history: Repeated, blocks: int, splits: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Half of the days or runs, whole: their sums are those of their blocks."""
    if blocks < 2:
        return
    place = history.block * history.tasks + history.task
    table = np.stack([np.bincount(place, column, blocks * history.tasks) for column in history.figures.T], axis=1)
    by_block = table.reshape(blocks, -1)
    for size in _chunks(by_block.shape[1], splits):
        rank = np.argsort(rng.random((size, blocks)), axis=1)
        # Where their number is odd, the last one goes to either side.
        half = blocks // 2 + (blocks % 2) * rng.integers(0, 2, (size, 1))
        chosen = rank < half
        sums = chosen.astype(np.float64) @ by_block
        yield Batch(sums.reshape(size, history.tasks, _FIGURES), partial(_runs_of_blocks, chosen, history.block))


def _runs_of_blocks(chosen: NDArray[np.bool_], block: NDArray[np.int64], split: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = chosen[split][block]
    return found


def halves_of(parts: list[int]) -> float:
    """Ways to split each part in half, all together, as far as a float can count them."""
    logs = sum(math.lgamma(n + 1) - math.lgamma(n // 2 + 1) - math.lgamma((n + 1) // 2 + 1) for n in parts)
    logs += sum(n % 2 for n in parts) * math.log(2)
    return float(round(math.exp(logs))) if logs < 36 else math.exp(min(logs, 700.0))


# What sums say ------------------------------------------------------------------------------------------------------

Parts = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def moments_of(history: Repeated, name: str, right: NDArray[np.float64]) -> Parts:
    """Count, mean and squared deviations by (split, side, task), from the sums of the candidate's runs."""
    first = 3 * tuple(GUARDRAILS).index(name)
    both = np.stack([history.sums - right, right], axis=1)[..., first : first + 3]
    n, total, squares = (both[..., column] for column in range(3))
    with np.errstate(all="ignore"):  # an overflow is treated as missing evidence
        mean = total / np.maximum(1, n)
        return n, mean + history.centres[name], np.maximum(0.0, squares - n * mean * mean)
