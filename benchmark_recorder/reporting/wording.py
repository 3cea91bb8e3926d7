"""The words for metrics, units and verdicts, and the sentences about comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.analysis import METRICS
from benchmark_recorder.reporting.numbers import PERCENT, dollars, given, money, seconds, size, tokens
from benchmark_recorder.reporting.page import Prose, Untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmark_recorder.analysis import Caveat, Comparison, EachComparison, Interval, JointComparison, Needed
    from benchmark_recorder.reporting.numbers import Unit
    from benchmark_recorder.reporting.page import Line, Tone


class Wording(NamedTuple):
    """How a change of one metric is worded.

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


_WORDINGS: Final = {
    "execution_time": Wording("is", "faster", "slower", "take the same time"),
    "cost": Wording("costs", "less", "more", "cost the same"),
    "failure_rate": Wording("fails", "less often", "more often", "fail equally often"),
    "success_rate": Wording("succeeds", "more often", "less often", "succeed equally often"),
    "routing_accuracy": Wording(
        "picks the right agent", "more often", "less often", "pick the right agent equally often"
    ),
    "input_tokens": Wording("reads", "fewer", "more", "read as many"),
    "output_tokens": Wording("writes", "fewer", "more", "write as many"),
}

_UNITS: Final[dict[str, Callable[[Iterable[float | None]], Unit]]] = {
    "execution_time": seconds,
    "cost": dollars,
    "success_rate": lambda _: PERCENT,
    "failure_rate": lambda _: PERCENT,
    "routing_accuracy": lambda _: PERCENT,
    "input_tokens": tokens,
    "output_tokens": tokens,
}

_LABELS: Final = {
    "execution_time": "time",
    "cost": "cost",
    "success_rate": "success",
    "failure_rate": "failures",
    "routing_accuracy": "routing",
    "input_tokens": "input",
    "output_tokens": "output",
}

WORDINGS: Final = {name: _WORDINGS[metric.figure] for name, metric in METRICS.items()}
UNITS: Final = {name: _UNITS[metric.figure] for name, metric in METRICS.items()}
LABELS: Final = {name: f"{name.partition('.')[2]} {_LABELS[metric.figure]}".strip() for name, metric in METRICS.items()}
"""What a change of each metric is called, the units of its values, and what it is called in a table."""

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
    return "%" if kind == "ratio" else " points"


def short_unit(kind: str) -> str:
    """The same in a table."""
    return "%" if kind == "ratio" else " pt"


def runs(n: int) -> str:
    """So many runs."""
    return f"{n:,} run{'' if n == 1 else 's'}"


def noun_of(metric: str) -> str:
    """The metric at the beginning of a sentence."""
    noun = METRICS[metric].noun
    return f"{noun[0].upper()}{noun[1:]}"


def sentence(comparison: Comparison) -> Line:
    """The verdict on one metric."""
    return (f"{noun_of(comparison.metric)}: ", *_body(comparison))


def _body(comparison: Comparison) -> Line:
    wording, suffix = WORDINGS[comparison.metric], unit(comparison.kind)
    v1, v2 = Untrusted(comparison.v1), Untrusted(comparison.v2)
    if not (comparison.v1_count and comparison.v2_count):
        return ("not enough data to compare.",)
    effect, interval = comparison.effect, comparison.interval
    if comparison.verdict == "equivalent":
        reach = range_text(wording, suffix, comparison.equivalence_interval)
        return (v2, " and ", v1, f" {wording.same}, within {given(comparison.margin, suffix)}{reach}.")
    if comparison.verdict == "inconclusive" or effect is None:
        needed = (" ", Prose(comparison.needed.sentence)) if comparison.needed else ()
        return ("inconclusive", *_unclear(comparison), *needed)
    word = wording.better if effect > 0 else wording.worse
    change = f" {wording.verb} {size(effect, suffix)} {word} than "
    return (v2, change, v1, f"{range_text(wording, suffix, interval)}.")


def _unclear(comparison: Comparison) -> Line:
    """How far apart the versions may be."""
    wording, suffix, interval = WORDINGS[comparison.metric], unit(comparison.kind), comparison.interval
    if interval is None or interval.low is None or interval.high is None or interval.low * interval.high > 0:
        return (f"{range_text(wording, suffix, interval)}.",)
    ends = f"{size(interval.low, suffix)} {wording.worse} to {size(interval.high, suffix)} {wording.better}"
    verb = f" {wording.verb} anywhere from {ends} than "
    return "; ", Untrusted(comparison.v2), verb, Untrusted(comparison.v1), f" ({level(interval)})."


def level(interval: Interval) -> str:
    """What kind of interval it is."""
    return f"{given(interval.confidence)}% interval"


