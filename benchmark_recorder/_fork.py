"""Runs first in a forked child: its parent's locks, descriptors and threads are not its own."""

from __future__ import annotations

import itertools
import os
import weakref
from contextlib import ExitStack
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_functions: Final[list[Callable[[], None]]] = []
_methods: Final[dict[int, tuple[weakref.ref[object], Callable[[Any], None]]]] = {}
_numbers: Final = itertools.count()


def in_child(act: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in each forked child, or a method, for as long as its object lives; a decorator, too."""
    if isinstance(act, MethodType):
        number = next(_numbers)  # not the object itself: it need not be hashable
        # Bound now: at the interpreter's end a module's names are gone before its objects.
        forget = partial(_methods.pop, number)
        _methods[number] = weakref.ref(act.__self__, forget), act.__func__
    else:
        _functions.append(act)
    return act


def _begin() -> None:
    with ExitStack() as everything:  # also where one of them fails
        for reference, method in list(_methods.values()):
            if (owner := reference()) is not None:
                everything.callback(method, owner)
        for function in _functions:
            everything.callback(function)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin)
