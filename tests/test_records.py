from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.errors import InvalidQueryError, InvalidRecordError
from benchmark_recorder.records import (
    MAX_TEXT,
    BenchmarkMetric,
    Query,
    admit,
    known_cost,
    legacy_record_id,
    metric_of,
    plain_text,
    stamp,
    task_id_of,
    timestamp_micros,
    timestamp_text,
)
from benchmark_recorder.testing import make_document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("execution_time", -0.001),
        ("execution_time", math.nan),
        ("execution_time", math.inf),
        ("execution_time", "3.4"),
        ("execution_time", True),
        ("execution_time", None),
        ("cost_estimated", -1.0),
        ("cost_estimated", math.nan),
        ("cost_estimated", "free"),
        ("difficulty", 1.01),
        ("difficulty", -0.01),
        ("difficulty", math.nan),
        ("version", ""),
        ("version", None),
        ("version", 2.0),
        ("task_id", ""),
        ("task_description", None),
        ("task_description", b"bytes"),
        ("success", "yes"),
        ("success", 2),
        ("success", None),
        ("agent_selected", 7),
        ("metadata", "text"),
        ("metadata", [1]),
        ("input_tokens", -1),
        ("input_tokens", 1.5),
        ("output_tokens", 2**63),
        ("record_id", "short"),
    ],
)
def test_a_wrong_field_is_an_error_that_names_it(field: str, value: object) -> None:
    with pytest.raises(InvalidRecordError, match=f"^{field}: expected ") as caught:
        admit(make_document() | {field: value})
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)


def test_an_error_uses_the_callers_name_for_a_field() -> None:
    with pytest.raises(InvalidRecordError, match=r"^duration: .* got -1.0$"):
        admit(make_document() | {"execution_time": -1.0}, {"execution_time": "duration"})


def test_an_error_does_not_show_what_an_object_says_of_itself() -> None:
    class Secretive:
        def __repr__(self) -> str:
            return "token=hunter2"

    with pytest.raises(InvalidRecordError, match="got a Secretive") as caught:
        admit(make_document() | {"execution_time": Secretive()})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "stored"),
    [
        ("execution_time", 3, 3.0),
        ("execution_time", np.float32(0.5), 0.5),
        ("execution_time", np.int64(2), 2.0),
        ("cost_estimated", Decimal("0.25"), 0.25),
        ("success", np.bool_(True), True),
        ("success", 0, False),
        ("input_tokens", np.int64(7), 7),
        ("metadata", None, {}),
        ("metadata", {"a": (1, 2)}, {"a": [1, 2]}),
        ("metadata", {"a": np.float64(1.5), "b": np.arange(2)}, {"a": 1.5, "b": [0, 1]}),
    ],
)
def test_numbers_of_other_libraries_become_plain_ones(field: str, value: object, stored: object) -> None:
    admitted = admit(make_document() | {field: value})[0]
    assert admitted[field] == stored
    assert type(admitted[field]) is type(stored)


def test_a_document_that_is_right_is_stored_as_it_is() -> None:
    document = make_document(metadata={"a": [1, {"b": None}], "é": "😀"}, expected_agent="a")
    admitted, notes = admit(document)
    assert admitted == document
    assert list(admitted) == list(document)
    assert not notes


def test_unknown_fields_pass() -> None:
    assert admit(make_document() | {"region": "eu"})[0]["region"] == "eu"


def test_lone_surrogates_are_replaced_and_noted() -> None:
    admitted, notes = admit(make_document() | {"task_description": "a\ud800b", "metadata": {"k\udfff": ["\ud800"]}})
    assert admitted["task_description"] == "a\ufffdb"
    assert admitted["metadata"] == {"k\ufffd": ["\ufffd"]}
    assert notes == (
        "task_description had lone surrogates, which became U+FFFD",
        "metadata had lone surrogates, which became U+FFFD",
    )


def test_a_pair_of_surrogates_is_the_character_that_it_means() -> None:
    assert plain_text("\ud83d\ude00")[0] == "😀"


def test_long_text_is_cut_with_a_marker() -> None:
    admitted, notes = admit(make_document() | {"task_description": "x" * 10_000})
    assert len(admitted["task_description"]) == MAX_TEXT
    assert admitted["task_description"].endswith("… [cut from 10,000 characters]")
    assert notes == ("task_description was cut from 10,000 to 4,096 characters",)


