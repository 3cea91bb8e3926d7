from __future__ import annotations

import numpy as np
import pytest

from benchmark_recorder.analysis import summarize_version
from benchmark_recorder.analysis.caveats import recorded_twice
from benchmark_recorder.columns import Durations
from tests.analysis.histories import cells_of, runs


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
