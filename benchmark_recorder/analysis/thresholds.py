"""The guide's gate: literal thresholds on point estimates, and its alerts on speed and test coverage.

On its own it blocks an unchanged version in most runs; it is computed beside the default policy, and counts where
``policy="guide"`` asks for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.results import Caveat, Result, finite
from benchmark_recorder.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis.measured import Measured

THRESHOLDS: Final[Mapping[str, float]] = {"execution_time": 0.10, "failure_rate": 0.0, "cost": 0.05}
"""By metric; any increase of failures blocks."""

TARGET: Final = 20.0
"""The guide's alert on speed, in percent."""

LEAST_COVERAGE: Final = 90.0
"""The guide's alert on test coverage, in percent."""


@dataclass(frozen=True, slots=True)
class LiteralCheck(Result):
    """One of the guide's thresholds on point estimates.

    Attributes:
        metric: execution_time, failure_rate or cost.
        blocks: whether the point is beyond the threshold; ``None`` where there is no point.
        worsening: relative change of the plain means, or difference of the plain rates; ``None`` where undefined.
        threshold: the limit, on the same scale.
        sentence: the finding in words; empty until ``reporting.views`` words it.
    """

    metric: str
    blocks: bool | None
    worsening: float | None
    threshold: float
    sentence: str = field(default="", compare=False)


def literal_check(measured: Measured) -> LiteralCheck:
    """Hold one metric's plain values to the guide's threshold."""
    metric, threshold = measured.metric, THRESHOLDS[measured.metric.name]
    if metric.kind == "ratio":
        worsening = finite(-measured.improvement)
    else:
        worsening = finite(measured.right[0] - measured.left[0])
    blocks = None if worsening is None else worsening > threshold
    return LiteralCheck(metric.name, blocks, worsening, threshold)


def literal_state(check: LiteralCheck) -> Literal["pass", "block", "missing"]:
    """What a threshold says, in the words of the default policy."""
    if check.blocks is None:
        return "missing"
    return "block" if check.blocks else "pass"


def alerts(time: Measured, coverage: float | None, target: float | None) -> tuple[Caveat, ...]:
    """The alerts that hold: less speed than the target asks for, less test coverage than the guide wants."""
    found = []
    improvement = finite(time.effect(time.change.estimate)) if time.change else None
    if target is not None and improvement is not None and 100 * improvement < target:
        figures = {"improvement": improvement, "threshold": target / 100}
        found.append(Caveat("small_improvement", figures=figures))
    if coverage is not None and coverage < LEAST_COVERAGE:
        found.append(Caveat("low_coverage", figures={"coverage": coverage, "threshold": LEAST_COVERAGE}))
    return tuple(found)


def check_coverage(coverage: object) -> None:
    """Raise ``InvalidQueryError`` unless it is ``None`` or a percentage."""
    if coverage is None:
        return
    if isinstance(coverage, bool) or not isinstance(coverage, int | float) or not 0 <= coverage <= 100:
        raise InvalidQueryError("coverage: expected percent from 0 to 100")
    if 0 < coverage < 1:
        raise InvalidQueryError(f"coverage: expected percent; {coverage:g} looks like a part, give {100 * coverage:g}")


def check_target(target: object) -> None:
    """Raise ``InvalidQueryError`` unless it is ``None`` or percent below 100."""
    if target is None:
        return
    if isinstance(target, bool) or not isinstance(target, int | float) or not -math.inf < target < 100:
        raise InvalidQueryError("target: expected percent below 100, or None for no alert")
