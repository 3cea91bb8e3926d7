"""What a forked child does first: its parent's locks, descriptors and threads are not its own."""

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
_methods: Final[dict[int, tuple[weakref.ref[Any], Callable[[Any], None]]]] = {}
_numbers: Final = itertools.count()


def in_child(act: Callable[[], None]) -> Callable[[], None]:
    """Have a function called in each forked child, or a method, for as long as its object lives; a decorator, too."""
    if isinstance(act, MethodType):
        number = next(_numbers)  # not the object itself: it need not be hashable
        # No WeakMethod: one whose object dies with the interpreter writes a traceback to stderr.
        _methods[number] = weakref.ref(act.__self__, partial(_forget, number)), act.__func__
    else:
        _functions.append(act)
    return act


def _forget(number: int, _: object, methods: dict[int, Any] = _methods) -> None:
    methods.pop(number, None)


def _begin() -> None:
    with ExitStack() as everything:  # also where one of them fails
        for reference, method in list(_methods.values()):
            if (owner := reference()) is not None:
                everything.callback(method, owner)
        for function in _functions:
            everything.callback(function)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin)
