"""How often the gate gives a false alarm on the user's own history: one version against itself, thousands of times.

The runs of one version are split in two at random and judged as baseline and candidate. Whatever blocks is a false
alarm. Splitting within tasks shows the gate under independent runs; splitting by day keeps what the runs of a day share
(a slow provider, a loaded host), as a candidate that is measured on another day than the baseline does. Where all is of
one day, whole runs of the suite are split instead.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from benchmark_recorder.analysis.caveats import unknown_version
from benchmark_recorder.analysis.guardrails import GUARDRAILS, REQUIRED, Ruling, overall, rule
from benchmark_recorder.analysis.means import geometric, sums
from benchmark_recorder.analysis.metrics import METRICS, Counts, Pair, Strata, check_scope
from benchmark_recorder.analysis.planning import blocked_from
from benchmark_recorder.analysis.rates import rate_difference
from benchmark_recorder.analysis.results import Caveat, Result
from benchmark_recorder.analysis.spread import Spread, of_means, of_rates
from benchmark_recorder.analysis.survivorship import CONFIRMED, RISEN, failures_rise, van_elteren
from benchmark_recorder.analysis.thresholds import THRESHOLDS
from benchmark_recorder.cells import Moments, encode
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

SELFTEST_FIELDS: Final = ("task_id", "success", "execution_time", "cost", "time")
"""The columns that ``selftest`` needs."""

DAY: Final = 86_400_000_000
"""Microseconds."""

PAUSE: Final = 1_800_000_000
"""Microseconds without an execution that end a run of the suite."""

_MOST_VALUES: Final = 200_000_000
"""Runs times splits: beyond it fewer splits are made, so that a large history takes seconds, not hours."""

_CHUNK: Final = 2_000_000
"""Runs times splits that are held in memory at once."""


@dataclass(frozen=True, slots=True)
class FalseBlocks(Result):
    """What the gate said of splits without any true change.

    Attributes:
        kind: ``"within tasks"``, ``"by day"``, or ``"by run"`` of the suite.
        splits: that were judged.
        different: splits that exist at most; few days or runs allow few.
        rate: share that the default policy blocked.
        by_metric: the same, by guardrail.
        literal_rate: share that the guide's literal thresholds would have blocked.
        inconclusive_rate: share that the default policy called inconclusive.
    """

    kind: str
    splits: int
    different: float
    rate: float
    by_metric: Mapping[str, float]
    literal_rate: float
    inconclusive_rate: float


@dataclass(frozen=True, slots=True)
class SelfTest(Result):
    """The gate on one version against itself.

    Neither rate is what the gate does to the user in future: the one knows nothing of days, the other has few of them.

    Attributes:
        version: whose runs.
        runs: that were split.
        tasks: of which each was run at least twice.
        within_tasks: splits at random within tasks; ``None`` where no task has two runs.
        by_day: splits of whole days; of whole runs of the suite (with a pause of half an hour between them) where all
            are of one day; ``None`` where there is only one.
        detectable: by guardrail, the smallest true worsening that the gate, with half of the runs per side, finds with
            80% power: a fraction, or points as a fraction; ``None`` where unknown.
        sentence: all this for people; empty until ``reporting.views`` words it.
        warnings: caveats that the reader must know.
    """

    version: str
    runs: int
    tasks: int
    within_tasks: FalseBlocks | None
    by_day: FalseBlocks | None
    detectable: Mapping[str, float | None]
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


class _History(NamedTuple):
    """The runs of the tasks that repeat, sorted by task."""

    task: NDArray[np.int64]
    block: NDArray[np.int64]
    """The day or the run of the suite, counted from 0."""
    blocks: str
    """Which of them: ``"day"`` or ``"run"``."""
    values: dict[str, NDArray[np.float64]]
    """By guardrail: logarithm of a success's duration, whether it failed, cost; NaN where it does not count."""
    time: NDArray[np.float64]

    @property
    def tasks(self) -> int:
        return int(self.task[-1]) + 1 if len(self.task) else 0


