"""What a reader must know of one version's runs, and of a comparison, as codes and figures."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis.anytime import FEWEST
from benchmark_recorder.analysis.evidence import OVER_TASKS, Both, Fixed, Point
from benchmark_recorder.analysis.fieller import Fieller
from benchmark_recorder.analysis.results import Caveat, Estimate
from benchmark_recorder.grouping import DAY, GAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.metrics import Counts
    from benchmark_recorder.cells import Cell, Cells, Moments

HEAVY = 0.20
"""Share of a sum that no single run should make up."""


def store_caveats(cells: Cells) -> Iterator[Caveat]:
    """What the store says of the records' origin."""
    return (Caveat(*caveat) for caveat in cells.caveats)


def version_caveats(version: str, whole: Cell, figure: str | None = None) -> Iterator[Caveat]:
    """Caveats about one version's runs, for metrics of one figure or (``None``) for a summary."""
    if figure in {None, "cost"} and whole.unknown_cost:
        figures = {"version": version, "unknown": whole.unknown_cost, "runs": whole.n}
        yield Caveat("unknown_costs", figures=figures)
    if figure in {None, "execution_time"}:
        yield from _zeros(version, whole)
        yield from _heavy(version, whole.time, whole.max_time, "time")
    if figure in {None, "cost"}:
        yield from _heavy(version, whole.cost, whole.max_cost, "cost")
    for what, texts in (("commit", whole.git_commit), ("host", whole.host)):
        if texts is not None and texts[0] != texts[1]:
            figures = {"version": version, "least": texts[0], "greatest": texts[1]}
            yield Caveat(f"several_{what}s", figures=figures)


def unknown_version(version: str) -> Caveat:
    """Nothing was recorded under that name, or nothing that the query lets through."""
    return Caveat("unknown_version", figures={"version": version})


def _zeros(version: str, whole: Cell) -> Iterator[Caveat]:
    zeros = whole.n - whole.log_time.n
    if zeros:
        yield Caveat("zero_durations", figures={"version": version, "zeros": zeros, "runs": whole.n})


def _heavy(version: str, moments: Moments, greatest: float, what: str) -> Iterator[Caveat]:
    """One run that makes up much of a sum; with five runs or fewer, one always does."""
    if moments.n > 1 / HEAVY and moments.total > 0 and greatest > HEAVY * moments.total:
        share = min(1.0, greatest / moments.total)
        figures = {"version": version, "share": share, "greatest": greatest, "runs": moments.n}
        yield Caveat(f"one_run_dominates_{what}", figures=figures)


FEW = 5
"""Runs per side below which hardly any change can be told from chance."""

FAST = 0.5
"""Failed runs that take less than this part of what successful ones take make a version look fast by failing."""


def comparison_caveats(
    measured: Measured, cells: Cells, alternatives: Mapping[str, Estimate], *, may_be_faster: bool = True
) -> tuple[Caveat, ...]:
    """All caveats about one comparison, the gravest first; if a side has no runs, only that.

    Args:
        measured: the comparison.
        cells: of both versions.
        alternatives: other views of the change.
        may_be_faster: whether an improvement, or that nothing is worse, would be said if failures had not risen.
    """
    v1, v2 = measured.v1, measured.v2
    sides = {v1: measured.wholes[0], v2: measured.wholes[1]}
    missing = [unknown_version(version) for version, cell in sides.items() if cell is None]
    same = [Caveat("same_version", figures={"version": v1})] if v1 == v2 else []
    found = [*missing, *store_caveats(cells), *same]
    if missing:
        return tuple(found)
    found += [
        *(() if same else _confounding(measured)),
        *_empty(measured, v1, v2),
        *_few(measured, v1, v2),
        *_fallback(measured),
        *_mix(measured, v1, v2),
        *_disagreement(measured, alternatives),
        *_survivorship(measured, may_be_faster=may_be_faster),
        *_fast_failures(measured, cells, v1, v2),
    ]
    for version, cell in sides.items():
        if cell is not None:
            found += version_caveats(version, cell, measured.metric.figure)
    return tuple(found)


