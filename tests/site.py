"""The documentation as a site: built with warnings as errors, and asking no other server for anything.

``python tests/site.py`` builds ``docs/`` into ``site/`` and looks into each page for what a browser would fetch by
itself: scripts, styles, images, fonts. Links that a reader may follow are left alone.
"""

from __future__ import annotations

import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SITE: Final = ROOT / "site"
FETCHED: Final = {"src", "srcset", "data", "poster", "action", "background"}
"""Attributes whose address a browser opens by itself; ``href`` too, but on a link that a reader follows."""
ELSEWHERE: Final = re.compile(r"(?:https?:)?//[\w.-]")
IN_STYLES: Final = re.compile(r"(?:url\(\s*|@import\s+)[\"']?(?:https?:)?//[\w.-][^)\"';]*")


class Requests(HTMLParser):
    """The addresses on other servers that a page makes a browser open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        relation = dict(attrs).get("rel") or ""
        for name, value in attrs:
            opened = name in FETCHED or (name == "href" and tag != "a" and relation not in {"canonical", "license"})
            if opened and value and ELSEWHERE.match(value.strip()):
                self.found.append(f"<{tag} {name}={value}>")


def requests_of(path: Path) -> list[str]:
    """What a page or a style of the site would fetch from elsewhere."""
    text = path.read_text(encoding="utf-8")
    styles = IN_STYLES.findall(text)
    if path.suffix != ".html":
        return styles
    page = Requests()
    page.feed(text)
    return [*page.found, *styles]


def main() -> None:
    """Take the live page's picture, build and look; ends with a status other than 0 at a warning or a request."""
    from sphinx.cmd.build import main as build

    sys.path.insert(0, str(ROOT))
    from tests.screenshot import take

    take()

    shutil.rmtree(SITE, ignore_errors=True)
    if status := build(["-W", "--keep-going", "-n", "-q", "-b", "html", str(ROOT / "docs"), str(SITE)]):
        sys.exit(status)
    looked = [path for path in sorted(SITE.rglob("*")) if path.suffix in {".html", ".css"}]
    found = {path.relative_to(SITE).as_posix(): requests_of(path) for path in looked}
    for path, requests in found.items():
        for request in requests:
            print(f"{path} asks another server: {request}", file=sys.stderr)
    if any(found.values()):
        sys.exit(1)
    pages = sum(path.suffix == ".html" for path in looked)
    print(f"{pages} pages in {SITE.relative_to(ROOT)}/, which ask no other server for anything")


if __name__ == "__main__":
    main()
