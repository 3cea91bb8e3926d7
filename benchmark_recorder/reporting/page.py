"""What a reader gets, before it is text, Markdown or HTML: headings, paragraphs, tables, pictures, notes, footnotes.

Recorded texts stay marked as such, so that each renderer encodes them for its own output, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmark_recorder.analysis import Caveat
    from benchmark_recorder.reporting.charts import Chart


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A name as it was recorded: of a version, a task, an agent, a place. Blanks at its ends are shown as escapes."""

    text: str

    def __post_init__(self) -> None:
        if self.text[:1] == " " or self.text[-1:] == " ":
            inner = self.text.strip(" ")
            before, _, after = self.text.partition(inner) if inner else (self.text, "", "")
            object.__setattr__(self, "text", f"{_escaped(before)}{inner}{_escaped(after)}")


def _escaped(blanks: str) -> str:
    return "\\x20" * len(blanks)


@dataclass(frozen=True, slots=True)
class Prose:
    """A sentence of ours that holds recorded names somewhere."""

    text: str


Tone: TypeAlias = Literal["good", "bad", "doubt", "calm"]
"""What a verdict means to a reader: well, ill, undecided, or nothing to act on."""


@dataclass(frozen=True, slots=True)
class Status:
    """A verdict in one word of ours, which an output may colour; the word says it without the colour."""

    word: str
    tone: Tone


Span: TypeAlias = str | Untrusted | Prose | Status
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


@dataclass(frozen=True, slots=True)
class Card:
    """One metric at a glance.

    Attributes:
        label: of the metric.
        status: its verdict.
        figure: the change.
        details: its interval, and the values that it is a change of.
    """

    label: str
    status: Status
    figure: str
    details: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Cards:
    """Metrics side by side, where there is room; a table has their figures as well.

    Attributes:
        cards: one for each metric.
        status: the verdict over all of them.
    """

    cards: tuple[Card, ...]
    status: Status


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, in outputs that have pictures.

    Attributes:
        chart: what is drawn.
        caption: what it shows, in a few words.
        description: what it shows, for readers who cannot see it.
        table: the same figures.
    """

    chart: Chart
    caption: Line
    description: Line
    table: Table


Block: TypeAlias = Heading | Paragraph | Bullets | Notes | Table | Cards | Figure
PICTURES: tuple[type[Block], ...] = (Cards, Figure)
"""What only a document shows: text, Markdown and notebooks leave it out, and lose no figure by it."""

Page: TypeAlias = tuple[Block, ...]


def joined(lines: Iterable[Line]) -> Line:
    """Lines in one, with commas between them."""
    return tuple(span for line in lines for span in (", ", *line))[1:]


MOST_OF_NAME: Final = 60
"""Characters of a version's or a task's name inside a sentence."""

MOST_UNMATCHED: Final = 5
"""Tasks that are named for each version that ran tasks alone; the result has the first hundred."""


class Footnotes:
    """Caveats by number, each written once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._caveats: list[Caveat] = []

    def mark(self, caveats: Sequence[Caveat]) -> str:
        """What follows the sentence that the caveats belong to: `` [1, 3]``, or nothing."""
        for caveat in caveats:
            if str(caveat) not in self._numbers:
                self._caveats.append(caveat)
                self._numbers[str(caveat)] = len(self._caveats)
        numbers = sorted({self._numbers[str(caveat)] for caveat in caveats})
        return f" [{', '.join(map(str, numbers))}]" if numbers else ""

    def notes(self) -> Page:
        """The section that explains the numbers."""
        if not self._caveats:
            return ()
        return Heading(("Notes",)), Notes(tuple((_worded(caveat),) for caveat in self._caveats))


def absences(caveats: Sequence[Caveat]) -> Page:
    """Which versions have no runs; a page begins with it."""
    told = {"unknown_version", "only_parts"}
    return tuple(Paragraph((_worded(caveat),)) for caveat in caveats if caveat.code in told)


def _worded(caveat: Caveat) -> Prose:
    return readable(str(caveat), *(value for value in caveat.figures.values() if isinstance(value, str)))


def readable(sentence: str, *names: str) -> Prose:
    """A sentence of the analysis, in which long names are cut so that all of it can be read."""
    for name in names:
        if len(name) > MOST_OF_NAME:
            sentence = sentence.replace(name, f"{name[:MOST_OF_NAME]}…")
    return Prose(sentence)
