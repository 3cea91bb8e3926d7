"""A baseline against a candidate on time, failures, cost and routing together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.analysis.comparison import Comparison, compare
from benchmark_recorder.analysis.results import Caveat, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.cells import Cells

JointVerdict = Literal["better", "worse", "mixed", "equivalent", "inconclusive"]

JOINT_METRICS = ("execution_time", "failure_rate", "cost", "routing_accuracy")


@dataclass(frozen=True, slots=True)
class JointComparison(Result):
    """Two versions on all four metrics.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        comparisons: by metric: execution_time, failure_rate, cost, routing_accuracy.
        verdict: ``"better"``: something improved, and nothing is worse or inconclusive; ``"worse"``: something
            regressed and nothing improved; ``"mixed"``: both; ``"equivalent"``: all changes are smaller than their
            margins; ``"inconclusive"``: something is inconclusive, and nothing regressed. Metrics without values do
            not count.
        sentence: the same for people, empty until ``reporting.views`` words it. Each part is a verdict at its own 5%
            level.
        warnings: of the four, in their order.
    """

    v1: str
    v2: str
    comparisons: Mapping[str, Comparison]
    verdict: JointVerdict
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


def compare_all(
    cells: Cells,
    v1: str,
    v2: str,
    *,
    scope: str = "suite",
    margins: Mapping[str, float] | None = None,
) -> JointComparison:
    """Compare two versions on execution time, failures, cost and routing.

    Args:
        cells: of both.
        v1: the baseline.
        v2: the candidate.
        scope: see ``compare``.
        margins: by metric, where they differ from the usual ones.

    Raises:
        InvalidQueryError: an unknown scope, or a margin that is not a fraction.
    """
    given = margins or {}
    found = {metric: compare(cells, v1, v2, metric, scope=scope, margin=given.get(metric)) for metric in JOINT_METRICS}
    warnings = tuple(caveat for c in found.values() for caveat in c.warnings)
    return JointComparison(v1, v2, found, _joint_verdict(found), warnings)


def _joint_verdict(found: Mapping[str, Comparison]) -> JointVerdict:
    verdicts = {c.verdict for c in found.values() if c.v1_count and c.v2_count}
    if "regressed" in verdicts:
        return "mixed" if "improved" in verdicts else "worse"
    if "inconclusive" in verdicts or not verdicts:
        return "inconclusive"
    return "better" if "improved" in verdicts else "equivalent"
