"""Charts before they are drawn: frozen figures, scaled to their axes.

Names stay as they were recorded; the code that draws encodes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Colour: TypeAlias = Literal["good", "bad", "doubt", "calm", "accent", "second"]
"""A verdict's tone, or, where colours distinguish versions: the newest, the one before it, and all others."""


@dataclass(frozen=True, slots=True)
class Marker:
    """A figure with its interval.

    Attributes:
        name: of a task, a version or a figure, as recorded.
        value: on the axis.
        low: ``None`` where the interval is open at this end or missing.
        high: as ``low``.
        colour: what it is drawn in.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    colour: Colour = "calm"

    @property
    def reach(self) -> tuple[float, float]:
        """The interval's ends: infinite where it is open, twice the value where it is missing."""
        if self.low is None and self.high is None:
            return self.value, self.value
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True, slots=True)
class Forest:
    """Marks below each other.

    Attributes:
        rows: from the top.
        axis: what the figures are, with their unit.
        ends: what lies to the left and to the right of no change; empty where the axis begins at 0.
        margin: the largest change that does not matter, on the axis; ``None`` for none.
    """

    rows: tuple[Marker, ...]
    axis: str
    ends: tuple[str, str] | tuple[()] = ()
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Tradeoff:
    """Marks in a plane.

    Attributes:
        points: for each version its mark on the horizontal and on the vertical axis.
        axes: what the two are, with their units.
    """

    points: tuple[tuple[Marker, Marker], ...]
    axes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class DurationBars:
    """The share of one version's runs in each duration bin.

    Attributes:
        name: of the version.
        shares: of its runs in each bin.
        median: on the axis.
        colour: what it is drawn in.
    """

    name: str
    shares: tuple[float, ...]
    median: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Spread:
    """Histograms below each other, in the same bins.

    Attributes:
        bars: from the top, oldest first.
        edges: of the bins, on the axis.
        axis: what it is, with its unit.
        logarithmic: whether the axis is.
    """

    bars: tuple[DurationBars, ...]
    edges: tuple[float, ...]
    axis: str
    logarithmic: bool


@dataclass(frozen=True, slots=True)
class Series:
    """One version over the weeks.

    Attributes:
        name: of the version.
        marks: one for each week; ``None`` where there is none.
        flags: for each week what it is flagged as.
        colour: what it is drawn in.
    """

    name: str
    marks: tuple[Marker | None, ...]
    flags: tuple[Literal["good", "bad"] | None, ...]
    colour: Colour


@dataclass(frozen=True, slots=True)
class Timeline:
    """Versions over the weeks.

    Attributes:
        lines: oldest version first.
        weeks: their first days.
        axis: what is followed, with its unit.
    """

    lines: tuple[Series, ...]
    weeks: tuple[str, ...]
    axis: str


Chart: TypeAlias = Forest | Tradeoff | Spread | Timeline
