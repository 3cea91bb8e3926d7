"""A report as text, Markdown, HTML, JSON or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import one_of
from benchmark_recorder.reporting.csv import report_csv
from benchmark_recorder.reporting.json import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.report_page import report_page
from benchmark_recorder.reporting.text import render_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark_recorder.reporting.report import Report

FORMATS = ("text", "markdown", "html", "json", "csv")


def render(report: Report, format: str) -> str:  # noqa: A002 - the field's word
    """The report as ``"text"`` (80 columns), ``"markdown"``, ``"html"`` (one file), ``"json"`` or ``"csv"``.

    Raises:
        InvalidQueryError: the format is none of these.
        MissingDependencyError: what HTML needs is not installed.
    """
    check_format(format)
    if format == "json":
        return report_json(report)
    if format == "csv":
        return report_csv(report)
    if format == "html":
        from benchmark_recorder.reporting.chart_figures import report_pictures
        from benchmark_recorder.reporting.html import render_document

        return render_document(report_page(report, report_pictures(report)))
    page = report_page(report)
    return render_text(page) if format == "text" else render_markdown(page)


def check_format(format: object, known: Sequence[str] = FORMATS) -> None:  # noqa: A002 - the field's word
    """Make sure that a report can be rendered so, before a store is asked for anything.

    Raises:
        InvalidQueryError: the format is not known.
        MissingDependencyError: what HTML needs is not installed.
    """
    if one_of("format", format, known) == "html":
        from benchmark_recorder.reporting.html import require_packages

        require_packages()


def report_json(report: Report) -> str:
    """The report for programs."""
    basis = report.basis
    document = {
        "schema_version": SCHEMA_VERSION,
        "versions": report.summaries,
        "comparisons": report.comparisons,
        "attention": report.attention,
        "trends": report.trends,
        "distributions": report.distributions,
        **({} if report.by is None else _by_key(report)),
        "basis": {
            "store": basis.store,
            "query": basis.query,
            **{name: getattr(basis.health, name) for name in _HEALTH},
            "failing_since": basis.health.failing_since and basis.health.failing_since.isoformat(),
        },
    }
    return json_text(document, indent=2)


def _by_key(report: Report) -> dict[str, object]:
    groups = [
        {"version": summary.version, "group": group, "summary": found}
        for summary, own in zip(report.summaries, report.groups, strict=True)
        for group, found in own.items()
    ]
    return {"by": report.by, "groups": groups, "slices": report.slices}


_HEALTH: Final = ("waiting", "lost", "invalid", "pending", "pending_since", "quarantined")
