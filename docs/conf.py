"""Sphinx's settings: Markdown pages, the API from docstrings, and nothing that a page would fetch from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark_recorder import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "benchmark_recorder"
release = version = __version__
copyright = "the authors of benchmark_recorder, Apache-2.0"  # noqa: A001 - Sphinx's name

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["conf.py"]
html_theme = "furo"
html_title = f"benchmark-recorder {release}"
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 4  # links such as statistics.md#gates work here as on GitHub

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

nitpicky = True
nitpick_ignore_regex = [
    # Python's, numpy's and pytest's own objects: their documentation is on other sites, and none is fetched to build.
    (r"py:.*", r"(?!benchmark_recorder).*"),
    (r"py:class", r"benchmark_recorder\.recorder\._Known"),  # keyword arguments, told in words
]


def leave_out_empty_places(_: Sphinx, name: str, source: list[str]) -> None:
    """Take the patterns that no page matches out of the index: it has places for pages that need not be there."""
    if name == "index":
        kept = [line for line in source[0].split("\n") if not line.endswith("*") or any(HERE.glob(f"{line}.md"))]
        source[0] = "\n".join(kept)


def setup(app: Sphinx) -> None:
    """Sphinx's own hook."""
    app.connect("source-read", leave_out_empty_places)
