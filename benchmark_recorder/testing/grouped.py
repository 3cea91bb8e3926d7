"""What every store is held to when it is asked by groups, for histograms, and where units are counted."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from benchmark_recorder import grouping, tabulation
from benchmark_recorder.columns import columns_of
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.grouping import MOST_GROUPS, REST, fields_for
from benchmark_recorder.histogram import histograms_of
from benchmark_recorder.queries import Query, UnitFilter, unit_of
from benchmark_recorder.stores.completing import completed
from benchmark_recorder.tabulation import fields_of, summarize_columns
from benchmark_recorder.testing.histories import HOSTILE_TEXTS, START, assert_same_cells, make_document, make_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark_recorder.histogram import Histogram, Histograms
    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

HOSTILE_KEYS: Final = ("$where", "a.b", 'quo"te\\', "é😀", "k", "line\nbreak\t\x7f", "$$ROOT", "sha256:")
"""Keys of the metadata that a server could take for something else."""

HOSTILE_LABELS: Final = (*HOSTILE_TEXTS, "(rest)", '"(rest)"', '"', "null", "None", "true", "1", "$model", "sha256:1")
"""Texts that could be taken for another group."""

MIXED: Final[tuple[Any, ...]] = (
    *(0, -0.0, 1, 1.0, True, False, "1", "true", None, "null", "", [1], [], {"a": 1}, {}, 0.1, -2, -2.5),
    *(2**53, float(2**53), 2**53 + 1, 10**16, 1e16, 1e300, "x" * 500, ["x" * 500], {"k": "v"}, "(rest)"),
)
"""Values of one key of the metadata, of every kind that JSON has."""

FIELD_KEYS: Final = {
    "model": "model",
    "agent": "agent_selected",
    "error_type": "error_type",
    "host": "host",
    "expected_agent": "expected_agent",
    "commit": "git_commit",
}

GROUPED: Final = (
    Query(by=("model",)),
    Query(by=("week",), versions=("v1.0", "v2.0")),
    Query(by=("hour",), versions=("v1.0",)),
    Query(by=("commit",), versions=("v2.0", "no such version")),
    Query(by=("day", "host")),
    Query(by=("error_type", "metadata.run", "agent"), success=False),
    Query(by=("metadata.repeat",), metadata=(("run", "r2"),)),
    Query(by=("metadata.no such key",), models=("model-1",)),
    Query(by=("expected_agent",), since=1_767_225_600_000_000 + 90_000_000_000, runs="all"),
    Query(by=("model",), versions=()),
)

DURATIONS: Final = (0.0, 5e-324, 2.2e-308, 1e-9, 0.1, 1.5, 3.3, 1e9, 1e300, sys.float_info.max)


class GroupsContract:
    """Part of ``StoreContract``; the reference is always the records themselves."""

    def test_cells_by_each_kind_of_key_are_those_of_the_matching_records(self, store: Store) -> None:
        """Also by several keys at once, and beside filters."""
        history = make_history(150)
        store.append(history)
        for query in GROUPED:
            _assert_summarized(store, query, history)

    def test_grouping_and_what_replication_asks_go_together(self, store: Store) -> None:
        """Which tasks get cells of their own is decided over all groups."""
        history = make_history(120, seed=4)
        store.append(history)
        left_out = frozenset(document["record_id"] for document in history[::5])
        own = frozenset(document["task_id"] for document in history[::9])
        for versions in (None, ("v1.0",)):
            query = Query(by=("model",), versions=versions, exclude_ids=left_out, own_cells=own)
            _assert_summarized(store, query, history)

    @pytest.mark.parametrize("longest", [100, 4096])
    def test_a_group_is_a_text_and_never_an_operator_or_another_group(self, store: Store, longest: int) -> None:
        """Hostile texts of each field and of hostile keys of the metadata; and none at all."""
        texts = [*(text for text in HOSTILE_LABELS if len(text) <= longest), None]
        history = [
            make_document(
                version=version,
                task_id=f"task {number % 7}",
                metadata=dict.fromkeys(HOSTILE_KEYS, text[:1500]) if text is not None else {},
                **dict.fromkeys(FIELD_KEYS.values(), text),
            )
            for number, text in enumerate(texts)
            for version in ("v1.0", "v2.0")
        ]
        store.append(history)
        for key in (*FIELD_KEYS, *(f"metadata.{key}" for key in HOSTILE_KEYS)):
            _assert_summarized(store, Query(by=(key,)), history)
            groups = completed(store).summarize(Query(by=(key,))).groups
            assert len(groups) == len(texts)
            assert (None,) in groups
            assert (REST,) not in groups

    def test_values_of_the_metadata_share_a_group_where_they_are_equal_as_json(self, store: Store) -> None:
        """1 is 1.0, neither is true nor a text; lists and objects are the rest; a task counts once in each group."""
        history = [
            make_document(version=version, task_id=task, metadata={"first": "k", "k": value, "last": {"k": 3}})
            for value in MIXED
            for version, task in (("v1.0", "only here"), ("v1.0", "both"), ("v2.0", "both"))
        ]
        history += [make_document(metadata={"other": "k"}), make_document(metadata={"other": {"k": "y" * 500}})]
        store.append(history)
        _assert_summarized(store, Query(by=("metadata.k",)), history)
        _assert_summarized(store, Query(by=("metadata.k", "week"), versions=("v1.0",)), history)

    def test_short_values_need_no_long_ones(self, store: Store) -> None:
        """The same without texts that a server may have shortened."""
        history = [
            make_document(version=f"v{number % 2}", task_id=f"{number % 3}", metadata=metadata)
            for number, value in enumerate(MIXED * 2)
            for metadata in ({"k": value, "note": "z" * 500}, {"note": '"k":'})
            if len(str(value)) < 200
        ]
        store.append(history)
        _assert_summarized(store, Query(by=("metadata.k",)), history)

    def test_the_largest_groups_of_a_free_key_are_kept_and_all_others_are_the_rest(self, store: Store) -> None:
        """Ties by label; how many are not kept is said."""
        models = [f"{REST if not n else 'm'}{n}" for n in range(MOST_GROUPS + 50)]
        history = [
            make_document(model=model, version=f"v{n % 2}", task_id=f"t{n % 40}", metadata={"m": model})
            for n, model in enumerate((*models, *models[:30], None, *models[-20:]))
        ]
        store.append(history)
        for key in ("model", "metadata.m"):
            _assert_summarized(store, Query(by=(key,)), history)
            _assert_summarized(store, Query(by=(key,), versions=("v0", "v1")), history)
            _assert_counted(store, Query(by=(key,)), history)
            assert len(completed(store).summarize(Query(by=(key,))).groups) == MOST_GROUPS + 2

    def test_the_newest_periods_and_commits_are_kept(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """All older ones are the rest."""
        monkeypatch.setattr(grouping, "MOST_MOMENTS", 3)
        history = [document | {"git_commit": f"{n % 5}" * 40} for n, document in enumerate(make_history(200, seed=7))]
        store.append(history)
        for by in (("hour",), ("day",), ("commit",), ("day", "commit")):
            _assert_summarized(store, Query(by=by), history)
            _assert_counted(store, Query(by=by), history)

    def test_periods_begin_where_the_calendar_says_also_at_the_turn_of_a_year(self, store: Store) -> None:
        """A microsecond before and at each beginning, in UTC, whatever the record's own offset."""
        bounds = [START + timedelta(days=day) for day in (-370, -3, -2, -1, 0, 1, 4, 5, 59)]
        moments = [bound + timedelta(microseconds=off) for bound in bounds for off in (-3_600_000_000, -1, 0, 1)]
        history = [
            make_document(timestamp=moment.isoformat(timespec="microseconds"), version=f"v{n % 2}")
            for n, moment in enumerate(moments)
        ]
        history.append(make_document(timestamp="2026-01-01T00:30:00.000000+01:00"))
        store.append(history)
        for key in ("hour", "day", "week"):
            _assert_summarized(store, Query(by=(key,)), history)

    def test_a_histogram_counts_the_values_of_each_version_and_group(self, store: Store) -> None:
        """At most one bucket off, and never in the total; records without a value are none of it."""
        history = make_history(150, seed=3)
        history += [make_document(execution_time=time, model="m", cost_estimated=time) for time in DURATIONS]
        store.append(history)
        for field in ("execution_time", "cost", "input_tokens", "difficulty"):
            for query in (Query(), *GROUPED):
                found, expected = _histograms(store, query, field, history)
                assert found.keys() == expected.keys()
                for label, histogram in expected.items():
                    mine = found[label]
                    assert (mine.zeros, mine.count, mine.scale) == (histogram.zeros, histogram.count, histogram.scale)
                    assert np.abs(_buckets(mine) - _buckets(histogram)).max(initial=0) <= 1

    def test_powers_of_two_are_in_their_own_bucket(self, store: Store) -> None:
        """Exactly, and so is 0."""
        powers = [0.0, *(2.0**exponent for exponent in range(-1074, 1024, 7))]
        history = [make_document(execution_time=power) for power in powers]
        store.append(history)
        found, expected = _histograms(store, Query(), "execution_time", history)
        assert found == expected


