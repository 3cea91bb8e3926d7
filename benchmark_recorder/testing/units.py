"""What every store is held to when units are counted."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from benchmark_recorder import tabulation
from benchmark_recorder.columns import columns_of
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.queries import Query
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.tabulation import fields_of, summarize_columns
from benchmark_recorder.testing.grouped import HOSTILE_KEYS, HOSTILE_LABELS, MIXED
from benchmark_recorder.testing.histories import assert_same_cells, make_document, make_history
from benchmark_recorder.units import UnitFilter, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

UNIT: Final = "metadata.unit"

BY_UNIT: Final = (
    Query(unit=UNIT),
    Query(unit=UNIT, versions=("v1.0", "v2.0")),
    Query(unit=UNIT, versions=("v2.0",)),
    Query(unit=UNIT, versions=()),
    Query(unit=UNIT, success=False),
    Query(unit=UNIT, success=True, metadata=(("run", "r2"),)),
    Query(unit=UNIT, models=("model-1",), runs="all"),
    Query(unit=UNIT, since=1_767_225_600_000_000 + 90_000_000_000),
    Query(unit=UNIT, by=("model",)),
    Query(unit=UNIT, by=("day", "metadata.run"), versions=("v1.0", "v2.0")),
    Query(unit=UNIT, own_cells=frozenset({"any task"})),
    Query(unit="metadata.no such key"),
)


class UnitsContract:
    """Part of ``StoreContract``; the reference is always the records themselves."""

    def test_units_are_those_of_the_matching_records(self, store: Store) -> None:
        """Each counts once; also within groups, and beside filters."""
        history = _with_units(make_history(200, seed=5), 40)
        store.append(history)
        for query in BY_UNIT:
            assert_counted(store, query, history)

    def test_a_unit_is_found_again_in_what_was_appended_after_a_question(self, store: Store) -> None:
        """Runs that came later are the same unit's."""
        history = _with_units(make_history(120, seed=6), 15)
        for start in range(0, 120, 30):
            store.append(history[start : start + 30])
            assert_counted(store, Query(unit=UNIT), history[: start + 30])

    def test_a_unit_is_a_text_and_never_an_operator_or_another_unit(self, store: Store) -> None:
        """Hostile texts under hostile keys."""
        texts = [text[:1500] for text in HOSTILE_LABELS]
        history = [
            make_document(version=version, task_id=f"task {run}", metadata=dict.fromkeys(HOSTILE_KEYS, text))
            for text in texts
            for version in ("v1.0", "v2.0")
            for run in range(2)
        ]
        store.append(history)
        for key in HOSTILE_KEYS:
            query = Query(unit=f"metadata.{key}")
            assert_counted(store, query, history)
            assert [cell.n for cell in completed(store).summarize(query).cells] == [len(texts)] * 2

    @pytest.mark.parametrize("longest", [200, 5000])
    def test_units_are_the_same_where_they_are_equal_as_json(self, store: Store, longest: int) -> None:
        """1 is 1.0, neither is true nor a text; a list, an object, null and nothing are no units, and are counted."""
        values = [value for value in MIXED if len(str(value)) < longest]
        history = [
            make_document(version=f"v{number % 2}", task_id=f"{number % 3}", success=number % 5 > 0, metadata=metadata)
            for number, value in enumerate(values * 3)
            for metadata in ({"first": "k", "k": value, "last": {"k": 3}}, {"other": "k"})
        ]
        store.append(history)
        assert_counted(store, Query(unit="metadata.k"), history)
        assert_counted(store, Query(unit="metadata.k", by=("metadata.k",), versions=("v1",)), history)

    @pytest.mark.parametrize("values", [("a", "b"), (1, 2), (1.5, 2), (1, 1.0, 2), (0, -0.0), (True, 1, "1")])
    def test_units_of_each_kind_need_no_other_kind(self, store: Store, values: Sequence[object]) -> None:
        """Texts alone, whole numbers alone, and mixed."""
        history = [
            make_document(version=version, execution_time=1.0 + n, metadata={"unit": value})
            for n, value in enumerate([*values, *values])
            for version in ("v1", "v2")
        ]
        store.append(history)
        assert_counted(store, Query(unit=UNIT), history)

    def test_only_some_units_are_asked_for_or_all_others(self, store: Store) -> None:
        """What replication asks, with groups and without, and without asking for units."""
        history = _with_units(make_history(150, seed=8), 30)
        history += [make_document(metadata={"unit": value}) for value in MIXED if len(str(value)) < 200]
        store.append(history)
        units = frozenset(unit for d in history[::7] if (unit := unit_of(d["metadata"], "unit")) is not None)
        for inside in (True, False):
            wanted = UnitFilter("unit", units, inside)
            for query in (Query(units=wanted), Query(units=wanted, by=("model",)), Query(units=wanted, runs="all")):
                matching = [document for document in history if query.matches(document)]
                ids = [document["record_id"] for document in matching]
                assert 0 < len(ids) < len(history)
                assert completed(store).scan(query, ["record_id"])["record_id"].tolist() == ids
                expected = summarize_columns(columns_of(matching, fields_of(query)), query)
                assert_same_cells(completed(store).summarize(query), expected)
                assert_counted(store, replace(query, unit=UNIT), history)

    def test_too_many_units_are_an_error_that_says_what_to_do(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The most is counted over all versions and groups."""
        monkeypatch.setattr(tabulation, "MAX_UNITS", 6)
        store.append([make_document(version=f"v{n % 2}", metadata={"unit": f"{n % 3}"}) for n in range(24)])
        assert sum(cell.n for cell in completed(store).summarize(Query(unit=UNIT)).cells) == 6
        store.append([make_document(version="v1", metadata={"unit": "one more"})])
        with pytest.raises(InvalidQueryError, match=r"^unit: there are more than 6 units by metadata\.unit.*since"):
            completed(store).summarize(Query(unit=UNIT))
        assert sum(cell.n for cell in completed(store).summarize(Query(unit=UNIT, versions=("v0",))).cells) == 3

    def test_what_counts_runs_refuses_units(self, store: Store) -> None:
        """Rather than answer another question."""
        store.append([make_document(metadata={"unit": "a"})])
        query = Query(unit=UNIT)
        with pytest.raises(InvalidQueryError, match=r"^unit: a histogram counts runs, not units by metadata\.unit"):
            completed(store).histogram(query)
        with pytest.raises(InvalidQueryError, match=r"^unit: the list of durations counts runs, not units"):
            completed(store).durations(query)


def _with_units(history: Sequence[Document], units: int) -> list[Document]:
    """The same records of some units, a few of them of none; a unit's runs are alike."""
    rng = random.Random(units)  # noqa: S311 - a reproducible history, no secret
    found = []
    for document in history:
        unit = rng.choice([None, *(f"user {n}" for n in range(units))])
        own = {} if unit is None else {"unit": unit}
        found.append(document | {"metadata": document["metadata"] | own})
    return found


def assert_counted(store: Store, query: Query, history: Sequence[Document]) -> None:
    """A store counts the units of some records as the records themselves say."""
    matching = [document for document in history if query.matches(document)]
    expected = summarize_columns(columns_of(matching, fields_of(query)), query)
    found = completed(store).summarize(query)
    assert_same_cells(found, expected)
    assert found.caveats == expected.caveats
