from __future__ import annotations

import numpy as np
import pytest

from benchmark_recorder.analysis import TaskRow, compare
from tests.analysis.histories import cells_of, runs


def rows(before: str, after: str, metric: str = "failure_rate") -> TaskRow:
    """One task's runs, each a ``+`` for a success or a ``-`` for a failure; another task does not change."""
    sides = [
        runs(
            version,
            ["t"] * len(ends) + ["steady"] * 2,
            time=np.r_[np.arange(1.0, len(ends) + 1), 1.0, 1.1],
            success=[end == "+" for end in ends] + [True, True],
            cost=np.r_[np.arange(1.0, len(ends) + 1), 1.0, 1.0],
        )
        for version, ends in (("v1", before), ("v2", after))
    ]
    (row,) = [row for row in compare(cells_of(*sides), "v1", "v2", metric).tasks if row.task_id == "t"]
    return row


@pytest.mark.parametrize(
    ("before", "after", "turn"),
    [
        ("++", "--", "begins_to_fail"),
        ("++++++++++", "+---------", "begins_to_fail"),  # stands out
        ("--", "++", "repaired"),
        ("+---------", "++++++++++", "repaired"),
        ("++", "+-", None),  # chance
        ("+", "-", None),  # one run tells nothing
        ("++", "-", None),
        ("-+", "--", None),  # it failed before
        ("--", "--", None),
        ("++", "++", None),
    ],
)
def test_a_task_begins_to_fail_where_it_never_did_and_is_repaired_where_it_does_no_more(
    before: str, after: str, turn: str | None
) -> None:
    assert rows(before, after).turn == rows(before, after, "success_rate").turn == turn


def test_time_and_cost_do_not_fail() -> None:
    assert rows("++-", "--+", "execution_time").turn is None
    assert rows("++", "--", "cost").turn is None


def test_each_side_has_its_plain_value() -> None:
    failures = rows("+-", "---+")
    assert (failures.v1_value, failures.v2_value) == (0.5, 0.75)
    time = rows("++", "+++", "execution_time")
    assert (time.v1_value, time.v2_value) == pytest.approx((2**0.5, 6 ** (1 / 3)))
    cost = rows("++", "+++", "cost")
    assert (cost.v1_value, cost.v2_value) == pytest.approx((1.5, 2.0))
