from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from benchmark_recorder import MemoryStore
from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.exchange import import_file
from benchmark_recorder.exchange.csv_rows import delimiter_of, entries
from benchmark_recorder.queries import Query

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
        ("version,execution_time,,success\n", "line 1: column 3 has no name"),
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


@pytest.mark.parametrize(
    "text", [",version,success\n0,v1,1.0\n1,v1,0.0\n", "version,success,\nv1,1,\nv1,0,\n"], ids=["index", "comma"]
)
def test_a_column_without_a_name_at_an_end_is_left_out_with_a_note(text: str) -> None:
    rows = list(entries(io.StringIO(text, newline=""), ","))
    assert [row.document for row in rows] == [{"version": "v1", "success": True}, {"version": "v1", "success": False}]
    assert rows[0].notes == ("the first or last column has no name, and is left out of every line",)
    assert rows[1].notes == ()


@pytest.mark.parametrize("absent", ["NaN", "nan", "NA", "<NA>", "None", "null"])
def test_a_data_frames_way_to_say_nothing_is_an_absent_field_but_a_word_in_a_text(absent: str) -> None:
    ((_, document),) = told(f"{NAMES}\nv1,1,1,{absent},{absent},{absent},{absent},{absent}\n")
    assert document == {"version": "v1", "execution_time": 1.0, "success": True, "task_id": absent, "note": absent}


def test_a_dict_is_read_as_python_writes_it() -> None:
    ((_, document),) = told(f"{NAMES}\nv1,1,1,t,\"{{'region': 'eu', 'tags': [1, None, True]}}\",,,\n")
    assert document["metadata"] == {"region": "eu", "tags": [1, None, True]}
    ((_, document),) = told(f"{NAMES}\nv1,1,1,t,{'(' * 5000},,,\n")
    assert document["metadata"] == "(" * 5000


def test_a_comma_is_the_decimal_point_where_semicolons_separate_cells() -> None:
    ((_, document),) = told("version;duration;success;input_tokens\nv1;1,5;1;12,0\n", ";")
    assert document == {"version": "v1", "duration": 1.5, "success": True, "input_tokens": 12.0}


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "version": ["v1", "v1"],
            "task": ["a", "b"],
            "duration": [1.5, 2.5],
            "success": pd.Series([1.0, 0.0]),
            "timestamp": pd.to_datetime(["2026-01-02 03:04:05", "2026-01-02 03:04:06"], utc=True),
            "input_tokens": [12, None],
            "metadata": [{"region": "eu"}, {}],
        }
    )
    frame.to_csv(tmp_path / "x.csv")
    frame.to_json(tmp_path / "x.json", orient="records", date_format="iso")
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True, date_format="iso")
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_feather(tmp_path / "x.feather")
    stores = {}
    for file in sorted(tmp_path.iterdir()):
        stores[file.suffix] = store = MemoryStore()
        assert import_file(file, store).new == 2, file
        first, second = store.documents(Query())
        assert (first["success"], second["success"], first["input_tokens"]) == (True, False, 12)
        assert first["timestamp"] == "2026-01-02T03:04:05.000000+00:00"
        assert "input_tokens" not in second
        assert first["metadata"]["region"] == "eu"
    assert len(stores) == 5
