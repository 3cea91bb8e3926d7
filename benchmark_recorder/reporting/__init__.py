"""Verdicts to what people read: no arithmetic, no input but frozen results, and every text encoded for its output.

The names below are imported on first use: what only encodes or writes records needs no statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder._lazy import lazy_names

if TYPE_CHECKING:
    from benchmark_recorder.reporting.csv import print_csv, write_csv
    from benchmark_recorder.reporting.json import SCHEMA_VERSION, json_text, print_json, print_jsonl
    from benchmark_recorder.reporting.rendering import FORMATS, check_format, render
    from benchmark_recorder.reporting.report import Basis, Report

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
    **dict.fromkeys(("SCHEMA_VERSION", "json_text", "print_json", "print_jsonl"), "json"),
    **dict.fromkeys(("FORMATS", "check_format", "render"), "rendering"),
    **dict.fromkeys(("Basis", "Report"), "report"),
    **dict.fromkeys(("print_csv", "write_csv"), "csv"),
}

__getattr__ = lazy_names(__name__, _HOMES)
