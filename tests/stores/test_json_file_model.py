"""The JSON store against a list."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from benchmark_recorder.cells import CELL_FIELDS, collect, tabulate
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, timestamp_micros
from benchmark_recorder.stores.json_file import JSONFileStore
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.testing import assert_same_cells, make_history

LENGTHS = st.integers(0, 4)
SEEDS = st.integers(0, 2**32)
SHARES = st.floats(0, 1)


class JSONFile(RuleBasedStateMachine):
    """One file, two stores that hold it open, and what it should hold."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "metrics.json"
        self.store, self.other = JSONFileStore(self.path), JSONFileStore(self.path)
        self.model: list[Document] = []

    def teardown(self) -> None:
        self.store.close()
        self.other.close()
        shutil.rmtree(self.folder)

    def happens_later(self) -> None:
        """More than a moment passes, so that nobody's latest records are put where the file was moved from."""
        for store in (self.store, self.other):
            store._writer._unconfirmed.clear()
            store._writer.next_look = 0.0

    @rule(seed=SEEDS)
    def append_one(self, seed: int) -> None:
        history = make_history(1, seed)
        assert self.store.append(history, fresh=True) == 1
        self.model += history

    @rule(seed=SEEDS, count=LENGTHS)
    def append_by_another(self, seed: int, count: int) -> None:
        for document in make_history(count, seed):
            self.other.append([document], fresh=True)
            self.model.append(document)

    @rule(seed=SEEDS, count=LENGTHS, held=LENGTHS)
    def append_a_batch_that_is_held_in_part(self, seed: int, count: int, held: int) -> None:
        new = make_history(count, seed)
        assert self.store.append([*self.model[:held], *new, *new[:1]]) == count
        self.model += new

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = JSONFileStore(self.path)

    @rule()
    def go_on_after_a_close(self) -> None:
        self.other.close()

    @rule(share=SHARES)
    def cut(self, share: float) -> None:
        content = self.path.read_bytes() if self.path.exists() else b""
        if not content.startswith(b'{"schema_version": 1, "metrics": [\n'):
            return  # an older file's cut is a test of its own
        size = int(len(content) * share)
        self.happens_later()
        os.truncate(self.path, size)
        left = content[:size]
        self.model = [document for document in self.model if line_of(document, content) in left]

    @rule(seed=SEEDS)
    def rewrite_by_the_older_recorder(self, seed: int) -> None:
        content = {"metrics": list(self.model)}  # the same records, whatever the file's end looks like
        theirs = {name: value for name, value in make_history(1, seed)[0].items() if name != "record_id"}
        content["metrics"].append(theirs)
        self.happens_later()
        self.path.write_text(json.dumps(content, indent=2), encoding="utf-8")
        found = self.store.read(None, 10**6).documents
        assert {name: value for name, value in found[-1].items() if name != "record_id"} == theirs
        self.model.append(found[-1])

    @rule(seed=SEEDS, count=LENGTHS)
    def replace_by_another_file(self, seed: int, count: int) -> None:
        self.happens_later()
        with JSONFileStore(self.folder / "new.json") as new:
            self.model = make_history(count, seed)
            if not new.append(self.model, fresh=True):
                new.path.write_text('{"metrics": []}', encoding="utf-8")
            new.close()
            new.path.replace(self.path)

    @rule()
    def delete(self) -> None:
        self.happens_later()
        self.path.unlink(missing_ok=True)
        self.model = []

    @rule(share=SHARES)
    def prune(self, share: float) -> None:
        times = sorted(timestamp_micros(document["timestamp"]) for document in self.model)
        before = times[int(share * (len(times) - 1))] if times else 0
        kept = [document for document in self.model if timestamp_micros(document["timestamp"]) >= before]
        assert self.store.prune(before) == len(self.model) - len(kept)
        self.model = kept

    @rule()
    def compact(self) -> None:
        assert self.other.compact() == 0

    @rule()
    def clear(self) -> None:
        backup = self.store.clear()
        assert json.loads(backup.read_bytes())["metrics"] == self.model
        self.model = []

    @invariant()
    def both_stores_find_what_the_list_holds(self) -> None:
        ids = [document["record_id"] for document in self.model]
        reference = MemoryStore()
        reference.append(self.model)
        for store in (self.store, self.other):
            assert store.scan(Query(), ["record_id"])["record_id"].tolist() == ids
            assert list(store.read(None, 10**6).documents) == self.model
            for query in (Query(), Query.of(version="v1.0"), Query.of(success=True, agent="builder_agent")):
                expected = collect(tabulate(reference.scan(query, CELL_FIELDS)), query.versions)
                assert_same_cells(store.summarize(query), expected)


def line_of(document: Document, content: bytes) -> bytes:
    """Where a document is in a file's content."""
    (line,) = (line for line in content.split(b"\n") if document["record_id"].encode() in line)
    return line.removesuffix(b",")


TestJSONFile = JSONFile.TestCase
TestJSONFile.settings = settings(
    max_examples=100,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
