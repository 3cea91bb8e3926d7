"""How recording and delivery are doing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Condition:
    """The state of delivery from a local journal to a remote store.

    Attributes:
        remote: the store's name.
        pending: records in the journal that the store has not confirmed.
        pending_since: the time of the oldest of them as text; ``None`` where there is none.
        quarantined: records that the store refused for their content.
        failing_since: when delivery began to fail, or ``None``.
        last_error: this process's latest error, even a past one; if it had none, another process's present one.
        elsewhere: records from before the attachment that wait for another store, by its name.
    """

    remote: str
    pending: int = 0
    pending_since: str | None = None
    quarantined: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    elsewhere: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of recording.

    Attributes:
        store: where records go.
        waiting: records in memory that could not be written yet; a killed process loses these.
        lost: records that were dropped because more than 10,000 were waiting, or at the end.
        invalid: calls that were refused for their arguments and only logged.
        normalised: records that differ from what the caller gave: text was cut, or a number was not finite.
        failing_since: when recording began to fail, or ``None``.
        last_error: the latest storage error, even a past one.
        pending: records in the local journal that the remote store has not confirmed; a killed process keeps these.
        pending_since: the time of the oldest of them as text, or ``None``.
        quarantined: records that the remote store refused for their content; they still count.
        elsewhere: records that wait for another remote store, by its name; ``sync --all`` brings them here.
        beside: records beside the local file, until it is converted from an older format; they count.
    """

    store: str
    waiting: int = 0
    lost: int = 0
    invalid: int = 0
    normalised: int = 0
    failing_since: datetime | None = None
    last_error: str | None = None
    pending: int = 0
    pending_since: str | None = None
    quarantined: int = 0
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    beside: int = 0

    def with_delivery(self, condition: Condition | None) -> Health:
        """The same with what a remote store's delivery says; ``None`` if there is none."""
        if condition is None:
            return self
        return replace(
            self,
            failing_since=min(filter(None, (self.failing_since, condition.failing_since)), default=None),
            last_error=condition.last_error or self.last_error,
            pending=condition.pending,
            pending_since=condition.pending_since,
            quarantined=condition.quarantined,
            elsewhere=condition.elsewhere,
        )

    @property
    def ok(self) -> bool:
        """Whether every record is where it belongs, or on its way."""
        troubles = (self.waiting, self.lost, self.invalid, self.quarantined, self.failing_since, self.elsewhere)
        return not any(troubles)
