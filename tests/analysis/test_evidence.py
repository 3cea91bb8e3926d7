from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmark_recorder.analysis.evidence import Both, Fixed, Point, Score, Student, student_quantile


def normal(estimate: float, error: float) -> Score:
    """A score interval that is plain estimate and error, so that all is known."""
    return Score(estimate, lambda z: (estimate - z * error, estimate + z * error), "normal")


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(-3, 3))
def test_inverting_an_interval_gives_its_test(estimate: float, error: float, bound: float) -> None:
    evidence = normal(estimate, error)
    assert evidence.above(bound) == pytest.approx(stats.norm.sf((estimate - bound) / error), abs=1e-9)
    assert evidence.below(bound) == pytest.approx(stats.norm.cdf((estimate - bound) / error), abs=1e-9)
    assert evidence.error == pytest.approx(error)


def test_a_bound_far_away_has_a_p_value_that_is_small_and_not_negative() -> None:
    assert 0 <= normal(10, 0.1).above(0) < 1e-300
    assert normal(10, 0.1).below(0) == 1


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(1, 1e6), st.floats(-3, 3))
def test_students_tests_are_those_of_scipy(estimate: float, error: float, freedom: float, bound: float) -> None:
    evidence = Student(estimate, error, freedom, "t")
    t = (estimate - bound) / error
    assert evidence.above(bound) == pytest.approx(stats.t.sf(t, freedom), abs=1e-9)
    assert evidence.below(bound) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-9)
    assert evidence.p_value == pytest.approx(2 * stats.t.sf(abs(estimate / error), freedom), abs=1e-9)


def test_infinite_freedom_is_the_normal_distribution() -> None:
    assert student_quantile(math.inf, 0.975) == pytest.approx(1.959963984540054)
    assert Student(1, 0.5, math.inf, "z").p_value == pytest.approx(2 * stats.norm.sf(2))


def test_runs_that_never_vary_are_sure_of_the_side_of_a_bound_and_of_no_width() -> None:
    evidence = Fixed(0.2, 0.001, "permutation")
    assert (evidence.above(0.1), evidence.below(0.1)) == (0.001, 1.0)
    assert (evidence.above(0.3), evidence.below(0.3)) == (1.0, 0.001)
    assert evidence.limits(0.95) is None


@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(-3, 3), st.floats(0.1, 3), st.floats(-3, 3))
def test_two_methods_that_must_agree_refuse_what_both_refuse(
    one: float, its_error: float, other: float, others_error: float, bound: float
) -> None:
    first, second = Student(one, its_error, 5, "t"), normal(other, others_error)
    both = Both(first, second, "both")
    assert both.above(bound) == max(first.above(bound), second.above(bound))
    assert both.below(bound) == max(first.below(bound), second.below(bound))
    limits = both.limits(0.95)
    assert limits is not None
    assert limits[0] <= both.estimate <= limits[1]
    assert (both.p_value < 0.05) == (not limits[0] <= 0 <= limits[1])


def test_two_methods_of_which_one_has_no_interval_have_none() -> None:
    assert Both(normal(0, 1), Point(0, "too few"), "both").limits(0.95) is None


def test_a_comparison_never_imports_scipy_stats() -> None:
    program = """
import sys
from benchmark_recorder import BenchmarkRecorder, MemoryStore
recorder = BenchmarkRecorder(store=MemoryStore())
for version in ("v1", "v2"):
    for i in range(12):
        recorder.record_execution(f"task {i % 3}", 1.0 + i, i > 1, version, "a", 0.1 + i, expected_agent="a")
assert "scipy" not in sys.modules
for metric in ("execution_time", "success_rate", "failure_rate", "cost", "routing_accuracy"):
    recorder.compare_versions("v1", "v2", metric)
recorder.check_gate("v1", "v2"), recorder.check_claims("v1", "v2", ["time 30% lower"])
recorder.selftest("v1", splits=2)
assert "scipy.special" in sys.modules
assert "scipy.stats" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
