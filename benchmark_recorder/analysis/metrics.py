"""What can be compared: five metrics, each with its direction, its scale and its margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis import strata
from benchmark_recorder.errors import InvalidQueryError, one_of, preview

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark_recorder.analysis.strata import Counts
    from benchmark_recorder.cells import Cell


@dataclass(frozen=True, slots=True)
class Metric:
    """How one metric is read.

    Attributes:
        name: as callers write it.
        kind: ``"ratio"``: changes are relative; ``"points"``: they are differences of rates.
        better: 1 where more is better, -1 where less is.
        margin: a smaller change does not matter: 0.05 is 5%, or 5 points.
        noun: in a sentence.
        counts: of a cell, where the metric is a rate.
    """

    name: str
    kind: Literal["ratio", "points"]
    better: Literal[1, -1]
    margin: float
    noun: str
    counts: Callable[[Cell], Counts] | None = None

    @property
    def once(self) -> bool:
        """Whether a task's repeats that all end alike are one piece of evidence, as with a router without chance."""
        return self.name == "routing_accuracy"


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("execution_time", "ratio", -1, 0.05, "execution time"),
        Metric("success_rate", "points", 1, 0.02, "success rate", strata.successes),
        Metric("failure_rate", "points", -1, 0.02, "failure rate", strata.failures),
        Metric("cost", "ratio", -1, 0.01, "cost", None),
        Metric("routing_accuracy", "points", 1, 0.02, "routing accuracy", strata.right_routings),
    )
}

SCOPES: Final = ("suite", "tasks")


def metric_named(name: object) -> Metric:
    """The metric of that name.

    Raises:
        InvalidQueryError: the name is unknown; the message lists the known ones.
    """
    return METRICS[one_of("metric", name, METRICS)]


def check_scope(scope: object) -> None:
    """Raise ``InvalidQueryError`` unless the scope is ``"suite"`` or ``"tasks"``."""
    one_of("scope", scope, SCOPES)


def check_margin(margin: object, metric: Metric) -> float:
    """The margin as a fraction; the metric's own for ``None``.

    Raises:
        InvalidQueryError: it is not a number between 0 and 1.
    """
    if margin is None:
        return metric.margin
    if isinstance(margin, int | float) and not isinstance(margin, bool) and 0 < margin < 1:
        return float(margin)
    raise InvalidQueryError(f"margin: expected a fraction above 0 and below 1 (0.05 is 5%), got {preview(margin)}")
