"""Where money can be saved: a cheaper model or agent on tasks that both did, and what failures and retries cost.

A router that sends hard tasks to the dear model makes the cheap one look better than it is, so only tasks that both did
count, task by task. What to replace is chosen on one half of the runs, and how much that saves and what it does to
success is estimated on the other: the best of several candidates is not taken for as good as it happened to look.
"""

from __future__ import annotations

import math
import shlex
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import special

from benchmark_recorder.analysis.metrics import Counts, Pair, Strata
from benchmark_recorder.analysis.rates import rate_difference
from benchmark_recorder.analysis.results import Caveat, Estimate, Interval, finite, interval_of
from benchmark_recorder.analysis.savings_results import Savings, Suggestion
from benchmark_recorder.columns import Moments, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.evidence import Evidence
    from benchmark_recorder.records import Columns

FIELDS: Final = (
    "record_id",
    "version",
    "task_id",
    "model",
    "agent_selected",
    "success",
    "cost",
    "execution_time",
    "error_type",
    "difficulty",
    "time",
)
"""The columns that ``savings_of`` needs."""

KEYS: Final = {"model": "model", "agent": "agent_selected"}
"""What can be replaced, and its column."""

MONTH: Final = 365.25 / 12
"""Days."""

SLOWER: Final = 0.10
"""By how much longer a replacement may take."""

FEWEST: Final = 2
"""Runs of a task with a known cost on each side, in each half, without which nothing is known of how they vary."""

PARTS: Final = (0.25, 0.5, 0.75, 1.0)
"""Of the tasks, from the easiest on, that may be chosen."""

ENOUGH: Final = 10
"""Runs of a task that show how much its cost varies."""

MOST_NAMED: Final = 1_000
"""Tasks."""

MOST_PAIRS: Final = 200
"""Pairs of models, or of agents, that are looked at: those with the most money in them."""

POWER: Final = float(special.ndtri(0.95) + special.ndtri(0.8))


class _Task(NamedTuple):
    """A task that two models did: its runs of each side, in one half."""

    runs: Counts
    cost: Moments
    log_time: Moments


_Half: TypeAlias = "Mapping[tuple[str, str], _Task]"
"""By name and task."""


@dataclass(slots=True)
class _Pair:
    """A candidate: tasks on which one name may replace another."""

    kind: Literal["model", "agent"]
    dear: str
    cheap: str
    tasks: list[str]
    difficulty: float | None
    evidence: dict[str, Any] = field(default_factory=dict)


def savings_of(
    columns: Columns, *, days: float, quality_margin: float, retried: tuple[int, float] = (0, 0.0)
) -> Savings:
    """Suggestions from single runs.

    Args:
        columns: ``FIELDS``.
        days: that the runs are from; what a month would save is in proportion.
        quality_margin: by how much the rate of success may fall.
        retried: runs that were repetitions, and their cost.
    """
    cost = columns["cost"]
    known = np.isfinite(cost)
    second = np.array([zlib.crc32(str(name).encode()) & 1 for name in columns["record_id"].tolist()], np.bool_)
    found: list[Suggestion] = []
    caveats = [*_caveats(columns, known)]
    chosen: list[tuple[_Pair, _Half]] = []
    matched = False
    for kind in ("model", "agent"):
        names = columns[KEYS[kind]]
        named = np.array([bool(name) for name in names.tolist()], np.bool_)
        halves = [_by_task(columns, names, named & (second == part)) for part in (False, True)]
        pairs = [*_candidates("model" if kind == "model" else "agent", halves[0], columns, quality_margin)]
        matched |= any(True for _ in _common(halves[0]))
        chosen += [(pair, halves[1]) for pair in pairs]
    scale = MONTH / days
    for pair, half in chosen:
        suggestion = _judged(pair, half, columns, scale, quality_margin, len(chosen))
        if suggestion is not None:
            found.append(suggestion)
    if not matched and len(cost):
        caveats.append(Caveat("no_matched_models"))
    found = _best(found)
    found += [*_failures(columns, known, scale)]
    if retried[0]:
        found.append(_burnt("retries", None, retried[0], (), retried[1] * scale, None, ""))
    return Savings(
        suggestions=tuple(sorted(found, key=lambda one: -(one.saving.value or 0.0))),
        days=days,
        runs=len(cost),
        cost=float(cost[known].sum()),
        quality_margin=quality_margin,
        warnings=tuple(caveats),
    )


