from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_recorder.analysis import Claim, check_claims
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.harness import GUIDE_CLAIMS
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs, task_names


def timed(factor: float, spread: float = 0.05, repeats: int = 5, seed: int = 0) -> Cells:
    """A candidate that takes this part of the baseline's time."""
    rng = np.random.default_rng(seed)
    names = task_names(13, repeats)
    old, new = rng.lognormal(0, spread, (2, len(names)))
    return cells_of(runs("v1", names, time=old), runs("v2", names, time=new * factor))


FASTER = GUIDE_CLAIMS[0]


@pytest.mark.parametrize(
    ("factor", "spread", "status"),
    [
        (0.60, 0.05, "PROVEN"),
        (0.67, 0.20, "SUPPORTED"),
        (0.75, 0.05, "NOT SHOWN"),
        (0.85, 0.05, "REFUTED"),
        (1.20, 0.05, "REFUTED"),
    ],
)
def test_a_claim_is_as_good_as_the_interval(factor: float, spread: float, status: str) -> None:
    (result,) = check_claims(timed(factor, spread), "v1", "v2", [FASTER]).results
    assert result.status == status
    assert worded(result).sentence.startswith(f"{status}: execution time at least 30% lower; found ")
    assert result.met == (status in {"PROVEN", "SUPPORTED"})


def test_without_a_failure_threshold_short_of_the_target_is_refuted() -> None:
    (result,) = check_claims(timed(0.75), "v1", "v2", [Claim("execution_time", at_least=30)]).results
    assert result.status == "REFUTED"


def test_more_than_is_acceptable_is_proven_with_a_warning() -> None:
    (result,) = check_claims(timed(0.3), "v1", "v2", [FASTER]).results
    assert result.status == "PROVEN"
    (caveat,) = [d for d in result.warnings if d.code == "beyond_acceptable"]
    assert caveat.figures["improvement"] == pytest.approx(70, abs=2)


def test_an_unmet_claim_brings_the_guides_hints_and_the_runs_that_would_settle_it() -> None:
    (result,) = worded(check_claims(timed(0.8, 0.8), "v1", "v2", [FASTER])).results
    assert result.status == "NOT SHOWN"
    assert "Verify parallel execution working" in result.hints
    assert result.needed is not None
    assert "to tell 30% from 20%" in result.needed.sentence


def test_hints_fit_any_orchestrator_and_name_the_guides_parts_in_brackets() -> None:
    hints = [
        hint for result in worded(check_claims(timed(1.5), "v1", "v2", GUIDE_CLAIMS)).results for hint in result.hints
    ]
    for part in ("HTDAG", "AOP", "HALO", "DAAO"):
        (named,) = [hint for hint in hints if part in hint]
        assert named.endswith(f" ({part})")


def test_a_claim_on_another_metric_than_the_guides_brings_no_hints() -> None:
    (result,) = worded(check_claims(timed(1.0), "v1", "v2", [Claim("success_rate", at_least=10)])).results
    assert not result.met
    assert result.hints == ()


def priced(factor: float, spread: float) -> Cells:
    rng = np.random.default_rng(1)
    names = task_names(13, 5)
    old, new = rng.lognormal(-9, spread, (2, len(names)))
    return cells_of(runs("v1", names, cost=old), runs("v2", names, cost=new * factor))


@pytest.mark.parametrize(
    ("factor", "spread", "status"),
    [
        (1.0, 0.005, "PROVEN"),
        (1.0, 0.2, "NOT SHOWN"),
        (1.05, 0.005, "REFUTED"),
        (0.95, 0.005, "REFUTED"),
        (1.01, 0.005, "NOT SHOWN"),
    ],
)
def test_within_is_a_question_of_equivalence(factor: float, spread: float, status: str) -> None:
    (result,) = check_claims(priced(factor, spread), "v1", "v2", [Claim("cost", within=1)]).results
    assert result.status == status


