"""What a forked child does first: its parent's locks, descriptors and threads are not its own."""

from __future__ import annotations

import itertools
import os
import weakref
from contextlib import ExitStack
from types import MethodType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_functions: Final[list[Callable[[], None]]] = []
_methods: Final[dict[int, weakref.WeakMethod[Callable[[], None]]]] = {}
_numbers: Final = itertools.count()


def in_child(act: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in each forked child, or a method, for as long as its object lives; a decorator, too."""
    if isinstance(act, MethodType):
        number = next(_numbers)  # not the object itself: it need not be hashable
        _methods[number] = weakref.WeakMethod(act, lambda _: _methods.pop(number, None))
    else:
        _functions.append(act)
    return act


def _begin() -> None:
    with ExitStack() as everything:  # also where one of them fails
        for act in (*[method() for method in list(_methods.values())], *_functions):
            if act is not None:
                everything.callback(act)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin)