def _caveats(columns: Columns, known: NDArray[np.bool_]) -> Iterator[Caveat]:
    runs, priced = len(known), int(np.count_nonzero(known))
    if not runs:
        yield Caveat("no_runs_to_save_on")
    elif not priced:
        yield Caveat("no_known_costs", figures={"runs": runs})
    elif priced < runs:
        yield Caveat("costs_left_out", figures={"unknown": runs - priced, "runs": runs})
    if priced and not any(len({*filter(None, columns[name].tolist())}) > 1 for name in KEYS.values()):
        yield Caveat("nothing_to_choose", figures={})


def _by_task(columns: Columns, names: NDArray[Any], own: NDArray[np.bool_]) -> dict[tuple[str, str], _Task]:
    """The runs of each name and task."""
    rows = np.flatnonzero(own)
    name, task = encode(names[rows]), encode(columns["task_id"][rows])
    label = name.codes.astype(np.int64) * max(1, len(task.vocabulary)) + task.codes
    order = np.argsort(label, kind="stable")
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    success, cost, time = (columns[column][rows] for column in ("success", "cost", "execution_time"))
    found = {}
    for part in np.split(order, starts[1:]) if len(order) else ():
        paid, took = cost[part], time[part][success[part] & (time[part] > 0)]
        key = str(name.vocabulary[name.codes[part[0]]]), str(task.vocabulary[task.codes[part[0]]])
        found[key] = _Task(
            Counts(len(part), int(np.count_nonzero(success[part]))),
            _moments(paid[np.isfinite(paid)]),
            _moments(np.log(took.astype(np.float64))),
        )
    return found


def _moments(values: NDArray[np.float64]) -> Moments:
    if not len(values):
        return Moments()
    mean = float(values.mean())
    return Moments(len(values), mean, float(((values - mean) ** 2).sum()))


def _common(half: _Half) -> Iterator[tuple[str, str, list[str]]]:
    """Two names, and the tasks that both did often enough; each pair in both orders."""
    tasks: defaultdict[str, set[str]] = defaultdict(set)
    money: defaultdict[str, float] = defaultdict(float)
    for (name, task), own in half.items():
        money[name] += own.cost.total
        if own.cost.n >= FEWEST:
            tasks[name].add(task)
    pairs = sorted(permutations(sorted(tasks), 2), key=lambda pair: -money[pair[0]])
    for dear, cheap in pairs[:MOST_PAIRS]:
        if both := tasks[dear] & tasks[cheap]:
            yield dear, cheap, sorted(both)


def _candidates(kind: Literal["model", "agent"], half: _Half, columns: Columns, margin: float) -> Iterator[_Pair]:
    """For each pair the tasks, from the easiest on, on which it saves most and does not look worse."""
    hard = _difficulties(columns)
    for dear, cheap, tasks in _common(half):
        order = sorted(tasks, key=lambda task: (hard.get(task, math.inf), task))
        best: tuple[float, _Pair] | None = None
        for part in PARTS if any(task in hard for task in tasks) else PARTS[-1:]:
            own = order[: max(1, round(part * len(order)))]
            saving = sum(
                half[dear, task].cost.n * (half[dear, task].cost.mean - half[cheap, task].cost.mean) for task in own
            )
            change = _success(half, dear, cheap, own)
            if saving > 0 and change is not None and change.estimate >= -margin and (best is None or saving > best[0]):
                limit = None if len(own) == len(order) else hard.get(own[-1])
                best = saving, _Pair(kind, dear, cheap, own, limit)
        if best is not None:
            yield best[1]


