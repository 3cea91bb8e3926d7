"""The settings in a ``pyproject.toml``, and paths in a home directory: a plain recorder needs neither."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from benchmark_recorder.errors import ConfigurationError, StoreSetupError


def settings_in(text: bytes, path: Path) -> list[tuple[str, Any, str]] | None:
    """Name, value and origin of each setting in the table ``[tool.benchmark_recorder]``; ``None`` without the table.

    Paths start at the file's folder.

    Raises:
        ConfigurationError: it is not TOML, or the table is none.
        StoreSetupError: a path begins in a home directory that does not exist.
    """
    try:
        tools = tomllib.loads(text.decode("utf-8-sig")).get("tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    table = tools.get("benchmark_recorder") if isinstance(tools, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: expected a table [tool.benchmark_recorder], got {table!r}")
    origin = f"[tool.benchmark_recorder] of {path}"
    return [(name, _placed(name, value, path), origin) for name, value in table.items()]


def _placed(name: str, value: object, path: Path) -> object:
    if name in {"store", "journal"} and isinstance(value, str) and "://" not in value:
        return str(path.parent / expanded(value))
    return value


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
