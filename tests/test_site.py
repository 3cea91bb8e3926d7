"""What the site's check takes for a request to another server; ``make docs`` applies it to the built pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site import requests_of


@pytest.mark.parametrize(
    "markup",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<script src="//cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<link href="https://fonts.example" rel="preconnect">',
        '<img src=" http://img.example/x.png">',
        '<img srcset="https://img.example/x.png 2x">',
        "<style>@import 'https://fonts.example/css';</style>",
        '<p style="background: url(https://img.example/x.png)">x</p>',
        '<video poster="https://img.example/x.png"></video>',
        '<iframe src="https://video.example"></iframe>',
    ],
)
def test_what_a_browser_opens_by_itself_is_a_request(markup: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{markup}</body>")
    assert len(requests_of(tmp_path / "page.html")) == 1


def test_a_font_in_a_style_is_a_request(tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text(
        "@font-face { src: url('//fonts.example/x.woff2') } a { background: url(x.png) }"
    )
    assert len(requests_of(tmp_path / "style.css")) == 1


@pytest.mark.parametrize(
    "markup",
    [
        '<a href="https://keepachangelog.com">x</a>',
        '<script src="_static/x.js"></script>',
        '<link rel="canonical" href="https://docs.example/">',
        '<img src="data:image/svg+xml,<svg xmlns=%22http://www.w3.org/2000/svg%22/>">',
        "<code>https://example.com url(x)</code>",
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
    ],
)
def test_a_link_and_what_comes_with_the_site_is_none(markup: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html><body>{markup}</body>")
    assert requests_of(tmp_path / "page.html") == []