def test_costs_that_never_vary_are_proven_to_be_maintained() -> None:
    names = task_names(13, 3)
    for factor, status in ((1.0, "PROVEN"), (1.05, "REFUTED")):
        cells = cells_of(runs("v1", names, cost=[0.5] * 39), runs("v2", names, cost=[0.5 * factor] * 39))
        (result,) = check_claims(cells, "v1", "v2", [Claim("cost", within=1)]).results
        assert result.status == status
        assert result.interval is None


def outcomes(v1_failures: int, v2_failures: int, n: int = 230) -> Cells:
    return cells_of(
        runs("v1", ["a task"] * n, success=[i >= v1_failures for i in range(n)]),
        runs("v2", ["a task"] * n, success=[i >= v2_failures for i in range(n)]),
    )


def test_half_the_failures_is_a_claim_on_the_ratio() -> None:
    """The guide's own figures: 11.3% and 5.2% of 230 runs are a real reduction, and no proof of 50%."""
    (result,) = check_claims(outcomes(26, 12), "v1", "v2", [Claim("failure_rate", at_least=50)]).results
    assert result.improvement == pytest.approx(100 * (1 - 12 / 26))
    assert result.status == "SUPPORTED"
    assert result.interval is not None
    assert result.interval.low is not None
    assert result.interval.low < 50
    (proven,) = check_claims(outcomes(260, 60, 2300), "v1", "v2", [Claim("failure_rate", at_least=50)]).results
    assert proven.status == "PROVEN"


def test_no_failure_at_all_leaves_a_claim_on_failures_open() -> None:
    (result,) = check_claims(outcomes(0, 0), "v1", "v2", [Claim("failure_rate", at_least=50)]).results
    assert result.status == "NOT SHOWN"
    assert result.improvement is None


def test_routing_on_thirteen_tasks_is_too_little_for_a_relative_claim() -> None:
    names = task_names(13, 1)
    old = runs("v1", names, routed=[i < 7 for i in range(13)])
    new = runs("v2", names, routed=[i < 10 for i in range(13)])
    (result,) = check_claims(cells_of(old, new), "v1", "v2", [Claim("routing_accuracy", at_least=25)]).results
    assert result.improvement == pytest.approx(100 * 3 / 7)
    assert result.status == "NOT SHOWN"
    assert result.needed is not None
    assert result.needed.runs is None
    assert result.needed.tasks is not None


def test_the_guides_four_claims_are_the_default() -> None:
    report = check_claims(timed(0.6), "v1", "v2", GUIDE_CLAIMS)
    assert [result.claim for result in report.results] == list(GUIDE_CLAIMS)
    assert [result.status for result in report.results] == ["PROVEN", "NOT SHOWN", "NOT SHOWN", "NOT SHOWN"]
    assert not report.all_met
    assert worded(report).sentence == "Of 4 claims: 1 proven, 3 not shown."
    json.dumps(report.to_dict(), allow_nan=False)


def test_without_runs_nothing_is_shown_and_the_version_is_named() -> None:
    report = check_claims(Cells(), "v1", "v9", GUIDE_CLAIMS)
    assert {result.status for result in report.results} == {"NOT SHOWN"}
    assert all(math.isnan(result.v1_value) for result in report.results)
    assert not any(result.hints for result in worded(report).results)
    assert [caveat.code for caveat in report.warnings[:2]] == ["unknown_version"] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "speed", "at_least": 3}, "metric"),
        ({"metric": "cost"}, "either at_least or within"),
        ({"metric": "cost", "at_least": 3, "within": 1}, "either at_least or within"),
        ({"metric": "cost", "within": 0}, "within"),
        ({"metric": "cost", "within": 100}, "within"),
        ({"metric": "cost", "within": math.nan}, "within"),
        ({"metric": "cost", "within": "1"}, "within"),
        ({"metric": "cost", "within": 1, "failure_threshold": 1}, "failure_threshold"),
        ({"metric": "execution_time", "at_least": 100}, "at_least"),
        ({"metric": "routing_accuracy", "at_least": -100}, "at_least"),
        ({"metric": "execution_time", "at_least": 30, "failure_threshold": 40}, "failure_threshold"),
        ({"metric": "execution_time", "at_least": 30, "acceptable": (50, 20)}, "acceptable"),
    ],
)
def test_a_claim_that_cannot_be_is_an_error_that_names_the_argument(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidQueryError, match=message):
        Claim(**arguments)


