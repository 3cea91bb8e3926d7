"""Untrusted text, made harmless: one encoder for each output.

Versions, tasks, agents, models and metadata come from people and from models; none of it may be taken for markup, a
command or a control sequence. Every text that was recorded passes exactly one of these on its way out.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SHOWN: Final = 200
"""Characters of one text in a report: enough to know it again."""

MOST_MARKS: Final = 4
"""Combining marks on one letter: more than any language needs, too few to cover the lines around it."""

_EMPTY: Final = "(empty)"
_SIGNS: Final = "=+@\uff1d\uff0b\uff0d\uff20-"
"""What makes a cell a formula, at its beginning (OWASP, CSV injection); full-width signs, too."""

_FORMULA: Final = re.compile(f"(^'*)(?=[\t\r\n{_SIGNS}])|(?<=[;\t\r\n])([\"' ]*)(?=[{_SIGNS}])")
_ESCAPED: Final = re.compile(f"(^'*)'(?=[\t\r\n{_SIGNS}])|(?<=[;\t\r\n])([\"' ]*)'(?=[{_SIGNS}])")
"""A formula at the beginning of a text, or behind what separates cells in some countries' spreadsheets."""

_CSV_BREAKING: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MARKDOWN_SIGNS: Final = re.compile(r"[\\`*_\[\]<>|~&$@#]|:(?=//)|(?<=\bwww)\.|^[-+](?=\s)")
_ISSUE: Final = re.compile(r"\b(gh-)(?=\d)", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"^(\d+)([.)])")
_LOG_COMMAND: Final = re.compile(r"(?:(?<=\s)|^):+(?=:)|:{2,}(?=:)|#(?=#)")
"""``::`` where a word begins (GitHub) and ``##`` anywhere (Azure, TeamCity, old GitHub): a wrapped line may begin
with any word, and a word of many colons may be broken anywhere."""


def visible(text: str, limit: int = MAX_SHOWN) -> str:
    """One line in which every character shows: controls, format and direction marks as Python's escapes.

    It has at most ``limit`` characters; the cut is marked with an ellipsis.
    """
    start = text[: limit + 1]
    shown = start if start.isascii() and start.isprintable() else "".join(_spelled(start))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _spelled(text: str) -> Iterator[str]:
    """Characters that print, and the escapes of the others, among them marks that are heaped on one letter."""
    heap = 0
    for character in text:
        heap = heap + 1 if unicodedata.combining(character) else 0
        prints = character.isprintable() and heap <= MOST_MARKS
        yield character if prints else character.encode("unicode_escape").decode()


def terminal(text: str, limit: int = MAX_SHOWN) -> str:
    """For plain text, a terminal and a CI system's log: moves no cursor, colours nothing, starts no log command."""
    return _without_commands(visible(text, limit), limit) or _EMPTY


def _without_commands(shown: str, limit: int) -> str:
    """Visible text in which a CI system's log finds no command."""
    if "::" not in shown and "##" not in shown:
        return shown
    return visible(_LOG_COMMAND.sub(lambda signs: "".join(f"\\x{ord(s):x}" for s in signs[0]), shown), limit)


def markdown(text: str, limit: int = MAX_SHOWN) -> str:
    """For running Markdown: a code span, in which nothing is a link, a mention, an image, markup or a log's command."""
    shown = _without_commands(visible(text, limit), limit)
    if not shown.strip():
        return _EMPTY
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}"


def markdown_cell(text: str, limit: int = MAX_SHOWN) -> str:
    """For a cell of a Markdown table, where a bar divides cells even in a code span."""
    return markdown(text, limit).replace("|", "\\|")


def markdown_prose(text: str, limit: int = 1000) -> str:
    """For a sentence of ours with recorded names in it: every sign escaped; no mention, link or log command."""
    shown = _MARKDOWN_SIGNS.sub(r"\\\g<0>", _without_commands(visible(text, limit), limit).lstrip())
    shown = _NUMBERED.sub(r"\1\\\2", shown)
    # A word joiner, which has no width, keeps @user from being notified, and #1 and GH-1 from being linked.
    shown = _ISSUE.sub("\\g<1>\u2060", shown)
    return shown.replace("\\@", "@\u2060").replace("\\#", "\\#\u2060")


def html_text(text: str, limit: int = MAX_SHOWN) -> str:
    """For HTML, between tags and inside of quoted attributes."""
    return html.escape(visible(text, limit)) or _EMPTY


def csv_cell(text: str) -> str:
    """For a text column of a CSV file: never a formula, and nothing that stops a reader; else as recorded.

    That holds where ``;`` or a tab separates cells, too.
    A text that looks as if it had got its apostrophe here already gets one more, so that it reads back as it was.
    """
    plain = _CSV_BREAKING.sub("\ufffd", text)
    return _FORMULA.sub(r"\1\2'", plain)


def without_apostrophe(cell: str) -> str:
    """The text of a cell that ``csv_cell`` wrote."""
    return _ESCAPED.sub(r"\1\2", cell)


def workflow_message(text: str) -> str:
    """For the message of a GitHub workflow command; text that was recorded passes ``visible`` before."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def workflow_property(text: str) -> str:
    """For a property (``title=``) of a GitHub workflow command."""
    return workflow_message(text).replace(":", "%3A").replace(",", "%2C")


def width(text: str) -> int:
    """Columns of a terminal that a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, columns: int) -> str:
    """A text that was encoded already, cut to some columns of a terminal."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += width(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…"


def squeeze(text: str, columns: int) -> str:
    """The same, cut in the middle: names of versions often differ at their ends."""
    if width(text) <= columns:
        return text
    head = fit(text, columns - columns // 2)[:-1]
    tail = fit(text[::-1], columns // 2 + 1)[:-1][::-1]
    return f"{head}…{tail}"
