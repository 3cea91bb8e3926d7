from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.signal import lfilter
from statsmodels.tsa.stattools import acf

from benchmark_recorder.analysis import summarize_version
from benchmark_recorder.analysis.run_order import MOST_CARRIED, RunOrder, recorded_twice
from benchmark_recorder.columns import Durations
from tests.analysis.histories import cells_of, runs, task_names, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def test_a_batch_that_was_recorded_twice_is_named_wherever_it_is() -> None:
    times = np.random.default_rng(0).lognormal(size=40)
    for start, stop, at in ((0, 13, 40), (5, 10, 20), (0, 40, 40)):
        twice = np.insert(times, at, times[start:stop])
        (caveat,) = recorded_twice("v1", Durations.of(twice))
        assert caveat.figures["repeated"] == stop - start
        assert caveat.figures["runs"] == len(twice)


@pytest.mark.parametrize(
    "times",
    [
        np.random.default_rng(0).lognormal(size=1000),
        np.full(50, 0.5),
        np.random.default_rng(0).permutation(np.repeat(np.random.default_rng(1).lognormal(size=20), 2)),
        np.array([1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]),
        np.empty(0),
    ],
    ids=["measured", "one constant", "doubles in another order", "too short", "none"],
)
def test_other_runs_are_not(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert list(recorded_twice("v1", Durations.of(times))) == []


def test_a_summary_carries_the_caveat() -> None:
    times = np.tile(np.random.default_rng(0).lognormal(size=10), 2)
    summary = summarize_version("v1", cells_of(runs("v1", ["t"] * 20, time=times)), Durations.of(times))
    assert "recorded_twice" in [caveat.code for caveat in summary.warnings]


HOUR = 3_600_000_000


def in_turn(version: list[str], tasks: list[str], time: NDArray[np.float64], **columns: Sequence[Any]) -> RunOrder:
    """Runs in their turn, a minute apart, unless ``columns`` say otherwise."""
    n = len(tasks)
    moment = columns.pop("moment", [60_000_000 * i for i in range(n)])
    named: dict[str, Sequence[Any]] = {"task_description": tasks, "host": ["here"] * n, "model": [None] * n}
    named |= {"version": version, "task_id": tasks} | columns
    return RunOrder(
        "v1",
        "v2",
        {
            **{name: texts(list(values)) for name, values in named.items()},
            "execution_time": time,
            "success": np.ones(n, bool),
            "time": np.array(moment, np.int64),
        },
    )


def carried(n: int, correlation: float, seed: int) -> NDArray[np.float64]:
    """Log-normal times of log-sd 0.3, each correlated with the one before it."""
    own = np.random.default_rng(seed).normal(size=n)
    own[1:] *= np.sqrt(1 - correlation**2)
    return np.exp(0.3 * lfilter([1], [1, -correlation], own))


def test_no_verdict_rests_on_runs_that_were_recorded_twice() -> None:
    times = np.random.default_rng(0).lognormal(size=26)
    tasks = task_names(13, 2)
    both = in_turn(["v1"] * 52 + ["v2"] * 26, tasks * 3, np.r_[times, times, times[::-1]])
    (caveat,) = both.twice
    assert caveat.code == "recorded_twice"
    assert caveat.figures == {"version": "v1", "repeated": 26, "runs": 52, "withheld": True}


def test_times_that_are_fixed_by_design_are_not_taken_for_records_that_were_stored_twice() -> None:
    fixed = np.arange(1.0, 14.0)
    tasks = task_names(13, 1) * 6
    assert in_turn(["v1"] * 39 + ["v2"] * 39, tasks, np.tile(fixed, 6)).twice == ()


def test_a_small_part_that_was_recorded_twice_is_no_reason_to_withhold_a_verdict() -> None:
    times = np.random.default_rng(0).lognormal(size=60)
    tasks = task_names(5, 12)
    both = in_turn(["v1"] * 60 + ["v1"] * 9 + ["v2"], [*tasks, *tasks[:9], "x"], np.r_[times, times[:9], 1.0])
    assert both.twice == ()


def test_the_inflation_is_that_of_the_matrix_of_correlations() -> None:
    both = in_turn(["v1"] * 65 + ["v2"] * 65, ["t"] * 130, carried(130, 0.8, 3))
    found = both.dependence
    assert found is not None
    weights = np.r_[np.full(65, -1 / 65), np.full(65, 1 / 65)]
    inflations = {
        bound: weights @ bound ** np.abs(np.subtract.outer(range(130), range(130))) @ weights / (weights @ weights)
        for bound in (found.correlation, MOST_CARRIED)
    }
    assert inflations[found.correlation] < found.inflation <= inflations[MOST_CARRIED] * (1 + 1e-12)


def test_the_correlation_is_that_of_statsmodels() -> None:
    times = carried(400, 0.6, 5)
    found = in_turn(["v1", "v2"] * 200, ["t"] * 400, times)._in_turn()
    residual, chained = found[1], found[2]
    assert chained.sum() == 399
    mine = float((residual[1:] * residual[:-1]).sum() / (residual @ residual))
    assert mine == pytest.approx(acf(residual, nlags=1, fft=False)[1], rel=1e-9)


def test_runs_in_turn_and_independent_runs_widen_nothing() -> None:
    assert in_turn(["v1", "v2"] * 65, ["t"] * 130, carried(130, 0.8, 1)).dependence is None
    found = [in_turn(["v1"] * 65 + ["v2"] * 65, ["t"] * 130, carried(130, 0.0, seed)).dependence for seed in range(300)]
    assert sum(one is not None for one in found) <= 9  # 1% or so; 3% is beyond chance


def test_days_that_differ_are_not_taken_for_dependence() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(100):
        day = np.repeat(rng.normal(0, 0.5, 10), 13)
        times = np.exp(day + rng.normal(0, 0.3, 130))
        when = [24 * HOUR * (i // 13) + 60_000_000 * i for i in range(130)]
        both = in_turn(["v1"] * 65 + ["v2"] * 65, ["t"] * 130, times, moment=when)
        found.append(both.dependence)
    assert sum(one is not None for one in found) <= 5


def test_an_id_with_two_texts_is_found_only_where_both_versions_ran_it() -> None:
    version, tasks = ["v1", "v2", "v1", "v2", "v1", "v1"], ["1", "1", "2", "2", "3", "3"]
    described = ["easy", "hard", "same", "same", "old", "new"]
    assert in_turn(version, tasks, np.ones(6), task_description=described).texts == {"1": ["easy", "hard"]}


def test_models_are_those_that_are_known() -> None:
    models = ["b", "a", None, "c"]
    assert in_turn(["v1", "v1", "v2", "v2"], ["t"] * 4, np.ones(4), model=models).models == (["a", "b"], ["c"])