def range_text(wording: Wording, suffix: str, interval: Interval | None) -> str:
    """An interval of an effect in brackets, in words that give its ends' directions."""
    if interval is None:
        return ""
    low, high = interval.low, interval.high
    if low is None or high is None:
        bound = high if low is None else low
        assert bound is not None
        word = wording.better if bound > 0 else wording.worse
        reach = "at most" if (low is None) == (bound > 0) else "at least"
        ends = f"{reach} {size(bound, suffix)} {word}"
    elif low * high > 0:
        word = wording.better if low > 0 else wording.worse
        near, far = sorted((abs(low), abs(high)))
        ends = f"{size(near)} to {size(far, suffix)} {word}"
    else:
        ends = f"from {size(low, suffix)} {wording.worse} to {size(high, suffix)} {wording.better}"
    return f" ({level(interval)}: {ends})"


def joint_words(result: JointComparison, **_: object) -> dict[str, Any]:
    """The fields of a joint comparison that hold words."""
    return {"sentence": joint_sentence(result), "warnings": each_once(result.warnings)}


def comparison_words(result: Comparison, **_: object) -> dict[str, Any]:
    """The fields of a comparison that hold words."""
    if result.needed is None:
        return {}
    aim = f"to see a change of {given(result.margin, unit(result.kind))}"
    return {"needed": replace(result.needed, sentence=needed_sentence(result.needed, aim))}


def each_once(caveats: Sequence[Caveat]) -> tuple[Caveat, ...]:
    """What several metrics have in common is said once."""
    return tuple({caveat.sentence: caveat for caveat in caveats}.values())


def needed_sentence(needed: Needed, aim: str) -> str:
    """What would decide, and what for: ``"to see a change of 5%"``."""
    aim = f"{aim} with {given(needed.power)}% power"
    more_tasks = f"about {needed.tasks:,} more tasks, each run as often as these," if needed.tasks else ""
    if needed.tasks == 1:
        more_tasks = "about one more task, run as often as these,"
    if needed.runs is None:
        return f"No number of repeats of these tasks is known to be enough; {more_tasks} would be needed {aim}."
    price = f", about {money(needed.cost)}" if needed.cost else ""
    per_task = needed.runs_per_task
    each = f" (up to {per_task:,} per task and version{price})" if per_task else f" (both versions together{price})"
    either = f", or {more_tasks.rstrip(',')}" if more_tasks else ""
    plural = "run" if needed.runs == 1 else "runs"
    return f"About {needed.runs:,} further {plural}{each}{either} would be needed {aim}."


def joint_sentence(joint: JointComparison) -> str:
    """The verdict over all metrics."""
    about = f"{joint.v2} against {joint.v1}"
    if not any(c.v1_count and c.v2_count for c in joint.comparisons.values()):
        return f"{about}: {without_runs(joint.warnings)}."
    parts = [
        f"{how} {listed([_part(joint.comparisons[metric], decided=how in _DECIDED) for metric in metrics])}"
        for metrics, how in (
            (joint.improved, "better in"),
            (joint.regressed, "worse in"),
            (joint.equivalent, "the same, within the margin, in"),
            (joint.undecided, "undecided in"),
        )
        if metrics
    ]
    return f"{about}: {joint_badge(joint)}: {'; '.join(parts)}."


_DECIDED: Final = ("better in", "worse in")


def joint_badge(joint: JointComparison) -> str:
    """The verdict over all metrics in a few words: ``improved in 2 of 4, none worse``."""
    n = sum(bool(c.v1_count and c.v2_count) for c in joint.comparisons.values())
    better, worse = len(joint.improved), len(joint.regressed)
    if better and worse:
        return f"improved in {better} and regressed in {worse} of {n}"
    if better:
        return f"improved in {better} of {n}, none worse"
    if worse:
        return f"regressed in {worse} of {n}, none better"
    return f"the same in {len(joint.equivalent)} of {n}" if joint.equivalent else "inconclusive"


def each_words(result: EachComparison, **_: object) -> dict[str, Any]:
    """The fields of several comparisons that hold words."""
    return {"sentence": each_sentence(result), "warnings": each_once(result.warnings)}


def each_sentence(result: EachComparison) -> str:
    """Which candidates are better, and which are worse."""
    parts = [f"{name} {joint_badge(joint)}" for name, joint in result.comparisons.items()]
    return f"Against {result.baseline}: {'; '.join(parts)}."


def _part(comparison: Comparison, *, decided: bool) -> str:
    noun = METRICS[comparison.metric].noun
    if comparison.effect is None or not decided:
        return noun
    return f"{noun} ({size(comparison.effect, unit(comparison.kind))})"


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def without_runs(caveats: Sequence[Caveat]) -> str:
    """Which versions have no runs, as part of a sentence."""
    missing = dict.fromkeys(str(c.figures["version"]) for c in caveats if c.code == "unknown_version")
    of = f"of version {' or '.join(missing)} " if missing else ""
    return f"there are no runs {of}to compare"
