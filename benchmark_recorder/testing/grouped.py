"""What every store is held to when it is asked by groups, and for histograms."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from benchmark_recorder import grouping
from benchmark_recorder.columns import columns_of
from benchmark_recorder.grouping import MOST_GROUPS, REST, fields_for
from benchmark_recorder.histogram import histograms_of
from benchmark_recorder.queries import Query
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
            _assert_grouped(store, query, history)

    def test_grouping_and_what_replication_asks_go_together(self, store: Store) -> None:
        """Which tasks get cells of their own is decided over all groups."""
        history = make_history(120, seed=4)
        store.append(history)
        left_out = frozenset(document["record_id"] for document in history[::5])
        own = frozenset(document["task_id"] for document in history[::9])
        for versions in (None, ("v1.0",)):
            query = Query(by=("model",), versions=versions, exclude_ids=left_out, own_cells=own)
            _assert_grouped(store, query, history)

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
            _assert_grouped(store, Query(by=(key,)), history)
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
        _assert_grouped(store, Query(by=("metadata.k",)), history)
        _assert_grouped(store, Query(by=("metadata.k", "week"), versions=("v1.0",)), history)

    def test_short_values_need_no_long_ones(self, store: Store) -> None:
        """The same without texts that a server may have shortened."""
        history = [
            make_document(version=f"v{number % 2}", task_id=f"{number % 3}", metadata=metadata)
            for number, value in enumerate(MIXED * 2)
            for metadata in ({"k": value, "note": "z" * 500}, {"note": '"k":'})
            if len(str(value)) < 200
        ]
        store.append(history)
        _assert_grouped(store, Query(by=("metadata.k",)), history)

    def test_the_largest_groups_of_a_free_key_are_kept_and_all_others_are_the_rest(self, store: Store) -> None:
        """Ties by label; how many are not kept is said."""
        models = [f"{REST if not n else 'm'}{n}" for n in range(MOST_GROUPS + 50)]
        history = [
            make_document(model=model, version=f"v{n % 2}", task_id=f"t{n % 40}", metadata={"m": model})
            for n, model in enumerate((*models, *models[:30], None, *models[-20:]))
        ]
        store.append(history)
        for key in ("model", "metadata.m"):
            _assert_grouped(store, Query(by=(key,)), history)
            _assert_grouped(store, Query(by=(key,), versions=("v0", "v1")), history)
            _assert_counted(store, Query(by=(key,)), history)
            assert len(completed(store).summarize(Query(by=(key,))).groups) == MOST_GROUPS + 2

    def test_the_newest_periods_and_commits_are_kept(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """All older ones are the rest."""
        monkeypatch.setattr(grouping, "MOST_MOMENTS", 3)
        history = [document | {"git_commit": f"{n % 5}" * 40} for n, document in enumerate(make_history(200, seed=7))]
        store.append(history)
        for by in (("hour",), ("day",), ("commit",), ("day", "commit")):
            _assert_grouped(store, Query(by=by), history)
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
            _assert_grouped(store, Query(by=(key,)), history)

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


def _assert_grouped(store: Store, query: Query, history: Sequence[Document]) -> None:
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