def _difficulties(columns: Columns) -> dict[str, float]:
    """Of the tasks that say it: the greatest."""
    found: dict[str, float] = {}
    for task, value in zip(columns["task_id"].tolist(), columns["difficulty"].tolist(), strict=True):
        if value is not None and math.isfinite(value):
            found[task] = max(value, found.get(task, 0.0))
    return found


def _success(half: _Half, dear: str, cheap: str, tasks: Sequence[str]) -> Evidence | None:
    """The cheap one's rate of success less the dear one's, task by task."""
    pairs = tuple(Pair(task, half[dear, task].runs, half[cheap, task].runs) for task in tasks)
    left, right = (Counts.together(side) for side in ([p.left for p in pairs], [p.right for p in pairs]))
    return rate_difference(Strata(pairs, left, right), "suite", once=False)


def _judged(  # noqa: PLR0913, PLR0917
    pair: _Pair, half: _Half, columns: Columns, scale: float, margin: float, candidates: int
) -> Suggestion | None:
    """What the other half of the runs says of a candidate; ``None`` where it does not save."""
    dear, cheap = pair.dear, pair.cheap
    tasks = [
        task
        for task in pair.tasks
        if all((name, task) in half and half[name, task].cost.n >= FEWEST for name in (dear, cheap))
    ]
    if not tasks:
        return None
    names, ids = columns[KEYS[pair.kind]], columns["task_id"]
    own = Counter(ids[names == dear].tolist())
    saving = _saving({task: own[task] * scale for task in tasks}, half, dear, cheap)
    change, time = _success(half, dear, cheap, tasks), _time(half, dear, cheap, tasks)
    if saving.value is None or saving.value <= 0 or change is None:
        return None
    if saving.interval is None or saving.interval.low is None or saving.interval.low <= 0:
        return None
    limits = change.limits(1 - 0.1 / candidates)
    worst = None if limits is None else limits[0]
    slower = time is not None and not (time[1] < math.log1p(SLOWER))
    if change.below(-margin) < 0.05:
        return None  # surely worse
    sure = change.above(-margin) * candidates < 0.05 and not slower
    runs = sum(half[name, task].runs.n for name in (dear, cheap) for task in tasks)
    rate = sum(half[name, task].runs.hits for name in (dear, cheap) for task in tasks) / runs
    spread = max(rate * (1 - rate), 1 / (runs + 2))
    known = change.limits(0.95)
    interval = None if known is None else interval_of(*known)
    versions = columns["version"][names == dear]
    return Suggestion(
        kind=pair.kind,
        replaced=dear,
        by=cheap,
        tasks=len(tasks),
        task_ids=tuple(tasks[:MOST_NAMED]),
        difficulty=pair.difficulty,
        runs=runs,
        saving=saving,
        success=Estimate(finite(change.estimate), interval, runs, change.method),
        success_at_worst=None if worst is None else finite(worst),
        time=None if time is None else time[0],
        strength="evidence" if sure else "try",
        needed=None if sure else math.ceil(2 * spread * (POWER / margin) ** 2),
        command=_trial(str(versions[-1]), cheap, margin),
    )


def _trial(version: str, cheap: str, margin: float) -> str:
    """The gate on the version with the cheaper one against the version as it is."""
    names = shlex.join([version, f"{version}-{cheap}"])
    return f"benchmark-recorder gate {names} --margin failures={100 * margin:g}% --require failures --require cost"


