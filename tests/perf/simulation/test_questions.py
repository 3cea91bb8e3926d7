"""What is counted in answers: plain histories whose answers are known."""

from __future__ import annotations

import pytest

from benchmark_recorder.analysis import Interval
from tests.perf.simulation import questions, truths
from tests.perf.simulation.bench import Answer, Trial
from tests.perf.simulation.designs import LogNormal, Suite, Weeks
from tests.perf.simulation.questions import COST, FAILURES, TIME

SLOWER = Suite(noise=LogNormal(0.05), price=LogNormal(0.05), slower=1.5, failing=0.0)


@pytest.fixture(scope="module")
def slower() -> Trial:
    return Trial(SLOWER, 1)


def test_verdicts_and_gates_of_a_slower_candidate_are_counted(slower: Trial) -> None:
    assert questions.verdict(TIME, "suite", "improved").ask(slower) == Answer(hit=False)
    assert questions.verdict(TIME, "tasks", "improved", "regressed").ask(slower) == Answer(hit=True)
    assert questions.verdict(COST, "suite", "regressed").ask(slower).hit is False
    assert questions.gate_says("block").ask(slower).hit
    assert questions.check_says(TIME, "block").ask(slower).hit
    assert not questions.check_says(COST, "block").ask(slower).hit
    assert not questions.proven(5).ask(slower).hit


def test_a_claim_that_is_proven_is_counted() -> None:
    assert questions.proven(5).ask(Trial(Suite(noise=LogNormal(0.05), slower=0.7, failing=0), 1)).hit


def test_the_intervals_of_a_slower_candidate_hold_the_truth_and_no_other_figure(slower: Trial) -> None:
    assert questions.effect_held(TIME, "suite", truths.faster).ask(slower).hit
    assert questions.ratio_held(TIME, "suite", truths.time_ratio).ask(slower).hit
    assert questions.figure_held("mean", truths.mean_time).ask(slower).hit
    assert not questions.effect_held(TIME, "suite", truths.time_ratio).ask(slower).hit


@pytest.mark.parametrize(
    ("interval", "answer"),
    [
        (Interval(1.4, 1.6), Answer(hit=True)),
        (Interval(None, 1.6), Answer(hit=True)),
        (Interval(1.6, None), Answer(hit=False)),
        (None, Answer(hit=False, refusal="no interval")),
    ],
)
def test_an_interval_may_be_open_or_refused(slower: Trial, interval: Interval | None, answer: Answer) -> None:
    assert questions.held("given", lambda _: interval, truths.time_ratio).ask(slower) == answer


def test_a_figure_without_values_is_a_refusal() -> None:
    once = Trial(Suite(tasks=1, runs=(1, 1)), 1)
    assert questions.refusal(questions.comparison(once, TIME)) == "no interval"
    assert questions.refusal(questions.comparison(Trial(SLOWER, 1), FAILURES)) == ""


def test_a_week_that_is_much_slower_is_flagged() -> None:
    trial = Trial(Weeks(weeks=3, begins=14, slower=2.0), 1)
    assert questions.ANY_FLAG.ask(trial).hit
    assert questions.worse_flagged(TIME).ask(trial).hit
    assert not questions.worse_flagged(COST).ask(trial).hit
    assert not questions.ANY_FLAG.ask(Trial(Weeks(weeks=1), 1)).hit
