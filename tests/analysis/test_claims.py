from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark_recorder.analysis import DEFAULT_CLAIMS, Claim, check_claims
from benchmark_recorder.cells import Cells
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.views import worded
from tests.analysis.histories import cells_of, runs, task_names


def timed(factor: float, spread: float = 0.05, repeats: int = 5, seed: int = 0) -> Cells:
    """A candidate that takes this part of the baseline's time."""
    rng = np.random.default_rng(seed)
    names = task_names(13, repeats)
    old, new = rng.lognormal(0, spread, (2, len(names)))
    return cells_of(runs("v1", names, time=old), runs("v2", names, time=new * factor))


FASTER = Claim("execution_time", at_least=30, acceptable=(20, 50), failure_threshold=20)


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
    assert worded(result).sentence.startswith(f"{status}: execution time at least 30% better; found ")
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
    hints = [hint for result in worded(check_claims(timed(1.5), "v1", "v2")).results for hint in result.hints]
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
        runs("v1", [f"a{i}" for i in range(n)], success=[i >= v1_failures for i in range(n)]),
        runs("v2", [f"b{i}" for i in range(n)], success=[i >= v2_failures for i in range(n)]),
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
    assert result.needed.runs is not None


def test_the_guides_four_claims_are_the_default() -> None:
    report = check_claims(timed(0.6), "v1", "v2")
    assert [result.claim for result in report.results] == list(DEFAULT_CLAIMS)
    assert [result.status for result in report.results] == ["PROVEN", "NOT SHOWN", "NOT SHOWN", "NOT SHOWN"]
    assert not report.all_met
    assert worded(report).sentence == "Of 4 claims: 1 proven, 3 not shown."
    json.dumps(report.to_dict(), allow_nan=False)


def test_without_runs_nothing_is_shown_and_the_version_is_named() -> None:
    report = check_claims(Cells(), "v1", "v9")
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
    with pytest.raises(InvalidQueryError, match="Claim"):
        check_claims(Cells(), "v1", "v2", ["30% faster"])  # type: ignore[list-item]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(-50, 90), st.floats(0.01, 1.0))
def test_a_proven_claim_stays_proven_for_a_lower_target(seed: int, target: float, spread: float) -> None:
    cells = timed(0.7, spread, seed=seed)
    order = ["REFUTED", "NOT SHOWN", "SUPPORTED", "PROVEN"]
    high, low = (
        check_claims(cells, "v1", "v2", [Claim("execution_time", at_least=t)]).results[0] for t in (target, target - 5)
    )
    assert order.index(low.status) >= order.index(high.status)
