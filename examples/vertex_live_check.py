"""Ask Google's own service what the tests can only assume: for people who have a project.

``python examples/vertex_live_check.py --project YOUR-PROJECT`` sets up a dataset of its own, writes a few hundred rows,
reads them back, and prints a line for each assumption. It costs less than a cent, and removes nothing: the last line
says how to.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import RefusedRecordsError, StoreSetupError
from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import stamp
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.stores.vertex import VertexStore
from benchmark_recorder.testing import HOSTILE_TEXTS, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark_recorder.records import Document

DATASET = "benchmark_recorder_live_check"
TABLE = "benchmark_recorder_live_check"  # the feature group's name as well, which no other may have
FLOATS = (0.1, 1 / 3, 5e-324, 1e-7, 123456789.123456789, math.nextafter(1, 2), 1e22, 1.7976931348623157e308)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all checks; 1 if an assumption does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", required=True)
    parser.add_argument("--location", default="us-central1")
    parser.add_argument("--dataset", default=DATASET)
    options = parser.parse_args(arguments)
    with VertexStore(options.project, options.location, options.dataset, TABLE) as store:
        failed = run(store)
    print(f"\nto remove it: bq rm -r -d {options.project}:{options.dataset}, and the feature group in the console")
    return int(failed > 0)


def run(store: VertexStore, patience: float = 300.0) -> int:
    """Set up, and check; how many assumptions do not hold.

    Args:
        store: an empty place, or one where this ran before.
        patience: seconds to wait for a new table to take rows, and for rows to be seen.
    """
    for step in store.set_up():
        print(f"{step.part}: {step.done}")
    failed = 0
    for name, check in checks(Trial(store, patience)):
        try:
            said = check()
        except AssertionError as error:
            failed += 1
            said = f"DOES NOT HOLD: {str(error)[:500]}"
        print(f"{name}: {said or 'holds'}")
    return failed


def checks(trial: Trial) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """What is asked, in order."""
    yield "a new table takes rows, and a question sees them", trial.first_rows
    yield "a second set-up changes nothing", trial.set_up_again
    yield "`vertex check` finds nothing", trial.check
    yield "floats come back to the last digit", lambda: trial.round_trip([trial.document(f) for f in FLOATS])
    for text in HOSTILE_TEXTS:
        document = trial.document(task_description=text, metadata={text: text})
        yield f"a text comes back as it went in ({ascii(text)[:40]})", partial(trial.round_trip, [document])
    yield "a repeated row counts once", trial.repeat
    yield "cells are those of the reference", trial.cells
    yield "a record from six years ago is refused alone, with a reason", trial.old_record


class Trial:
    """One run, whose records have a version of their own."""

    def __init__(self, store: VertexStore, patience: float) -> None:
        self._store, self._patience = store, patience
        self._name = f"live check {stamp()[0]}"
        self._rounds = 0

    def document(self, execution_time: float = 1.5, **fields: Any) -> Document:  # noqa: ANN401 - any field
        """A record of this run, of now."""
        return make_document(execution_time=execution_time, timestamp=_now(), **fields)

    def first_rows(self) -> str:
        """How long it took."""
        start = time.monotonic()
        self.round_trip([self.document()])
        return f"holds, after {time.monotonic() - start:.1f} s"

    def set_up_again(self) -> None:
        """No step has anything to do."""
        done = {step.part: step.done for step in self._store.set_up()}
        assert set(done.values()) == {"is there"}, done

    def check(self) -> None:
        """No finding has a problem."""
        found = [finding for finding in self._store.check() if finding.problem]
        assert not found, found

    def round_trip(self, documents: list[Document]) -> None:
        """What was written is read."""
        expected = MemoryStore()
        query = self._write(documents, expected)
        found = self._read(query, len(documents))
        for name, column in expected.scan(query, COLUMNS).items():
            assert repr(found[name].tolist()) == repr(column.tolist()), name

    def repeat(self) -> None:
        """The same rows three times."""
        documents = [self.document() for _ in range(20)]
        query = self._write(documents, MemoryStore())
        for _ in range(2):
            self._store.append(documents, fresh=True)
        self._read(query, 20)
        counted = sum(cell.n for cell in self._store.summarize(query).cells)
        assert counted == 20, counted

    def cells(self) -> None:
        """A history of two versions, moved to the present."""
        documents = [document | {"timestamp": _now()} for document in make_history(300)]
        expected = MemoryStore()
        query = self._write(documents, expected)
        self._read(query, 300)
        assert_same_cells(self._store.summarize(query), expected.summarize(query))

    def old_record(self) -> str:
        """The reason."""
        old = (datetime.now(UTC) - timedelta(days=6 * 365)).isoformat(timespec="microseconds")
        try:
            self._write([make_document(timestamp=old)], MemoryStore())
        except RefusedRecordsError as error:
            return f"holds: {error}"
        raise AssertionError("it was taken")

    def _write(self, documents: list[Document], expected: MemoryStore) -> Query:
        """Write records with metadata of their own; the query that finds them."""
        self._rounds += 1
        own = {"live_check": f"{self._name} {self._rounds}"}
        for document in documents:
            document["metadata"] |= own
        expected.append(documents)
        end = time.monotonic() + self._patience
        while True:
            try:
                self._store.append(documents, fresh=True)
            except StoreSetupError:  # a new table is not known everywhere at once
                if time.monotonic() > end:
                    raise
                time.sleep(5)
            else:
                return Query.of(metadata=own)

    def _read(self, query: Query, count: int) -> dict[str, Any]:
        """All columns, once the rows are seen."""
        end = time.monotonic() + self._patience
        while len((found := dict(self._store.scan(query, COLUMNS)))["time"]) < count and time.monotonic() < end:
            time.sleep(1)
        return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


if __name__ == "__main__":
    sys.exit(main())
