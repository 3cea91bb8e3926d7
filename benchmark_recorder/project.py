"""The settings in a ``pyproject.toml``, and paths in a home directory: a plain recorder needs neither."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark_recorder.errors import ConfigurationError, StoreSetupError

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings_in(text: bytes, path: Path) -> Iterator[tuple[str, Any, str]]:
    """Name, value and origin of each setting in the table ``[tool.benchmark_recorder]``; paths start at its folder.

    Raises:
        ConfigurationError: it is not TOML, or the table is none.
        StoreSetupError: a path begins in a home directory that does not exist.
    """
    try:
        tools = tomllib.loads(text.decode("utf-8-sig")).get("tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    table = tools.get("benchmark_recorder", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: expected a table [tool.benchmark_recorder], got {table!r}")
    for name, value in table.items():
        if name in {"store", "journal"} and isinstance(value, str) and "://" not in value:
            value = str(path.parent / expanded(value))  # noqa: PLW2901
        yield name, value, f"[tool.benchmark_recorder] of {path}"


def expanded(place: str | os.PathLike[str]) -> Path:
    """A path with the home directory for its ``~``.

    Raises:
        StoreSetupError: that user has none.
    """
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise StoreSetupError(
            f"store: {os.fspath(place)}: there is no such home directory; name the store by a whole path (--store)"
        ) from error
