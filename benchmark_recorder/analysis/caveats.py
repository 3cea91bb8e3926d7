"""What a reader must know of one version's runs, compared or not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.analysis.evidence import Fixed
from benchmark_recorder.analysis.means import OVER_TASKS
from benchmark_recorder.analysis.results import Caveat, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.cells import Cell, Cells, Moments
    from benchmark_recorder.columns import Durations

HEAVY = 0.20
"""Share of a sum that no single run should make up."""


def store_caveats(cells: Cells) -> Iterator[Caveat]:
    """What the store says of the records' origin."""
    return (Caveat(*caveat) for caveat in cells.caveats)


def version_caveats(version: str, whole: Cell, metric: str | None = None) -> Iterator[Caveat]:
    """Doubts about one version's runs, for one metric or (``None``) for a summary."""
    if metric in {None, "cost"} and whole.unknown_cost:
        yield Caveat(
            "unknown_costs",
            f"The cost of {whole.unknown_cost:,} of {run_count(whole.n)} of {version} is unknown; "
            f"{'it is' if whole.unknown_cost == 1 else 'they are'} left out, not taken as free.",
            {"version": version, "unknown": whole.unknown_cost, "runs": whole.n},
        )
    if metric in {None, "execution_time"}:
        yield from _zeros(version, whole)
        yield from _heavy(version, whole.time, whole.max_time, "time")
    if metric in {None, "cost"}:
        yield from _heavy(version, whole.cost, whole.max_cost, "cost")
    for what, texts in (("commit", whole.git_commit), ("host", whole.host)):
        if texts is not None and texts[0] != texts[1]:
            yield Caveat(
                f"several_{what}s",
                f"The runs of {version} come from more than one {what}, among them {texts[0]} and {texts[1]}.",
                {"version": version, "least": texts[0], "greatest": texts[1]},
            )


def unknown_version(version: str) -> Caveat:
    """Nothing was recorded under that name, or nothing that the query lets through."""
    return Caveat("unknown_version", f"There are no runs of version {version}.", {"version": version})


def run_count(n: int) -> str:
    """So many runs, in words."""
    return f"{n:,} run{'' if n == 1 else 's'}"


def _zeros(version: str, whole: Cell) -> Iterator[Caveat]:
    zeros = whole.n - whole.log_time.n
    if zeros:
        yield Caveat(
            "zero_durations",
            f"{run_count(zeros)} of {version} took no time at all; ratios leave {'it' if zeros == 1 else 'them'} out.",
            {"version": version, "zeros": zeros, "runs": whole.n},
        )


def _heavy(version: str, moments: Moments, greatest: float, what: str) -> Iterator[Caveat]:
    """One run that makes up much of a sum; with five runs or fewer, one always does."""
    if moments.n > 1 / HEAVY and moments.total > 0 and greatest > HEAVY * moments.total:
        share = min(1.0, greatest / moments.total)
        yield Caveat(
            f"one_run_dominates_{what}",
            f"One of {moments.n:,} runs of {version} makes up {100 * share:.0f} % of the {what} of all: means and "
            "sums hang on it.",
            {"version": version, "share": share, "greatest": greatest, "runs": moments.n},
        )


FEW = 5
"""Runs of a side below which hardly any change can be told from chance."""

FAST = 0.5
"""Failed runs that take less than this part of what successful ones take make a version look fast by failing."""


def comparison_caveats(measured: Measured, cells: Cells, beside: Mapping[str, Estimate]) -> tuple[Caveat, ...]:
    """All caveats about one comparison, the gravest first; without runs of a side, there is nothing else to say."""
    v1, v2 = measured.v1, measured.v2
    sides = {v1: measured.wholes[0], v2: measured.wholes[1]}
    found = [*_missing(sides), *store_caveats(cells), *_same(v1, v2)]
    present = {version: cell for version, cell in sides.items() if cell is not None}
    if len(present) < len(sides):
        return tuple(found)
    found += [
        *_empty(measured, v1, v2),
        *_few(measured, v1, v2),
        *_fallback(measured),
        *_mix(measured, v1, v2),
        *_disagreement(measured, beside),
        *_fast_failures(measured, cells, v1, v2),
    ]
    for version, cell in present.items():
        found += version_caveats(version, cell, measured.metric.name)
    return tuple(found)


def _missing(sides: Mapping[str, Cell | None]) -> Iterator[Caveat]:
    for version, cell in sides.items():
        if cell is None:
            yield unknown_version(version)


def without_runs(cells: Cells, v1: str, v2: str) -> str:
    """Which of two versions has no runs, as part of a sentence."""
    missing = [version for version in dict.fromkeys((v1, v2)) if not cells.of(version)]
    return f"there are no runs of version {' or '.join(missing)} to compare"


