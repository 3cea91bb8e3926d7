"""What one version's figures are worth: each with its interval.

Apart from ``summary``, which asks for it when somebody looks at an interval.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from benchmark_recorder.analysis.means import NO_SPREAD
from benchmark_recorder.analysis.measured import finite, ratio_of
from benchmark_recorder.analysis.probabilities import normal_quantile, student_quantile
from benchmark_recorder.analysis.rates import wilson
from benchmark_recorder.analysis.result import Estimate, interval_of
from benchmark_recorder.cells import Moments

if TYPE_CHECKING:
    from benchmark_recorder.cells import Cell

Sides: TypeAlias = tuple[Moments, Moments]
"""Of the runs that succeeded, and of all."""


def version_estimates(whole: Cell, succeeded: int, cost: Sides, time: Sides) -> dict[str, Estimate]:
    """All but the percentiles.

    Args:
        whole: all runs.
        succeeded: how many of them did.
        cost: known costs of the runs that succeeded, and of all.
        time: durations of the same.
    """

    def rate(hits: int, n: int) -> Estimate:
        if not n:
            return Estimate(None, None, 0, "Wilson")
        return Estimate(hits / n, interval_of(*wilson(hits, n, normal_quantile(0.975))), n, "Wilson")

    return {
        "mean": _mean(whole.time),
        "geometric_mean": _geometric(whole.log_time),
        "success_rate": rate(succeeded, whole.n),
        "mean_cost": _mean(whole.cost),
        "cost_per_success": _per_success(*cost),
        "seconds_per_success": _per_success(*time),
        "routing_accuracy": rate(whole.routed_right, whole.routed),
    }


def _mean(sample: Moments) -> Estimate:
    """A mean with Student's t interval."""
    if not sample.n:
        return Estimate(None, None, 0, "mean, Student's t")
    limits = _student(sample, sample.mean)
    interval = interval_of(max(0.0, limits[0]), limits[1]) if limits else None
    return Estimate(finite(sample.mean), interval, sample.n, "mean, Student's t")


def _geometric(logs: Moments) -> Estimate:
    """A geometric mean with Student's t interval on logarithms."""
    method = "geometric mean, Student's t on logarithms"
    if not logs.n:
        return Estimate(None, None, 0, method)
    limits = _student(logs, 1.0)
    interval = interval_of(ratio_of(limits[0]), ratio_of(limits[1])) if limits else None
    return Estimate(finite(ratio_of(logs.mean)), interval, logs.n, method)


def _student(sample: Moments, scale: float) -> tuple[float, float] | None:
    """Limits of a mean; ``None`` below two runs, or where the runs do not vary by more than rounding at that scale."""
    if sample.n < 2:
        return None
    reach = student_quantile(sample.n - 1, 0.975) * math.sqrt(sample.m2 / (sample.n - 1) / sample.n)
    if not reach > NO_SPREAD * scale:
        return None
    return sample.mean - reach, sample.mean + reach


def _per_success(good: Moments, every: Moments) -> Estimate:
    """A sum over all runs for each run that succeeded: a ratio of means, delta method on its logarithm."""
    method = "ratio of sums, delta method on logarithms"
    if not (good.n and every.mean > 0):
        return Estimate(None, None, every.n, method)
    share, value = good.n / every.n, every.total / good.n
    if every.n < 2 or not math.isfinite(value):
        return Estimate(finite(value), None, every.n, method)
    relative = every.m2 / (every.n - 1) / every.mean / every.mean
    relative += (1 - share) / share * every.n / (every.n - 1)
    relative -= 2 * (good.mean / every.mean - 1) * every.n / (every.n - 1)
    reach = student_quantile(every.n - 1, 0.975) * math.sqrt(max(0.0, relative) / every.n)
    spread = math.exp(min(reach, 700.0))
    return Estimate(value, interval_of(value / spread, value * spread), every.n, method)
