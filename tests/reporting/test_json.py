from __future__ import annotations

import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark_recorder.reporting import json_text, print_json, print_jsonl
from tests.hostile import HOSTILE


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_ascii_and_reads_back(text: str) -> None:
    written = json_text({text: text})
    assert written.isascii()
    assert written.isprintable()
    assert "##" not in written
    assert "<" not in written  # neither </script> nor <!--
    (value,) = json.loads(written).values()
    assert value == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_what_is_not_finite_is_null() -> None:
    assert json_text([math.nan, math.inf, -math.inf, 1.5]) == "[null, null, null, 1.5]"


def test_a_tuple_is_a_list_and_a_strange_thing_its_text() -> None:
    assert json_text({1: (1, 2), "x": complex(1, 2)}) == '{"1": [1, 2], "x": "(1+2j)"}'


values = st.none() | st.integers() | st.text() | st.floats()
documents = st.lists(st.dictionaries(st.text(), values, max_size=3), max_size=4)


@given(documents)
def test_both_forms_hold_every_field_of_every_record(documents: list[dict[str, object]]) -> None:
    lines, whole = io.StringIO(), io.StringIO()
    print_jsonl(documents, lines)
    print_json(documents, whole)
    expected = [json.loads(json_text(document)) for document in documents]
    assert [json.loads(line) for line in lines.getvalue().splitlines()] == expected
    assert json.loads(whole.getvalue()) == {"schema_version": 1, "metrics": expected}
