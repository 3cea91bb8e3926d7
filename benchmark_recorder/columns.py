"""Columns: a field's values as an array, texts as codes, durations in order, and moments by group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias, cast

import numpy as np

from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.records import known_cost, timestamp_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.records import Columns, Document


@dataclass(frozen=True, slots=True)
class Durations:
    """The durations of some runs in seconds.

    Attributes:
        ordered: the finite ones, in rising order; read-only.
        stored: returns all of them, in the order in which they were stored; rarely needed, so it may read them again.
    """

    ordered: NDArray[np.float64]
    stored: Callable[[], NDArray[np.float64]]

    @classmethod
    def of(cls, times: NDArray[np.float64]) -> Self:
        """Durations in the order in which they were stored."""
        ordered = np.sort(times[np.isfinite(times)])
        ordered.flags.writeable = False
        return cls(ordered, lambda: times)


def columns_of(documents: Sequence[Document], fields: Collection[str]) -> Columns:
    """Documents as arrays; see ``fields.COLUMNS``."""
    return {name: _column(documents, name) for name in fields}


def _column(documents: Sequence[Document], name: str) -> NDArray[np.generic]:
    if name == "time":
        return column_of([timestamp_micros(document["timestamp"]) for document in documents], COLUMNS[name])
    if name == "cost":
        return column_of([known_cost(document) for document in documents], COLUMNS[name])
    return column_of([document.get(name) for document in documents], COLUMNS[name])


def column_of(values: Sequence[Any], kind: str) -> NDArray[np.generic]:
    """Values as an array of this dtype; ``None`` is NaN among floats.

    Raises:
        TypeError: a value is of another kind.
        ValueError: the same.
        OverflowError: a number is too large.
    """
    if kind == "object":
        return np.fromiter(values, object, len(values))  # each value one element, also where it is a list
    return np.array(values, kind)


class Coded(NamedTuple):
    """A column of texts as numbers: ``vocabulary[code]``, and -1 for ``None``."""

    codes: NDArray[np.int32]
    vocabulary: tuple[str, ...]


class _Codes(dict[str | None, int]):
    """The code of each text, in the order of appearance."""

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self) - 1  # None is there, too
        return code


def encode(column: NDArray[np.generic]) -> Coded:
    """An object column of texts and ``None``, coded in the order of appearance."""
    index = _Codes({None: -1})
    codes = np.fromiter(map(index.__getitem__, column.tolist()), np.int32, len(column))
    return Coded(codes, tuple(cast("Iterable[str]", list(index)[1:])))


class GrowingColumn:
    """A column of some dtype that values are added to; ``None`` is NaN in a column of floats.

    It grows in its place: to copy texts from array to array, as joining parts does, touches each of them twice, which
    takes longer than all the rest.
    """

    def __init__(self, kind: str) -> None:
        self._values = np.empty(1024, kind)
        self._count = 0

    def extend(self, values: Sequence[object]) -> None:
        """Add some values.

        Raises:
            TypeError: one is of another kind.
            ValueError: the same.
        """
        end = self._count + len(values)
        if end > len(self._values):
            self._values.resize(max(end, 2 * len(self._values)), refcheck=False)
        self._values[self._count : end] = column_of(values, self._values.dtype.name)
        self._count = end

    def finished(self) -> NDArray[np.generic]:
        """The column."""
        self._values.resize(self._count, refcheck=False)
        return self._values


# By group -------------------------------------------------------------------------------------------------------------

SPARSE: Final = 4
"""Possible numbers per row beyond which sorting the rows is faster than a table of all numbers."""


def distinct(
    numbers: NDArray[np.integer[Any]], bound: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The different numbers in rising order, the first row of each, and the place among them of each row's number.

    Args:
        numbers: of rows; from 0 on.
        bound: above all of them.
    """
    count = len(numbers)
    if bound > SPARSE * count + 1000:
        found, first, place = np.unique(numbers, return_index=True, return_inverse=True)
        return found.astype(np.intp), first, place
    firsts = np.full(bound, count)
    firsts[numbers[::-1]] = np.arange(count - 1, -1, -1)  # of several values for one place, the last one stays
    found = np.flatnonzero(firsts < count)
    places = np.empty(bound, np.intp)
    places[found] = np.arange(len(found))
    return found, firsts[found], places[numbers]


