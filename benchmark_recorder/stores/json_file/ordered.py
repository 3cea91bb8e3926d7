"""Each version's durations in rising order, kept while records are added: percentiles without sorting anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Times: TypeAlias = NDArray[np.float64]

MAX_SAVED_VERSIONS: Final = 4_000
"""Versions whose order is saved: where there are more, each is but a few records, and soon sorted."""


class Rows(Protocol):
    """Records, of which some came later."""

    def __len__(self) -> int: ...

    def since(self, name: str, start: int) -> NDArray[np.generic]:
        """A column of the records from number ``start`` on."""


class Ordered:
    """The finite durations of each version in rising order.

    Args:
        count: records that are in what is saved.
        saved: gives a version's durations of these; ``None`` where nothing is saved.
    """

    def __init__(self, count: int = 0, saved: Callable[[int], Times] | None = None) -> None:
        self._count, self._saved = count, saved
        self._kept: dict[int | None, tuple[int, Times]] = {}

    def of(self, version: int | None, rows: Rows) -> Times:
        """Those of one version (``None``: of all), read-only.

        Args:
            version: its code.
            rows: all records; those that came since the last call are put in their places.
        """
        seen, times = self._kept.get(version) or self._begun(version)
        if seen < len(rows):
            new = rows.since("execution_time", seen)
            if version is not None:
                new = new[rows.since("version", seen) == version]
            new = _in_order(new)
            times = _read_only(np.insert(times, times.searchsorted(new), new) if len(times) else new)
            self._kept[version] = len(rows), times
        return times

    def _begun(self, version: int | None) -> tuple[int, Times]:
        if self._saved is None or version is None:
            return 0, np.empty(0)
        return self._count, _read_only(self._saved(version))

    def by_version(self, versions: int, rows: Rows) -> list[Times] | None:
        """Those of each version, by code; ``None`` where these are too many.

        Args:
            versions: how many there are.
            rows: all records.
        """
        if versions > MAX_SAVED_VERSIONS:
            return None
        # Few enough for short numbers, which numpy sorts by radix; those of records that do not count sort first.
        codes = np.maximum(rows.since("version", 0), -1).astype(np.int16)
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes + 1, minlength=versions + 1))
        parts = np.split(rows.since("execution_time", 0)[order], ends)[1:-1]
        ordered = [_read_only(_in_order(part)) for part in parts]
        self._kept.update((code, (len(rows), times)) for code, times in enumerate(ordered))
        return ordered


def _in_order(times: NDArray[np.generic]) -> Times:
    finite: Times = times[np.isfinite(times)]
    finite.sort()
    return finite


def _read_only(times: Times) -> Times:
    times.flags.writeable = False
    return times
