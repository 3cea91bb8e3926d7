from __future__ import annotations

import dataclasses
import hashlib
import inspect
import math
import re
import weakref
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest

from benchmark_recorder.cli.data import record as command
from benchmark_recorder.errors import InvalidQueryError, InvalidRecordError
from benchmark_recorder.fields import ARGUMENT_NAMES, FIELDS, METRIC_FIELDS
from benchmark_recorder.harness.result import Outcome
from benchmark_recorder.queries import Query
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.recording.measurement import RECORDED, Measurement
from benchmark_recorder.recording.tracking import Known
from benchmark_recorder.records import (
    BenchmarkMetric,
    known_cost,
    legacy_record_id,
    plain_text,
    stamp,
    task_id_of,
    timestamp_micros,
    timestamp_text,
)
from benchmark_recorder.testing import make_document


def test_a_pair_of_surrogates_is_the_character_that_it_means() -> None:
    assert plain_text("\ud83d\ude00")[0] == "😀"


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
    assert int(record_id[:8], 16) * 10**6 + int(record_id[8:14]) == timestamp_micros(text)


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


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-02-03t10:00:00z", "2026-02-03T10:00:00.000000+00:00"),
        ("2026-02-03 10:00:00 UTC", "2026-02-03T10:00:00.000000+00:00"),
        ("2026-02-03 10:00:00+00", "2026-02-03T10:00:00.000000+00:00"),
        ("2026-02-03 10:00:00.123456789 +0200 CEST", "2026-02-03T08:00:00.123456+00:00"),
        ("2026-02-03T10:00:00 +05:30", "2026-02-03T04:30:00.000000+00:00"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000+00:00"),
        ("20260203T100000Z", "2026-02-03T10:00:00.000000+00:00"),
        (pd.Timestamp("2026-02-03 10:00", tz="Asia/Tokyo"), "2026-02-03T01:00:00.000000+00:00"),
    ],
)
def test_a_time_is_read_in_every_spelling(written: str | datetime, meant: str) -> None:
    assert timestamp_text(written) == meant


def test_a_naive_timestamp_of_pandas_is_local_as_a_datetime_is() -> None:
    moment = datetime(2026, 2, 3, 10)  # noqa: DTZ001 - on purpose
    assert timestamp_text(pd.Timestamp(moment)) == timestamp_text(moment)


@pytest.mark.parametrize("number", ["1712121530123", "1712121530", 1712121530123, pd.NaT])
def test_a_count_of_milliseconds_is_no_time(number: Any) -> None:
    with pytest.raises(InvalidRecordError, match="timestamp: expected a datetime or an ISO 8601 text"):
        timestamp_text(number)


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


# Fields


def kinds_of(annotations: dict[str, Any]) -> dict[str, str]:
    """What a field's type says of its kind."""
    kinds = {
        "str": "text",
        "float": "number",
        "int": "count",
        "bool": "flag",
        "dict[str, Any]": "json",
        "list[str]": "texts",
    }
    return {name: kinds[re.sub(r" \| None$", "", text)] for name, text in annotations.items()}


def told(names: Collection[str]) -> dict[str, str]:
    """The same of the table, by what ``record_execution`` calls a field."""
    texts = {"id": "text", "time": "text", "name": "text"}
    return {f.argument or f.name: texts.get(f.kind, f.kind) for f in FIELDS if (f.argument or f.name) in names}


BESIDE = ("parent", "idempotency_key")
"""Arguments of ``record_execution`` that are no fields: what ids are made of."""

CALLERS = [field.argument for field in FIELDS if field.argument is not None]


def test_a_metric_has_the_fields_of_the_table_in_its_order_and_of_its_kinds() -> None:
    assert tuple(f.name for f in dataclasses.fields(BenchmarkMetric)) == METRIC_FIELDS
    kinds = kinds_of(BenchmarkMetric.__annotations__)
    assert {ARGUMENT_NAMES.get(name, name): kind for name, kind in kinds.items()} == told(
        [field.argument or field.name for field in FIELDS]
    )
    assert all(f"{name}: " in (BenchmarkMetric.__doc__ or "") for name in METRIC_FIELDS)


def test_record_execution_takes_each_field_that_is_a_callers() -> None:
    annotations = {**BenchmarkRecorder.record_execution.__annotations__, "timestamp": "str"}
    for name in ("return", *BESIDE):
        del annotations[name]
    assert set(annotations) == set(CALLERS)
    assert kinds_of(annotations) == told(CALLERS)
    assert all(f"{name}: " in (BenchmarkRecorder.record_execution.__doc__ or "") for name in CALLERS)


def test_a_measurement_has_each_of_them_but_the_time_and_what_it_measures() -> None:
    names = set(CALLERS) - {"timestamp"}
    assert set(RECORDED) == names | {"idempotency_key"}
    assert kinds_of({n: a for n, a in Measurement.__annotations__.items() if n in names}) == told(names)
    assert all(f"{name}: " in (Measurement.__doc__ or "") for name in RECORDED)
    assert set(Known.__annotations__) == {*names, "idempotency_key"} - {
        "task",
        "version",
        "success",
        "error_type",
        "duration",
    }


def test_the_command_line_has_an_option_for_each_of_them() -> None:
    options = inspect.signature(command).parameters.keys() - {"ctx", "store", "journal", "recorder"}
    assert {"agent_selected" if name == "agent" else name for name in options} == {*CALLERS, "idempotency_key"}


def test_an_outcome_says_fields_of_the_table() -> None:
    names = {f.name for f in dataclasses.fields(Outcome)} - {"raised", "rate_limited"}
    assert names <= set(CALLERS)
    assert kinds_of({n: a for n, a in Outcome.__annotations__.items() if n in names}) == told(names)


# Queries


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 2}, "^version: expected a text or several, got 2$"),
        ({"version": ["a", None]}, "^version: expected"),
        ({"version": {"$ne": None}}, "^version: expected a text or several, got a dict$"),
        ({"agent": b"a"}, "^agent: expected"),
        ({"task": ["a"]}, "^task: expected a text"),
        ({"task": ""}, "^task: expected a text that is not empty, got ''"),
        ({"success": "yes"}, "^success: expected True, False or None"),
        ({"since": "yesterday"}, "^since: expected a datetime or an ISO 8601 text"),
        ({"until": 5}, "^until: expected"),
        ({"last_days": 0}, "^last_days: expected a number of days above 0"),
        ({"last_days": "7"}, "^last_days: expected"),
        ({"last_days": math.nan}, "^last_days: expected"),
        ({"last_days": 1e12}, "^last_days: expected"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "^since: expected a time before until"),
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


def test_a_datetime_that_is_no_time_is_an_error() -> None:
    class NotATime(datetime):
        def astimezone(self, tz: Any = None) -> Any:
            return self

        def isoformat(self, *arguments: Any, **keywords: Any) -> str:
            return "NaT"

    with pytest.raises(InvalidRecordError, match="^timestamp: expected a datetime or an ISO 8601 text"):
        timestamp_text(NotATime(2026, 1, 1))


def test_a_long_task_has_the_id_of_its_whole_text_and_is_not_kept() -> None:
    class Task(str):
        __slots__ = ("__weakref__",)

    task = Task("x" * 100_000)
    assert task_id_of(task) == hashlib.sha256(task.encode()).hexdigest()[:12]
    kept = weakref.ref(task)
    del task
    assert kept() is None
