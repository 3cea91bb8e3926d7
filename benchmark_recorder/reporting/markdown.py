"""A page as GitHub-flavoured Markdown, for pull requests, job summaries and wikis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_recorder.reporting.escaping import markdown, markdown_cell, markdown_prose
from benchmark_recorder.reporting.page import (
    PICTURES,
    Bullets,
    Heading,
    Notes,
    Paragraph,
    Prose,
    Status,
    Table,
    Untrusted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.reporting.page import Block, Line, Page, Span


def render_markdown(page: Page) -> str:
    """The page; tables are not split, as their readers can scroll."""
    return "\n\n".join("\n".join(_lines(block)) for block in page if not isinstance(block, PICTURES)) + "\n"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(line, level):
            yield f"{'#' * level} {_text(line)}"
        case Paragraph(line):
            yield _text(line)
        case Bullets(lines):
            yield from (f"- {_text(line)}" for line in lines)
        case Notes(lines):
            yield from (f"{ordinal}. {_text(line)}" for ordinal, line in enumerate(lines, 1))
        case Table(header, rows, align):
            yield _row(header)
            yield "|" + "|".join("---" if side == "l" else "---:" for side in align) + "|"
            yield from map(_row, rows)


def _row(cells: tuple[Line, ...]) -> str:
    return f"| {' | '.join(''.join(map(_cell, line)) for line in cells)} |"


def _cell(span: Span) -> str:
    return markdown_cell(span.text) if isinstance(span, Untrusted) else _span(span)


def _text(line: Line) -> str:
    return "".join(map(_span, line))


def _span(span: Span) -> str:
    if isinstance(span, Untrusted):
        return markdown(span.text)
    if isinstance(span, Prose):
        return markdown_prose(span.text)
    return _ours(span.word if isinstance(span, Status) else span)


def _ours(text: str) -> str:
    """Text of ours has few signs that Markdown takes for its own."""
    return text.replace("~", "\\~").replace("*", "\\*").replace("[", "\\[").replace("$", "\\$").replace("<", "&lt;")
