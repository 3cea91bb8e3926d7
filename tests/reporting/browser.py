"""A real browser: Debian's Chromium, driven by playwright, started by the first test that asks for it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
"""It asks for nothing on its own account."""


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI needs a browser: {reason}")
    pytest.skip(f"no browser: {reason}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium with a new, empty profile; no longer than a module, as playwright's loop keeps asyncio from others."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _missing(f"none of {', '.join(NAMES)} is on the path (apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("the package playwright is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
        yield chromium
        chromium.close()
