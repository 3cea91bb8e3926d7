"""Servers that lack a part of MongoDB's language: DocumentDB, Cosmos DB, FerretDB, small tiers of Atlas."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest

from benchmark_recorder.errors import StoreError, StoreUnavailableError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.mongodb import MongoDBStore, aggregation
from benchmark_recorder.testing import assert_same_cells, make_history
from tests.stores.proxy import Picky
from tests.stores.remote import replicated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmark_recorder.records import Document

TWO = Query.of(version=["v1.0", "v2.0"], metadata={"run": "r1"})
QUESTIONS: dict[str, Callable[[MongoDBStore], Any]] = {
    "cells": lambda store: store.summarize(TWO),
    "cells of all": lambda store: store.summarize(Query()),
    "by week and model": lambda store: store.summarize(replace(TWO, by=("week", "model"))),
    "by metadata": lambda store: store.summarize(replace(TWO, by=("metadata.run",))),
    "units": lambda store: store.summarize(replace(TWO, unit="metadata.run")),
    "histogram": lambda store: dict(store.histogram(replace(TWO, by=("metadata.run",)), "cost")),
    "columns": lambda store: {n: v.tolist() for n, v in store.scan(TWO, ["record_id", "execution_time"]).items()},
    "documents": lambda store: list(store.documents(TWO)),
    "ids": lambda store: store.stored_ids(["a", "b"]),
}
OPTIONS = {"collation", "allowDiskUse", "hint", "$natural"}
REFUSALS = (
    (40324, "Unrecognized pipeline stage name: '{}'"),
    (168, "Unrecognized expression '{}'"),
    (303, "Feature not supported: {}"),
    (8000, "{} is not allowed in this atlas tier"),
    (59, "no such command: '{}'"),
    (72, "invalid option {}"),
    (115, "Command is not supported: {}"),
    (238, "{} is not implemented yet"),
    (9, "unknown operator: {}"),
)
"""How the several servers put it."""


@pytest.fixture
def picky(mongodb_uri: str) -> Iterator[Picky]:
    from pymongo import uri_parser

    with Picky(uri_parser.parse_uri(mongodb_uri)["nodelist"][0][1]) as door:
        yield door


@pytest.fixture(params=[1000, 1], ids=["few tasks", "many tasks"])
def history(
    request: pytest.FixtureRequest, mongodb_uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> list[Document]:
    monkeypatch.setattr(aggregation, "FEW_TASKS", request.param)
    history = make_history(60)
    with MongoDBStore(mongodb_uri, database=database) as store:
        store.append(history)
    return history


def assert_same(found: Any, expected: Any) -> None:
    if hasattr(expected, "cells"):
        assert_same_cells(found, expected)
    else:
        assert found == expected


def test_each_stage_operator_and_option_may_be_lacking_and_the_answers_are_the_same(
    picky: Picky, history: list[Document], database: str
) -> None:
    url = f"mongodb://127.0.0.1:{picky.port}/{database}?directConnection=true"
    with MongoDBStore(url) as store:
        answers = {name: ask(store) for name, ask in QUESTIONS.items()}
        assert store.limitation is None
    in_filters = picky.seen["find"] - {"collation"}
    lacking = picky.seen["aggregate"] | picky.seen["find"]
    assert {"$group", "$stdDevPop", "$isNumber", "collation", "allowDiskUse", "hint"} <= lacking
    refusals = cycle(REFUSALS)
    for word in sorted(lacking - in_filters):
        code, reason = next(refusals)
        picky.refuse(word, code, reason.format(word))
        with MongoDBStore(url) as store:
            for name, ask in QUESTIONS.items():
                assert_same(ask(store), answers[name])
            assert (store.limitation is None) == (word in OPTIONS), word
    for word in sorted(in_filters):  # without these no record can be found
        code, reason = next(refusals)
        picky.refuse(word, code, reason.format(word))
        with MongoDBStore(url) as store, pytest.raises(StoreError, match="lacks what was asked") as lacks:
            any(ask(store) is None for ask in QUESTIONS.values())
        assert not isinstance(lacks.value, StoreUnavailableError)  # no outage, so nobody answers from a journal alone
    assert history


def test_a_refused_login_is_not_taken_for_something_that_is_lacking(
    picky: Picky, history: list[Document], database: str
) -> None:
    url = f"mongodb://127.0.0.1:{picky.port}/{database}?directConnection=true"
    for code, reason in ((8000, "user is not allowed to do action [find] on [x.y]"), (13, "not authorized on x")):
        picky.refuse("collation", code, reason)
        with MongoDBStore(url) as store, pytest.raises(StoreUnavailableError):
            store.summarize(Query())
    assert history


@pytest.mark.parametrize("word", ["$group", "collation"])
def test_other_machines_records_count_where_a_server_lacks_a_part(
    picky: Picky, history: list[Document], database: str, tmp_path: Path, word: str
) -> None:
    picky.refuse(word, 40324, f"Unrecognized pipeline stage name: '{word}'")
    url = f"mongodb://127.0.0.1:{picky.port}/{database}?directConnection=true"
    with replicated(tmp_path, MongoDBStore(url), "off") as store:
        store.append(make_history(5, seed=2))
        found = store.summarize(Query())
        assert sum(cell.n for cell in found.cells) == len(history) + 5
        assert not found.caveats
    with replicated(tmp_path, MongoDBStore(url), "off") as store:
        picky.refuse("$nin", 40324, "Unrecognized operator $nin")
        store.delivery._next()
        with pytest.raises(StoreError, match="lacks what was asked.*nin"):
            store.summarize(Query())
