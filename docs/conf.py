"""Sphinx settings: Markdown pages, the API from docstrings, and no requests to other sites."""

from __future__ import annotations

from benchmark_recorder import __version__

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
    # objects of Python, numpy and pytest: documented on other sites, and the build fetches nothing
    (r"py:.*", r"(?!benchmark_recorder).*"),
    # keyword arguments, described in words
    (r"py:class", r"benchmark_recorder\.(recorder\._Known|queries\.(Filters|QueryArguments|ComparisonArguments))"),
    # for replication, not for callers
    (r"py:class", r"benchmark_recorder\.queries\.UnitFilter"),
    # parts of StoreContract and of History, which show their members
    (r"py:class", r"benchmark_recorder\.(testing\.\w+\.(Groups|Pairs|Units)Contract|answering\.Answering)"),
]