def _assert_summarized(store: Store, query: Query, history: Sequence[Document]) -> None:
    """A store makes the cells and the notes that the matching records themselves make."""
    matching = [document for document in history if query.matches(document)]
    expected = summarize_columns(columns_of(matching, fields_of(query)), query)
    found = completed(store).summarize(query)
    assert_same_cells(found, expected)
    assert found.caveats == expected.caveats


def _assert_counted(store: Store, query: Query, history: Sequence[Document]) -> None:
    """The same groups in histograms, the same number of values in each, and the same notes."""
    found, expected = _histograms(store, query, "execution_time", history)
    assert {label: own.count for label, own in found.items()} == {label: own.count for label, own in expected.items()}
    assert found.caveats == expected.caveats


def _histograms(store: Store, query: Query, field: str, history: Sequence[Document]) -> tuple[Histograms, Histograms]:
    """A store's, and the reference."""
    columns = columns_of([d for d in history if query.matches(d)], {"version", field, *fields_for(query.by)})
    return completed(store).histogram(query, field), histograms_of(columns, query, field)


def _buckets(histogram: Histogram) -> NDArray[np.int64]:
    """The bucket of each value, in order."""
    buckets = sorted(histogram.counts)
    return np.repeat(np.array(buckets, np.int64), [histogram.counts[bucket] for bucket in buckets])


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
            _assert_summarized(store, query, history)

    def test_a_unit_is_found_again_in_what_was_appended_after_a_question(self, store: Store) -> None:
        """Runs that came later are the same unit's."""
        history = _with_units(make_history(120, seed=6), 15)
        for start in range(0, 120, 30):
            store.append(history[start : start + 30])
            _assert_summarized(store, Query(unit=UNIT), history[: start + 30])

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
            _assert_summarized(store, query, history)
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
        _assert_summarized(store, Query(unit="metadata.k"), history)
        _assert_summarized(store, Query(unit="metadata.k", by=("metadata.k",), versions=("v1",)), history)

    @pytest.mark.parametrize("values", [("a", "b"), (1, 2), (1.5, 2), (1, 1.0, 2), (0, -0.0), (True, 1, "1")])
    def test_units_of_each_kind_need_no_other_kind(self, store: Store, values: Sequence[object]) -> None:
        """Texts alone, whole numbers alone, and mixed."""
        history = [
            make_document(version=version, execution_time=1.0 + n, metadata={"unit": value})
            for n, value in enumerate([*values, *values])
            for version in ("v1", "v2")
        ]
        store.append(history)
        _assert_summarized(store, Query(unit=UNIT), history)

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
                _assert_summarized(store, replace(query, unit=UNIT), history)

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
