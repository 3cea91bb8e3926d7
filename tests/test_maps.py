"""The docstring of each package is the map of its files."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import benchmark_recorder

PACKAGE = Path(benchmark_recorder.__file__).parent
ROOMS = sorted({path.parent for path in PACKAGE.rglob("*.py")})


def modules(room: Path) -> set[str]:
    """The files and packages of a folder, without its own ``__init__``."""
    files = {path.stem for path in room.glob("*.py")} - {"__init__"}
    return files | {path.parent.name for path in room.glob("*/__init__.py")}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_docstring_of_a_package_names_each_of_its_files(room: Path) -> None:
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = {name.rstrip("/") for name in re.findall(r"``([\w/]+)``", docstring)}
    assert modules(room) - named == set()


def test_the_layout_in_the_readme_names_what_exists() -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    layout = readme.partition("## Layout")[2].partition("\n## ")[0]
    names = [name for row in re.findall(r"^\| (`.*?) \|", layout, re.MULTILINE) for name in re.findall(r"`(.+?)`", row)]
    assert len(names) >= 15
    assert [name for name in names if not (PACKAGE / name).exists()] == []
    folders = {path.name for path in PACKAGE.glob("*/__init__.py") for path in [path.parent]}
    assert {f"{folder}/" for folder in folders} <= set(names)
