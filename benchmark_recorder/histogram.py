"""Histograms that merge: how values are spread where the records never move.

Bucket ``i`` holds the values from ``2 ** (i / 32)`` up to but not including ``2 ** ((i + 1) / 32)``: OpenTelemetry's
base-2 histogram at scale 5, where the upper bound belongs to the bucket instead of the lower one. The relative error is
that of DDSketch (Masson, Rim & Lee, VLDB 2019, proposition 3).
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeAlias

import numpy as np

from benchmark_recorder.columns import encode
from benchmark_recorder.grouping import group_notes, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from benchmark_recorder.grouping import StoreNote
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns

HistogramKey: TypeAlias = tuple[str, tuple[str | None, ...]]
"""A version, and a group of its records."""

SCALE: Final = 5
"""Buckets per doubling, as a power of two: 32."""

BUCKETS_PER_LN: Final = 2**SCALE / math.log(2)
AT_BOUNDS: Final = 2.0**-30
"""For a server: the bucket is ``floor(ln(value) * BUCKETS_PER_LN + AT_BOUNDS)``. What is added is more than rounding
loses, so that powers of two are in their own bucket; other values are at most one bucket off."""


class Quantile(NamedTuple):
    """A quantile that is read from buckets.

    Attributes:
        value: its estimate.
        low: it is not below this.
        high: it is not above this.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values are in each bucket.

    Attributes:
        counts: values by the bucket's index; no bucket is empty.
        zeros: values that are 0.
        scale: each doubling has ``2 ** scale`` buckets.
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    zeros: int = 0
    scale: int = SCALE

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """The finite values that are 0 or more; others are left out."""
        positive = values[(values > 0) & np.isfinite(values)]
        buckets, counts = np.unique(bucket_of(positive), return_counts=True)
        return cls(dict(zip(buckets.tolist(), counts.tolist(), strict=True)), int(np.count_nonzero(values == 0)))

    @property
    def count(self) -> int:
        """All values."""
        return self.zeros + sum(self.counts.values())

    @property
    def error(self) -> float:
        """The largest relative error of a quantile: 0.011 at scale 5."""
        ratio = math.exp2(math.exp2(-self.scale))
        return (ratio - 1) / (ratio + 1)

    def merge(self, other: Self) -> Self:
        """Both together, at the coarser of their scales."""
        scale = min(self.scale, other.scale)
        one, two = self.downscale(self.scale - scale), other.downscale(other.scale - scale)
        counts = Counter(one.counts)
        counts.update(two.counts)
        return replace(one, counts=dict(counts), zeros=one.zeros + two.zeros)

    @classmethod
    def together(cls, histograms: Iterable[Self]) -> Self:
        """All of them merged; an empty one for none."""
        whole = cls()
        for histogram in histograms:
            whole = whole.merge(histogram)
        return whole

    def downscale(self, steps: int) -> Self:
        """The same values in buckets that are ``2 ** steps`` times as wide; exact.

        Raises:
            ValueError: ``steps`` is negative.
        """
        if steps < 0:
            raise ValueError(f"steps: expected 0 or more, got {steps}: buckets cannot be split")
        if not steps:
            return self
        counts = Counter[int]()
        for bucket, count in self.counts.items():
            counts[bucket >> steps] += count
        return replace(self, counts=dict(counts), scale=self.scale - steps)

    def quantile(self, q: float) -> Quantile | None:
        """The value below which a share ``q`` of the values lies, interpolated as numpy does; ``None`` without values.

        Raises:
            ValueError: ``q`` is not from 0 to 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"q: expected a number from 0 to 1, got {q}")
        if not self.count:
            return None
        rank = q * (self.count - 1)
        below, above = self._at(int(rank)), self._at(min(int(rank) + 1, self.count - 1))
        share = rank - int(rank)
        return Quantile(*(low + share * (high - low) for low, high in zip(below, above, strict=True)))

    def _at(self, rank: int) -> Quantile:
        """The value of a rank, from 0."""
        if rank < self.zeros:
            return Quantile(0.0, 0.0, 0.0)
        buckets = sorted(self.counts)
        reached = accumulate((self.counts[bucket] for bucket in buckets), initial=self.zeros)
        next(reached)
        bucket = next(bucket for bucket, end in zip(buckets, reached, strict=True) if rank < end)
        low, high = bounds_of(bucket, self.scale)
        return Quantile(2 * low * (high / (low + high)), low, high)  # the same relative error on both sides


class Histograms(dict[HistogramKey, Histogram]):
    """What ``Store.histogram`` returns: the histogram of each version and group that has records.

    Attributes:
        caveats: what readers must know about their origin, as in ``cells.Cells``.
    """

    def __init__(self, found: Mapping[HistogramKey, Histogram], caveats: Iterable[StoreNote] = ()) -> None:
        super().__init__(found)
        self.caveats = tuple(caveats)


def bucket_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket of each value, finite and above 0, at scale 5; exact at powers of two, elsewhere at most one off."""
    mantissa, exponent = np.frexp(values)  # a power of two has the mantissa 0.5, whose logarithm is exact
    within = np.floor(np.log2(2 * mantissa) * 2**SCALE).astype(np.int64)
    buckets: NDArray[np.int64] = (exponent.astype(np.int64) - 1) * 2**SCALE + within
    return buckets


def bounds_of(bucket: int, scale: int = SCALE) -> tuple[float, float]:
    """The least value of a bucket, and that of the next one; the largest float where that is beyond all floats."""
    width = math.exp2(-scale)
    edge = (bucket + 1) * width
    return math.exp2(bucket * width), math.exp2(edge) if edge < 1024 else sys.float_info.max


def histograms_from(rows: Iterable[tuple[HistogramKey, float | None, int]], rest: Mapping[str, int]) -> Histograms:
    """What ``Store.histogram`` returns, of a server's rows.

    Args:
        rows: a version with a group, a bucket, and how many values are in it. The bucket is ``True`` for values of 0,
            and ``None``, or infinite, for values that are left out.
        rest: by key, how many groups are not kept.
    """
    found: dict[HistogramKey, tuple[Counter[int], list[int]]] = {}
    for label, bucket, n in rows:
        counts, zeros = found.setdefault(label, (Counter(), []))
        if bucket is True:
            zeros.append(n)
        elif bucket is not None and math.isfinite(bucket):
            counts[int(bucket)] += n
    histograms = {label: Histogram(dict(counts), sum(zeros)) for label, (counts, zeros) in found.items()}
    return Histograms(histograms, group_notes(rest))


def histograms_of(columns: Columns, query: Query, field: str) -> Histograms:
    """What ``Store.histogram`` returns, of the records that match a query.

    The columns are ``version``, ``field`` and ``grouping.fields_for(query.by)``.
    """
    version, values = encode(columns["version"]), columns[field]
    groups = groups_of(query.by, columns)
    keys = version.codes * np.int64(max(1, len(groups.labels))) + groups.codes
    found = Histograms({}, group_notes(groups.rest))
    if not len(keys):
        return found
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    for first, own in zip(starts.tolist(), np.split(values[order], starts[1:]), strict=True):
        row = order[first]
        label = version.vocabulary[version.codes[row]], groups.labels[groups.codes[row]]
        found[label] = Histogram.of(own)
    return found
