"""Verdicts to what people read: no arithmetic, no input but frozen results, and every text encoded for its output.

Results become a page, and an output writes the page:

- ``report``: what a report says, as data; ``rendering``: a report in the format that was asked for.
- ``wording``, ``numbers``: the words and number formats, for tables and sentences alike; ``caveat_sentences``,
  ``decision_sentences``, ``experiment_sentences``, ``outlook_sentences``: what a caveat, a gate, a claim, the
  self-test, an experiment and a change over time say.
- ``page``: headings, paragraphs, tables, figures, footnotes, with recorded names marked as untrusted.
- ``comparison_pages``, ``version_pages``, ``decision_pages``, ``experiment_pages``, ``outlook_pages``, ``report_page``:
  what each answer shows, in its order, group by group as well (``by=``).
  ``load_pages``, ``load_sentences``: a load test; ``savings_pages``.
- ``text``, ``markdown``, ``html`` (with ``templates/``): a page as such; ``escaping``: how each output encodes a text.
- ``json``, ``csv``, ``frames``: results and records for programs, as JSON, as CSV, for pandas and through Arrow.
- ``charts``: what a chart shows, as data; ``chart_figures``: the charts of results; ``drawing``: charts on matplotlib's
  axes; ``svg``: charts inside HTML.
- ``ci``: the gate as a comment, JUnit, workflow commands, and figures for github-action-benchmark.
- ``views``: what the recorder returns: results with their sentences that can print, plot and export themselves;
  ``comparison_views`` (with the texts of tasks that have no id of their own), ``decision_views``,
  ``experiment_views``, ``outlook_views``; ``record_views``.

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
