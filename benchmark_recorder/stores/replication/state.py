"""How delivery is doing: what is pending, since when and why, and what readers of the journal alone must know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import StoreError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import Condition, PlaceLostError
from benchmark_recorder.stores.replication.delivery import newer

if TYPE_CHECKING:
    from benchmark_recorder.cells import StoreNote
    from benchmark_recorder.stores.base import Journal
    from benchmark_recorder.stores.cursors import Cursor, CursorFile
    from benchmark_recorder.stores.quarantine import Quarantine
    from benchmark_recorder.stores.replication.elsewhere import Elsewhere


class DeliveryState:
    """What is known of the delivery of a journal to a remote store.

    Args:
        journal: where records wait.
        remote: the store's name.
        cursor_file: how far they are delivered.
        quarantine: what the store refused.
        elsewhere: what waits for other stores.
    """

    def __init__(
        self, journal: Journal, remote: str, cursor_file: CursorFile, quarantine: Quarantine, elsewhere: Elsewhere
    ) -> None:
        self._journal, self._remote = journal, remote
        self._cursor_file, self._quarantine, self._elsewhere = cursor_file, quarantine, elsewhere
        self._has_told = False

    def condition(self, failing_since: datetime | None, last_error: str | None) -> Condition:
        """See ``Store.condition``; the arguments are this process's own."""
        try:
            cursor = self._cursor_file.read()
            pending, pending_since = (0, None) if cursor is None else self._pending(cursor)
            quarantined = len(self._quarantine.of(self._remote))
            elsewhere = self._elsewhere.counts(cursor)
        except StoreError as error:
            since = failing_since or datetime.now(UTC)
            return Condition(self._remote, failing_since=since, last_error=str(error))
        others = self._cursor_file.read_error() if pending and last_error is None else None
        if others is not None:  # of another process; this one had no error before or since
            failing_since, last_error = others.since, others.error
        stuck = self._cursor_file.stuck_deliverer() if pending and failing_since is None else None
        if stuck is not None:
            failing_since, last_error = datetime.fromtimestamp(stuck.active_at, UTC), str(stuck)
        return Condition(self._remote, pending, pending_since, quarantined, failing_since, last_error, elsewhere)

    def tell_of_others(self) -> None:
        """Log once what waited for another store when this one was attached."""
        if not self._has_told:
            self._has_told = True
            for name, count in self._elsewhere.counts(self._cursor_file.read()).items():
                logger.warning("%d records wait for %s; `sync --all` brings them to %s", count, name, self._remote)

    def journal_alone(self, error: StoreUnavailableError) -> StoreNote:
        """What readers of figures from the journal alone must know."""
        from benchmark_recorder.cells import StoreNote

        cursor = self._cursor_file.read()
        pending, _ = (0, None) if cursor is None else self._pending(cursor)
        confirmed = None if cursor is None or cursor.confirmed_at is None else _text(cursor.confirmed_at)
        reached = "It was never reached from here" if confirmed is None else f"It was last reached at {confirmed}"
        reason = str(error).removeprefix(f"{self._remote} ")
        waiting = "1 record waits" if pending == 1 else f"{pending:,} records wait"
        figures: dict[str, Any] = {"store": self._remote, "journal": self._journal.name}
        figures |= {"last_confirmed": confirmed, "pending": pending}
        return StoreNote(
            "store_out_of_reach",
            f"{self._remote} could not be asked: {reason}. These figures are from the local journal alone, "
            "without records of other machines and without those that were pruned here. "
            f"{reached}. {waiting} to be delivered.",
            figures | {"error": str(error)},
        )

    def _pending(self, cursor: Cursor) -> tuple[int, str | None]:
        """How many records are not delivered, and the time of the oldest."""
        try:
            first = self._journal.read(cursor.delivered, 1).documents
            return self._journal.count(cursor.delivered), first[0].get("timestamp") if first else None
        except PlaceLostError:
            documents = newer(self._journal, cursor)
            oldest = next(documents, None)
            return (0, None) if oldest is None else (1 + sum(1 for _ in documents), oldest.get("timestamp"))


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds")
