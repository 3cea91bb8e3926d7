"""Verdicts to what people read: no arithmetic, no input but frozen results, and every text encoded for its output.

The names below are imported on first use: what only encodes or writes records needs no statistics.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from benchmark_recorder.reporting.documents import SCHEMA_VERSION, json_text, print_json, print_jsonl
    from benchmark_recorder.reporting.report import FORMATS, Basis, Report, check_format, render
    from benchmark_recorder.reporting.spreadsheet import print_csv, write_csv

__all__ = [
    "FORMATS",
    "SCHEMA_VERSION",
    "Basis",
    "Report",
    "check_format",
    "json_text",
    "print_csv",
    "print_json",
    "print_jsonl",
    "render",
    "write_csv",
]

_HOMES: Final = {
    **dict.fromkeys(("SCHEMA_VERSION", "json_text", "print_json", "print_jsonl"), "documents"),
    **dict.fromkeys(("FORMATS", "Basis", "Report", "check_format", "render"), "report"),
    **dict.fromkeys(("print_csv", "write_csv"), "spreadsheet"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the above
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
