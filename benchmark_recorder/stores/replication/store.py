"""The local journal first, then the remote store: fallback and catch-up in one.

A record goes into the journal, and its caller waits for nothing else. The journal is also the queue: a thread reads it
from the cursor on and sends what it finds to the remote store (``worker``, ``delivery``). A remote store that is out of
reach is simply behind.

Questions go to both: the remote store has what every machine delivered, the journal what this one has not yet.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, Protocol, runtime_checkable

from benchmark_recorder.errors import ConfigurationError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.records import timestamp_micros
from benchmark_recorder.stores.base import EXTRAS, PlaceLostError, Store
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.stores.cursors import CursorFile
from benchmark_recorder.stores.quarantine import Quarantine
from benchmark_recorder.stores.replication.delivery import BATCH, Delivery, documents_after, newer
from benchmark_recorder.stores.replication.state import DeliveryState, Elsewhere, Pending, Undelivered, first_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.histogram import Histograms
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.base import Journal
    from benchmark_recorder.stores.cursors import Cursor
    from benchmark_recorder.stores.health import Condition


MOST_NAMED: Final = 5000
"""Ids or tasks named in one question to the remote store: some 200 kB. Beyond that, its records are fetched and
selected here."""

SILENT_SECONDS: Final = 5.0
"""How long a remote store that did not answer is not asked again, unless it takes a record: a report asks several
questions, and each would wait for the same timeout."""

PRUNE_SECONDS: Final = 3600.0
"""Between two searches for confirmed records to remove: each rewrites the journal."""


@runtime_checkable
class Prunable(Protocol):
    """A journal that can remove old records, except those that a remote store has not confirmed."""

    def prune(self, before: int) -> int:
        """Remove the records from before a moment (microseconds since 1970); how many."""


class ReplicatedStore(Store):
    """A remote store behind a local journal. Safe to use from any thread, and after a fork.

    Args:
        journal: where a record is when its append returns.
        remote: where records go from there.
        beside: the path of the journal's file; cursors and quarantine are in the folder ``<beside>.d``.
        deliver: ``"background"``: by a thread of this process; ``"off"``: by ``benchmark-recorder sync``.
        keep_delivered: seconds after which confirmed records are removed from the journal; ``None``: never.

    Raises:
        ConfigurationError: ``deliver`` is neither, or the journal cannot remove anything.
    """

    supports = EXTRAS

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
        self.journal, self.remote, self._asked = journal, remote, completed(remote)
        if keep_delivered is not None and not isinstance(journal, Prunable):
            raise ConfigurationError(f"keep_delivered: {journal.name} cannot be pruned")
        self._keep_delivered, self._next_prune = keep_delivered, 0.0
        journal.warm_up()
        path = os.path.realpath(beside)
        self._cursor_file = CursorFile.of(path, remote.name)
        self._quarantine = Quarantine(path)
        self._elsewhere = Elsewhere(journal, path, remote.name)
        self._state = DeliveryState(journal, remote.name, self._cursor_file, self._quarantine, self._elsewhere)
        self._silence: _Silence | None = None
        self.delivery = Delivery(journal, remote, self._cursor_file, self._quarantine)
        self._worker = None
        if deliver == "background":
            from benchmark_recorder.stores.replication.worker import Worker

            self._worker = Worker(self.deliver, remote.name)

    def __repr__(self) -> str:
        return f"ReplicatedStore({self.journal!r}, {self.remote!r})"

    @property
    def name(self) -> str:
        """The remote store's."""
        return self.remote.name

    # In ---------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``; neither the remote store nor trouble beside the journal keeps records out of it."""
        if not self.delivery.attachment.attach_soon():
            documents = self.delivery.attachment.addressed(documents)
        new = self.journal.append(documents, fresh=fresh)
        if self._worker is not None:
            self._worker.wake()
        return new

    def check_writable(self) -> None:
        """See ``Store.check_writable``."""
        self.journal.check_writable()

    def deliver(self, go_on: Callable[[], bool], report: Callable[[int], None] = lambda _: None) -> bool:
        """See ``Delivery.deliver``; afterwards confirmed records that are old enough are removed from the journal."""

        def confirmed(count: int) -> None:
            self._silence = None
            report(count)

        try:
            done = self.delivery.deliver(go_on, confirmed)
        except Exception as error:
            self._cursor_file.note_error(error)
            raise
        if done:
            self._cursor_file.clear_error()
            self._state.tell_of_others()
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
        """Deliver now, and wait for it; whether everything recorded so far is in the remote store, or in quarantine.

        Args:
            timeout: seconds; ``None``: however long it takes.
        """
        if self._worker is None:
            return self.condition().pending == 0
        return self._worker.flush(timeout)

    def condition(self) -> Condition:
        """See ``Store.condition``."""
        worker, attachment = self._worker, self.delivery.attachment
        own = worker if worker is not None and worker.failing_since is not None else attachment
        return self._state.condition(own.failing_since, own.last_error or (worker.last_error if worker else None))

    def beside(self) -> int:
        """See ``Store.beside``."""
        return self.journal.beside()

    def close(self) -> None:
        """Deliver what can be delivered within two seconds, and close both stores."""
        if self._worker is not None:
            self._worker.close()
        self.remote.close()
        self.journal.close()

    # Out --------------------------------------------------------------------------------------------------------------

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``; if the remote store cannot be reached, from the journal alone, and the log says so."""
        try:
            with self._asking(), self._undelivered(query) as here:
                return self._columns(query, here, fields)
        except StoreUnavailableError:
            return self.journal.scan(query, fields)

    def _columns(self, query: Query, here: Undelivered, fields: Collection[str]) -> Columns:
        """Of both sides."""
        import numpy as np

        from benchmark_recorder.columns import columns_of

        there = self._scan_remote(query, here.ids, fields)
        parts = [there, *(columns_of(documents, fields) for documents in here.parts())]
        return {name: np.concatenate([part[name] for part in parts]) for name in there}

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``; if the remote store cannot be reached, from the journal alone, with a note."""
        from benchmark_recorder.cells import Cells, collect, merged
        from benchmark_recorder.columns import columns_of
        from benchmark_recorder.stores.replication.units import count_units
        from benchmark_recorder.tabulation import fields_of, summarize_columns, tabulate_by

        try:
            with self._asking(), self._undelivered(query) as here:
                if query.unit is not None:
                    counted = count_units(self._asked, query, here, MOST_NAMED)
                    return counted or summarize_columns(self._columns(query, here, fields_of(query)), query)
                own: list[Cell] = []
                for documents in here.parts():
                    own = merged([*own, *tabulate_by(columns_of(documents, fields_of(query)), query)])
                tasks = query.own_cells.union(cell.task_id for cell in own if cell.task_id is not None)
                few = len(tasks) <= MOST_NAMED and len(here.ids) <= MOST_NAMED
                if few:
                    answer = self._asked.summarize(replace(_without(query, here.ids), own_cells=tasks))
                else:
                    columns = self._scan_remote(query, here.ids, fields_of(query))
                    answer = Cells(tuple(tabulate_by(columns, query)))
                found = collect(
                    [*answer.cells, *own],
                    query.versions,
                    query.own_cells,
                    beyond=answer.beyond,
                    unmatched=answer.unmatched,
                )
                found = replace(found, caveats=answer.caveats)
                if not own and answer.caveats:
                    return found
                if found.has_all_groups(query.by) and not (own and answer.beyond):
                    return found
                # Which groups are kept, and which tasks run most, can only be decided over both sides together.
                return summarize_columns(self._columns(query, here, fields_of(query)), query)
        except StoreUnavailableError as error:
            found = self.journal.summarize(query)
            return replace(found, caveats=(*found.caveats, self._state.journal_alone(error)))

    def histogram(self, query: Query, field: str = "execution_time") -> Histograms:
        """See ``Store.histogram``; if the remote store cannot be reached, from the journal alone, with a note."""
        from benchmark_recorder.columns import columns_of
        from benchmark_recorder.grouping import all_kept, fields_for
        from benchmark_recorder.histogram import Histograms, histograms_of

        query.refuse_unit("a histogram")
        try:
            with self._asking(), self._undelivered(query) as here:
                if len(here.ids) <= MOST_NAMED:
                    there = self._asked.histogram(_without(query, here.ids), field)
                    found = Histograms(there, there.caveats)
                    for documents in here.parts():
                        columns = columns_of(documents, {"version", field, *fields_for(query.by)})
                        for label, own in histograms_of(columns, query, field).items():
                            found[label] = found[label].merge(own) if label in found else own
                    if found == there or all_kept(query.by, {group for _, group in found}, found.caveats):
                        return found
        except StoreUnavailableError as error:
            alone = self.journal.histogram(query, field)
            return Histograms(alone, (*alone.caveats, self._state.journal_alone(error)))
        # Which groups are kept can only be decided over both sides together.
        return super().histogram(query, field)

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``.

        Raises:
            StoreUnavailableError: the remote store cannot be reached.
        """
        with self._undelivered(query) as here:
            for document in self._asked.documents(query):
                if document["record_id"] not in here.ids:
                    yield document
            for documents in here.parts():
                yield from documents

    def _scan_remote(self, query: Query, ids: frozenset[str], fields: Collection[str]) -> Columns:
        """The remote store's columns without some records."""
        import numpy as np

        if len(ids) <= MOST_NAMED:
            return self._asked.scan(_without(query, ids), fields)
        found = self._asked.scan(query, {*fields, "record_id"})
        others = np.array([record_id not in ids for record_id in found["record_id"].tolist()], np.bool_)
        return {name: found[name][others] for name in fields}

    @contextmanager
    def _undelivered(self, query: Query) -> Iterator[Undelivered]:
        """This side of a question: what the journal and the quarantine count, and the remote store must not."""
        with ExitStack() as stack:
            cursor = self._cursor_file.read()
            if cursor is not None:  # where there is none, the first append, which creates it, must not wait
                stack.enter_context(self._cursor_file.held(shared=True))
                cursor = self._cursor_file.read()
            else:
                cursor = self.delivery.attachment.cursor()
            refused = {key: entry.document for key, entry in self._quarantine.of(self.remote.name).items()}
            elsewhere = {document["record_id"] for document in self._elsewhere.documents(cursor)} - refused.keys()

            pending = Pending(lambda: (), 0) if cursor is None else self._count_here(cursor)

            def counted() -> Iterator[Document]:
                yield from refused.values()
                yield from _only(self._elsewhere.documents(cursor) if elsewhere else (), lambda key: key in elsewhere)
                yield from _only(pending.documents(), lambda key: key not in refused and key not in elsewhere)

            uncertain = islice(pending.documents(), pending.uncertain)
            ids = frozenset(refused).union(elsewhere, (document["record_id"] for document in uncertain))
            yield Undelivered(ids, lambda: filter(query.matches, counted()))

    def _count_here(self, cursor: Cursor) -> Pending:
        """The records behind a cursor, without those that the remote store has: its own were first.

        A file may have a record twice, so that one is delivered and the other is not.
        """
        # Only the batch in flight may still arrive, as long as the cursor is held.
        uncertain = 0 if cursor.attempted is None else BATCH
        try:
            few = list(islice(documents_after(self.journal, cursor.delivered), MOST_NAMED + 1))
        except PlaceLostError:
            return Pending(lambda: first_by_id(newer(self.journal, cursor)), None)
        if len(few) <= MOST_NAMED:
            documents = list(first_by_id(few))
            stored = self.remote.stored_ids([document["record_id"] for document in documents]) if documents else ()
            if stored is not None:
                new = [document for document in documents if document["record_id"] not in stored]
                return Pending(lambda: new, uncertain)
        return Pending(lambda: self.journal.distinct(cursor.delivered, since=cursor.attached), uncertain)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around a question to both sides: skipped shortly after one that failed, and an outage is logged once.

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
    """A question that failed: why, and until when (monotonic seconds) no other is asked."""

    reason: str
    until: float


def _without(query: Query, ids: frozenset[str]) -> Query:
    return replace(query, exclude_ids=query.exclude_ids | ids)


def _only(documents: Iterable[Document], is_counted: Callable[[str], bool]) -> Iterator[Document]:
    return (document for document in documents if is_counted(document["record_id"]))


def _is_before(document: Document, moment: int) -> bool:
    """Whether a record is older than a moment, or has no time (another program's), which hides those after it."""
    try:
        return timestamp_micros(document["timestamp"]) < moment
    except (KeyError, TypeError, ValueError, OverflowError):
        return True