def test_text_of_exactly_the_limit_is_kept() -> None:
    admitted, notes = admit(make_document() | {"task_description": "é" * MAX_TEXT})
    assert admitted["task_description"] == "é" * MAX_TEXT
    assert not notes


def test_numbers_in_metadata_that_are_not_finite_become_null() -> None:
    admitted, notes = admit(make_document() | {"metadata": {"a": [math.nan, -math.inf, 1.0]}})
    assert admitted["metadata"] == {"a": [None, None, 1.0]}
    assert notes == ("metadata had numbers that are not finite, which became null",)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"tags": {"a"}}, "metadata.tags"),
        ({"a": {"b": [0, b"x"]}}, r"metadata.a.b\[1\]"),
        ({"a": {1: 2}}, "metadata.a"),
        ({1: 2}, "metadata"),
        ({"when": datetime.now(UTC)}, "metadata.when"),
    ],
)
def test_metadata_that_is_not_json_is_an_error_that_names_the_place(metadata: Any, path: str) -> None:
    with pytest.raises(InvalidRecordError, match=f"^{path}: "):
        admit(make_document() | {"metadata": metadata})


def test_metadata_has_a_size_and_a_depth() -> None:
    with pytest.raises(InvalidRecordError, match=r"^metadata: 16,\d+ bytes as JSON, at most 16,384 fit"):
        admit(make_document() | {"metadata": {"a": "x" * 16_380}})
    admit(make_document() | {"metadata": {"a": "x" * 16_376}})
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(InvalidRecordError, match="nested deeper than 32 levels"):
        admit(make_document() | {"metadata": circle})


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=6))
def test_any_json_metadata_is_kept_exactly(metadata: dict[str, Any]) -> None:
    admitted, _ = admit(make_document() | {"metadata": metadata})
    assert json.dumps(admitted["metadata"]) == json.dumps(metadata)


@given(st.dictionaries(st.sampled_from(list(make_document())), JSON))
def test_admit_either_returns_what_admit_lets_through_again_or_raises_its_error(fields: dict[str, Any]) -> None:
    try:
        admitted, _ = admit(make_document() | fields)
    except InvalidRecordError:
        return
    assert admit(admitted) == (admitted, ())


# Identity and time


def test_ids_are_32_hexadecimal_digits_ordered_by_time_and_never_the_same() -> None:
    ids = [stamp()[0] for _ in range(20_000)]
    assert all(re.fullmatch("[0-9a-f]{32}", record_id) for record_id in ids)
    assert [record_id[:14] for record_id in ids] == sorted(record_id[:14] for record_id in ids)
    assert len(set(ids)) == len(ids)


def test_a_stamps_id_and_text_are_of_one_moment() -> None:
    before = datetime.now(UTC)
    record_id, text = stamp()
    moment = datetime.fromisoformat(text)
    assert before - timedelta(milliseconds=1) <= moment <= datetime.now(UTC)
    assert text.endswith("+00:00")
    assert int(record_id[:14], 16) == timestamp_micros(text)


def test_a_task_without_an_id_gets_the_start_of_its_hash() -> None:
    assert task_id_of("Create landing page") == hashlib.sha256(b"Create landing page").hexdigest()[:12]
    assert task_id_of("\ud800")


def test_times_become_utc_and_naive_ones_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert timestamp_text("2026-11-23T03:05:33.485192") == "2026-11-22T21:35:33.485192+00:00"
        assert timestamp_micros("1970-01-01T05:30:00.000001") == 1
    finally:
        monkeypatch.undo()
        time.tzset()
    assert timestamp_text("2026-11-23T03:05:33Z") == "2026-11-23T03:05:33.000000+00:00"
    east = timezone(timedelta(hours=2))
    assert timestamp_text(datetime(2026, 1, 1, 1, tzinfo=east)) == "2025-12-31T23:00:00.000000+00:00"


@pytest.mark.parametrize("value", ["yesterday", 1_700_000_000, "", None, datetime.max.replace(tzinfo=UTC)])
def test_a_time_that_is_none_is_an_error_that_says_what_to_give(value: Any) -> None:
    if isinstance(value, datetime):
        value = value.replace(tzinfo=timezone(-timedelta(hours=2)))
    with pytest.raises(InvalidRecordError, match=r"^timestamp: expected a datetime or an ISO 8601 text"):
        timestamp_text(value)


