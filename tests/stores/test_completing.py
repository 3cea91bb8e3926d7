from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.cells import CELL_FIELDS, Cells, collect, tabulate
from benchmark_recorder.columns import columns_of
from benchmark_recorder.fields import BLOCK, COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.base import EXTRAS, Store
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.stores.memory import MemoryStore
from benchmark_recorder.tabulation import fields_of, summarize_columns
from benchmark_recorder.testing import make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from benchmark_recorder.records import Columns, Document

QUERIES = (
    Query.of(),
    Query.of(model="model-1", version="v1.0"),
    Query.of(error_type=["error_type-1", "none"], host="alpha", runs="all"),
    Query.of(commit="a" * 40, expected_agent="builder_agent"),
    Query.of(runs="children"),
    Query(by=("model",)),
    Query(by=("week", "metadata.repeat"), models=("model-2",)),
)


FORMER_FILTERS = ("versions", "task_ids", "task", "agents", "success", "since", "until", "metadata", "exclude_ids")


class OldStore(Store):
    """A store of a third party from before there were groups: it knows the filters of that time only."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def name(self) -> str:
        return "old"

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        self._lines += map(json.dumps, documents)
        return len(documents)

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        return columns_of(list(self.documents(query)), fields)

    def summarize(self, query: Query) -> Cells:
        return collect(tabulate(self.scan(query, CELL_FIELDS)), query.versions, query.own_cells)

    def documents(self, query: Query) -> Iterator[Document]:
        filters = {name: getattr(query, name) for name in FORMER_FILTERS}
        known = Query(runs="all", **filters)
        return filter(known.matches, map(json.loads, self._lines))


@pytest.fixture
def history() -> list[dict[str, Any]]:
    documents = make_history(120)
    return [*documents, *(make_document(parent_id=documents[0]["record_id"], version="v1.0") for _ in range(5))]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_store_that_knows_nothing_of_it_answers_rightly(query: Query, history: list[dict[str, Any]]) -> None:
    old, reference = OldStore(), MemoryStore()
    old.append(history)
    reference.append(history)
    store = completed(old)
    expected = [document for document in history if query.matches(document)]
    assert [*store.documents(query)] == expected
    assert store.scan(query, ["record_id"])["record_id"].tolist() == [document["record_id"] for document in expected]
    assert store.summarize(query) == summarize_columns(columns_of(expected, fields_of(query)), query)
    assert store.summarize(query) == reference.summarize(query)
    assert store.durations(query).ordered.tolist() == reference.durations(query).ordered.tolist()
    assert store.histogram(query) == reference.histogram(query)


def test_a_store_that_supports_everything_is_asked_itself() -> None:
    store = MemoryStore()
    assert completed(store) is store
    assert MemoryStore.supports == EXTRAS | {BLOCK}


def test_a_store_says_what_it_supports_in_the_words_of_a_query() -> None:
    names = {"by", "runs", "model", "error_type", "host", "commit", "expected_agent", "dropped"}
    assert names | {"pairs", "unit"} == EXTRAS
    assert COLUMNS["parent_id"] == "object"
