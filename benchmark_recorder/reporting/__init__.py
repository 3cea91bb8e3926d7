"""Verdicts to what people read: no arithmetic, no input but frozen results, and every text encoded for its output."""

from __future__ import annotations

from benchmark_recorder.reporting.documents import json_text, print_json, print_jsonl
from benchmark_recorder.reporting.spreadsheet import print_csv, write_csv

__all__ = ["json_text", "print_csv", "print_json", "print_jsonl", "write_csv"]
