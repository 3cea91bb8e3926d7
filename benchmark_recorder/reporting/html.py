"""A page as a fragment of HTML, for notebooks."""

from __future__ import annotations

from functools import cache
from html import escape
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmark_recorder.errors import missing
from benchmark_recorder.reporting.drawing import require_matplotlib
from benchmark_recorder.reporting.escaping import html_text, visible
from benchmark_recorder.reporting.page import (
    Bullets,
    Cards,
    Figure,
    Heading,
    Notes,
    Paragraph,
    Prose,
    Status,
    Table,
    Untrusted,
)
from benchmark_recorder.reporting.svg import svg

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment

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
    if isinstance(span, Untrusted):
        # A name in a script that runs from right to left leaves the figures around it where they are.
        return f"<bdi>{html_text(span.text)}</bdi>"
    if isinstance(span, Status):
        return f'<span class="status {span.tone}">{escape(span.word)}</span>'
    return html_text(span.text, 1000) if isinstance(span, Prose) else escape(span)


_TEMPLATES: Final = Path(__file__).parent / "templates"
MOST_OF_TITLE: Final = 80
"""Characters of the title that a window shows."""


class Section(NamedTuple):
    """A heading, and the blocks under it.

    Attributes:
        title: the heading; empty for the blocks before the first one.
        groups: its blocks, neighbours of a kind together, under the name of their class; figures with a key each.
        status: the verdict that the section gives, if it gives one.
    """

    title: Line
    groups: tuple[tuple[str, list[Block | tuple[str, Figure]]], ...]
    status: Status | None


def render_document(page: Page) -> str:
    """The page as a whole document, the same bytes for the same page.

    It holds no script and refers to nothing; a security policy of its own forbids both.

    Args:
        page: begins with its heading of level 1.

    Raises:
        MissingDependencyError: jinja2 or matplotlib is not installed.
    """
    template = environment().get_template("report.html.jinja")
    title, *rest = page
    assert isinstance(title, Heading)
    head, *sections = _sections(rest)
    return template.render(title=title.line, head=head, sections=sections)


def render_sections(page: Page, key: str) -> str:
    """The sections of a document that is brought up to date, without the document; figures need matplotlib.

    Args:
        page: begins with a heading of level 2.
        key: begins the ids of the headings.
    """
    blocks: Any = environment().get_template("blocks.html.jinja").module
    _, *sections = _sections(page)
    return str(blocks.all(sections, key))


def require_packages() -> None:
    """Raise ``MissingDependencyError`` unless jinja2 and matplotlib are installed."""
    environment()
    require_matplotlib()


def _sections(blocks: Iterable[Block]) -> Iterator[Section]:
    """The blocks before the first heading of level 2, then each heading of level 2 with its blocks."""
    numbers = count(1)
    title: Line = ()
    held: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            yield _section(title, held, numbers)
            title, held = block.line, []
        else:
            held.append(block)
    yield _section(title, held, numbers)


def _section(title: Line, blocks: Iterable[Block], numbers: Iterator[int]) -> Section:
    status = next((block.status for block in blocks if isinstance(block, Cards)), None)
    return Section(title, tuple(_groups(blocks, numbers)), status)


def _groups(blocks: Iterable[Block], numbers: Iterator[int]) -> Iterator[tuple[str, list[Block | tuple[str, Figure]]]]:
    for kind, found in groupby(blocks, type):
        keyed = ((f"figure-{next(numbers)}", block) if isinstance(block, Figure) else block for block in found)
        yield kind.__name__, list(keyed)


@cache
def environment(folder: Path = _TEMPLATES) -> Environment:
    """Our templates, and those of a folder that build on them.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise missing("HTML reports need jinja2", "report") from error
    made = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    # line_html and svg have encoded every text; to escape it again would show the escapes.
    made.filters["line"] = lambda line: Markup(line_html(line))  # noqa: S704
    made.filters["svg"] = lambda figure, key: Markup(_drawn(figure, key))  # noqa: S704
    made.filters["plain"] = plain_line
    return made


def _drawn(figure: Figure, key: str) -> str:
    return svg(figure.chart, key, plain_line(figure.caption), plain_line(figure.description))


def plain_line(line: Line) -> str:
    """A line without markup, on one line, for a title or an attribute; the caller still has to escape it."""
    return visible("".join(map(_plain, line)), 1000)


def _plain(span: Span) -> str:
    if isinstance(span, Untrusted):
        return visible(span.text, MOST_OF_TITLE) or "(empty)"
    if isinstance(span, Status):
        return span.word
    return span.text if isinstance(span, Prose) else span
