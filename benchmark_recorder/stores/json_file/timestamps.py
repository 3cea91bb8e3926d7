"""Many timestamps at once."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmark_recorder.identity import timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FORM: Final = np.frombuffer(b"0000-00-00T00:00:00.000000+00:00", np.uint8)
"""How our own timestamps look."""

_DATE: Final = slice(0, 10)
_CLOCK: Final = 11 + np.array([0, 1, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14])
_SIGNS: Final = np.array([10, 13, 16, 19, 26, 27, 28, 29, 30, 31])
_EPOCH: Final = date(1970, 1, 1).toordinal()


_FEW: Final = 16
"""Up to so many are sooner parsed one by one."""


def micros_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """Microseconds since 1970 of stored times, those in the form that we write many times faster.

    Raises:
        ValueError: one is no ISO 8601 text.
    """
    if len(texts) <= _FEW:
        return np.array([timestamp_micros(text) for text in texts], np.int64)
    joined = "".join(texts).encode()
    if len(joined) == len(_FORM) * len(texts):
        table = np.frombuffer(joined, np.uint8).reshape(-1, len(_FORM))
        if (table[:, _SIGNS] == _FORM[_SIGNS]).all() and (micros := _parse(table)) is not None:
            return micros
    return np.fromiter(map(timestamp_micros, texts), np.int64, len(texts))


def micros_of_odd(texts: Sequence[str]) -> tuple[NDArray[np.int64], list[int]]:
    """The same one by one, 0 for what is no time, and the places of these."""
    micros, odd = np.zeros(len(texts), np.int64), []
    for place, text in enumerate(texts):
        try:
            micros[place] = timestamp_micros(text)
        except ValueError:
            odd.append(place)
    return micros, odd


def _parse(table: NDArray[np.uint8]) -> NDArray[np.int64] | None:
    """Of texts, a row each, whose signs stand where ours do; ``None`` where the rest is not digits of a time."""
    digits = table[:, _CLOCK].T.astype(np.int32) - ord("0")
    if not ((digits >= 0) & (digits <= 9)).all():
        return None
    hour, minute, second, high, low = (
        digits[0] * 10 + digits[1],
        digits[2] * 10 + digits[3],
        digits[4] * 10 + digits[5],
        (digits[6] * 10 + digits[7]) * 10 + digits[8],
        (digits[9] * 10 + digits[10]) * 10 + digits[11],
    )
    if not ((hour < 24) & (minute < 60) & (second < 60)).all():
        return None
    seconds = (hour * 60 + minute) * 60 + second
    micros: NDArray[np.int64] = (_days(table) * 86_400 + seconds) * 1_000_000 + high * 1000 + low
    return micros


def _days(table: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Days since 1970; records that follow each other mostly are of one day, so each day is parsed once or little more.

    Raises:
        ValueError: there is no such day.
    """
    days = np.ascontiguousarray(table[:, _DATE]).view("S10").ravel()
    begin = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1]])) if len(days) else np.empty(0, np.intp)
    numbers = [date.fromisoformat(day.decode()).toordinal() - _EPOCH for day in days[begin].tolist()]
    return np.repeat(np.array(numbers, np.int64), np.diff(begin, append=len(days)))
