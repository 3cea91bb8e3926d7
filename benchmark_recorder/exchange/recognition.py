"""Which form a file has, by its content: a name proves nothing. What is not read says why."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import InvalidRecordError, StoreFormatError, preview
from benchmark_recorder.exchange import csv_rows, hyperfine, inspect_log, langfuse, promptfoo, pytest_benchmark
from benchmark_recorder.exchange.entry import BYTE_ORDER_MARK
from benchmark_recorder.exchange.json_stream import elements
from benchmark_recorder.fields import METRIC_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Form(StrEnum):
    """What can be imported."""

    JSON = "json"
    JSONL = "jsonl"
    ARRAY = "json array"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"
    PYTEST_BENCHMARK = "pytest-benchmark"
    HYPERFINE = "hyperfine"
    PROMPTFOO = "promptfoo"
    LANGFUSE = "langfuse"
    LANGFUSE_LINES = "langfuse lines"
    LANGFUSE_ANSWER = "langfuse answer"
    INSPECT = "inspect"
    INSPECT_JSON = "inspect json"

    @property
    def tool(self) -> str:
        """The name of the tool whose form it is; empty for a form of one's own."""
        return self.split()[0] if self in _OF_TOOLS else ""


_OF_TOOLS: Final = frozenset(Form) - {Form.JSON, Form.JSONL, Form.ARRAY, Form.CSV, Form.PARQUET, Form.ARROW}

_EXPECTED: Final = (
    "expected JSON lines, a JSON array, CSV under a row of names (at least execution_time and success), Parquet or "
    "Arrow, the JSON of this recorder, or a file of pytest-benchmark, hyperfine, promptfoo, Langfuse or Inspect"
)
_ZIP: Final = b"PK\x03\x04"
_MAGIC: Final = {b"PAR1": Form.PARQUET, b"ARRO": Form.ARROW, b"\xff\xff\xff\xff": Form.ARROW}
_METRICS: Final = re.compile(rb'"metrics"\s*:\s*\[$')
_OF_REPORTS: Final[tuple[tuple[Form, Callable[[dict[str, Any]], bool]], ...]] = (
    (Form.PYTEST_BENCHMARK, pytest_benchmark.is_report),
    (Form.PROMPTFOO, promptfoo.is_report),
    (Form.INSPECT_JSON, inspect_log.is_log),
    (Form.LANGFUSE_ANSWER, langfuse.is_answer),
    (Form.HYPERFINE, hyperfine.is_report),
)
_NOT_READ: Final = (
    ({"benchmarks", "version"}, "JSON of pyperf, which times loops that cannot fail: it has neither success nor cost"),
    ({"commit_hash", "results", "params"}, "results of asv, which have figures of each benchmark, and no single runs"),
    ({"metrics", "root_group"}, "k6's summary, which has figures alone, and no single runs"),
    ({"type", "metric", "data"}, "k6's JSON, which has one line per sample of a metric, and no whole runs"),
    ({"num_requests", "response_times"}, "JSON of locust, which counts rounded response times, and has no single runs"),
    ({"doc_id", "filtered_resps"}, "samples of lm-eval, which say nothing of how long an answer took"),
    ({"results", "configs", "n-shot"}, "results of lm-eval, which have figures of each task, and no single runs"),
)
"""Keys of JSON of other tools, and why it is not read."""


def recognise(path: Path, spellings: Mapping[str, str]) -> Form:
    """The form of a file.

    Args:
        path: a regular file without compression; see ``content``.
        spellings: names in the file, and ours.

    Raises:
        StoreFormatError: it has none that is read; says what it looks like.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        first = next((line for line in file if line.strip()), b"")
    if magic in _MAGIC:
        return _MAGIC[magic]
    if magic == _ZIP:
        if inspect_log.is_archive(path):
            return Form.INSPECT
        raise _unknown("a zip archive that is no log of Inspect")
    line = first.removeprefix(BYTE_ORDER_MARK).strip()
    if not line:
        raise _unknown("it is empty")
    if line.startswith(b"["):
        return _of_array(path, spellings)
    if line.startswith(b"{"):
        return _of_object(line, path.read_bytes, spellings)
    if csv_rows.delimiter_of(line.decode("utf-8", "replace"), spellings):
        return Form.CSV
    names = line.decode("utf-8", "replace")
    if re.fullmatch(r"[\w .\"'-]+([,;\t][\w .\"'-]+)+", names):
        raise _unknown(f"CSV without the columns execution_time and success: {preview(names)}; name them with --map")
    raise _unknown("neither JSON nor CSV")


def _of_array(path: Path, spellings: Mapping[str, str]) -> Form:
    with path.open(encoding="utf-8-sig") as file:
        try:
            first = next(elements(file), None)
        except InvalidRecordError as error:
            raise _unknown(str(error)) from error
    if first is None:
        return Form.ARRAY
    if not isinstance(first, dict):
        raise _unknown("a JSON array of something else than objects")
    return Form.LANGFUSE if langfuse.is_row(first) else _of_record(first, spellings, Form.ARRAY)


def _of_object(line: bytes, whole: Callable[[], bytes], spellings: Mapping[str, str]) -> Form:
    top = _object(line)
    if top is not None and (found := _of_report(top)):
        return found
    if top is not None:
        return Form.LANGFUSE_LINES if langfuse.is_row(top) else _of_record(top, spellings, Form.JSONL)
    if _METRICS.search(line):
        return Form.JSON  # as a store lays it out, which may be too large to be read at once
    content = whole()
    top = _object(content)
    if top is not None:
        if found := _of_report(top):
            return found
        _of_record(top, spellings, Form.JSONL)
        raise _unknown("one JSON object over several lines; put it on one line, or into an array")
    if line.endswith(b"}"):
        return Form.JSONL  # its first line is wrong; reading it will say so
    # A store opens even if its end was cut off.
    if re.match(rb'[^\[\]]{0,4096}"metrics"\s*:\s*\[', content.removeprefix(BYTE_ORDER_MARK)):
        return Form.JSON
    raise _unknown("JSON that is truncated or damaged")


def _of_report(top: dict[str, Any]) -> Form | None:
    if isinstance(top.get("metrics"), list):
        return Form.JSON
    return next((form for form, is_one in _OF_REPORTS if is_one(top)), None)


def _of_record(document: dict[str, Any], spellings: Mapping[str, str], form: Form) -> Form:
    """The form, if an object has a field of ours."""
    for keys, reason in _NOT_READ:
        if keys <= document.keys():
            raise _unknown(reason, "")
    if document.keys() & {*METRIC_FIELDS, *spellings, "idempotency_key"}:
        return form
    names = ", ".join(map(preview, list(document)[:5])) or "none"
    raise _unknown(f"JSON without a field of ours: its fields are {names}; name them with --map")


def _unknown(looks: str, expected: str = _EXPECTED) -> StoreFormatError:
    return StoreFormatError(f"unknown format: {looks}" + (f"; {expected}" if expected else ""))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
