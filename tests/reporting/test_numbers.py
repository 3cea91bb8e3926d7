from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.reporting.numbers import PERCENT, count, dollars, moment, number, seconds, signed, size

amounts = st.floats(0, 1e12, allow_subnormal=False) | st.none() | st.just(math.nan)


@pytest.mark.parametrize(
    ("values", "shown", "symbol"),
    [
        ([0.0123, 0.0081], ["12.3", "8.1"], "ms"),
        ([3.456, 0.5], ["3.46", "0.50"], "s"),
        ([1234.5, 1.0], ["1,234", "1"], "s"),
        ([0.000002], ["2.00"], "µs"),
        ([0.0], ["0.0"], "s"),
        ([None, math.nan], ["-", "-"], "s"),
        ([100.0, 0.0001], ["100.0", "0.0001"], "s"),
    ],
)
def test_a_row_of_durations_has_one_unit(values: list[float | None], shown: list[str], symbol: str) -> None:
    unit = seconds(values)
    assert unit.symbol == symbol
    assert [number(value, unit) for value in values] == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.00012, "0.000120"), (12.5, "12.50"), (0.0, "0.00"), (1e-12, "1e-12"), (1234.5, "1,234.50")],
)
def test_dollars_keep_their_digits(value: float, shown: str) -> None:
    assert number(value, dollars([value])) == shown


@pytest.mark.parametrize(
    ("rate", "shown"), [(0, "0.0"), (1, "100.0"), (0.9999, ">99.9"), (0.0001, "<0.1"), (0.5, "50.0"), (0.887, "88.7")]
)
def test_a_rate_is_100_percent_only_where_it_is(rate: float, shown: str) -> None:
    assert number(rate, PERCENT) == shown


@given(amounts, amounts)
def test_what_is_not_zero_is_not_shown_as_zero(first: float | None, second: float | None) -> None:
    for unit in (seconds([first, second]), dollars([first, second])):
        for value in (first, second):
            shown = number(value, unit)
            if value is None or math.isnan(value):
                assert shown == "-"
            else:
                assert (float(shown.replace(",", "")) == 0) == (value == 0)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (0.123, "+12.3%"),
        (-0.123, "-12.3%"),
        (0.0, "0.0%"),
        (-0.0, "0.0%"),
        (0.0004, "+0.04%"),
        (-0.00004, "-0.004%"),
        (-1e-9, "0.0%"),
        (25.0, "+2,500%"),
        (1e9, "+1e+11%"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_a_change_has_a_sign_unless_it_is_none(change: float | None, shown: str) -> None:
    assert signed(change, "%") == shown


def test_a_size_has_no_sign() -> None:
    assert size(-0.123) == size(0.123) == "12.3"


@pytest.mark.parametrize(("n", "shown"), [(0, "0"), (99_999, "99,999"), (123_456, "123k"), (1_234_567, "1.23M")])
def test_many_runs_are_counted_in_thousands(n: int, shown: str) -> None:
    assert count(n) == shown


def test_a_moment_is_utc_to_the_minute() -> None:
    assert moment(1_760_000_000_000_000) == "2025-10-09 08:53"
    assert moment(None) == "-"