class Moments(NamedTuple):
    """Count, mean, and sum of squared deviations from the mean."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the values."""
        return self.n * self.mean

    @property
    def variance(self) -> float | None:
        """The unbiased sample variance; ``None`` below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else None

    def merge(self, other: Moments) -> Moments:
        """The moments of both samples together."""
        left, mean, own = self
        right, other_mean, others = other
        if not right:
            return self
        if not left:
            return other
        n, delta = left + right, other_mean - mean
        return Moments(n, mean + delta * right / n, own + others + delta * delta * left * right / n)

    @staticmethod
    def together(samples: Iterable[Moments]) -> Moments:
        """The moments of all samples together."""
        there = [sample for sample in samples if sample.n]
        if len(there) < 2:
            return there[0] if there else Moments()
        # Around one of the means, so that a large offset costs no digits.
        origin, count, shift, m2 = there[0].mean, 0, 0.0, 0.0
        for n, mean, _ in there:
            count, shift = count + n, shift + n * (mean - origin)
        whole = origin + shift / count
        for n, mean, own in there:
            m2 += own + n * (off := mean - whole) * off
        return Moments(count, whole, m2)


class Units(NamedTuple):
    """What a cell of units has besides; see ``cells.Cells``.

    Attributes:
        runs: of these units.
        success_rate: moments of each unit's own rate: of its runs, the part that succeeded.
        routing_rate: the same of right routings, among the runs whose selected and expected agent are both known; a
            unit without such runs is left out.
        shared: how many of these units have runs in another of the asked-for versions, too.
    """

    runs: int
    success_rate: Moments
    routing_rate: Moments
    shared: int

    @staticmethod
    def together(parts: Sequence[Units]) -> Units | None:
        """Those of different units together; ``None`` for none."""
        if not parts:
            return None
        return Units(
            sum(part.runs for part in parts),
            Moments.together([part.success_rate for part in parts]),
            Moments.together([part.routing_rate for part in parts]),
            sum(part.shared for part in parts),
        )


Range: TypeAlias = tuple[str, str] | None
"""The least and the greatest of some texts: equal where there is only one; ``None`` where there is none."""


def range_of(least: str | None, greatest: str | None) -> Range:
    """A range from its ends."""
    return None if least is None or greatest is None else (least, greatest)


def merged_range(left: Range, right: Range) -> Range:
    """The range of both ranges' texts."""
    if left is None or right is None:
        return left or right
    return min(left[0], right[0]), max(left[1], right[1])


def moments_by(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> list[Moments]:
    """The moments of each group's values, by the number of each row's group, of the rows that count."""
    return list(map(Moments, *(column.tolist() for column in moment_columns_by(group, values, where, count))))


def moment_columns_by(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The same as three columns; in two passes, so that a large offset costs no digits."""
    if not where.all():
        group, values = group[where], values[where]
    n, mean = _means(group, values, count)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not finite, and so undefined
        m2 = np.bincount(group, (values - mean[group]) ** 2, count)
    return n, mean, m2


def means_by(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> NDArray[np.float64]:
    """The mean of each group's values, NaN for a group without any; arguments as in ``moments_by``."""
    n, mean = _means(group[where], values[where], count)
    return np.where(n > 0, mean, np.nan)


def _means(
    group: NDArray[np.intp], values: NDArray[np.float64], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """How many values each group has, and their mean."""
    n = np.bincount(group, minlength=count)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.bincount(group, values, count) / np.maximum(n, 1)
        # The mean of the deviations is what rounding left of the first pass.
        mean += np.bincount(group, values - mean[group], count) / np.maximum(n, 1)
    return n, mean


def log_moments_by(
    group: NDArray[np.intp], values: NDArray[np.float64], where: NDArray[np.bool_], count: int
) -> list[Moments]:
    """The same of the values' natural logarithms."""
    return moments_by(group, logs_of(values, where), where, count)


def logs_of(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The natural logarithms of some values, 0 elsewhere."""
    return np.log(values, out=np.zeros_like(values), where=where)


def extremes_by(better: np.ufunc, group: NDArray[np.intp], values: NDArray[Any], start: float, count: int) -> list[Any]:
    """Each group's ``better`` (``np.minimum`` or ``np.maximum``) value, and ``start`` for a group without any."""
    found = np.full(count, start, dtype=values.dtype)
    better.at(found, group, values)
    return cast("list[Any]", found.tolist())


def ranges_by(group: NDArray[np.intp], column: Coded, count: int) -> list[Range]:
    """Least and greatest text of each group."""
    if not column.vocabulary:
        return [None] * count
    by_name = sorted(range(len(column.vocabulary)), key=column.vocabulary.__getitem__)
    rank = np.empty(len(by_name), np.int64)
    rank[by_name] = np.arange(len(by_name))
    known = column.codes >= 0
    group, ranks = group[known], rank[column.codes[known]]
    least = extremes_by(np.minimum, group, ranks, len(by_name), count)
    greatest = extremes_by(np.maximum, group, ranks, -1, count)
    return [
        (column.vocabulary[by_name[low]], column.vocabulary[by_name[high]]) if high >= 0 else None
        for low, high in zip(least, greatest, strict=True)
    ]


def routings(expected: Coded, selected: Coded) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where both agents are known, and where they are the same."""
    routed = (expected.codes >= 0) & (selected.codes >= 0)
    place = {agent: code for code, agent in enumerate(selected.vocabulary)}
    translation = np.array([place.get(agent, -2) for agent in expected.vocabulary] or [-2], np.int32)
    return routed, routed & (translation[expected.codes] == selected.codes)
