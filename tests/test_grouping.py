from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.columns import columns_of
from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.grouping import (
    MOST_GROUPS,
    MOST_MOMENTS,
    REST,
    check_key,
    fields_for,
    groups_of,
    label_of,
    period_label,
)
from benchmark_recorder.testing import make_document

json_values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text()


def grouped(keys: tuple[str, ...], *documents: dict[str, Any]) -> list[tuple[str | None, ...]]:
    groups = groups_of(keys, columns_of(documents, {"time", *fields_for(keys)}))
    return [groups.labels[code] for code in groups.codes.tolist()]


@pytest.mark.parametrize(
    "key", ["week", "day", "hour", "commit", "model", "agent", "error_type", "host", "metadata.a.b"]
)
def test_each_documented_key_is_one(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key", ["", "month", "metadata", "metadata.", "Model", "rest", "block", None, 3, ["model"], "x" * 999]
)
def test_an_unknown_key_is_an_error_that_names_the_known_ones(key: object) -> None:
    with pytest.raises(InvalidQueryError, match=r"by: expected one of week, day, hour, commit, .*metadata\.<key>, got"):
        check_key(key)


@given(st.datetimes(datetime(1, 1, 8), datetime(9999, 12, 30)))  # noqa: DTZ001 - UTC is added below
def test_periods_are_those_of_the_calendar_in_utc(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert period_label("day", micros) == moment.date().isoformat()
    assert period_label("hour", micros) == moment.isoformat()[:13]
    assert period_label("week", micros) == (moment.date() - timedelta(days=moment.weekday())).isoformat()


@given(json_values, json_values)
def test_two_values_share_a_group_only_where_they_are_the_same_json(one: Any, two: Any) -> None:
    kinds = [bool if isinstance(v, bool) else float if isinstance(v, int | float) else type(v) for v in (one, two)]
    assert (label_of(one) == label_of(two)) == (kinds[0] is kinds[1] and one == two)


@pytest.mark.parametrize("text", ["3", "true", "null", "1e5", "(rest)", '"3"', "NaN", "-1"])
def test_a_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert label_of(text) not in {text, REST, None}


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("inf")])
def test_what_cannot_be_a_group_is_the_rest(value: object) -> None:
    assert label_of(value) == REST


def test_a_record_that_says_nothing_is_in_a_group_of_its_own() -> None:
    documents = [make_document(model=None), make_document(model="m"), make_document(metadata={"k": "v"})]
    assert grouped(("model",), *documents) == [(None,), ("m",), (None,)]
    assert grouped(("metadata.k",), *documents) == [(None,), (None,), ("v",)]


def test_several_keys_group_by_all_of_them() -> None:
    documents = [make_document(model=m, host=h) for m in ("a", "b") for h in ("x", "y")] * 2
    assert grouped(("model", "host"), *documents) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")] * 2


def test_the_largest_groups_are_kept_and_all_others_are_the_rest() -> None:
    models = [f"m{n}" for n in range(MOST_GROUPS + 50)]
    documents = [make_document(model=model) for model in (*models, *models[50:])]
    columns = columns_of([*documents, make_document(model=None)], ("time", "model"))
    groups = groups_of(("model",), columns)
    labels = [groups.labels[code][0] for code in groups.codes.tolist()]
    assert labels[:50] == [REST] * 50
    assert labels[50 : len(models)] == models[50:]
    assert labels[-1] is None
    assert groups.rest == {"model": 50}


def test_the_newest_commits_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_MOMENTS == 10_000
    monkeypatch.setattr("benchmark_recorder.grouping.MOST_MOMENTS", 2)
    commits = ["old", "new", "old", "newer"]
    documents = [
        make_document(git_commit=commit, timestamp=f"2026-01-0{day}T00:00:00+00:00")
        for day, commit in enumerate(commits, 1)
    ]
    assert grouped(("commit",), *documents) == [("old",), (REST,), ("old",), ("newer",)]


def test_groups_are_those_of_pandas() -> None:
    rng = np.random.default_rng(5)
    documents = [
        make_document(
            model=("a", "b", None)[rng.integers(3)],
            metadata={"k": rng.choice([1, 2, 3]).item()},
            timestamp=(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=int(hours))).isoformat(),
        )
        for hours in rng.integers(0, 2000, 3000)
    ]
    frame = pd.DataFrame(
        {
            "model": [document.get("model") for document in documents],
            "k": [str(document["metadata"]["k"]) for document in documents],
            "week": pd.to_datetime([document["timestamp"] for document in documents]).tz_localize(None).to_period("W"),
        }
    )
    frame["week"] = [str(week.start_time.date()) for week in frame["week"]]
    frame["model"] = frame["model"].fillna("")
    expected = frame.groupby(["week", "model", "k"]).size().to_dict()
    found = Counter((week, model or "", k) for week, model, k in grouped(("week", "model", "metadata.k"), *documents))
    assert dict(found) == expected
