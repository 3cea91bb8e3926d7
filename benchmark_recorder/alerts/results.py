"""What one rule says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark_recorder.analysis.results import Result

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Alert(Result):
    """What one rule says.

    Attributes:
        name: of the rule.
        state: ``"quiet"``; ``"pending"``: half of the evidence is there; ``"firing"``: worse than the margin allows;
            ``"recovered"``: within it again, for a day; ``"no_data"``: runs have stopped; ``"broken"``: the rule cannot
            be judged.
        version: that is watched.
        metric: by its full name.
        baseline: a version, or ``None`` for the version's own past.
        baseline_days: how many days of it.
        margin: how much worse it may be.
        since: ISO 8601: when the change began, as far as can be told; with ``no_data``, of the end of the last run's
            hour.
        change: since then: 0.25 is 25%, or 25 points, worse; ``None`` where unknown.
        low: of its 95% interval.
        high: of the same.
        runs: since then.
        chance_days: days in which chance gets as far as this once, at most; ``None`` where it says nothing.
        reason: why the rule is broken, or what it waits for; empty otherwise.
        sentence: all this for people.
        command: that shows more.
        delivery: what came of it, by the address of each channel.
    """

    name: str
    state: str
    version: str
    metric: str
    baseline: str | None
    baseline_days: float | None
    margin: float
    since: str | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    runs: int = 0
    chance_days: float | None = None
    reason: str = ""
    sentence: str = field(default="", compare=False)
    command: str = field(default="", compare=False)
    delivery: Mapping[str, str] = field(default_factory=dict, compare=False)
