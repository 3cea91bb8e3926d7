from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.exchange import json_stream
from benchmark_recorder.exchange.json_stream import elements

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


class Dripping(io.StringIO):
    """Gives a few characters at a time, whatever it is asked for."""

    def __init__(self, text: str, characters: int) -> None:
        super().__init__(text)
        self._characters = characters

    def read(self, size: int | None = -1, /) -> str:
        return super().read(self._characters)


@given(st.lists(values, max_size=5), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_elements_are_those_of_the_array_wherever_the_text_is_cut(
    array: list[Any], characters: int, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(array, indent=indent, ensure_ascii=ascii_only)
    assert list(elements(io.StringIO(text))) == array
    assert list(elements(Dripping(" " * characters + text, characters + 1))) == array or not array


@given(st.lists(values, min_size=1, max_size=4), st.data())
def test_an_array_that_ends_too_early_is_an_error(array: list[Any], data: st.DataObject) -> None:
    text = json.dumps(array)
    with pytest.raises(InvalidRecordError):
        list(elements(io.StringIO(text[: data.draw(st.integers(0, len(text) - 1))])))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "the whole file: not a JSON array"),
        ("", "the whole file: not a JSON array"),
        ("[1 2" + " " * 20 + "]", "element 1: not JSON: expected a comma or the end of the array behind it"),
        ("[1,]", "element 2: not JSON: Expecting value"),
        ("[1, x" + " " * 100 + "]", "element 2: not JSON: Expecting value"),
        ('[{"a": 1}, {"a": ', "element 2: not JSON: the file ends in the middle of it"),
        ("[1] 2", "the whole file: not JSON: more follows behind the array"),
        ("[" + "9" * 5000 + "]", "element 1: not JSON: a number has too many digits"),
    ],
)
def test_what_is_no_array_names_the_element(text: str, said: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        list(elements(io.StringIO(text)))
    assert str(caught.value).startswith(said)


def test_memory_holds_a_part_of_a_long_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_AT_ONCE", 64)
    file = io.StringIO(json.dumps([{"a": "x" * 20}] * 1000))
    reader = elements(file)
    next(reader)
    assert file.tell() <= 256
    assert sum(1 for _ in reader) == 999