def test_a_record_without_an_id_gets_the_same_one_whatever_the_order_of_its_fields() -> None:
    one = {"version": "v1", "metadata": {"b": 1, "a": 2}}
    other = {"metadata": {"a": 2, "b": 1}, "version": "v1"}
    assert legacy_record_id(one, 0) == legacy_record_id(other, 0)
    assert legacy_record_id(one, 0) != legacy_record_id(one, 1)
    assert re.fullmatch("[0-9a-f]{32}", legacy_record_id(one, 0))


def test_a_cost_of_zero_is_unknown_unless_the_record_says_otherwise() -> None:
    assert known_cost({"cost_estimated": 0.0}) is None
    assert known_cost({"cost_estimated": 0.0, "cost_known": True}) == 0.0
    assert known_cost({"cost_estimated": 0.1}) == 0.1


def test_a_metric_is_a_dataclass_with_the_fields_of_the_files() -> None:
    metric = BenchmarkMetric(
        timestamp="2026-11-23T03:05:33",
        version="v1.0",
        git_commit=None,
        task_id="a",
        task_description="b",
        execution_time=1.0,
        success=True,
        agent_selected=None,
        cost_estimated=0.0,
    )
    assert list(dataclasses.asdict(metric))[:11] == [
        "timestamp",
        "version",
        "git_commit",
        "task_id",
        "task_description",
        "execution_time",
        "success",
        "agent_selected",
        "cost_estimated",
        "difficulty",
        "metadata",
    ]
    assert metric.metadata == {}


def test_a_stored_document_is_read_as_a_metric_without_what_is_not_known() -> None:
    document = make_document(region="eu", model="m")
    metric = metric_of(document)
    assert metric.model == "m"
    assert dataclasses.asdict(metric)["version"] == document["version"]


# Queries


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 2}, "^version: expected a text or several, got 2$"),
        ({"version": ["a", None]}, "^version: expected"),
        ({"version": {"$ne": None}}, "^version: expected a text or several, got a dict$"),
        ({"agent": b"a"}, "^agent: expected"),
        ({"task": ["a"]}, "^task: expected a text"),
        ({"success": "yes"}, "^success: expected True, False or None"),
        ({"since": "yesterday"}, "^since: expected a datetime or an ISO 8601 text"),
        ({"until": 5}, "^until: expected"),
        ({"last_days": 0}, "^last_days: expected a number of days above 0"),
        ({"last_days": "7"}, "^last_days: expected"),
        ({"last_days": math.nan}, "^last_days: expected"),
        ({"last_days": 1e12}, "^last_days: expected"),
        ({"last_days": 7, "since": "2026-01-01"}, "^last_days: give either last_days or since"),
        ({"metadata": ["a"]}, "^metadata: expected a dict"),
        ({"metadata": {1: 2}}, "^metadata: expected a dict"),
    ],
)
def test_a_wrong_query_argument_is_an_error_that_names_it(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidQueryError, match=message):
        Query.of(**arguments)


def test_a_task_is_found_by_its_text_and_by_the_id_made_from_it() -> None:
    query = Query.of(task="x" * 5000)
    assert query.matches(make_document(task_description="x" * 5000, task_id="given"))
    assert query.matches(make_document(task_description="", task_id=task_id_of("x" * 5000)))
    assert not query.matches(make_document(task_description="x" * 4999))


def test_metadata_is_compared_as_json_has_it() -> None:
    document = make_document(metadata={"one": 1, "yes": True, "none": None, "deep": {"a": [1]}})
    assert Query.of(metadata={"one": 1.0, "deep": {"a": [1]}}).matches(document)
    assert not Query.of(metadata={"one": True}).matches(document)
    assert not Query.of(metadata={"yes": 1}).matches(document)
    assert Query.of(metadata={"none": None}).matches(document)
    assert not Query.of(metadata={"absent": None}).matches(document)


def test_since_is_included_and_until_is_not() -> None:
    document = make_document(timestamp="2026-01-02T00:00:00+00:00")
    assert Query.of(since="2026-01-02T00:00:00Z").matches(document)
    assert not Query.of(until="2026-01-02T00:00:00Z").matches(document)
    assert Query.of(last_days=1, now=datetime(2026, 1, 3, tzinfo=UTC)).matches(document)
