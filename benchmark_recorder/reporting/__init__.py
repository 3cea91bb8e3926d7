"""Verdicts to what people read: no arithmetic, no input but frozen results, and every text encoded for its output."""

from __future__ import annotations

from benchmark_recorder.reporting.documents import SCHEMA_VERSION, json_text, print_json, print_jsonl
from benchmark_recorder.reporting.report import FORMATS, Basis, Report, build_report, render
from benchmark_recorder.reporting.spreadsheet import print_csv, write_csv

__all__ = [
    "FORMATS",
    "SCHEMA_VERSION",
    "Basis",
    "Report",
    "build_report",
    "json_text",
    "print_csv",
    "print_json",
    "print_jsonl",
    "render",
    "write_csv",
]
