"""What the pages of the documentation show: blocks of Python, commands, and what both print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_BLOCK: Final = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence; empty where nothing does.
        text: the lines, each with its end.
        follows: the language of the block that stands right before it, with blank lines alone between.
    """

    language: str
    text: str
    follows: str


@dataclass(frozen=True, slots=True)
class Command:
    """A line behind ``$`` in a console block, and the lines that it prints; the last ``\\`` of a line goes on."""

    line: str
    prints: str


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """A page's blocks in order, all or those of one language."""
    return [block for block in _blocks(page.read_text(encoding="utf-8")) if language in {None, block.language}]


def _blocks(text: str) -> Iterator[Block]:
    language, end = "", 0
    for found in _BLOCK.finditer(text):
        follows = "" if text[end : found.start()].strip() else language
        language, end = found[1], found.end()
        yield Block(language, found[2], follows)


def commands(page: Path) -> list[Command]:
    """The commands of a page's console blocks, in order."""
    found: list[Command] = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, prints = part.replace("\\\n", " ").partition("\n")
            found.append(Command(line.strip(), prints))
    return found


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def unprinted(shown: str, printed: str) -> list[str]:
    """The shown lines that were not printed in this order; ``...`` stands for anything within a line, or lines."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    missing = []
    for line in shown.splitlines():
        wanted = " ".join(line.split())
        if wanted in {"", "..."}:
            continue
        pattern = re.compile(re.escape(wanted).replace(r"\.\.\.", ".*"))
        if not any(pattern.fullmatch(candidate) for candidate in lines):
            missing.append(line)
            break
    return missing
