"""What may look like a change of the version but is not: another time, host, model or unit, other tasks, lost runs."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis.results import Caveat
from benchmark_recorder.grouping import DAY, GAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark_recorder.analysis.measured import Measured
    from benchmark_recorder.analysis.metrics import Counts
    from benchmark_recorder.cells import Cell

UNEVEN: Final = 2.0
"""Times as many runs of the common tasks in one version as in the other before it is said."""

UNITS: Final = (1e-6, 1e-3, 1e3, 1e6)
"""Factors between units: seconds, milliseconds and microseconds, or dollars and thousandths of them."""

NEAR: Final = math.log(2)
"""How far each task's factor may be from one of these, on logarithms."""

FEWEST_TASKS: Final = 2
"""Tasks that must all have changed by such a factor."""


def confounding_caveats(measured: Measured) -> tuple[Caveat, ...]:
    """All of them, the gravest first; both sides have runs."""
    v1, v2 = measured.wholes
    assert v1 is not None
    assert v2 is not None
    if measured.v1 == measured.v2:
        return ()
    order = measured.order
    return (
        *(order.twice if order else ()),
        *_texts(measured),
        *_unit(measured),
        *_dependence(measured),
        *_between(measured),
        *_apart(measured, v1, v2),
        *_models(measured),
        *_uneven(measured),
    )


def _apart(measured: Measured, v1: Cell, v2: Cell) -> Iterator[Caveat]:
    """Versions that ran at different times, or on different hosts."""
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
