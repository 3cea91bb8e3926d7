"""Which form a file has, by its content: a name proves nothing."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.exchange import csv_rows, pytest_benchmark
from benchmark_recorder.exchange.json_lines import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Callable


_METRICS: Final = re.compile(rb'"metrics"\s*:\s*\[$')


class Form(StrEnum):
    """What can be imported."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PYTEST_BENCHMARK = "pytest-benchmark"


def recognise(first: bytes, whole: Callable[[], bytes]) -> Form | None:
    """The form of a file; ``None`` if it is not one of them.

    Args:
        first: its first line that is not blank.
        whole: reads all of it; called if the first line does not decide.
    """
    line = first.removeprefix(BYTE_ORDER_MARK).strip()
    if not line.startswith(b"{"):
        return Form.CSV if csv_rows.delimiter_of(line.decode("utf-8", "replace")) else None
    top = _object(line)
    if top is not None:
        return _of_document(top) or Form.JSONL
    if _METRICS.search(line):
        return Form.JSON  # as a store lays it out, which may be too large to be read at once
    content = whole()
    top = _object(content)
    if top is not None:
        return _of_document(top)
    if line.endswith(b"}"):
        return Form.JSONL  # its first line is wrong; reading it will say so
    # A store opens even if its end was cut off.
    return Form.JSON if re.match(rb'[^\[\]]{0,4096}"metrics"\s*:\s*\[', content.removeprefix(BYTE_ORDER_MARK)) else None


def _of_document(top: dict[str, Any]) -> Form | None:
    if isinstance(top.get("metrics"), list):
        return Form.JSON
    return Form.PYTEST_BENCHMARK if pytest_benchmark.is_report(top) else None


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
