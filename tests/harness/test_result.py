from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmark_recorder.harness.result import Outcome, read_outcome


def test_a_result_is_read_as_attributes_and_as_keys() -> None:
    fields = {
        "success": True,
        "agent_selected": "seo_agent",
        "cost": 0.25,
        "model": "small",
        "input_tokens": 10,
        "output_tokens": 20,
    }
    expected = Outcome(
        success=True, agent_selected="seo_agent", cost=0.25, model="small", input_tokens=10, output_tokens=20
    )
    assert read_outcome(SimpleNamespace(**fields)) == expected
    assert read_outcome(fields) == expected


def test_success_alone_is_a_result() -> None:
    assert read_outcome({"success": True}) == Outcome(success=True)
    assert read_outcome({"success": True, "agent_selected": None, "cost": None}) == Outcome(success=True)


def test_a_free_execution_costs_nothing_and_an_unknown_cost_is_unknown() -> None:
    assert read_outcome({"success": True, "cost": 0}).cost == 0.0
    assert read_outcome({"success": True}).cost is None


def test_an_unsuccessful_result_is_wrong_unless_it_says_what_happened() -> None:
    assert read_outcome({"success": False}).error_type == "WrongResult"
    assert read_outcome({"success": False, "error_type": "RateLimited"}).error_type == "RateLimited"
    assert read_outcome({"success": False, "error_type": ""}).error_type == "WrongResult"


def test_the_numbers_of_numpy_are_numbers() -> None:
    outcome = read_outcome({"success": np.bool_(True), "cost": np.float64(0.5)})
    assert outcome == Outcome(success=True, cost=0.5)
    assert type(outcome.success) is bool
    assert type(outcome.cost) is float


class Hostile:
    @property
    def success(self) -> bool:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "result",
    [
        None,
        True,
        "success",
        [],
        {},
        object(),
        Hostile(),
        {"success": "yes"},
        {"success": None},
        {"success": 2},
        {"success": np.array([True, False])},
    ],
    ids=lambda result: type(result).__name__,
)
def test_anything_but_a_result_is_an_invalid_one(result: Any) -> None:
    assert read_outcome(result) == Outcome(success=False, error_type="InvalidResult")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": "0.1"},
        {"cost": -1},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"cost": True},
        {"model": 4},
        {"input_tokens": 1.5},
        {"input_tokens": -1},
        {"output_tokens": True},
        {"error_type": ValueError},
    ],
    ids=repr,
)
def test_one_field_of_a_wrong_type_makes_the_result_invalid_and_the_right_ones_stay(wrong: dict[str, Any]) -> None:
    outcome = read_outcome({"success": True, "agent_selected": "seo_agent", **wrong})
    assert outcome == Outcome(success=False, agent_selected="seo_agent", error_type="InvalidResult")
