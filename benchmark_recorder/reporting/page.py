"""What a reader gets, before it is text or Markdown: headings, paragraphs, tables, notes.

Texts that were recorded stay marked as such, so that each renderer encodes them for its own output, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Recorded:
    """A name as it was recorded: of a version, a task, an agent, a place."""

    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """A sentence of ours that holds recorded names somewhere."""

    text: str


Span: TypeAlias = str | Recorded | Prose
Line: TypeAlias = tuple[Span, ...]
"""Plain ``str`` parts are ours and need no encoding but for the output's own signs."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Of the page (level 1) or of a section (level 2)."""

    line: Line
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    line: Line


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """Numbered from 1."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header.

    Attributes:
        header: one cell a column.
        rows: as many cells each.
        align: ``"l"`` or ``"r"`` for each column.
        splits: whether columns may move into a second table, under the first column repeated, where there is not
            room for all.
    """

    header: tuple[Line, ...]
    rows: tuple[tuple[Line, ...], ...]
    align: str
    splits: bool = False


Block: TypeAlias = Heading | Paragraph | Bullets | Notes | Table
Page: TypeAlias = tuple[Block, ...]