def selftest(
    columns: Mapping[str, NDArray[Any]], version: str, *, splits: int = 2000, seed: int = 0, scope: str = "suite"
) -> SelfTest:
    """Run the gate on a version against itself.

    Args:
        columns: ``SELFTEST_FIELDS`` of exactly that version's runs.
        version: its name.
        splits: of each kind; fewer are made of histories beyond 100,000 runs.
        seed: the same one gives the same answer.
        scope: see ``compare``.

    Raises:
        InvalidQueryError: an unknown scope, or a number of splits that is not at least 1.
    """
    check_scope(scope)
    if isinstance(splits, bool) or not isinstance(splits, int) or splits < 1:
        raise InvalidQueryError("splits: expected a whole number, 1 or more")
    if not len(columns["success"]):
        return SelfTest(version, 0, 0, None, None, {}, (unknown_version(version),))
    history = _repeated(columns)
    rng = np.random.default_rng(seed)
    splits = max(min(splits, 200), min(splits, _MOST_VALUES // max(1, len(history.task))))
    within = _judge(
        history, _within_tasks(history, splits, rng), "within tasks", scope, _halves(np.bincount(history.task).tolist())
    )
    blocks = int(history.block.max(initial=-1)) + 1
    kind, ways = f"by {history.blocks}", _halves([blocks])
    by_day = _judge(history, _by_block(history, blocks, splits, rng), kind, scope, ways)
    return SelfTest(
        version,
        len(history.task),
        history.tasks,
        within,
        by_day,
        _detectable(history, scope) if within else {},
        _caveats(len(columns["success"]), history, blocks),
    )


def _repeated(columns: Mapping[str, NDArray[Any]]) -> _History:
    codes = encode(columns["task_id"]).codes.astype(np.int64)
    often = np.bincount(codes + 1)[codes + 1] >= 2
    rows = np.flatnonzero(often)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    _, task = np.unique(codes[rows], return_inverse=True)
    time = np.asarray(columns["execution_time"], dtype=np.float64)[rows]
    block, blocks = _blocks(np.asarray(columns["time"], dtype=np.int64)[rows])
    succeeded = np.asarray(columns["success"], dtype=np.bool_)[rows]
    logs = np.log(time, out=np.full(len(time), np.nan), where=succeeded & (time > 0))
    return _History(
        task=task.astype(np.int64),
        block=block,
        blocks=blocks,
        values={
            "execution_time": logs,
            "failure_rate": 1.0 - np.asarray(columns["success"], dtype=np.float64)[rows],
            "cost": np.asarray(columns["cost"], dtype=np.float64)[rows],
        },
        time=time,
    )


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


def _within_tasks(history: _History, splits: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Half of each task's runs; where their number is odd, the last one goes to either side."""
    n = np.bincount(history.task)
    place = np.arange(len(history.task)) - np.repeat(np.cumsum(n) - n, n)
    double = 2 * place + 1 - np.repeat(n, n)
    for size in _chunks(len(history.task), splits) if history.tasks else ():
        order = np.argsort(history.task + rng.random((size, len(history.task))), axis=1)
        ties = rng.integers(0, 2, (size, len(n)))[:, history.task]
        candidate = np.where(double == 0, ties == 1, double > 0)
        sides = np.empty_like(candidate)
        np.put_along_axis(sides, order, candidate, axis=1)
        yield sides


def _by_block(history: _History, blocks: int, splits: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Half of the days or runs, whole."""
    if blocks < 2:
        return
    for size in _chunks(len(history.block), splits):
        rank = np.argsort(rng.random((size, blocks)), axis=1)
        # Where their number is odd, the last one goes to either side.
        half = blocks // 2 + (blocks % 2) * rng.integers(0, 2, (size, 1))
        yield (rank < half)[:, history.block]


def _halves(parts: list[int]) -> float:
    """Ways to split each part in half, all together, as far as a float can count them."""
    logs = sum(math.lgamma(n + 1) - math.lgamma(n // 2 + 1) - math.lgamma((n + 1) // 2 + 1) for n in parts)
    logs += sum(n % 2 for n in parts) * math.log(2)
    return float(round(math.exp(logs))) if logs < 36 else math.exp(min(logs, 700.0))


# Judging --------------------------------------------------------------------------------------------------------------


def _judge(
    history: _History, batches: Iterator[NDArray[np.bool_]], kind: str, scope: str, different: float
) -> FalseBlocks | None:
    splits, blocks, literal = Counter[str](), Counter[str](), 0
    for sides in batches:
        literal += int(_literal_blocks(history, sides).sum())
        for rulings in _rulings(history, sides, scope):
            state = overall({name: ruling.state for name, ruling in rulings.items()}, REQUIRED, alerted=False)
            splits["all"] += 1
            splits["blocked"] += state == "block"
            splits["inconclusive"] += state == "inconclusive"
            for name, ruling in rulings.items():
                blocks[name] += ruling.state == "block"
    n = splits["all"]
    if not n:
        return None
    return FalseBlocks(
        kind,
        n,
        different,
        splits["blocked"] / n,
        {name: blocks[name] / n for name in GUARDRAILS},
        literal / n,
        splits["inconclusive"] / n,
    )


def _detectable(history: _History, scope: str) -> dict[str, float | None]:
    """What the gate finds four times in five, with half of each task's runs on each side."""
    return {
        name: None if spread is None else blocked_from(METRICS[name], spread, GUARDRAILS[name])
        for name, values in history.values.items()
        for spread in (_spread(name, history.task, values, scope),)
    }


def _spread(name: str, task: NDArray[np.int64], values: NDArray[np.float64], scope: str) -> Spread | None:
    known = np.isfinite(values)
    if not known.any():
        return None
    n, mean, m2 = (part[0, 0] for part in _moments(task, values, np.zeros((1, len(task)), np.bool_)))
    rows = [row for row in zip(n.tolist(), mean.tolist(), m2.tolist(), strict=True) if row[0] > 1]
    if name == "failure_rate":
        counts = [Counts(int(count), round(count * rate)) for count, rate, _ in rows]
        spread = of_rates([(sample, sample) for sample in counts])
    else:
        moments = [Moments(int(count), *rest) for count, *rest in rows]
        spread = of_means([(sample, sample) for sample in moments], relative=name == "cost") if rows else None
    if spread is None:
        return None
    halves = np.stack([spread.runs[0] // 2, spread.runs[0] - spread.runs[0] // 2])
    over_tasks = scope == "tasks" or (not spread.rates and halves.min() < 2)
    return replace(spread, runs=halves, between=0.0 if over_tasks else None)


def _rulings(history: _History, sides: NDArray[np.bool_], scope: str) -> Iterator[dict[str, Ruling]]:
    """The default policy on each split."""
    with np.errstate(all="ignore"):  # an overflow is treated as missing evidence
        parts = {name: _moments(history.task, values, sides) for name, values in history.values.items()}
    for split in range(len(sides)):
        n, mean, _ = parts["failure_rate"]
        failures = [
            [Counts(int(count), round(count * rate)) for count, rate in zip(*side, strict=True)]
            for side in zip(n[split].tolist(), mean[split].tolist(), strict=True)
        ]
        moments = {name: _sides(parts[name], split) for name in ("execution_time", "cost")}
        counts = _count_strata(failures)
        found = rule(
            {
                "execution_time": geometric(_moment_strata(moments["execution_time"]), scope),
                "failure_rate": rate_difference(counts, scope, once=False),
                "cost": sums(_moment_strata(moments["cost"]), scope),
            }
        )
        time = found["execution_time"]
        if time.state == "pass" and failures_rise(counts) < RISEN:
            ranked = np.where(history.values["failure_rate"] > 0, math.inf, history.time)
            if van_elteren(history.task, ranked, sides[split]) >= CONFIRMED:
                found["execution_time"] = replace(time, state="inconclusive")
        yield found


_Parts = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _moments(task: NDArray[np.int64], values: NDArray[np.float64], sides: NDArray[np.bool_]) -> _Parts:
    """Count, mean and squared deviations by (split, side, task)."""
    splits, tasks = len(sides), int(task[-1]) + 1
    known = np.isfinite(values)
    task, values, sides = task[known], values[known], sides[:, known]
    centre = np.bincount(task, values, tasks) / np.maximum(1, np.bincount(task, minlength=tasks))
    off = values - centre[task]
    group = ((np.arange(splits)[:, None] * 2 + sides) * tasks + task).ravel()
    shape, size = (splits, 2, tasks), splits * 2 * tasks
    n = np.bincount(group, minlength=size).astype(np.float64)
    mean = np.bincount(group, np.broadcast_to(off, sides.shape).ravel(), size) / np.maximum(1, n)
    m2 = np.bincount(group, np.broadcast_to(off * off, sides.shape).ravel(), size) - n * mean * mean
    return n.reshape(shape), mean.reshape(shape) + centre, np.maximum(0.0, m2).reshape(shape)


def _sides(parts: _Parts, split: int) -> list[list[Moments]]:
    n, mean, m2 = (part[split].tolist() for part in parts)
    return [
        [Moments(int(count), *rest) for count, *rest in zip(n[side], mean[side], m2[side], strict=True)]
        for side in (0, 1)
    ]


def _moment_strata(sides: list[list[Moments]]) -> Strata[Moments]:
    """Both sides of a split; the totals are counted, which is all that matched tasks need."""
    left, right = (Moments(sum(m.n for m in side)) for side in sides)
    pairs = tuple(Pair("", a, b) for a, b in zip(*sides, strict=True) if a.n and b.n)
    return Strata(pairs, left, right)


def _count_strata(sides: list[list[Counts]]) -> Strata[Counts]:
    left, right = (Counts(sum(c.n for c in side), sum(c.hits for c in side)) for side in sides)
    pairs = tuple(Pair("", a, b) for a, b in zip(*sides, strict=True) if a.n and b.n)
    return Strata(pairs, left, right)


def _literal_blocks(history: _History, sides: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the guide's thresholds on plain means and rates would block."""
    blocked = np.zeros(len(sides), dtype=np.bool_)
    plain = {
        "execution_time": history.time,
        "failure_rate": history.values["failure_rate"],
        "cost": history.values["cost"],
    }
    for name, values in plain.items():
        known = np.isfinite(values)
        right = sides[:, known]
        n = right.sum(1)
        with np.errstate(all="ignore"):
            v2 = right @ values[known] / n
            v1 = ~right @ values[known] / (known.sum() - n)
            change = v2 / v1 - 1 if METRICS[name].kind == "ratio" else v2 - v1
            blocked |= change > THRESHOLDS[name] + 1e-12
    return blocked


def _caveats(runs: int, history: _History, blocks: int) -> tuple[Caveat, ...]:
    found = []
    if not history.tasks:
        found.append(Caveat("no_repeats", figures={"runs": runs}))
    elif len(history.task) < runs:
        found.append(Caveat("single_runs", figures={"runs": runs, "left_out": runs - len(history.task)}))
    if history.tasks and (blocks < 8 or history.blocks == "run"):
        found.append(Caveat("few_days", figures={"blocks": blocks, "kind": history.blocks, "needed": 8}))
    return tuple(found)
