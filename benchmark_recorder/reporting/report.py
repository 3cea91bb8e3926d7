"""The report: verdicts, figures, what stands out, what is doubtful, and what it all rests on, in this order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from benchmark_recorder.errors import InvalidQueryError
from benchmark_recorder.reporting.csv import report_csv
from benchmark_recorder.reporting.json import SCHEMA_VERSION, json_text
from benchmark_recorder.reporting.markdown import render_markdown
from benchmark_recorder.reporting.report_page import report_page
from benchmark_recorder.reporting.text import render_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from benchmark_recorder.analysis import Attention, Distribution, JointComparison, Summary, Trend

FORMATS = ("text", "markdown", "html", "json", "csv")


class Health(Protocol):
    """How recording fares; ``intake.Health`` is one."""

    @property
    def waiting(self) -> int:
        """Records in memory that could not be written yet."""

    @property
    def lost(self) -> int:
        """Records that were dropped."""

    @property
    def invalid(self) -> int:
        """Recordings that were refused for their content and only logged."""

    @property
    def pending(self) -> int:
        """Records that a remote store has not confirmed."""

    @property
    def pending_since(self) -> str | None:
        """The time of the oldest of them as text."""

    @property
    def quarantined(self) -> int:
        """Records that a remote store refused."""

    @property
    def failing_since(self) -> datetime | None:
        """When this process's present trouble with a store began."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a report rests on.

    Attributes:
        store: where the records live.
        health: how recording into it fares in this process.
        query: which executions, as the caller said it.
    """

    store: str
    health: Health
    query: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says, frozen.

    Attributes:
        summaries: of each version.
        comparisons: of each version with the one before it.
        basis: what it rests on.
        texts: of tasks without an id of their own, by the id that was made (see ``task_texts``).
        attention: what to look at in each version, in the order of ``summaries``.
        trends: of each version week over week, in the order of ``summaries``; all have the same weeks.
        distributions: of each version's execution times, in the order of ``summaries``; all have the same bins.
    """

    summaries: tuple[Summary, ...]
    comparisons: tuple[JointComparison, ...]
    basis: Basis
    texts: Mapping[str, str] = field(default_factory=dict)
    attention: tuple[Attention, ...] = ()
    trends: tuple[Trend, ...] = ()
    distributions: tuple[Distribution, ...] = ()


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
    page = report_page(report)
    if format == "html":
        from benchmark_recorder.reporting.html import render_document

        return render_document(page)
    return render_text(page) if format == "text" else render_markdown(page)


def check_format(format: object, known: Sequence[str] = FORMATS) -> None:  # noqa: A002 - the field's word
    """Make sure that a report can be rendered so, before a store is asked for anything.

    Raises:
        InvalidQueryError: the format is not known.
        MissingDependencyError: what HTML needs is not installed.
    """
    if format not in known:
        shown = ascii(format)[:80] if isinstance(format, str) else f"a {type(format).__name__}"
        raise InvalidQueryError(f"format: expected one of {', '.join(known)}, got {shown}")
    if format == "html":
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
        "basis": {
            "store": basis.store,
            "query": basis.query,
            **{name: getattr(basis.health, name) for name in _HEALTH},
            "failing_since": basis.health.failing_since and basis.health.failing_since.isoformat(),
        },
    }
    return json_text(document, indent=2)


_HEALTH: Final = ("waiting", "lost", "invalid", "pending", "pending_since", "quarantined")
