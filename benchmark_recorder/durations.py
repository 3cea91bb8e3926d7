"""Durations: what percentiles are made of, as cells are what all the other figures are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Durations:
    """The durations of some runs in seconds.

    Attributes:
        ordered: the finite ones, in rising order; read-only.
        stored: gives all of them, in the order in which they were stored; seldom asked for, so it may read them anew.
    """

    ordered: NDArray[np.float64]
    stored: Callable[[], NDArray[np.float64]]

    @classmethod
    def of(cls, times: NDArray[np.float64]) -> Self:
        """Durations in the order in which they were stored."""
        ordered = np.sort(times[np.isfinite(times)])
        ordered.flags.writeable = False
        return cls(ordered, lambda: times)
