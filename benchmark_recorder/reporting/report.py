"""What a report says, frozen, before any of it is worded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from benchmark_recorder.analysis import Attention, Distribution, JointComparison, SlicedComparison, Summary, Trend


class Health(Protocol):
    """How recording fares; ``stores.base.Health`` is one."""

    @property
    def waiting(self) -> int:
        """Records in memory that could not be written yet."""

    @property
    def lost(self) -> int:
        """Records that were dropped."""

    @property
    def invalid(self) -> int:
        """Recordings that were refused for their content and only logged."""

    @property
    def pending(self) -> int:
        """Records that a remote store has not confirmed."""

    @property
    def pending_since(self) -> str | None:
        """The time of the oldest of them as text."""

    @property
    def quarantined(self) -> int:
        """Records that a remote store refused."""

    @property
    def failing_since(self) -> datetime | None:
        """When this process's present trouble with a store began."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a report rests on.

    Attributes:
        store: where the records live.
        health: how recording into it fares in this process.
        query: which executions, as the caller asked.
    """

    store: str
    health: Health
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, frozen.

    Attributes:
        summaries: of each version.
        comparisons: of each version with the one before it.
        basis: what it rests on.
        texts: of tasks without an id of their own, by the id that was made (see ``comparison_views``).
        attention: what to look at in each version, in the order of ``summaries``.
        trends: of each version week over week, in the order of ``summaries``; all have the same weeks.
        distributions: of each version's execution times, in the order of ``summaries``; all have the same bins.
        by: the key that the runs are also grouped by; ``None`` if they are not.
        groups: the figures of each version's groups, in the order of ``summaries``.
        slices: execution times and failures of each version against the one before it, slice by slice.
    """

    summaries: tuple[Summary, ...]
    comparisons: tuple[JointComparison, ...]
    basis: Basis
    texts: Mapping[str, str] = field(default_factory=dict)
    attention: tuple[Attention, ...] = ()
    trends: tuple[Trend, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    by: str | None = None
    groups: tuple[Mapping[str | None, Summary], ...] = ()
    slices: tuple[SlicedComparison, ...] = ()
