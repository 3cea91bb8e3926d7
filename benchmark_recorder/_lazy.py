"""Names of a package that are imported on first use, and old names that still work for one release."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, homes: Mapping[str, str], renamed: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """A ``__getattr__`` for a package, by the module in it that defines each name.

    Old names, each with its present one, still work; to use one is a ``DeprecationWarning``.
    """

    def __getattr__(name: str) -> Any:  # noqa: ANN401, N807 - any of the names; Python looks for this one
        present = (renamed or {}).get(name)
        if present is not None:
            warn_renamed(f"{package}.{name}", present)
            return getattr(sys.modules[package], present)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


def warn_renamed(old: str, new: str) -> None:
    """Say that a name has a new one, and that the old one works for this release only."""
    warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
