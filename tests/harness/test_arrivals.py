from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from benchmark_recorder.harness.arrivals import Slot, arrivals, slots


def test_versions_alternate_and_every_other_round_goes_backwards() -> None:
    assert [(slot.number, slot.rate, slot.round, slot.side) for slot in slots([10.0, 20.0], 2, 2)] == [
        *((1, 10.0, 0, 0), (2, 10.0, 0, 1), (3, 10.0, 1, 1), (4, 10.0, 1, 0)),
        *((5, 20.0, 0, 0), (6, 20.0, 0, 1), (7, 20.0, 1, 1), (8, 20.0, 1, 0)),
    ]


def test_both_versions_have_the_same_arrivals_in_a_round_and_others_in_the_next() -> None:
    first, second, third = (
        [*arrivals(Slot(number, 5.0, turn, side), 100.0, 3, 7, even=False)]
        for number, turn, side in ((1, 0, 0), (2, 0, 1), (3, 1, 1))
    )
    assert first == second
    assert first != third


def test_poisson_arrivals_have_exponential_gaps_at_the_rate() -> None:
    due = [arrival.due for arrival in arrivals(Slot(1, 20.0, 0, 0), 500.0, 3, 0, even=False)]
    assert len(due) == pytest.approx(10_000, abs=4 * math.sqrt(10_000))
    assert max(due) < 500.0
    gaps = np.array([after - before for before, after in pairwise(due)])
    assert stats.kstest(gaps, "expon", args=(0, 1 / 20)).pvalue > 0.001


def test_even_arrivals_have_the_same_gap() -> None:
    due = [arrival.due for arrival in arrivals(Slot(1, 4.0, 0, 0), 2.1, 3, 0, even=True)]
    assert due == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0])


def test_each_task_comes_up_once_before_one_comes_up_again() -> None:
    tasks = [arrival.task for arrival in arrivals(Slot(1, 10.0, 0, 0), 30.0, 4, 0, even=True)]
    assert all(set(tasks[at : at + 4]) == {0, 1, 2, 3} for at in range(0, len(tasks) - 4, 4))
    assert max(Counter(tasks).values()) - min(Counter(tasks).values()) <= 1
