"""What a forked child does before anything else: locks and descriptors of its parent are none of its own."""

from __future__ import annotations

import os
import weakref
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Inherited(Protocol):
    """What a child gets a copy of that it must not use as it is."""

    def _forget_parent(self) -> None: ...


_inherited: Final[weakref.WeakSet[Inherited]] = weakref.WeakSet()
_acts: Final[list[Callable[[], None]]] = []


def inherited(owner: Inherited) -> None:
    """Have ``owner._forget_parent()`` called in each child that is forked during its life."""
    _inherited.add(owner)


def in_child(act: Callable[[], None]) -> Callable[[], None]:
    """A decorator: have a module's function called in each forked child."""
    _acts.append(act)
    return act


def _begin() -> None:
    with ExitStack() as all_of_them:  # also where one fails
        for owner in tuple(_inherited):
            all_of_them.callback(owner._forget_parent)  # noqa: SLF001 - the protocol's
        for act in _acts:
            all_of_them.callback(act)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin)
