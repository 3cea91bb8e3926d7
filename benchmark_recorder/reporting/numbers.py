"""Numbers as people read them: one unit per row, as many digits as matter, and nothing but zero shown as zero."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmark_recorder.analysis import Interval

UNDEFINED: Final = "-"


class Unit(NamedTuple):
    """How the figures of a row are written.

    Attributes:
        symbol: ``"s"``, ``"ms"``, ``"µs"``, ``"$"``, ``"%"`` or ``"tokens"``.
        scale: of the symbol's unit, in one of seconds, dollars, rate or tokens.
        decimals: behind the point.
    """

    symbol: str
    scale: float
    decimals: int


PERCENT: Final = Unit("%", 100.0, 1)


def seconds(values: Iterable[float | None]) -> Unit:
    """The unit for some durations in seconds: that of the greatest."""
    greatest = _greatest(values)
    for symbol, scale in (("s", 1.0), ("ms", 1e3)):
        if greatest * scale >= 1:
            return Unit(symbol, scale, _decimals(greatest * scale))
    return Unit("µs", 1e6, _decimals(greatest * 1e6)) if greatest else Unit("s", 1.0, 1)


def dollars(values: Iterable[float | None]) -> Unit:
    """US dollars, with the digits that the greatest of some amounts needs."""
    greatest = _greatest(values)
    return Unit("$", 1.0, max(2, _decimals(greatest)) if greatest else 2)


def tokens(values: Iterable[float | None]) -> Unit:
    """Tokens, on average of many runs or as a quantile of theirs."""
    return Unit("tokens", 1.0, _decimals(_greatest(values)))


def _greatest(values: Iterable[float | None]) -> float:
    return max((abs(v) for v in values if v is not None and math.isfinite(v)), default=0.0)


def _decimals(greatest: float) -> int:
    """Three significant digits of the greatest value, and one decimal at least below a thousand."""
    if greatest >= 1000:
        return 0
    return min(9, max(1, 2 - math.floor(math.log10(greatest)))) if greatest else 1


def number(value: float | None, unit: Unit) -> str:
    """A figure without its unit's symbol, which the row's label gives."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    scaled = value * unit.scale
    text = f"{scaled:,.{unit.decimals}f}"
    if unit is PERCENT and text in {"0.0", "100.0"} and value not in {0, 1}:
        return "<0.1" if value < 0.5 else ">99.9"
    if (scaled and not any(digit in text for digit in "123456789")) or abs(scaled) >= 1e15:
        return f"{scaled:.2g}"
    return text


def signed(value: float | None, suffix: str = "") -> str:
    """A change in hundredths with its sign: 0.031 is ``+3.1``; what rounds to nothing has no sign."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    return f"{_hundredths(value, '+')}{suffix}"


def size(value: float, suffix: str = "") -> str:
    """The size of a change in hundredths."""
    return f"{_hundredths(abs(value), '')}{suffix}"


def given(value: float, suffix: str = "") -> str:
    """A margin, a threshold or a target in hundredths, as someone chose it: 0.05 is ``5``."""
    return f"{100 * value:g}{suffix}"


def amount(value: float | None, unit: Unit) -> str:
    """A figure with its unit: ``1.20 s``, ``86.9%``, ``$0.0013``."""
    text = number(value, unit)
    if text == UNDEFINED:
        return text
    return {"$": f"${text}", "%": f"{text}%"}.get(unit.symbol, f"{text} {unit.symbol}")


def rate(value: float) -> str:
    """A rate in percent."""
    return amount(value, PERCENT)


def money(value: float) -> str:
    """One amount in US dollars, with its symbol."""
    return amount(value, dollars([value]))


def p_value(value: float) -> str:
    """With its equals sign, so that it stays readable where it is tiny."""
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def limits(interval: Interval | None, suffix: str = "", better: int = 1, scale: float = 1.0) -> str:
    """The ends of an interval of a change.

    Args:
        interval: of a fraction.
        suffix: behind each end.
        better: -1 to turn an interval of an improvement into one of the value.
        scale: of the interval's ends in fractions: 0.01 where they are in percent.
    """
    if interval is None:
        return UNDEFINED
    low, high = (None if end is None else better * scale * end for end in (interval.low, interval.high))
    if better < 0:
        low, high = high, low
    if low is None:
        return f"below {signed(high, suffix)}"
    return f"above {signed(low, suffix)}" if high is None else f"{signed(low, suffix)} to {signed(high, suffix)}"


def _hundredths(value: float, sign: str) -> str:
    hundredths = 100 * value
    if abs(hundredths) >= 1e6:
        return f"{hundredths:{sign}.2g}"
    if abs(hundredths) >= 1000:
        return f"{hundredths:{sign},.0f}"
    text = f"{hundredths:{sign}.1f}"
    if text.lstrip("+-") != "0.0":
        return text
    return f"{hundredths:{sign}.1g}" if abs(hundredths) >= 1e-3 else "0.0"


def count(n: int) -> str:
    """Runs; from 100,000 on in thousands or millions, for tables."""
    if n < 100_000:
        return f"{n:,}"
    return f"{n / 1e6:,.2f}M" if n >= 1_000_000 else f"{n / 1e3:,.0f}k"


def moment(micros: int | None) -> str:
    """Microseconds since 1970 as a time of UTC, to the minute."""
    return UNDEFINED if micros is None else f"{_utc(micros):%Y-%m-%d %H:%M}"


def day(micros: int) -> str:
    """Microseconds since 1970 as a day of UTC."""
    return f"{_utc(micros):%Y-%m-%d}"


def _utc(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