def _empty(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    beside = measured.survivorship
    failed = (0, 0) if beside is None else (beside.counts.left.hits, beside.counts.right.hits)
    for version, (value, n), lost in ((v1, measured.left, failed[0]), (v2, measured.right, failed[1])):
        figures = {"version": version, "metric": measured.metric.name}
        if n <= lost:
            yield Caveat("nothing_to_compare", figures=figures)
        elif value == 0 and version == v1 and measured.ratio is None and measured.metric.kind == "ratio":
            yield Caveat("zero_baseline", figures=figures)


def _few(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    for version, (_, n) in ((v1, measured.left), (v2, measured.right)):
        if 0 < n < FEW:
            yield Caveat("too_few_samples", figures={"version": version, "runs": n, "needed": FEW})


def _fallback(measured: Measured) -> Iterator[Caveat]:
    """Where the usual method had nothing to go by."""
    metric = measured.metric
    if measured.too_early:
        runs = min(measured.strata.left.n, measured.strata.right.n)
        yield Caveat("not_yet", figures={"metric": metric.name, "runs": runs, "needed": FEWEST})
    if measured.unseen:
        yield Caveat("not_looked_at", figures={"metric": metric.name, "sequential": measured.sequential})
    if metric.compared == "quantiles" and isinstance(measured.change, Point):
        yield Caveat("too_few_for_quantile", figures={"metric": metric.name, "needed": metric.fewest})
    elif isinstance(measured.change, Fixed):
        yield Caveat("no_spread", figures={"tasks": measured.matched_tasks})
    elif measured.scope == "suite" and measured.change is not None and measured.change.method == OVER_TASKS:
        yield _over_tasks(measured)
    elif _refused(measured):
        yield Caveat("tail_too_heavy", figures={"metric": measured.metric.name})
    if singles := measured.left_out:
        # Without an id are only tasks beyond the 10,000 with most runs.
        named = [pair.task_id or "another task" for pair in singles]
        yield Caveat("singles_not_judged", figures={"tasks": len(singles), "task_ids": named})


def _refused(measured: Measured) -> bool:
    """Whether the costs vary so much that no ratio is refused."""
    change = measured.change
    return isinstance(change, Fieller | Both) and measured.metric.compared == "sums" and change.limits(0.95) is None


def _over_tasks(measured: Measured) -> Caveat:
    """Why the tasks' differences were the sample though these tasks were asked about."""
    pairs = measured.strata.pairs
    if any(pair.left.n > 1 and pair.right.n > 1 for pair in pairs):
        return Caveat("no_spread", figures={"tasks": measured.matched_tasks, "scope": "tasks"})
    return Caveat("single_runs", figures={"tasks": len(pairs)})


def _mix(measured: Measured, v1: str, v2: str) -> Iterator[Caveat]:
    """Tasks that only one version has run."""
    there = measured.strata
    if v1 == v2 or not (there.left.n and there.right.n):
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
        "v1": v1,
        "v2": v2,
        "lacking": {"cost": "cost", "routing_accuracy": "route", "execution_time": "success"}.get(
            measured.metric.figure, "run"
        ),
    }
    figures["verdict"] = not measured.unpaired
    yield Caveat("different_tasks" if there.matched else "unmatched_tasks", figures=figures)


def untried(cells: Cells, measured: Measured) -> tuple[Caveat, ...]:
    """What the candidate was not tried on, so that nothing can be said of it as a whole."""
    sides = {one.version: one for one in cells.unmatched}
    if None in measured.wholes or measured.v1 not in sides:
        return ()
    gone, new = sides[measured.v1], sides.get(measured.v2)
    figures = {
        "version": measured.v2,
        "baseline": measured.v1,
        "tasks": gone.tasks,
        "task_ids": list(gone.first),
        "new_tasks": new.tasks if new else 0,
        "new_task_ids": list(new.first) if new else [],
    }
    # A task that only failed was run, though there is no time to compare.
    there = measured.strata if measured.survivorship is None else measured.survivorship.counts
    return (Caveat("tasks_not_run" if there.pairs else "no_common_task", figures=figures),)


def _disagreement(measured: Measured, alternatives: Mapping[str, Estimate]) -> Iterator[Caveat]:
    """Simpson's paradox, and plain figures that disagree with the effect."""
    if measured.change is None:
        return
    effect, interval = measured.effect(measured.change.estimate), measured.interval(0.95)
    pooled = alternatives.get("pooled")
    low = interval.low if interval and interval.low is not None else -math.inf
    high = interval.high if interval and interval.high is not None else math.inf
    if not math.isfinite(100 * effect):
        return
    mixed = pooled is not None and _proportions_differ(measured)
    if mixed and pooled is not None and pooled.value is not None and _differ(effect, pooled.value, low, high):
        figures = {"within_tasks": effect, "pooled": pooled.value, "kind": measured.metric.kind}
        yield Caveat("simpson", figures=figures)
    points = measured.metric.better * (measured.right[0] - measured.left[0])
    plain = measured.improvement if measured.metric.kind == "ratio" else points
    if math.isfinite(100 * plain) and _differ(effect, plain, low, high):
        figures = {
            "plain": plain,
            "effect": effect,
            "kind": measured.metric.kind,
            "matched": bool(measured.matched_tasks),
        }
        yield Caveat("plain_differs", figures=figures)


def _proportions_differ(measured: Measured) -> bool:
    """Whether a version ran some of the common tasks more often, in relation, than the other."""
    pairs = measured.strata.pairs
    left, right = sum(pair.left.n for pair in pairs), sum(pair.right.n for pair in pairs)
    return any(pair.left.n * right != pair.right.n * left for pair in pairs)


def _differ(effect: float, other: float, low: float, high: float) -> bool:
    """Whether another figure is outside the interval, or in the other direction by more than one in a hundred."""
    return not low <= other <= high or (effect * other < 0 and min(abs(effect), abs(other)) > 0.01)


SURELY_SLOWER: Final = 0.975
"""One-sided p-value of "not faster" from which on nobody would claim an improvement of the time."""


def _survivorship(measured: Measured, *, may_be_faster: bool) -> Iterator[Caveat]:
    """What failures and timeouts keep out of the times."""
    beside, change = measured.survivorship, measured.change
    if beside is None:
        return
    if may_be_faster and change is not None and change.below(0.0) < SURELY_SLOWER and beside.doubtful:
        figures = {"p_value": beside.risen, "ranks_p_value": beside.better, "looked_at": beside.better is not None}
        yield Caveat("failures_rose", figures=figures)
    for version, late, runs in zip(
        (measured.v1, measured.v2), beside.timeouts, (beside.counts.left, beside.counts.right), strict=True
    ):
        if late:
            yield Caveat("censored_times", figures={"version": version, "timeouts": late, "runs": runs.n})


def _fast_failures(measured: Measured, cells: Cells, v1: str, v2: str) -> Iterator[Caveat]:
    if not measured.metric.of_successes:
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
            figures = {"version": version, "ratio": ratio, "v1_failure_rate": rates[0], "v2_failure_rate": rates[1]}
            yield Caveat("fast_failures", figures=figures)


# What may look like a change of the version, but is not --------------------------------------------------------------

UNEVEN: Final = 2.0
"""Times as many runs of the common tasks in one version as in the other before it is said."""

UNITS: Final = (1e-6, 1e-3, 1e3, 1e6)
"""Factors between units: seconds, milliseconds and microseconds, or dollars and thousandths of them."""

NEAR: Final = math.log(2)
"""How far each task's factor may be from one of these, on logarithms."""

FEWEST_TASKS: Final = 2
"""Tasks that must all have changed by such a factor."""


def _confounding(measured: Measured) -> Iterator[Caveat]:
    """All of them, the gravest first; both sides have runs."""
    if measured.order:
        yield from measured.order.twice
    for find in (_texts, _unit, _dependence, _between, _apart, _models, _uneven):
        yield from find(measured)


def _apart(measured: Measured) -> Iterator[Caveat]:
    """Versions that ran at different times, or on different hosts."""
    v1, v2 = measured.wholes
    assert v1 is not None
    assert v2 is not None
    names = {"v1": measured.v1, "v2": measured.v2}
    gap = max(v1.first, v2.first) - min(v1.last, v2.last)
    if gap > 0 and not _one_session(v1, v2, gap):
        ends = {"v1_first": v1.first, "v1_last": v1.last, "v2_first": v2.first, "v2_last": v2.last}
        yield Caveat("not_overlapping", figures=names | ends)
    if v1.host and v2.host and (v1.host[1] < v2.host[0] or v2.host[1] < v1.host[0]):
        hosts = {"v1_hosts": sorted({*v1.host}), "v2_hosts": sorted({*v2.host})}
        yield Caveat("different_hosts", figures=names | hosts)


def _one_session(v1: Cell, v2: Cell, gap: int) -> bool:
    """Whether one version ran right after the other on one host."""
    hosts = {end for cell in (v1, v2) for end in cell.host or ()}
    return gap <= GAP and len(hosts) < 2 and max(v1.last, v2.last) - min(v1.first, v2.first) <= DAY


def _models(measured: Measured) -> Iterator[Caveat]:
    left, right = measured.order.models if measured.order else ([], [])
    if left and right and left != right:
        figures = {"v1": measured.v1, "v2": measured.v2, "v1_models": left, "v2_models": right}
        yield Caveat("different_models", figures=figures)


def _texts(measured: Measured) -> Iterator[Caveat]:
    """Ids that stand for more than one task."""
    texts = measured.order.texts if measured.order else {}
    if texts:
        task, own = next(iter(texts.items()))
        figures = {
            "tasks": len(texts),
            "task_ids": list(texts),
            "task_id": task,
            "texts": own[:2],
            "different": len(own),
        }
        yield Caveat("several_texts", figures=figures)


def _dependence(measured: Measured) -> Iterator[Caveat]:
    if measured.dependence:
        correlation, inflation = measured.dependence
        yield Caveat("autocorrelation", figures={"correlation": correlation, "inflation": inflation})


def _between(measured: Measured) -> Iterator[Caveat]:
    if measured.between:
        v1, v2, both = measured.between.blocks
        figures = {"sd": measured.between.sd, "v1": measured.v1, "v2": measured.v2}
        code = "block_sd_assumed" if measured.between.assumed else "blocks_differ"
        figures |= {"turns": True} if measured.order and measured.order.in_turns else {}
        yield Caveat(code, figures=figures | {"v1_blocks": v1, "v2_blocks": v2, "shared_blocks": both})


def _unit(measured: Measured) -> Iterator[Caveat]:
    """Times or costs that all changed by a factor between units."""
    if measured.moments is None or measured.metric.compared == "quantiles":
        return
    pairs = [(pair.left.mean, pair.right.mean) for pair in measured.moments.pairs]
    if measured.metric.compared == "sums":
        pairs = [(math.log(left), math.log(right)) for left, right in pairs if left > 0 and right > 0]
    factors = [right - left for left, right in pairs]
    for unit in UNITS:
        if len(factors) >= FEWEST_TASKS and all(abs(factor - math.log(unit)) < NEAR for factor in factors):
            figures = {"metric": measured.metric.name, "tasks": len(factors), "factor": math.exp(median(factors))}
            yield Caveat("another_unit", figures=figures)


def _uneven(measured: Measured) -> Iterator[Caveat]:
    """Common tasks that one version ran far less often: runs that were killed left no record, and so no failure."""
    counts = measured.counts
    if measured.metric.counts is None or measured.metric.once or counts is None or not counts.matched:
        return
    sides = [[pair.left for pair in counts.pairs], [pair.right for pair in counts.pairs]]
    runs = [sum(side.n for side in own) for own in sides]
    fewer = 0 if runs[0] < runs[1] else 1
    if runs[1 - fewer] < UNEVEN * runs[fewer] or not _as_planned(sides[1 - fewer]):
        return
    names = (measured.v1, measured.v2)
    figures = {"version": names[fewer], "runs": runs[fewer], "other": names[1 - fewer], "other_runs": runs[1 - fewer]}
    yield Caveat("uneven_runs", figures=figures | {"tasks": len(counts.pairs)})


def _as_planned(side: Sequence[Counts]) -> bool:
    """Whether the version with more runs ran its tasks about equally often, as a suite does."""
    return max(own.n for own in side) < UNEVEN * min(own.n for own in side)
