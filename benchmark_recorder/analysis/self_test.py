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
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark_recorder.analysis.caveats import unknown_version
from benchmark_recorder.analysis.guardrails import GUARDRAILS, REQUIRED, THRESHOLDS, Ruling, overall, rule
from benchmark_recorder.analysis.means import geometric, sums
from benchmark_recorder.analysis.metrics import METRICS, Counts, Pair, Strata, check_scope
from benchmark_recorder.analysis.planning import blocked_from
from benchmark_recorder.analysis.rates import rate_difference
from benchmark_recorder.analysis.results import Caveat, Result
from benchmark_recorder.analysis.splits import (
    RUNS,
    TIME,
    Batch,
    Parts,
    Repeated,
    by_block,
    halves_of,
    moments_of,
    repeated,
    within_tasks,
)
from benchmark_recorder.analysis.spread import Spread, of_means, of_rates
from benchmark_recorder.analysis.survivorship import CONFIRMED, RISEN, failures_rise, van_elteren
from benchmark_recorder.cells import Moments
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

SELFTEST_FIELDS: Final = ("task_id", "success", "execution_time", "cost", "time")
"""The columns that ``selftest`` needs."""

_MOST_VALUES: Final = 200_000_000
"""Runs times splits: beyond it fewer splits are made, so that a large history takes seconds, not hours."""


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


def selftest(
    columns: Mapping[str, NDArray[Any]], version: str, *, splits: int = 2000, seed: int = 0, scope: str = "suite"
) -> SelfTest:
    """Run the gate on a version against itself, by ``SELFTEST_FIELDS`` of exactly its runs; see ``History.selftest``.

    Fewer splits than asked for are made of histories beyond 100,000 runs.

    Raises:
        InvalidQueryError: an unknown scope, or a number of splits that is not at least 1.
    """
    check_scope(scope)
    if isinstance(splits, bool) or not isinstance(splits, int) or splits < 1:
        raise InvalidQueryError("splits: expected a whole number, 1 or more")
    if not len(columns["success"]):
        return SelfTest(version, 0, 0, None, None, {}, (unknown_version(version),))
    history = repeated(columns)
    rng = np.random.default_rng(seed)
    splits = max(min(splits, 200), min(splits, _MOST_VALUES // max(1, len(history.task))))
    within = _judge(
        history,
        within_tasks(history, splits, rng),
        "within tasks",
        scope,
        halves_of(np.bincount(history.task).tolist()),
    )
    blocks = int(history.block.max(initial=-1)) + 1
    kind, ways = f"by {history.blocks}", halves_of([blocks])
    by_day = _judge(history, by_block(history, blocks, splits, rng), kind, scope, ways)
    return SelfTest(
        version,
        len(history.task),
        history.tasks,
        within,
        by_day,
        _detectable(history, scope) if within else {},
        _caveats(len(columns["success"]), history, blocks),
    )


# Judging --------------------------------------------------------------------------------------------------------------


@np.errstate(all="ignore")  # an overflow is treated as missing evidence
def _judge(history: Repeated, batches: Iterator[Batch], kind: str, scope: str, different: float) -> FalseBlocks | None:
    splits, blocks, literal = Counter[str](), Counter[str](), 0
    for batch in batches:
        literal += int(_literal_blocks(history, batch).sum())
        for rulings in _rulings(history, batch, scope):
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


@np.errstate(all="ignore")  # an overflow is treated as missing evidence
def _detectable(history: Repeated, scope: str) -> dict[str, float | None]:
    """What the gate finds four times in five, with half of each task's runs on each side."""
    return {
        name: None if spread is None else blocked_from(METRICS[name], spread, GUARDRAILS[name])
        for name in GUARDRAILS
        for spread in (_spread(name, history, scope),)
    }


def _spread(name: str, history: Repeated, scope: str) -> Spread | None:
    n, mean, m2 = (part[0, 1].tolist() for part in moments_of(history, name, history.sums[None]))
    rows = [row for row in zip(n, mean, m2, strict=True) if row[0] > 1]
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


def _rulings(history: Repeated, batch: Batch, scope: str) -> Iterator[dict[str, Ruling]]:
    """The default policy on each split."""
    parts = {name: moments_of(history, name, batch.sums) for name in GUARDRAILS}
    for split in range(len(batch.sums)):
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
            ranked = np.where(history.failed, math.inf, history.time)
            if van_elteren(history.task, ranked, batch.sides(split)) >= CONFIRMED:
                found["execution_time"] = replace(time, state="inconclusive")
        yield found


def _sides(parts: Parts, split: int) -> list[list[Moments]]:
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


def _literal_blocks(history: Repeated, batch: Batch) -> NDArray[np.bool_]:
    """Where the guide's thresholds on plain means and rates would block."""
    blocked = np.zeros(len(batch.sums), dtype=np.bool_)
    for name in GUARDRAILS:
        if name == "execution_time":  # of all runs, failed ones too
            v1, v2 = (side[:, TIME] / side[:, RUNS] for side in _sides_in_all(history, batch))
        else:
            n, mean, _ = moments_of(history, name, batch.sums)
            with np.errstate(all="ignore"):
                v1, v2 = ((n * mean).sum(2) / n.sum(2)).T
        with np.errstate(all="ignore"):
            change = v2 / v1 - 1 if METRICS[name].kind == "ratio" else v2 - v1
            blocked |= change > THRESHOLDS[name] + 1e-12
    return blocked


def _sides_in_all(history: Repeated, batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums over all tasks of both sides."""
    right = batch.sums.sum(1)
    return history.sums.sum(0) - right, right


def _caveats(runs: int, history: Repeated, blocks: int) -> tuple[Caveat, ...]:
    found = []
    if not history.tasks:
        found.append(Caveat("no_repeats", figures={"runs": runs}))
    elif len(history.task) < runs:
        found.append(Caveat("single_runs", figures={"runs": runs, "left_out": runs - len(history.task)}))
    if history.tasks and (blocks < 8 or history.blocks == "run"):
        found.append(Caveat("few_days", figures={"blocks": blocks, "kind": history.blocks, "needed": 8}))
    return tuple(found)
