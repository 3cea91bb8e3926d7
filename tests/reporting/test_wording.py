from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from benchmark_recorder.analysis import METRICS, Comparison, Interval
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.reporting.page import Paragraph
from benchmark_recorder.reporting.text import render_text
from benchmark_recorder.reporting.wording import WORDINGS, sentence
from benchmark_recorder.stores.memory import MemoryStore
from tests.runs import record_runs

if TYPE_CHECKING:
    from benchmark_recorder.analysis.comparison import Verdict

Ends = tuple[float | None, float | None]


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, tasks=2, repeats=2)
    return recorder.compare_versions("v1.0", "v2.0")


def told(  # noqa: PLR0917
    comparison: Comparison,
    metric: str,
    verdict: Verdict,
    effect: float | None,
    ends: Ends | None,
    confidence: float = 0.95,
) -> str:
    """The sentence about a comparison that says so, on one line."""
    kind: Literal["ratio", "points"] = METRICS[metric].kind
    interval = None if ends is None else Interval(*ends, confidence)
    changed = replace(
        comparison,
        metric=metric,
        verdict=verdict,
        effect=effect,
        interval=interval,
        equivalence_interval=interval,
        margin=METRICS[metric].margin,
        kind=kind,
        needed=None,
    )
    return " ".join(render_text((Paragraph(sentence(changed)),)).split())


@pytest.mark.parametrize(
    ("metric", "verdict", "effect", "ends", "expected"),
    [
        ("execution_time", "improved", 0.269, (0.221, 0.315),
         "Execution time: v2.0 is 26.9% faster than v1.0 (95% interval: 22.1 to 31.5% faster)."),
        ("execution_time", "regressed", -0.12, (-0.2, -0.041),
         "Execution time: v2.0 is 12.0% slower than v1.0 (95% interval: 4.1 to 20.0% slower)."),
        ("execution_time", "regressed", -2.5, (None, -1.1),
         "Execution time: v2.0 is 250.0% slower than v1.0 (95% interval: at least 110.0% slower)."),
        ("execution_time", "improved", 0.5, None, "Execution time: v2.0 is 50.0% faster than v1.0."),
        ("cost", "improved", 0.05, (0.01, None),
         "Cost: v2.0 costs 5.0% less than v1.0 (95% interval: at least 1.0% less)."),
        ("cost", "inconclusive", 0.05, (-0.01, 0.11),
         "Cost: inconclusive; v2.0 costs anywhere from 1.0% more to 11.0% less than v1.0 (95% interval)."),
        ("cost", "inconclusive", 0.05, (None, 0.11),
         "Cost: inconclusive (95% interval: at most 11.0% less)."),
        ("cost", "inconclusive", None, None,
         "Cost: inconclusive."),
        ("failure_rate", "improved", 0.06, (0.011, 0.09),
         "Failure rate: v2.0 fails 6.0 points less often than v1.0 "
         "(95% interval: 1.1 to 9.0 points less often)."),
        ("success_rate", "regressed", -0.06, (-0.09, -0.011),
         "Success rate: v2.0 succeeds 6.0 points less often than v1.0 "
         "(95% interval: 1.1 to 9.0 points less often)."),
        ("routing_accuracy", "improved", 0.15, (0.0, 0.3),
         "Routing accuracy: v2.0 picks the right agent 15.0 points more often than v1.0 "
         "(95% interval: from 0.0 points less often to 30.0 points more often)."),
    ],
)  # fmt: skip
def test_a_verdict_has_its_effect_and_interval(  # noqa: PLR0917
    comparison: Comparison, metric: str, verdict: Verdict, effect: float | None, ends: Ends | None, expected: str
) -> None:
    assert told(comparison, metric, verdict, effect, ends) == expected


def test_equivalence_has_its_margin_and_the_90_percent_interval(comparison: Comparison) -> None:
    assert told(comparison, "execution_time", "equivalent", 0.01, (-0.011, 0.03), 0.9) == (
        "Execution time: v2.0 and v1.0 take the same time, within 5% (90% interval: from 1.1% slower to 3.0% faster)."
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_word_never_contradicts_the_direction_of_the_effect(comparison: Comparison, metric: str) -> None:
    wording = WORDINGS[metric]
    for effect, (verdict, word, other) in itertools.product(
        (0.0001, 0.1, 0.9), (("improved", wording.better, wording.worse), ("regressed", wording.worse, wording.better))
    ):
        sign = 1 if verdict == "improved" else -1
        verdict_: Verdict = "improved" if verdict == "improved" else "regressed"
        low, high = sorted((sign * effect * 0.5, sign * effect * 1.5))
        text = told(comparison, metric, verdict_, sign * effect, (low, high))
        assert word in text
        assert other not in text
        assert "-" not in text


def test_a_side_without_values_is_not_compared(comparison: Comparison) -> None:
    line = sentence(replace(comparison, metric="cost", v2_count=0))
    assert render_text((Paragraph(line),)) == "Cost: not enough data to compare.\n"


def test_an_inconclusive_verdict_says_how_many_runs_would_decide(comparison: Comparison) -> None:
    recorder = BenchmarkRecorder(store=MemoryStore())
    record_runs(recorder, {"v1.0": (1.0, 0.1), "v2.0": (0.95, 0.1)}, tasks=3, repeats=3)
    found = recorder.compare_versions("v1.0", "v2.0")
    assert found.verdict == "inconclusive"
    assert found.needed is not None
    assert found.needed.sentence in " ".join(render_text((Paragraph(sentence(found)),)).split())
