"""The local journal first, then the remote store: fallback and catch-up in one.

A record goes into the journal, and that is all its caller waits for. The journal is also the queue: a thread reads it
from the mark on and brings what it finds to the remote store (``_replication``). A remote store
that is out of reach is simply behind.

Questions are asked of both: the remote store has what every machine delivered, the journal what this one has not
delivered yet.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

from benchmark_recorder.errors import ConfigurationError, StoreError, StoreUnavailableError
from benchmark_recorder.identity import timestamp_micros
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import READ_AT_ONCE, Condition, PlaceLostError, Store
from benchmark_recorder.stores.replication.cursor import MarkFile
from benchmark_recorder.stores.replication.delivery import BATCH, Delivery, newer
from benchmark_recorder.stores.replication.last_error import TroubleFile
from benchmark_recorder.stores.replication.quarantine import Quarantine

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from benchmark_recorder.cells import Cell, Cells, StoreNote
    from benchmark_recorder.records import Columns, Document, Query
    from benchmark_recorder.stores.base import Journal
    from benchmark_recorder.stores.replication.cursor import Cursor


MOST_NAMED: Final = 5000
"""Ids or tasks named in one question to the remote store: some 200 kB. Beyond, its records are fetched and sorted out
here."""


SILENT_SECONDS: Final = 5.0
"""How long a remote store that did not answer one question is not asked another, unless it takes a record: a report
asks several, and each would wait for the same silence."""

PRUNE_SECONDS: Final = 3600.0
"""Between two looks for confirmed records to let go of: each rewrites the journal."""


@runtime_checkable
class Prunable(Protocol):
    """A journal that can let go of old records, but for those that a remote store has not confirmed."""

    def prune(self, before: int) -> int:
        """Remove the records from before a moment (microseconds since 1970); how many that were."""


class ReplicatedStore(Store):
    """A remote store behind a local journal. Safe to use from any thread, and after a fork.

    Args:
        journal: where a record is when its append returns.
        remote: where records go from there.
        beside: the path of the journal's file; marks and quarantine are kept in the folder ``<beside>.d``.
        deliver: ``"background"``: by a thread of this process; ``"off"``: by ``benchmark-recorder sync``.
        keep_delivered: seconds after which the journal lets go of what is confirmed; ``None``: never.

    Raises:
        ConfigurationError: ``deliver`` is neither, or the journal cannot let go of anything.
    """

    def __init__(
        self,
        journal: Journal,
        remote: Store,
        *,
        beside: str | os.PathLike[str],
        deliver: Literal["background", "off"] = "background",
        keep_delivered: float | None = None,
    ) -> None:
        if deliver not in {"background", "off"}:
            raise ConfigurationError(f'deliver: expected "background" or "off", got {deliver!r}')
        self.journal, self.remote = journal, remote
        if keep_delivered is not None and not isinstance(journal, Prunable):
            raise ConfigurationError(f"keep_delivered: {journal.name} cannot be pruned")
        self._keep_delivered, self._next_prune = keep_delivered, 0.0
        path = os.path.realpath(beside)
        self._marks = MarkFile.of(path, remote.name)
        self._quarantine = Quarantine(path)
        self._trouble = TroubleFile(path, self._marks.path)
        self._silence: _Silence | None = None
        self.delivery = Delivery(journal, remote, self._marks, self._quarantine)
        self._courier = None
        if deliver == "background":
            from benchmark_recorder.stores.replication.worker import Worker

            self._courier = Worker(self.deliver, remote.name)

    def __repr__(self) -> str:
        return f"ReplicatedStore({self.journal!r}, {self.remote!r})"

    @property
    def name(self) -> str:
        """The remote store's."""
        return self.remote.name

    # In ---------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``; the remote store is not touched."""
        self.delivery.attach()
        new = self.journal.append(documents, fresh=fresh)
        if self._courier is not None:
            self._courier.wake()
        return new

    def deliver(self, go_on: Callable[[], bool], report: Callable[[int], None] | None = None) -> bool:
        """See ``Delivery.deliver``; then the journal lets go of what is confirmed and old enough."""

        def confirmed(count: int) -> None:
            self._silence = None
            if report is not None:
                report(count)

        try:
            done = self.delivery.deliver(go_on, confirmed)
        except Exception as error:
            self._trouble.note(error)
            raise
        if done:
            self._trouble.clear()
        if done and self._keep_delivered is not None and time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + PRUNE_SECONDS
            self._prune(self._keep_delivered)
        return done

    def _prune(self, seconds: float) -> None:
        assert isinstance(self.journal, Prunable)
        before = int((time.time() - seconds) * 1_000_000)
        oldest = self.journal.read(None, 1).documents
        if oldest and _is_before(oldest[0], before):
            removed = self.journal.prune(before)
            logger.info("%d confirmed records were removed from %s", removed, self.journal.name)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver now, and wait for it; whether everything that was here is in the remote store, or in quarantine.

        Args:
            timeout: seconds; ``None``: however long it takes.
        """
        if self._courier is None:
            return self.condition().pending == 0
        return self._courier.flush(timeout)

    def condition(self) -> Condition:
        """See ``Store.condition``."""
        try:
            return self._condition()
        except StoreError as error:
            return Condition(self.remote.name, last_error=str(error))

    def _condition(self) -> Condition:
        mark = self._marks.read()
        pending, since = (0, None) if mark is None else self._pending(mark)
        failing_since, last_error = (
            (None, None) if self._courier is None else (self._courier.failing_since, self._courier.last_error)
        )
        trouble = self._trouble.read() if pending and last_error is None else None
        if trouble is not None:  # another process's, and none of ours was before or since
            failing_since, last_error = trouble.since, trouble.error
        return Condition(
            remote=self.remote.name,
            pending=pending,
            pending_since=since,
            quarantined=len(self._quarantine.of(self.remote.name)),
            failing_since=failing_since,
            last_error=last_error,
        )

    def close(self) -> None:
        """Deliver what can be delivered within two seconds, and let go of both stores."""
        if self._courier is not None:
            self._courier.close()
        self.remote.close()
        self.journal.close()

    def _pending(self, mark: Cursor) -> tuple[int, str | None]:
        try:
            first = self.journal.read(mark.delivered, 1).documents
            return self.journal.count(mark.delivered), first[0].get("timestamp") if first else None
        except PlaceLostError:
            documents = newer(self.journal, mark)
            oldest = next(documents, None)
            return (0, None) if oldest is None else (1 + sum(1 for _ in documents), oldest.get("timestamp"))

    # Out --------------------------------------------------------------------------------------------------------------

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``; where the remote store is out of reach, from the journal alone, and the log says so."""
        import numpy as np

        from benchmark_recorder.columns import columns_of

        try:
            with self._asking(), self._here(query) as here:
                there = self._scan_there(here, fields)
                parts = [there, *(columns_of(documents, fields) for documents in here.parts())]
                return {name: np.concatenate([part[name] for part in parts]) for name in there}
        except StoreUnavailableError:
            return self.journal.scan(query, fields)

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``; where the remote store is out of reach, from the journal alone, with a caveat."""
        from benchmark_recorder.cells import CELL_FIELDS, collect, tabulate
        from benchmark_recorder.columns import columns_of

        try:
            with self._asking(), self._here(query) as here:
                own: list[Cell] = []
                for documents in here.parts():
                    own = list(_merged([*own, *tabulate(columns_of(documents, CELL_FIELDS))]))
                tasks = query.own_cells.union(cell.task_id for cell in own if cell.task_id is not None)
                if len(tasks) <= MOST_NAMED and len(here.ids) <= MOST_NAMED:
                    there = self.remote.summarize(
                        replace(query, exclude_ids=query.exclude_ids | here.ids, own_cells=tasks)
                    ).cells
                else:
                    there = tuple(tabulate(self._scan_there(here, CELL_FIELDS)))
                return collect([*there, *own], query.versions, query.own_cells)
        except StoreUnavailableError as error:
            return replace(self.journal.summarize(query), caveats=(self._alone(error),))

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``.

        Raises:
            StoreUnavailableError: the remote store is out of reach.
        """
        with self._here(query) as here:
            for document in self.remote.documents(query):
                if document["record_id"] not in here.ids:
                    yield document
            for documents in here.parts():
                yield from documents

    def _scan_there(self, here: _Here, fields: Collection[str]) -> Columns:
        """The remote store's columns without the records that are counted here."""
        import numpy as np

        if len(here.ids) <= MOST_NAMED:
            return self.remote.scan(replace(here.query, exclude_ids=here.query.exclude_ids | here.ids), fields)
        found = self.remote.scan(here.query, {*fields, "record_id"})
        elsewhere = np.array([record_id not in here.ids for record_id in found["record_id"].tolist()], np.bool_)
        return {name: found[name][elsewhere] for name in fields}

    @contextmanager
    def _here(self, query: Query) -> Iterator[_Here]:
        """This side of a question: what the journal and the quarantine count, and the remote store must not."""
        with ExitStack() as stack:
            mark = self._marks.read()
            if mark is not None:  # where there is none, whoever makes it, at a first record, must not wait
                stack.enter_context(self._marks.held(shared=True))
                mark = self._marks.read()
            refused = [entry.document for entry in self._quarantine.of(self.remote.name).values()]
            ids = {document["record_id"] for document in refused}

            def counted() -> Iterator[Document]:
                yield from refused
                if mark is not None:
                    yield from (d for d in self._undelivered(mark) if d["record_id"] not in refused_ids)

            refused_ids = frozenset(ids)
            if mark is not None:
                ids.update(self._in_doubt(mark))
            yield _Here(query, frozenset(ids), counted)

    def _undelivered(self, mark: Cursor) -> Iterator[Document]:
        try:
            for batch in self.journal.batches(mark.delivered):
                yield from batch.documents
        except PlaceLostError:
            yield from newer(self.journal, mark)

    def _in_doubt(self, mark: Cursor) -> Iterator[str]:
        """The ids of records that are counted here, and may be in the remote store already."""
        try:
            if mark.attempted is not None:
                for document in self.journal.read(mark.delivered, BATCH).documents:
                    yield document["record_id"]
            else:
                self.journal.read(mark.delivered, 1)
        except PlaceLostError:
            for document in newer(self.journal, mark):
                yield document["record_id"]

    def _alone(self, error: StoreUnavailableError) -> StoreNote:
        """What must be said of figures that are from the journal alone."""
        from benchmark_recorder.cells import StoreNote

        mark = self._marks.read()
        pending, _ = (0, None) if mark is None else self._pending(mark)
        confirmed = None if mark is None or mark.confirmed_at is None else _text(mark.confirmed_at)
        reached = "It was never reached from here" if confirmed is None else f"It was last reached at {confirmed}"
        reason = str(error).removeprefix(f"{self.remote.name} ")
        waiting = "1 record waits" if pending == 1 else f"{pending:,} records wait"
        figures: dict[str, Any] = {"store": self.remote.name, "journal": self.journal.name}
        figures |= {"last_confirmed": confirmed, "pending": pending}
        return StoreNote(
            "store_out_of_reach",
            f"{self.remote.name} could not be asked: {reason}. These figures are from the local journal alone: "
            "what other machines recorded is missing, and so is what was pruned here. "
            f"{reached}. {waiting} to be delivered.",
            figures | {"error": str(error)},
        )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One question to both sides; one that would only wait again is not asked, and an outage is logged once.

        Raises:
            StoreUnavailableError: the remote store does not answer, or did not a moment ago.
        """
        silence = self._silence
        if silence is not None and time.monotonic() < silence.until:
            raise StoreUnavailableError(silence.reason)
        try:
            yield
        except StoreUnavailableError as error:
            self._silence = _Silence(str(error), time.monotonic() + SILENT_SECONDS)
            level = logging.WARNING if silence is None else logging.DEBUG
            logger.log(level, "answers are from the local journal alone: %s", error)
            raise
        self._silence = None


@dataclass(frozen=True)
class _Silence:
    """A question in vain: why, and until when (monotonic seconds) no other is asked."""

    reason: str
    until: float


@dataclass(frozen=True)
class _Here:
    """One side of a question.

    Attributes:
        query: the question.
        ids: the records that are counted here, and may be in the remote store, too.
        counted: all records that are counted here.
    """

    query: Query
    ids: frozenset[str]
    counted: Callable[[], Iterator[Document]]

    def parts(self) -> Iterator[list[Document]]:
        """The matching records, some at a time."""
        matching = filter(self.query.matches, self.counted())
        while part := list(islice(matching, READ_AT_ONCE)):
            yield part


def _merged(cells: Iterable[Cell]) -> Iterable[Cell]:
    """Cells with the same labels as one."""
    merged: dict[tuple[str, str | None, bool], Cell] = {}
    for cell in cells:
        key = (cell.version, cell.task_id, cell.success)
        merged[key] = merged[key].merge(cell) if key in merged else cell
    return merged.values()


def _is_before(document: Document, moment: int) -> bool:
    """Whether a record is older than a moment, or another program's without a time, which hides those behind it."""
    try:
        return timestamp_micros(document["timestamp"]) < moment
    except (KeyError, TypeError, ValueError, OverflowError):
        return True


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds")
