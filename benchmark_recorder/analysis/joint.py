"""Two versions on all metrics, and several versions against one: what is decided, adjusted for their number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from benchmark_recorder.analysis.comparison import Comparison, compare
from benchmark_recorder.analysis.guardrails import holm
from benchmark_recorder.analysis.results import Caveat, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.cells import Cells

JointVerdict = Literal["better", "worse", "mixed", "equivalent", "inconclusive"]

JOINT_METRICS: Final = ("execution_time", "failure_rate", "cost", "routing_accuracy")

ALPHA: Final = 0.05
"""Chance that any metric of an unchanged version is called better or worse."""


@dataclass(frozen=True, slots=True)
class JointComparison(Result):
    """Two versions on all four metrics.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        comparisons: by metric: execution_time, failure_rate, cost, routing_accuracy, each at its own 5% level.
        verdict: ``"better"``: something improved, and nothing regressed; ``"worse"``: something regressed, and nothing
            improved; ``"mixed"``: both; ``"equivalent"``: neither, and some changes are smaller than their margins;
            ``"inconclusive"``: nothing is decided. Metrics without values do not count.
        improved: the metrics that improved, adjusted for the number of metrics (Holm).
        regressed: those that regressed, adjusted alike.
        equivalent: those whose change is smaller than its margin.
        undecided: all others that have values.
        p_adjusted: two-sided, by metric.
        sentence: all this for people; empty until ``reporting.views`` words it.
        warnings: of the four, in their order.
    """

    v1: str
    v2: str
    comparisons: Mapping[str, Comparison]
    verdict: JointVerdict
    improved: tuple[str, ...] = field(kw_only=True)
    regressed: tuple[str, ...] = field(kw_only=True)
    equivalent: tuple[str, ...] = field(kw_only=True)
    undecided: tuple[str, ...] = field(kw_only=True)
    p_adjusted: Mapping[str, float] = field(kw_only=True)
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


@dataclass(frozen=True, slots=True)
class EachComparison(Result):
    """Several candidates against one baseline.

    Attributes:
        baseline: its version.
        comparisons: by candidate, in the order in which they were named; adjusted for all of their metrics together.
        sentence: which are better and worse; empty until ``reporting.views`` words it.
        warnings: of all, in their order.
    """

    baseline: str
    comparisons: Mapping[str, JointComparison]
    sentence: str = field(default="", compare=False, kw_only=True)
    warnings: tuple[Caveat, ...]


def compare_all(  # noqa: PLR0913
    cells: Cells,
    v1: str,
    v2: str,
    *,
    scope: str = "suite",
    margins: Mapping[str, float] | None = None,
    method: str = "log",
    sequential: bool = False,
) -> JointComparison:
    """Compare two versions on time, failures, cost and routing; ``margins`` replace the usual ones, by metric.

    Raises:
        InvalidQueryError: an unknown scope or method, or a margin that is not a fraction.
    """
    each = compare_each({v2: cells}, v1, scope=scope, margins=margins, method=method, sequential=sequential)
    return each.comparisons[v2]


def compare_each(  # noqa: PLR0913
    cells: Mapping[str, Cells],
    baseline: str,
    *,
    scope: str = "suite",
    margins: Mapping[str, float] | None = None,
    method: str = "log",
    sequential: bool = False,
) -> EachComparison:
    """Compare several candidates with one baseline, by the cells of each and of the baseline; see ``compare_all``."""
    given = margins or {}
    found = {
        (candidate, metric): compare(
            own,
            baseline,
            candidate,
            metric,
            scope=scope,
            margin=given.get(metric),
            method=method,
            sequential=sequential,
        )
        for candidate, own in cells.items()
        for metric in JOINT_METRICS
    }
    adjusted = holm({key: one.p_value for key, one in found.items() if one.p_value is not None})
    joint = {
        candidate: _joint(
            baseline,
            candidate,
            {metric: found[candidate, metric] for metric in JOINT_METRICS},
            {metric: adjusted[candidate, metric] for metric in JOINT_METRICS if (candidate, metric) in adjusted},
        )
        for candidate in cells
    }
    return EachComparison(baseline, joint, tuple(caveat for one in joint.values() for caveat in one.warnings))


def _joint(v1: str, v2: str, comparisons: Mapping[str, Comparison], p_adjusted: Mapping[str, float]) -> JointComparison:
    there = {name: one for name, one in comparisons.items() if one.v1_count and one.v2_count}
    verdicts = {
        name: "undecided"
        if one.verdict == "inconclusive" or (one.verdict != "equivalent" and p_adjusted[name] >= ALPHA)
        else one.verdict
        for name, one in there.items()
    }
    improved, regressed, equivalent, undecided = (
        tuple(name for name, verdict in verdicts.items() if verdict == wanted)
        for wanted in ("improved", "regressed", "equivalent", "undecided")
    )
    return JointComparison(
        v1,
        v2,
        comparisons,
        _verdict(improved, regressed, equivalent),
        improved=improved,
        regressed=regressed,
        equivalent=equivalent,
        undecided=undecided,
        p_adjusted=p_adjusted,
        warnings=tuple(caveat for one in comparisons.values() for caveat in one.warnings),
    )


def _verdict(improved: tuple[str, ...], regressed: tuple[str, ...], equivalent: tuple[str, ...]) -> JointVerdict:
    if regressed:
        return "mixed" if improved else "worse"
    if improved:
        return "better"
    return "equivalent" if equivalent else "inconclusive"
