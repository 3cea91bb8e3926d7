from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from benchmark_recorder import MemoryStore, StoreFormatError
from benchmark_recorder.exchange import import_file
from benchmark_recorder.exchange.entry import OWN_NAMES
from benchmark_recorder.exchange.recognition import Form, recognise

REPORT = {"machine_info": {}, "commit_info": {}, "benchmarks": [], "datetime": "2026-01-01", "version": "5.0.0"}
STORE = {"schema_version": 1, "metrics": [{"version": "v1"}]}


@pytest.fixture
def form_of(tmp_path: Path) -> Any:
    def form_of(content: bytes) -> Form:
        (tmp_path / "x").write_bytes(content)
        return recognise(tmp_path / "x", OWN_NAMES)

    return form_of


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n \n"])
def test_a_document_is_known_by_its_keys_however_it_is_laid_out(indent: int | None, mark: bytes, form_of: Any) -> None:
    assert form_of(mark + json.dumps(STORE, indent=indent).encode()) is Form.JSON
    if mark != b"\n \n":
        assert form_of(json.dumps(REPORT, indent=indent).encode()) is Form.PYTEST_BENCHMARK


def test_a_store_whose_end_was_cut_is_recognised_by_its_beginning(form_of: Any) -> None:
    assert form_of(b'{"schema_version": 1, "metrics": [\n{"version": "v1"},\n{"ver') is Form.JSON
    assert form_of(b'{\n  "metrics": [\n    {\n      "ver') is Form.JSON


def test_a_store_is_known_without_reading_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b'{"schema_version": 1, "metrics": [\n')
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    assert recognise(tmp_path / "x", OWN_NAMES) is Form.JSON


def test_lines_are_known_by_the_first_one_also_if_it_is_wrong(form_of: Any) -> None:
    assert form_of(b'{"version": "v1"}\n{"version": "v2"}\n') is Form.JSONL
    assert form_of(b'{"version": v1}\n{"version": "v2"}\n') is Form.JSONL
    assert form_of(b'{"task": 1, "metrics": "x"}\n') is Form.JSONL


def test_a_table_is_known_by_its_names(form_of: Any) -> None:
    assert form_of(b"\xef\xbb\xbfversion;duration;success\n") is Form.CSV
    assert form_of(b",version,duration,success\n") is Form.CSV


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"hello", "neither JSON nor CSV"),
        (b"x" * 200_000, "neither JSON nor CSV"),
        (b"\x00\x01\xff", "neither JSON nor CSV"),
        (b"a,b\n1,2\n", "CSV without the columns execution_time and success: 'a,b'; name them with --map"),
        (b'{"a": 1}\n', "JSON without a field of ours: its fields are 'a'; name them with --map"),
        (b'[{"a": 1}]', "JSON without a field of ours: its fields are 'a'; name them with --map"),
        (b'{\n"settings": {}\n}', "JSON without a field of ours: its fields are 'settings'"),
        (b'{\n"version": "v1"\n}', "one JSON object over several lines"),
        (b"[1]", "a JSON array of something else than objects"),
        (b'[{"version": "v1"', "element 1: not JSON: the file ends in the middle of it"),
        (b'{"version":\n', "JSON that is truncated or damaged"),
        (b"{" * 10_000, "JSON that is truncated or damaged"),
    ],
)
def test_an_unknown_form_is_an_error_that_says_what_it_looks_like_and_lists_the_forms(
    content: bytes, looks: str, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(StoreFormatError) as caught:
        import_file(tmp_path / "x", MemoryStore())
    assert str(caught.value).startswith(f"{tmp_path / 'x'}: unknown format: {looks}")
    assert "; expected JSON lines, a JSON array, CSV " in str(caught.value)


PYPERF = {"benchmarks": [{"runs": [{"values": [1e-8]}]}], "metadata": {"unit": "second"}, "version": "1.0"}
ASV = {"commit_hash": "f" * 40, "params": {}, "result_columns": ["result"], "results": {"t": [[1.0]]}, "version": 2}
LOCUST = [{"name": "/", "method": "GET", "num_requests": 9, "response_times": {"13": 9}}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("document", "named"),
    [
        (PYPERF, "JSON of pyperf"),
        (ASV, "results of asv"),
        (LOCUST, "JSON of locust"),
        ({"root_group": {}, "metrics": {"http_reqs": {"count": 1}}}, "k6's summary"),
        ({"type": "Metric", "data": {}, "metric": "http_reqs"}, "k6's JSON"),
        ({"doc_id": 1, "filtered_resps": [""], "acc": 1.0}, "samples of lm-eval"),
        ({"results": {"t": {"acc": 1.0}}, "configs": {}, "n-shot": {}}, "results of lm-eval"),
    ],
)
def test_a_file_of_a_tool_that_is_not_read_says_why(
    document: Any, named: str, indent: int | None, form_of: Any
) -> None:
    with pytest.raises(StoreFormatError, match=f"^unknown format: {named}.*, (which|and)") as caught:
        form_of(json.dumps(document, indent=indent).encode())
    assert "expected" not in str(caught.value)


def test_an_archive_that_is_no_log_is_unknown(form_of: Any) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(StoreFormatError, match="a zip archive that is no log of Inspect"):
        form_of(content.getvalue())
