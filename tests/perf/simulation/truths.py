"""What is true of a made-up suite: the figures that intervals must hold, of the tasks that it has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

if TYPE_CHECKING:
    from tests.perf.simulation.designs import Suite


def faster(suite: Suite) -> float:
    """The effect on time: the share that the candidate saves."""
    return 1 - suite.slower


def cheaper(suite: Suite) -> float:
    return 1 - suite.dearer


def time_ratio(suite: Suite) -> float:
    return suite.slower


def cost_ratio(suite: Suite) -> float:
    return suite.dearer


def fewer_failures(suite: Suite) -> float:
    """In points, as a fraction."""
    before, after = suite.rates.mean(axis=1)
    return float(before - after)


def failure_ratio(suite: Suite) -> float:
    before, after = suite.rates.mean(axis=1)
    return float(after / before)


def success_rate(suite: Suite) -> float:
    """Of the baseline, as all that follow."""
    return float(1 - suite.rates[0].mean())


def mean_time(suite: Suite) -> float:
    return float(suite.scale.mean() * suite.noise.mean)


def geometric_mean(suite: Suite) -> float:
    return math.exp(np.log(suite.scale).mean() + suite.noise.share * math.log(suite.noise.factor))


def mean_cost(suite: Suite) -> float:
    return float(1e-4 * suite.scale.mean() * suite.price.mean)


def cost_per_success(suite: Suite) -> float:
    return mean_cost(suite) / success_rate(suite)


def p95(suite: Suite) -> float:
    """Of all runs, each task run equally often."""

    def beyond(value: float) -> float:
        return float(suite.noise.below(value / suite.scale).mean() - 0.95)

    return float(brentq(beyond, 1e-9, 1e9))