def _saving(runs: Mapping[str, float], half: _Half, dear: str, cheap: str) -> Estimate:
    """USD a month: what the dear one's runs cost more, at their number; t with Satterthwaite's degrees of freedom."""
    value, variance, freedom = 0.0, 0.0, 0.0
    sides = [(n, sign, half[name, task].cost) for task, n in runs.items() for sign, name in ((1, dear), (-1, cheap))]
    relative = [(own.n - 1, own.m2 / own.mean**2) for _, _, own in sides if own.mean > 0]
    degrees = sum(own for own, _ in relative)
    usual = math.fsum(square for _, square in relative) / degrees if degrees else 0.0
    for n, sign, own in sides:
        value += sign * n * own.mean
        # Few runs that happen to cost alike do not show how much a task's cost varies; all tasks together do.
        alike = own.n < ENOUGH
        part = n * n * max(own.variance or 0.0, usual * own.mean**2 if alike else 0.0) / own.n
        variance += part
        freedom += part * part / (degrees if alike else own.n - 1)
    total = sum(own.n for _, _, own in sides)
    if variance <= 0:
        return Estimate(value, Interval(value, None) if value else None, total, "fixed prices")
    width = float(special.stdtrit(max(1.0, variance * variance / freedom), 0.975)) * math.sqrt(variance)
    return Estimate(value, interval_of(value - width, value + width), total, "t over runs within tasks, second half")


def _time(half: _Half, dear: str, cheap: str, tasks: Sequence[str]) -> tuple[Estimate, float] | None:
    """The change of the time with its interval, and the one-sided 95% upper bound of its logarithm."""
    from benchmark_recorder.analysis.means import geometric_by_task

    pairs = tuple(
        Pair(task, half[dear, task].log_time, half[cheap, task].log_time)
        for task in tasks
        if half[dear, task].log_time.n and half[cheap, task].log_time.n
    )
    if not pairs:
        return None
    sides = (Moments.together([p.left for p in pairs]), Moments.together([p.right for p in pairs]))
    change = geometric_by_task(Strata(pairs, *sides), "suite")
    ends, bound = change.limits(0.95), change.limits(0.90)
    interval = None if ends is None else interval_of(math.expm1(ends[0]), math.expm1(ends[1]))
    runs = sides[0].n + sides[1].n
    return Estimate(
        math.expm1(change.estimate), interval, runs, change.method
    ), change.estimate if bound is None else bound[1]


def _best(found: list[Suggestion]) -> list[Suggestion]:
    """For each model and agent the best replacement: one with evidence before one to try, then what saves most."""
    best: dict[tuple[str, str | None], Suggestion] = {}
    for one in sorted(found, key=lambda one: (one.strength == "try", -(one.saving.value or 0.0))):
        best.setdefault((one.kind, one.replaced), one)
    return [*best.values()]


# What is burnt --------------------------------------------------------------------------------------------------------


def _failures(columns: Columns, known: NDArray[np.bool_], scale: float) -> Iterator[Suggestion]:
    """What failed runs cost, by the class of the failure."""
    failed = ~columns["success"] & known & (columns["cost"] > 0)
    groups: defaultdict[str | None, list[int]] = defaultdict(list)
    for row in np.flatnonzero(failed).tolist():
        groups[columns["error_type"][row]].append(row)
    for kind, rows in groups.items():
        cost = columns["cost"][rows]
        # As many as come at random, each with its own cost.
        half = float(special.ndtri(0.975)) * math.sqrt(float((cost**2).sum())) * scale
        tasks = sorted({str(task) for task in columns["task_id"][rows].tolist()})
        value = float(cost.sum()) * scale
        shown = f" --error-type {shlex.quote(kind)}" if kind else ""
        version = shlex.quote(str(columns["version"][rows[-1]]))
        command = f"benchmark-recorder show {version} --failure{shown}"
        yield _burnt(
            "failures", kind, len(rows), tasks, value, interval_of(max(0.0, value - half), value + half), command
        )


def _burnt(  # noqa: PLR0913, PLR0917
    kind: Literal["failures", "retries"],
    of: str | None,
    runs: int,
    tasks: Sequence[str],
    value: float,
    interval: Interval | None,
    command: str,
) -> Suggestion:
    return Suggestion(
        kind=kind,
        replaced=of,
        by=None,
        tasks=len(tasks),
        task_ids=tuple(tasks[:MOST_NAMED]),
        difficulty=None,
        runs=runs,
        saving=Estimate(value, interval, runs, "what they cost"),
        success=None,
        success_at_worst=None,
        time=None,
        strength="evidence",
        needed=None,
        command=command,
    )
