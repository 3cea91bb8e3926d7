"""What is counted in the public answers about one made-up history."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import Claim
from tests.perf.simulation.bench import Answer, Question, Trial

if TYPE_CHECKING:
    from benchmark_recorder.analysis import Comparison, GateCheck, GateResult, Interval
    from tests.perf.simulation.designs import Suite

TIME, FAILURES, COST, ROUTING = "execution_time", "failure_rate", "cost", "routing_accuracy"
MEAN, TAIL = "execution_time.mean", "execution_time.p95"

METRICS: Final = (TIME, FAILURES, COST, ROUTING)

SCOPES: Final = ("suite", "tasks")

WITHHELD: Final = frozenset(
    {"recorded_twice", "autocorrelation", "failures_rose", "singles_not_judged", "tail_too_heavy"}
)
"""Caveats with which a verdict may be withheld."""


def comparison(trial: Trial, metric: str, scope: str = "suite") -> Comparison:
    found: Comparison = trial.ask("compare_versions", "v1", "v2", metric, scope=scope)
    return found


def gate(trial: Trial, scope: str = "suite") -> GateResult:
    """Without the guide's alert on a version that is not faster."""
    found: GateResult = trial.ask("check_gate", "v1", "v2", scope=scope, target=None)
    return found


def check(trial: Trial, metric: str) -> GateCheck:
    return next(check for check in gate(trial).checks if check.metric == metric)


def refusal(found: Comparison) -> str:
    """How an answer is refused, if it is."""
    if found.interval is None:
        return "no interval"
    if found.verdict == "inconclusive" and found.p_value is None:
        return "no verdict"
    if found.verdict == "inconclusive" and WITHHELD.intersection(caveat.code for caveat in found.warnings):
        return "withheld"
    return ""


# Verdicts -------------------------------------------------------------------------------------------------------------


def verdict(metric: str, scope: str, *verdicts: str) -> Question:
    """One of these verdicts is given."""

    def ask(trial: Trial) -> Answer:
        found = comparison(trial, metric, scope)
        return Answer(found.verdict in verdicts, refusal(found))

    return Question(f"{'/'.join(verdicts)} {metric}, {scope}", ask)


def time_by(method: str, *verdicts: str) -> Question:
    """One of these verdicts on the time is given by a method."""

    def ask(trial: Trial) -> Answer:
        found = trial.ask("compare_versions", "v1", "v2", TIME, method=method)
        return Answer(found.verdict in verdicts, refusal(found))

    return Question(f"{'/'.join(verdicts)} {TIME}, {method}", ask)


def changed(metrics: Iterable[str] = METRICS, scopes: Iterable[str] = SCOPES) -> tuple[Question, ...]:
    """A change is seen."""
    return tuple(verdict(metric, scope, "improved", "regressed") for metric in metrics for scope in scopes)


def caveat(code: str, metric: str = TIME) -> Question:
    """A comparison says so."""

    def ask(trial: Trial) -> Answer:
        return Answer(code in [caveat.code for caveat in comparison(trial, metric).warnings])

    return Question(f"{metric} says {code}", ask)


def proven(percent: float) -> Question:
    """Time is proven to be so much better."""
    claims = (Claim(TIME, at_least=percent),)

    def ask(trial: Trial) -> Answer:
        return Answer(trial.ask("check_claims", "v1", "v2", claims).results[0].status == "PROVEN")

    return Question(f"PROVEN: time at least {percent:g}% better", ask)


# The gate -------------------------------------------------------------------------------------------------------------


def gate_says(*states: str, scope: str = "suite") -> Question:
    """The whole gate is in one of these states."""
    return Question(f"gate {'/'.join(states)}, {scope}", lambda trial: Answer(gate(trial, scope).state in states))


def check_says(metric: str, *states: str) -> Question:
    """A guardrail is in one of these states."""
    return Question(f"{'/'.join(states)} {metric}", lambda trial: Answer(check(trial, metric).state in states))


def tail_guarded(trial: Trial) -> Answer:
    """The gate blocks, with limits for mean and p95 besides."""
    margins = {MEAN: 0.10, TAIL: 0.10}
    return Answer(trial.history.check_gate("v1", "v2", margins=margins).state == "block")


BLOCKED: Final = tuple(gate_says("block", scope=scope) for scope in SCOPES)

NOTHING_FOUND: Final = (*changed(), *BLOCKED)
"""Where nothing changed, none of these may be."""


# Intervals ------------------------------------------------------------------------------------------------------------

Truth = Callable[["Suite"], float]


def held(name: str, interval: Callable[[Trial], Interval | None], truth: Truth) -> Question:
    """The interval that is given holds the truth about the suite."""

    def ask(trial: Trial) -> Answer:
        found = interval(trial)
        if found is None:
            return Answer(hit=False, refusal="no interval")
        low = -math.inf if found.low is None else found.low
        high = math.inf if found.high is None else found.high
        return Answer(low <= truth(trial.suite) <= high)

    return Question(name, ask, given_only=True)


def effect_held(metric: str, scope: str, truth: Truth) -> Question:
    """The interval of a change."""
    return held(f"effect on {metric}, {scope}", lambda trial: comparison(trial, metric, scope).interval, truth)


def ratio_held(metric: str, scope: str, truth: Truth) -> Question:
    """The interval of the candidate's figure over the baseline's."""

    def interval(trial: Trial) -> Interval | None:
        ratio = comparison(trial, metric, scope).ratio
        return ratio.interval if ratio else None

    return held(f"ratio of {metric}, {scope}", interval, truth)


def figure_held(figure: str, truth: Truth) -> Question:
    """The interval of a figure of the baseline alone."""

    def interval(trial: Trial) -> Interval | None:
        found: Interval | None = trial.ask("get_historical_metrics", "v1").estimates[figure].interval
        return found

    return held(f"{figure} of one version", interval, truth)


# Weekly trends --------------------------------------------------------------------------------------------------------


def flags(trial: Trial) -> list[tuple[int, str, str]]:
    """The week, counted from 0, the metric and the flag of each flagged change."""
    report = json.loads(trial.ask("generate_report", ("v1",), "json"))
    return [
        (week, metric, change["flag"])
        for week, one in enumerate(report["trends"][0]["weeks"])
        for metric, change in one["changes"].items()
        if change["flag"]
    ]


ANY_FLAG: Final = Question("any week flagged", lambda trial: Answer(bool(flags(trial))))


def worse_flagged(*metrics: str) -> Question:
    """A week is called worse in one of these, in which the change began or the one after it."""

    def ask(trial: Trial) -> Answer:
        begins = trial.weeks.begins // 7
        return Answer(
            any((metric, flag) in wanted and week in {begins, begins + 1} for week, metric, flag in flags(trial))
        )

    wanted = {(metric, "worse") for metric in metrics}
    return Question(f"{'/'.join(metrics)} worse", ask)
