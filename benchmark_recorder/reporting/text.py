"""A page as plain text in 80 columns, for terminals, mails and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmark_recorder.reporting.escaping import fit, squeeze, terminal, width
from benchmark_recorder.reporting.page import Bullets, Heading, Notes, Paragraph, Prose, Status, Table, Untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmark_recorder.reporting.page import Block, Line, Page, Span

COLUMNS: Final = 80
_GAP: Final = "  "
_NAME: Final = 8
"""Columns that a name in a table keeps."""


def render_text(page: Page) -> str:
    """The page; every line ends with a line end, none has more than 80 columns unless its figures need them."""
    blocks = ["\n".join(_lines(block)) for block in page]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(line, level):
            title = fit(_text(line), COLUMNS)
            yield title
            yield ("=" if level == 1 else "-") * width(title)
        case Paragraph(line):
            yield from wrapped(_text(line))
        case Bullets(lines):
            for line in lines:
                yield from wrapped(_text(line), "- ")
        case Notes(lines):
            for ordinal, line in enumerate(lines, 1):
                yield from wrapped(_text(line), f"{f'[{ordinal}]':<4} ")
        case Table():
            yield from _table(block)


def _text(line: Line) -> str:
    return "".join(map(_span, line))


def _span(span: Span) -> str:
    if isinstance(span, Untrusted):
        return terminal(span.text)
    if isinstance(span, Status):
        return span.word
    return terminal(span.text, 1000) if isinstance(span, Prose) else span


def wrapped(text: str, mark: str = "", columns: int = COLUMNS) -> Iterator[str]:
    """Lines of an encoded text; the mark precedes the first one, the others are indented by its width."""
    indent = " " * len(mark)
    line = mark
    for word in _broken(text.split(" "), columns - len(mark)):
        if width(line) + width(word) > columns and line.strip():
            yield line.rstrip()
            line = indent
        line += word + " "
    yield line.rstrip()


def _broken(words: Sequence[str], columns: int) -> Iterator[str]:
    """Words, those too long for a line in pieces; no piece begins with what a log takes for a command."""
    for word in words:
        rest = word
        while width(rest) > columns:
            cut = len(fit(rest, columns)) - 1
            while cut > 1 and rest.startswith("::", cut):
                cut -= 1
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def _table(table: Table) -> Iterator[str]:
    cells = [[_text(cell) for cell in row] for row in (table.header, *table.rows)]
    natural = [max(width(row[i]) for row in cells) for i in range(len(table.header))]
    least = [_least(table, cells, i) for i in range(len(table.header))]
    groups = _groups([min(n, max(m, COLUMNS // 3)) for n, m in zip(natural, least, strict=True)], splits=table.splits)
    for ordinal, group in enumerate(groups):
        if ordinal:
            yield ""
        part = [[row[i] for i in group] for row in cells]
        widths, gap = _room([natural[i] for i in group], [least[i] for i in group])
        yield from _aligned(part, widths, [table.align[i] for i in group], gap)


def _least(table: Table, cells: Sequence[Sequence[str]], column: int) -> int:
    """Columns that the figures need; a name may be squeezed."""
    rows = (table.header, *table.rows)
    ours = (
        width(text[column])
        for row, text in zip(rows, cells, strict=True)
        if not any(isinstance(span, Untrusted) for span in row[column])
    )
    return max((_NAME, *ours))


def _groups(widths: Sequence[int], *, splits: bool) -> list[list[int]]:
    """Which columns go side by side: always the first one, and at least one more."""
    if not splits:
        return [list(range(len(widths)))]
    groups: list[list[int]] = []
    used = COLUMNS
    for column in range(1, len(widths)):
        used += len(_GAP) + widths[column]
        if used > COLUMNS:
            groups.append([0])
            used = widths[0] + len(_GAP) + widths[column]
        groups[-1].append(column)
    return groups


def _room(natural: Sequence[int], least: Sequence[int]) -> tuple[list[int], str]:
    """The columns' widths and the gap between them: squeezed names before narrow gaps before a longer line."""
    spare = COLUMNS - len(_GAP) * (len(natural) - 1) - sum(min(n, m) for n, m in zip(natural, least, strict=True))
    gap = _GAP if spare >= 0 else " "
    widths = []
    for wanted, needed in zip(natural, least, strict=True):
        extra = max(0, min(wanted - needed, spare))
        widths.append(min(wanted, needed + extra))
        spare -= extra
    return widths, gap


def _aligned(cells: Sequence[Sequence[str]], widths: Sequence[int], align: Sequence[str], gap: str) -> Iterator[str]:
    for row in cells:
        placed = (_placed(text, room, side) for text, room, side in zip(row, widths, align, strict=True))
        yield gap.join(placed).rstrip()


def _placed(text: str, room: int, side: str) -> str:
    shown = squeeze(text, room)
    blank = " " * (room - width(shown))
    return shown + blank if side == "l" else blank + shown
