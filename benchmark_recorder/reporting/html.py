"""A page as a fragment of HTML, for notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from benchmark_recorder.reporting.encoders import html_text
from benchmark_recorder.reporting.page import Bullets, Heading, Notes, Paragraph, Prose, Recorded, Status, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark_recorder.reporting.page import Block, Line, Page, Span


def render_html(page: Page) -> str:
    """The page without scripts, links or anything to load; a notebook takes no dollar sign in it for mathematics."""
    inside = "\n".join(line for block in page for line in _lines(block))
    return f'<div class="tex2jax_ignore mathjax_ignore">\n{inside}\n</div>\n'


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(line, level):
            yield f"<h{level + 2}>{line_html(line)}</h{level + 2}>"
        case Paragraph(line):
            yield f"<p>{line_html(line)}</p>"
        case Bullets(lines):
            yield _list("ul", lines)
        case Notes(lines):
            yield _list("ol", lines)
        case Table(header, rows, align):
            yield "<table>"
            yield f"<thead>{_row('th', header, align)}</thead>"
            yield "<tbody>"
            yield from (_row("td", row, align) for row in rows)
            yield "</tbody>"
            yield "</table>"


def _list(tag: str, lines: tuple[Line, ...]) -> str:
    items = "".join(f"<li>{line_html(line)}</li>" for line in lines)
    return f"<{tag}>{items}</{tag}>"


def _row(tag: str, cells: tuple[Line, ...], align: str) -> str:
    sides = ("left" if side == "l" else "right" for side in align)
    placed = (
        f'<{tag} style="text-align: {side}">{line_html(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{''.join(placed)}</tr>"


def line_html(line: Line) -> str:
    """The markup of one line; all that is not ours is encoded here."""
    return "".join(map(_span, line))


def _span(span: Span) -> str:
    if isinstance(span, Recorded):
        # A name in a script that runs from right to left leaves the figures around it where they are.
        return f"<bdi>{html_text(span.text)}</bdi>"
    if isinstance(span, Status):
        return f'<span class="status {span.tone}">{escape(span.word)}</span>'
    return html_text(span.text, 1000) if isinstance(span, Prose) else escape(span)
