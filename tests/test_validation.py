from __future__ import annotations

import json
import math
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.fields import ARGUMENT_NAMES, MAX_TEXT
from benchmark_recorder.testing import make_document
from benchmark_recorder.validation import admit, admit_execution

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
        admit_execution(make_document() | {"execution_time": -1.0})


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


class Colour(str, Enum):  # noqa: UP042 - the kind whose str() is not its value
    RED = "red"


def test_an_enumerations_member_in_metadata_is_its_value() -> None:
    admitted, _ = admit(make_document() | {"metadata": {"colour": Colour.RED, Colour.RED: [Colour.RED]}})
    assert json.dumps(admitted["metadata"]) == '{"colour": "red", "red": ["red"]}'


def test_metadata_that_unfolds_to_billions_of_values_is_refused_at_once() -> None:
    folded: Any = 0
    for _ in range(31):
        folded = [folded, folded]
    for huge in (folded, [0] * 100_000, np.zeros(100_000), dict.fromkeys(map(str, range(10_000)))):
        with pytest.raises(InvalidRecordError, match=r"^metadata: more than 16,384 bytes as JSON"):
            admit(make_document() | {"metadata": {"huge": huge}})


def test_metadata_may_be_full_of_the_smallest_values() -> None:
    fulls: list[Any] = [[0] * 8_000, np.zeros(8_000, np.int8), [[]] * 5_000]
    for full in fulls:
        assert len(admit(make_document() | {"metadata": {"full": full}})[0]["metadata"]["full"]) >= 5_000


@pytest.mark.parametrize("number", [10**5000, -(10**5000)], ids=["large", "small"])
def test_a_number_too_long_to_be_printed_is_an_error_that_names_the_field(number: int) -> None:
    for field in ("execution_time", "cost_estimated", "input_tokens"):
        with pytest.raises(InvalidRecordError, match=f"^{field}: expected .*, got a number of 16,610 bits$"):
            admit(make_document() | {field: number})
    with pytest.raises(InvalidRecordError, match=r"^metadata.n\[0\]: a number of 16,610 bits"):
        admit(make_document() | {"metadata": {"n": [number]}})


def test_a_decimal_that_is_no_number_is_an_error_that_names_the_field() -> None:
    for text in ("NaN", "sNaN", "Infinity"):
        with pytest.raises(InvalidRecordError, match=r"^cost_estimated: "):
            admit(make_document() | {"cost_estimated": Decimal(text)})


def test_a_hostile_key_cannot_write_into_a_log() -> None:
    with pytest.raises(InvalidRecordError) as caught:
        admit(make_document() | {"metadata": {"a\n::error::\x1b[31m\ud800": {"b": object()}}})
    assert str(caught.value).startswith(r"metadata['a\n::error::\x1b[31m\ud800'].b: ")


class Word(str):
    __slots__ = ()


class Number(int):
    pass


class Amount(float):
    pass


USUAL: dict[str, Any] = {
    "version": "v1.0",
    "task_description": "Create a landing page",
    "execution_time": 1.0,
    "success": True,
    "agent_selected": None,
    "cost_estimated": 0.0,
    "difficulty": None,
    "metadata": {},
}


@pytest.mark.parametrize(
    "fields",
    [
        {"version": Word("v"), "task_description": Word("t"), "agent_selected": Colour.RED},
        {"version": np.str_("v"), "execution_time": np.float64(2), "cost_estimated": np.float32(2)},
        {"execution_time": Number(2), "cost_estimated": 3, "difficulty": Amount(0.5)},
        {"execution_time": Amount(2), "cost_estimated": Decimal("0.1"), "difficulty": Decimal("0.5")},
        {"success": np.bool_(True), "difficulty": 1, "metadata": OrderedDict(a=1)},
    ],
    ids=["texts", "numpy", "integers", "amounts", "others"],
)
def test_an_admitted_execution_holds_plain_values_of_the_exact_types(fields: dict[str, Any]) -> None:
    admitted, _ = admit_execution(USUAL | fields)
    del admitted["task_id"]
    kinds = [str, str, float, bool, str, float, float, dict]
    for value, kind in zip(admitted.values(), kinds, strict=True):
        assert value is None or type(value) is kind
    assert json.loads(msgspec.json.encode(admitted)) == admitted


def test_what_is_admitted_does_not_follow_its_callers_metadata() -> None:
    for value in (1, [1]):
        metadata = {"a": value}
        admitted, _ = admit_execution(USUAL | {"metadata": metadata})
        metadata["a"] = 2
        assert admitted["metadata"] == {"a": value}


@pytest.mark.parametrize(
    "fields",
    [
        {"version": ""},
        {"execution_time": math.nan},
        {"execution_time": math.inf},
        {"execution_time": -1.0},
        {"cost_estimated": math.inf},
        {"cost_estimated": Decimal("sNaN")},
        {"difficulty": math.nan},
        {"difficulty": 1.1},
        {"success": None},
        {"metadata": MappingProxyType({})},
    ],
    ids=repr,
)
def test_a_quick_look_lets_nothing_wrong_through(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(InvalidRecordError, match=f"^{ARGUMENT_NAMES.get(name, name)}: "):
        admit_execution(USUAL | fields)


def test_an_optional_field_that_is_none_is_absent() -> None:
    document = make_document()
    absent = dict.fromkeys(["expected_agent", "error_type", "host", "model", "input_tokens", "output_tokens"])
    assert admit(document | absent) == (document, ())
