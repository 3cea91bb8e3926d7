from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.exchange.csv_rows import delimiter_of, entries

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = "version,execution_time,success,task_id,metadata,input_tokens,cost_known,note"


@pytest.fixture(autouse=True)
def _usual_field_limit() -> Iterator[None]:
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


def told(text: str, delimiter: str = ",") -> list[tuple[str, dict[str, object]]]:
    return [(entry.place, entry.document) for entry in entries(io.StringIO(text, newline=""), delimiter)]


def test_cells_become_what_their_columns_hold() -> None:
    ((place, document),) = told(f'{NAMES}\r\nv1,1.5,TRUE,t,"{{""a"": [1]}}",12.0,yes,\'=1\r\n')
    assert place == "line 2"
    assert document == {
        "version": "v1",
        "execution_time": 1.5,
        "success": True,
        "task_id": "t",
        "metadata": {"a": [1]},
        "input_tokens": 12,
        "cost_known": True,
        "note": "=1",
    }


def test_an_empty_cell_is_an_absent_field_and_an_empty_line_is_skipped() -> None:
    assert told(f"{NAMES}\n\nv1,1,0,t,,,,\n") == [
        ("line 3", {"version": "v1", "execution_time": 1.0, "success": False, "task_id": "t"})
    ]


def test_a_cell_of_the_wrong_kind_stays_a_string_for_the_check_to_name() -> None:
    ((_, document),) = told(f'{NAMES}\nv1,"1,5",maybe,t,{{x,many,perhaps,n\n')
    assert [document[name] for name in ("execution_time", "success", "metadata", "input_tokens", "cost_known")] == [
        "1,5",
        "maybe",
        "{x",
        "many",
        "perhaps",
    ]
    ((_, document),) = told(f"{NAMES}\nv1,1,1,t,,1.5,,\n")
    assert document["input_tokens"] == 1.5


def test_a_row_is_named_by_the_line_it_begins_in() -> None:
    rows = told(f'{NAMES}\nv1,1,1,"a\nb\nc",,,,\nv1,2,1,t,,,,\n')
    assert [place for place, _ in rows] == ["line 2", "line 5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{NAMES}\nv1,1,1\n", "line 2: 3 cells under 8 names"),
        ("version,execution_time,success,\n", "line 1: column 4 has no name"),
        ("version,execution_time,success,version\n", "line 1: there are two columns 'version'"),
        (f'{NAMES}\n"v1,1,1\n', "line 2: not CSV: "),
        (f"{NAMES}\nv1,1,1,t,,,,\n{'x' * 200_000},1,1,t,,,,\n", "line 3: not CSV: field larger"),
    ],
)
def test_a_table_that_is_broken_names_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        told(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_by_the_names(delimiter: str) -> None:
    assert delimiter_of(delimiter.join(["version", "duration", "success"])) == delimiter
    ((_, document),) = told(f"version{delimiter}duration{delimiter}success\nv1{delimiter}1{delimiter}no\n", delimiter)
    assert document == {"version": "v1", "duration": 1.0, "success": False}


@pytest.mark.parametrize("line", ["", "version", "a,b,c", "execution_time;version", "x" * 200_000])
def test_a_line_without_the_names_is_not_a_row_of_names(line: str) -> None:
    assert delimiter_of(line) is None
