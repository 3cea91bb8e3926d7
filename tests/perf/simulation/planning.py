"""Whether what the product says of further histories comes true: sizes that it names, and runs that it asks for.

Each question looks at one history for what is said, and at a fresh one for what then happens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from benchmark_recorder.analysis import Claim
from tests.perf.simulation.bench import Answer, Question, Trial
from tests.perf.simulation.designs import Suite
from tests.perf.simulation.questions import COST, FAILURES, ROUTING, TIME, check, comparison, gate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.analysis import Needed

SHARED: Final = 10
"""Histories that share what is said, which takes long."""

MOST_RUNS: Final = 20_000
"""Of a history that is drawn because so many are asked for."""

Sizes = Callable[[Suite, tuple[int, ...]], "Mapping[str, float | None]"]


@lru_cache(maxsize=4)
def named_by_selftest(suite: Suite, key: tuple[int, ...]) -> Mapping[str, float | None]:
    """What ``selftest`` calls the size that the gate finds, with half of the runs on each side."""
    past = Trial(replace(suite, runs=(2 * suite.runs[0], 1)), *key)
    found: Mapping[str, float | None] = past.ask("selftest", "v1", splits=200).detectable
    return found


@lru_cache(maxsize=4)
def named_by_gate(suite: Suite, key: tuple[int, ...]) -> Mapping[str, float | None]:
    """What the gate's checks call detectable."""
    return {check.metric: check.detectable for check in gate(Trial(suite, *key)).checks}


def worsened(suite: Suite, metric: str, size: float) -> Suite:
    """The same, with a candidate that is so much worse."""
    if metric == TIME:
        return replace(suite, slower=1 + size)
    return replace(suite, worse=size) if metric == FAILURES else replace(suite, dearer=1 + size)


def found_at(metric: str, name: str, sizes: Sizes) -> Question:
    """The gate blocks a candidate that is worse by the size that was named."""

    def ask(trial: Trial) -> Answer:
        *seed, number = trial.key
        size = sizes(trial.suite, (*seed, number // SHARED, 1)).get(metric)
        if size is None:
            return Answer(hit=False, refusal="no size")
        return Answer(check(trial.other(worsened(trial.suite, metric, size), 2), metric).state == "block")

    return Question(f"{metric}, named by {name}", ask, given_only=True)


NAMED: Final = tuple(
    found_at(metric, name, sizes)
    for name, sizes in (("selftest", named_by_selftest), ("gate", named_by_gate))
    for metric in (TIME, FAILURES, COST)
)


def as_asked(trial: Trial, needed: Needed | None) -> Trial | str:
    """A fresh history with the runs that are needed in all, or why there is none."""
    if needed is None:
        return "nothing needed"
    suite = trial.suite
    if needed.runs_per_task is not None:
        left, right = (max(there, needed.runs_per_task) for there in suite.runs)
        suite = replace(suite, runs=(left, right))
    elif needed.tasks is not None:
        suite = replace(suite, tasks=suite.tasks + needed.tasks)
    else:
        return "nothing named"
    return trial.other(suite, 2) if suite.records <= MOST_RUNS else "too many"


def decided(metric: str, scope: str = "suite") -> Question:
    """A comparison that was inconclusive is not so with the runs that it asks for."""

    def ask(trial: Trial) -> Answer:
        fresh = as_asked(trial, comparison(trial, metric, scope).needed)
        if isinstance(fresh, str):
            return Answer(hit=False, refusal=fresh)
        return Answer(comparison(fresh, metric, scope).verdict != "inconclusive")

    return Question(f"decided on {metric}, {scope}", ask, given_only=True)


def settled(claim: Claim) -> Question:
    """A claim that was not shown is settled by the runs that it asks for."""

    def ask(trial: Trial) -> Answer:
        fresh = as_asked(trial, trial.ask("check_claims", "v1", "v2", (claim,)).results[0].needed)
        if isinstance(fresh, str):
            return Answer(hit=False, refusal=fresh)
        return Answer(fresh.ask("check_claims", "v1", "v2", (claim,)).results[0].status != "NOT SHOWN")

    return Question(f"settled: {claim.text}", ask, given_only=True)


def _no_repeats(trial: Trial) -> Answer:
    needed = comparison(trial, ROUTING).needed
    return Answer(needed is not None and needed.runs is None)


NO_REPEATS: Final = Question("routing: no number of repeats", _no_repeats)
