from __future__ import annotations

import json

import pytest

from benchmark_recorder.exchange.recognition import Form, recognise

REPORT = {"machine_info": {}, "commit_info": {}, "benchmarks": [], "datetime": "2026-01-01", "version": "5.0.0"}
STORE = {"schema_version": 1, "metrics": [{"version": "v1"}]}


def form_of(content: bytes) -> Form | None:
    return recognise(next(line for line in content.splitlines(keepends=True) if line.strip()), lambda: content)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n \n"])
def test_a_document_is_known_by_its_keys_however_it_is_laid_out(indent: int | None, mark: bytes) -> None:
    assert form_of(mark + json.dumps(STORE, indent=indent).encode()) is Form.JSON
    if mark != b"\n \n":
        assert form_of(json.dumps(REPORT, indent=indent).encode()) is Form.PYTEST_BENCHMARK


def test_a_store_whose_end_was_cut_is_recognised_by_its_beginning() -> None:
    assert form_of(b'{"schema_version": 1, "metrics": [\n{"version": "v1"},\n{"ver') is Form.JSON
    assert form_of(b'{\n  "metrics": [\n    {\n      "ver') is Form.JSON


def test_a_store_is_known_without_reading_all_of_it() -> None:
    assert recognise(b'{"schema_version": 1, "metrics": [\n', pytest.fail) is Form.JSON


def test_lines_are_known_by_the_first_one_also_if_it_is_wrong() -> None:
    assert form_of(b'{"version": "v1"}\n{"version": "v2"}\n') is Form.JSONL
    assert form_of(b'{"version": v1}\n{"version": "v2"}\n') is Form.JSONL
    assert form_of(b'{"benchmarks": 1, "metrics": "x"}\n') is Form.JSONL


@pytest.mark.parametrize("content", [b'{\n"a": 1}', b'{"a":\n', b"[1]", b"a,b\n", b"\x00", b"{" * 10_000])
def test_anything_else_is_nothing(content: bytes) -> None:
    assert form_of(content) is None


def test_a_table_is_known_by_its_names() -> None:
    assert form_of(b"\xef\xbb\xbfversion;duration;success\n") is Form.CSV
