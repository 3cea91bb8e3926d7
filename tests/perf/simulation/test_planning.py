"""Fresh histories have the size and the runs that were named."""

from __future__ import annotations

import pytest

from benchmark_recorder.analysis import Needed
from tests.perf.simulation import truths
from tests.perf.simulation.bench import Answer, Trial
from tests.perf.simulation.designs import LogNormal, Suite
from tests.perf.simulation.planning import NO_REPEATS, as_asked, found_at, named_by_gate, worsened
from tests.perf.simulation.questions import COST, FAILURES, TIME

SUITE = Suite(noise=LogNormal(0.2))


def needed(runs: int | None, runs_per_task: int | None, tasks: int | None) -> Needed:
    return Needed(runs, runs_per_task, tasks, cost=None, seconds=None)


def test_a_candidate_is_worse_by_the_size_that_was_named() -> None:
    assert truths.faster(worsened(SUITE, TIME, 0.25)) == pytest.approx(-0.25)
    assert truths.fewer_failures(worsened(SUITE, FAILURES, 0.1)) == pytest.approx(-0.1)
    assert truths.cheaper(worsened(SUITE, COST, 0.3)) == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ("asked", "fresh"),
    [
        (needed(100, 9, None), (9, 13)),
        (needed(None, None, 4), (5, 17)),
        (None, "nothing needed"),
        (needed(None, None, None), "nothing named"),
        (needed(10**6, 10**5, None), "too many"),
    ],
)
def test_a_fresh_history_has_the_runs_or_tasks_that_are_needed(asked: Needed | None, fresh: object) -> None:
    found = as_asked(Trial(SUITE, 1), asked)
    assert fresh == (found if isinstance(found, str) else (found.suite.runs[1], found.suite.tasks))


@pytest.mark.parametrize(
    ("size", "answer"),
    [(2.0, Answer(hit=True)), (0.0, Answer(hit=False)), (None, Answer(hit=False, refusal="no size"))],
)
def test_a_size_is_found_where_the_gate_blocks_it(size: float | None, answer: Answer) -> None:
    question = found_at(TIME, "nobody", lambda suite, key: {TIME: size})
    assert question.ask(Trial(SUITE, 1, 2)) == answer


def test_histories_of_one_group_share_what_is_named() -> None:
    assert named_by_gate(SUITE, (1, 0, 1)) is named_by_gate(SUITE, (1, 0, 1))
    assert named_by_gate(SUITE, (1, 0, 1)) != named_by_gate(SUITE, (1, 1, 1))


def test_a_router_that_ends_alike_in_each_repeat_needs_no_repeats() -> None:
    certain = Suite(runs=(2, 2), routed=((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 6, 7, 8, 9, 10)))
    assert NO_REPEATS.ask(Trial(certain, 1)).hit
