"""Time, failures, cost and routing at once: one sentence that is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.analysis.caveats import without_runs
from benchmark_recorder.analysis.comparison import Comparison, compare
from benchmark_recorder.analysis.metrics import METRICS
from benchmark_recorder.analysis.results import Caveat, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.cells import Cells

JOINT_METRICS = ("execution_time", "failure_rate", "cost", "routing_accuracy")


@dataclass(frozen=True, slots=True)
class JointComparison(Result):
    """Two versions on all four metrics.

    Attributes:
        v1: the baseline.
        v2: the candidate.
        comparisons: by metric: execution_time, failure_rate, cost, routing_accuracy.
        verdict: ``"better"``: something improved, and nothing is worse or undecided; ``"worse"``: something
            regressed and nothing improved; ``"mixed"``: both; ``"equivalent"``: all changes are smaller than their
            margins; ``"inconclusive"``: something is undecided, and nothing regressed. Metrics without values do
            not count.
        sentence: the same for people. Each part is a verdict at its own 5 % level.
        warnings: of the four, each said once.
    """

    v1: str
    v2: str
    comparisons: Mapping[str, Comparison]
    verdict: Literal["better", "worse", "mixed", "equivalent", "inconclusive"]
    sentence: str
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
        InvalidQueryError: an unknown scope, or a margin that is no fraction.
    """
    margins = margins or {}
    found = {
        metric: compare(cells, v1, v2, metric, scope=scope, margin=margins.get(metric)) for metric in JOINT_METRICS
    }
    there = {metric: c for metric, c in found.items() if c.v1_count and c.v2_count}
    if there:
        sentence = _sentence(v1, v2, there)
    else:
        sentence = f"Nothing can be said about {v2} against {v1}: {without_runs(cells, v1, v2)}."
    return JointComparison(v1, v2, found, _verdict(there), sentence, _warnings(found))


def _verdict(there: Mapping[str, Comparison]) -> Literal["better", "worse", "mixed", "equivalent", "inconclusive"]:
    verdicts = {c.verdict for c in there.values()}
    if "regressed" in verdicts:
        return "mixed" if "improved" in verdicts else "worse"
    if "inconclusive" in verdicts or not verdicts:
        return "inconclusive"
    return "better" if "improved" in verdicts else "equivalent"


def _sentence(v1: str, v2: str, there: Mapping[str, Comparison]) -> str:
    parts = [
        f"{how} {_listed([_part(c) for c in there.values() if c.verdict == verdict])}"
        for verdict, how in (
            ("improved", "is better in"),
            ("regressed", "is worse in"),
            ("equivalent", "is the same, within the margin, in"),
            ("inconclusive", "leaves undecided"),
        )
        if any(c.verdict == verdict for c in there.values())
    ]
    return f"Against {v1}, {v2} {'; it '.join(parts)}."


def _part(comparison: Comparison) -> str:
    noun = METRICS[comparison.metric].noun
    if comparison.effect is None or comparison.verdict in {"inconclusive", "equivalent"}:
        return noun
    unit = " %" if comparison.kind == "ratio" else " points"
    return f"{noun} ({100 * abs(comparison.effect):.1f}{unit})"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _warnings(found: Mapping[str, Comparison]) -> tuple[Caveat, ...]:
    """Each sentence once, in the order of the metrics."""
    return tuple({caveat.sentence: caveat for c in found.values() for caveat in c.warnings}.values())