def test_something_that_is_no_claim_is_an_error() -> None:
    with pytest.raises(InvalidQueryError, match="claim: expected"):
        check_claims(Cells(), "v1", "v2", [30])  # type: ignore[list-item]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(-50, 90), st.floats(0.01, 1.0))
def test_a_proven_claim_stays_proven_for_a_lower_target(seed: int, target: float, spread: float) -> None:
    cells = timed(0.7, spread, seed=seed)
    order = ["REFUTED", "NOT SHOWN", "SUPPORTED", "PROVEN"]
    high, low = (
        check_claims(cells, "v1", "v2", [Claim("execution_time", at_least=t)]).results[0] for t in (target, target - 5)
    )
    assert order.index(low.status) >= order.index(high.status)


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("time 30% lower", Claim("execution_time", at_least=30)),
        ("execution_time 30 % lower", Claim("execution_time", at_least=30)),
        ("routing 25% higher", Claim("routing_accuracy", at_least=25)),
        ("failures 50% lower", Claim("failure_rate", at_least=50)),
        ("  cost   within 1%", Claim("cost", within=1)),
        ("success 2.5% higher", Claim("success_rate", at_least=2.5)),
    ],
)
def test_a_text_makes_a_claim(text: str, claim: Claim) -> None:
    assert Claim.parse(text) == claim
    (result,) = check_claims(timed(0.5), "v1", "v2", [text]).results
    assert result.claim == claim
    assert Claim.parse(claim.text.replace("at least ", "").replace(" rate", "_rate").replace("execution t", "t"
        ).replace("routing accuracy", "routing")) == claim  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("30% faster", 'expected "time 30% lower"'),
        ("time 30 lower", "expected"),
        ("time 30% higher", "time: lower is better"),
        ("routing 25% lower", "routing: higher is better"),
        ("speed 30% lower", "claim: expected"),
        ("time 100% lower", "nothing can fall by 100%"),
        ("cost within 0%", "within"),
        ("", "expected"),
        (30, "expected"),
    ],
)
def test_a_text_that_makes_none_is_an_error_that_shows_one(text: Any, said: str) -> None:
    with pytest.raises(InvalidQueryError, match=said):
        Claim.parse(text)
    with pytest.raises(InvalidQueryError, match=said):
        check_claims(Cells(), "v1", "v2", [text])


@pytest.mark.parametrize("claims", ["time 30% lower", None, 5])
def test_claims_are_a_list(claims: Any) -> None:
    with pytest.raises(InvalidQueryError, match="claims: expected a list of claims"):
        check_claims(Cells(), "v1", "v2", claims)


def test_what_was_not_tried_on_all_tasks_is_not_proven() -> None:
    names = task_names(13, 10)
    rng = np.random.default_rng(0)
    old = runs("v1", names, time=rng.lognormal(0, 0.1, 130))
    part = names[:50]
    cells = cells_of(old, runs("v2", part, time=rng.lognormal(-1, 0.1, 50)))
    (result,) = check_claims(cells, "v1", "v2", ["time 30% lower"]).results
    assert (result.status, result.met, result.warnings[0].code) == ("NOT SHOWN", False, "tasks_not_run")
    slow = cells_of(old, runs("v2", part, time=rng.lognormal(1, 0.1, 50)))
    assert check_claims(slow, "v1", "v2", ["time 30% lower"]).results[0].status == "REFUTED"


def test_a_sentence_has_the_change_of_the_figure_and_says_what_is_not_the_same() -> None:
    (faster,) = worded(check_claims(timed(0.5), "v1", "v2", ["time 30% lower"])).results
    assert faster.improvement is not None
    assert faster.change == -faster.improvement
    assert faster.sentence.startswith("PROVEN: execution time at least 30% lower; found -5")
    (cheaper,) = worded(check_claims(priced(0.64, 0.01), "v1", "v2", ["cost within 1%"])).results
    assert cheaper.sentence.startswith("REFUTED: cost is not the same: 3")
    assert "% lower (claimed: within 1%); 90% interval -3" in cheaper.sentence
