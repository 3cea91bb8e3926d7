from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import pytest

from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import Query
from benchmark_recorder.records import Document, stamp
from benchmark_recorder.reporting import print_csv, write_csv
from benchmark_recorder.stores.memory import MemoryStore
from tests.hostile import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark_recorder.records import Columns

TEXTS = ("version", "task_id", "task_description", "agent_selected", "expected_agent", "error_type", "host", "model")


def columns(*documents: Document, fields: tuple[str, ...] = tuple(COLUMNS)) -> Columns:
    store = MemoryStore()
    store.append(documents)
    return store.scan(Query(), fields)


def document(**fields: object) -> Document:
    record_id, now = stamp()
    return {
        "record_id": record_id,
        "timestamp": now,
        "version": "v1.0",
        "git_commit": None,
        "task_id": "t",
        "task_description": "a task",
        "execution_time": 1.5,
        "success": True,
        "agent_selected": None,
        "cost_estimated": 0.0,
        "difficulty": None,
        "metadata": {},
        **fields,
    }


def printed(table: Columns) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    print_csv(table, file)
    file.getvalue().encode()
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


@pytest.fixture(autouse=True)
def _large_fields() -> None:
    csv.field_size_limit(sys.maxsize)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_in_every_text_field_is_one_harmless_cell(text: str) -> None:
    (row,) = printed(columns(document(**dict.fromkeys(TEXTS, text), metadata={text: text})))
    for name in TEXTS:
        assert not row[name].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert row[name].lstrip("'")[:1] == text.lstrip("'")[:1] or not text.isprintable()
    assert row["execution_time"] == "1.5"
    assert None not in row


def test_numbers_stay_numbers_and_what_is_absent_is_empty() -> None:
    (row,) = printed(columns(document(execution_time=3.0, input_tokens=12, cost_estimated=1e-06)))
    assert (row["execution_time"], row["input_tokens"], row["cost_estimated"]) == ("3.0", "12", "1e-06")
    assert (row["output_tokens"], row["difficulty"], row["agent_selected"]) == ("", "", "")
    assert row["success"] == "True"


def test_metadata_is_json() -> None:
    (row,) = printed(columns(document(metadata={"a": [1, None, "ü"]})))
    assert row["metadata"] == '{"a": [1, null, "\\u00fc"]}'


def test_no_records_are_a_row_of_names() -> None:
    file = io.StringIO(newline="")
    print_csv(columns(fields=("version", "execution_time")), file)
    assert file.getvalue() == "version,execution_time\r\n"


def test_a_file_that_cannot_be_written_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_csv(columns(document()), tmp_path)
