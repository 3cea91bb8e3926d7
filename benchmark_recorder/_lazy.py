"""Names of a package and methods of a class that are imported on first use, and old names that still work."""

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


class Lent:
    """A method that is imported when it is first looked at.

    Args:
        home: the class that defines it, with its module.
    """

    def __init__(self, home: str) -> None:
        self._home = home

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:  # noqa: ANN401 - whatever the method is
        module, _, home = self._home.rpartition(".")
        method = vars(getattr(import_module(module), home))[self._name]
        setattr(self._owner, self._name, method)
        return method.__get__(instance, owner)


def warn_renamed(old: str, new: str) -> None:
    """Say that a name has a new one, and that the old one works for this release only."""
    warnings.warn(f"{old} is now called {new}", DeprecationWarning, stacklevel=3)
