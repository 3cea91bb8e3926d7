"""The two values that a change lies between: of each version over the same tasks, each with the same weight in both.

Plain means and rates depend on how often each version ran which task, so their difference may have another sign than
the change that is judged. These never do: ``v2 / v1``, or the difference of rates, is the change.
"""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, TypeAlias

from benchmark_recorder.analysis.means import judged
from benchmark_recorder.analysis.results import ratio_of

if TYPE_CHECKING:
    from benchmark_recorder.analysis.metrics import Counts, Strata
    from benchmark_recorder.columns import Moments

Levels: TypeAlias = tuple[float, float]

NONE: Levels = (math.nan, math.nan)


def levels_of_rates(strata: Strata[Counts], scope: str) -> Levels:
    """Mantel-Haenszel's weighted rates within tasks; with the tasks as the sample, their mean rates."""
    if not (strata.left.n and strata.right.n):
        return NONE
    if not strata.matched:
        return strata.left.rate, strata.right.rate
    weights = [1.0 if scope == "tasks" else p.left.n * p.right.n / (p.left.n + p.right.n) for p in strata.pairs]
    whole = math.fsum(weights)
    left, right = (
        math.fsum(weight * getattr(pair, side).rate for weight, pair in zip(weights, strata.pairs, strict=True)) / whole
        for side in ("left", "right")
    )
    return left, right


def levels_of_means(strata: Strata[Moments], scope: str, *, logs: bool) -> Levels:
    """The geometric mean of the tasks' geometric means, or the mean of the tasks' means."""
    if not (strata.left.n and strata.right.n):
        return NONE
    sides = (
        zip(*((pair.left.mean, pair.right.mean) for pair in judged(strata, scope)), strict=True)
        if strata.matched
        else ((strata.left.mean,), (strata.right.mean,))
    )
    left, right = (ratio_of(fmean(means)) if logs else fmean(means) for means in sides)
    return left, right
