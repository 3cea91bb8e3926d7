"""The words for metrics, units and verdicts, and one sentence for each compared metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import PERCENT, dollars, seconds, size
from benchmark_recorder.reporting.page import Prose, Untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmark_recorder.analysis import Comparison, Interval
    from benchmark_recorder.reporting.numbers import Unit
    from benchmark_recorder.reporting.page import Line, Tone


class Wording(NamedTuple):
    """How a change of one metric is told.

    Attributes:
        verb: between the candidate and the size of its change.
        better: behind the size, where the candidate is better.
        worse: where it is worse.
        same: behind both names, where neither is.
    """

    verb: str
    better: str
    worse: str
    same: str


WORDINGS: Final = {
    "execution_time": Wording("is", "faster", "slower", "take the same time"),
    "cost": Wording("costs", "less", "more", "cost the same"),
    "failure_rate": Wording("fails", "less often", "more often", "fail equally often"),
    "success_rate": Wording("succeeds", "more often", "less often", "succeed equally often"),
    "routing_accuracy": Wording(
        "picks the right agent", "more often", "less often", "pick the right agent equally often"
    ),
}

UNITS: Final[dict[str, Callable[[Iterable[float | None]], Unit]]] = {
    "execution_time": seconds,
    "cost": dollars,
    "success_rate": lambda _: PERCENT,
    "failure_rate": lambda _: PERCENT,
    "routing_accuracy": lambda _: PERCENT,
}

LABELS: Final = {
    "execution_time": "time",
    "cost": "cost",
    "success_rate": "success",
    "failure_rate": "failures",
    "routing_accuracy": "right agent",
}

TONES: Final[dict[str, Tone]] = {
    "improved": "good",
    "regressed": "bad",
    "inconclusive": "doubt",
    "equivalent": "calm",
    "better": "good",
    "worse": "bad",
    "mixed": "doubt",
}
"""Of the verdicts on one metric, and on all."""


def unit(kind: str) -> str:
    """Behind the size of a change in a sentence."""
    return " %" if kind == "ratio" else " percentage points"


def short_unit(kind: str) -> str:
    """The same in a table."""
    return " %" if kind == "ratio" else " pt"


def sentence(comparison: Comparison) -> Line:
    """The verdict on one metric."""
    noun = METRICS[comparison.metric].noun
    return (f"{noun[0].upper()}{noun[1:]}: ", *_body(comparison))


def _body(comparison: Comparison) -> Line:
    wording = WORDINGS[comparison.metric]
    v1, v2 = Untrusted(comparison.v1), Untrusted(comparison.v2)
    if not (comparison.v1_count and comparison.v2_count):
        return ("cannot be compared, for want of runs that tell.",)
    effect, interval = comparison.effect, comparison.interval
    if comparison.verdict == "equivalent":
        reach = _range(comparison, comparison.equivalence_interval)
        return (v2, " and ", v1, f" {wording.same}, within {_margin(comparison)}{reach}.")
    if comparison.verdict == "inconclusive" or effect is None:
        caveat = ("the runs do not tell whether ", v2, f" {wording.verb} {wording.better} or {wording.worse} than ", v1)
        needed = (" ", Prose(comparison.needed.sentence)) if comparison.needed else ()
        return (*caveat, f"{_range(comparison, interval)}.", *needed)
    word = wording.better if effect > 0 else wording.worse
    change = f" {wording.verb} {size(effect)}{unit(comparison.kind)} {word} than "
    return (v2, change, v1, f"{_range(comparison, interval)}.")


def _margin(comparison: Comparison) -> str:
    return f"{size(comparison.margin)}{unit(comparison.kind)}"


def _range(comparison: Comparison, interval: Interval | None) -> str:
    return range_text(WORDINGS[comparison.metric], unit(comparison.kind), interval)


def range_text(wording: Wording, suffix: str, interval: Interval | None) -> str:
    """An interval of an effect, in words that tell its ends' directions."""
    if interval is None:
        return ""
    level = f"{100 * interval.confidence:.0f} % interval"
    low, high = interval.low, interval.high
    if low is None or high is None:
        bound = high if low is None else low
        assert bound is not None
        word = wording.better if bound > 0 else wording.worse
        reach = "at most" if (low is None) == (bound > 0) else "at least"
        return f" ({level}: {reach} {size(bound)}{suffix} {word})"
    if low * high > 0:
        word = wording.better if low > 0 else wording.worse
        near, far = sorted((abs(low), abs(high)))
        return f" ({level}: {size(near)} to {size(far)}{suffix} {word})"
    return f" ({level}: from {size(low)}{suffix} {wording.worse} to {size(high)}{suffix} {wording.better})"