def _same(v1: str, v2: str) -> Iterator[Caveat]:
    if v1 == v2:
        yield Caveat("same_version", f"{v1} was compared with itself.", {"version": v1})


def _empty(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    missing = {"cost": "a known cost", "routing_accuracy": "both a selected and an expected agent"}
    for version, (value, n) in ((v1, measured.left), (v2, measured.right)):
        if not n:
            needs = missing.get(measured.metric.name, "a value")
            yield Caveat(
                "nothing_to_compare",
                f"No run of {version} has {needs}, so {measured.metric.noun} cannot be compared.",
                {"version": version},
            )
        elif value == 0 and version == v1 and measured.ratio is None and measured.metric.kind == "ratio":
            yield Caveat(
                "zero_baseline",
                f"The {measured.metric.noun} of {v1} is zero in all runs, so no relative change exists.",
                {"version": v1},
            )


def _few(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    for version, (_, n) in ((v1, measured.left), (v2, measured.right)):
        if 0 < n < FEW:
            yield Caveat(
                "too_few_samples",
                f"There are only {n} runs of {version}: hardly any change can be told from chance."
                if n > 1
                else f"There is only one run of {version}: nothing can be told from chance.",
                {"version": version, "runs": n, "needed": FEW},
            )


def _fallback(measured: Measured) -> Iterator[Caveat]:
    """Where the usual method had nothing to go by."""
    if isinstance(measured.change, Fixed):
        yield Caveat(
            "no_spread",
            "All runs of a task have the same value, so no interval can be given; are the values fixed by design?",
            {"tasks": measured.matched_tasks},
        )
    elif measured.scope == "suite" and measured.change is not None and measured.change.method == OVER_TASKS:
        yield _over_tasks(measured)


def _over_tasks(measured: Measured) -> Caveat:
    """Why the tasks' differences were the sample though these tasks were asked about."""
    pairs, half = measured.strata.pairs, measured.matched_tasks / 2
    if sum(pair.left.n > 1 for pair in pairs) >= half and sum(pair.right.n > 1 for pair in pairs) >= half:
        return Caveat(
            "no_spread",
            "All runs of a task have the same value, so the tasks' differences were taken as a sample of all tasks; "
            "are the values fixed by design?",
            {"tasks": len(pairs)},
        )
    return Caveat(
        "single_runs",
        "Too few tasks were run at least twice in each version to tell chance within a task, so the tasks' "
        "differences were taken as a sample of all tasks, which is the more cautious answer; run each task at least "
        "twice.",
        {"tasks": len(pairs)},
    )


def _mix(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    """Tasks that only one version has run."""
    there = measured.strata
    if not (there.left.n and there.right.n):
        return
    matched = (sum(p.left.n for p in there.pairs), sum(p.right.n for p in there.pairs))
    rest = (there.left.n - matched[0], there.right.n - matched[1])
    if not any(rest):
        return
    figures = {
        "matched_tasks": len(there.pairs),
        "v1_unmatched_runs": rest[0],
        "v2_unmatched_runs": rest[1],
        "v1_runs": there.left.n,
        "v2_runs": there.right.n,
    }
    lacks = {"cost": "has no known cost for", "routing_accuracy": "has no known route for"}
    others = f"tasks that the other version {lacks.get(measured.metric.name, 'did not run')}"
    counts = f"{rest[0]:,} of {run_count(there.left.n)} of {v1} and {rest[1]:,} of {there.right.n:,} of {v2}"
    if there.matched:
        yield Caveat(
            "different_tasks",
            f"{counts} are of {others}; only {_common(len(there.pairs))} compared.",
            figures,
        )
    else:
        yield Caveat(
            "unmatched_tasks",
            f"{counts} are of {others}, so all runs are compared whatever their task; a different mix of tasks would "
            "look like a change.",
            figures,
        )


def _common(tasks: int) -> str:
    return "the one common task is" if tasks == 1 else f"the {tasks:,} common tasks are"


def _disagreement(measured: Measured, beside: Mapping[str, Estimate]) -> Iterator[Caveat]:
    """Simpson's paradox, and plain figures that tell another story."""
    if measured.change is None:
        return
    effect, interval = measured.effect(measured.change.estimate), measured.interval(0.95)
    pooled = beside.get("pooled")
    low = interval.low if interval and interval.low is not None else -math.inf
    high = interval.high if interval and interval.high is not None else math.inf
    if not math.isfinite(100 * effect):
        return
    if pooled is not None and pooled.value is not None and _differ(effect, pooled.value, low, high):
        yield Caveat(
            "simpson",
            f"Within the tasks the candidate is {_better(measured, effect)}, over all runs together it would be "
            f"{_better(measured, pooled.value)}: the versions ran the tasks in different proportions. The verdict is "
            "about the change within the tasks.",
            {"within_tasks": effect, "pooled": pooled.value},
        )
    plain = measured.improvement if measured.metric.kind == "ratio" else _plain_points(measured)
    if math.isfinite(100 * plain) and _differ(effect, plain, low, high):
        noun = "means" if measured.metric.kind == "ratio" else "rates"
        how = "by task" if measured.matched_tasks else "by geometric means"
        yield Caveat(
            "plain_differs",
            f"By the plain {noun} the candidate is {_better(measured, plain)}; the verdict rests on what is found "
            f"{how}, where it is {_better(measured, effect)}: a few long runs or tasks, or a different mix of tasks, "
            f"weigh heavily in plain {noun}.",
            {"plain": plain, "effect": effect},
        )


def _plain_points(measured: Measured) -> float:
    return measured.metric.better * (measured.right[0] - measured.left[0])


def _differ(effect: float, other: float, low: float, high: float) -> bool:
    """Whether another figure is beyond the interval, or tells the other direction by more than one in a hundred."""
    return not low <= other <= high or (effect * other < 0 and min(abs(effect), abs(other)) > 0.01)


def _better(measured: Measured, effect: float) -> str:
    """A size and its direction in words, as a sign could be that of the value or that of the improvement."""
    unit = " %" if measured.metric.kind == "ratio" else " points"
    return f"{100 * abs(effect):.1f}{unit} {'worse' if effect < 0 else 'better'}"


def _fast_failures(measured: Measured, cells: Cells, v1: str, v2: str) -> Iterator[Caveat]:
    if measured.metric.name != "execution_time":
        return
    failed, every = [0, 0], [0, 0]
    # Sums of logarithms of durations and their counts, by version and outcome.
    logs = [[[0.0, 0], [0.0, 0]], [[0.0, 0], [0.0, 0]]]
    for cell in cells.cells:
        for side, version in enumerate((v1, v2)):
            if cell.version == version:
                every[side] += cell.n
                failed[side] += 0 if cell.success else cell.n
                logs[side][cell.success][0] += cell.log_time.total
                logs[side][cell.success][1] += cell.log_time.n
    rates = [part / whole for part, whole in zip(failed, every, strict=True)]
    if rates[0] == rates[1]:
        return
    for side, version in enumerate((v1, v2)):
        (bad, bads), (good, goods) = logs[side]
        ratio = math.exp(max(-700.0, min(700.0, bad / bads - good / goods))) if bads and goods else 1.0
        if ratio < FAST:
            yield Caveat(
                "fast_failures",
                f"Failed runs of {version} take {100 * ratio:.0f} % of the time of successful ones, so failing more "
                f"would look like being faster. Of the baseline's runs {100 * rates[0]:.1f} % failed, of the "
                f"candidate's {100 * rates[1]:.1f} %; the verdict on the failure rate tells whether that may be "
                "chance. See the successful runs alone.",
                {"version": version, "ratio": ratio, "v1_failure_rate": rates[0], "v2_failure_rate": rates[1]},
            )


FEWEST: Final = 5
"""Runs in a row that repeat earlier ones before anyone is told; measured durations do not even repeat once."""


def recorded_twice(version: str, durations: Durations) -> Iterator[Caveat]:
    """A caveat if a stretch of runs repeats an earlier stretch exactly."""
    ordered = durations.ordered
    again = ordered[1:] == ordered[:-1]
    if np.count_nonzero(again) < FEWEST:  # nearly always, and far faster than what follows
        return
    times = durations.stored()
    if repeated := _repeated(times, np.unique(ordered[1:][again])):
        yield Caveat(
            "recorded_twice",
            f"{repeated:,} of {len(times):,} runs of {version} repeat the durations of earlier ones exactly and in the "
            "same order: a batch was recorded twice, or the durations are fixed. Either makes the runs look like more "
            "evidence than they are.",
            {"version": version, "repeated": repeated, "runs": len(times)},
        )


def _repeated(times: NDArray[np.float64], several: NDArray[np.float64]) -> int:
    """Runs in stretches of at least ``FEWEST``, with at least three different durations, that stood there before.

    Args:
        times: durations in the order in which they were stored.
        several: those that stand there more than once, in rising order.
    """
    places = np.minimum(several.searchsorted(times), len(several) - 1)
    rows = np.flatnonzero(several[places] == times)
    order = rows[np.argsort(times[rows], kind="stable")]
    equal = times[order[1:]] == times[order[:-1]]
    earlier, later = order[:-1][equal], order[1:][equal]
    if len(later) < FEWEST:
        return 0
    lag = later - earlier
    by_lag = np.lexsort((later, lag))
    later, lag = later[by_lag], lag[by_lag]
    starts = np.flatnonzero(np.r_[True, (np.diff(later) != 1) | (np.diff(lag) != 0)])
    stretches = np.split(later, starts[1:])
    return sum(len(stretch) for stretch in stretches if len(stretch) >= FEWEST and len(np.unique(times[stretch])) >= 3)
