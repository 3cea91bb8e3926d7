"""The beginning of a forked child, whose parent's locks, descriptors and threads are not its own; and its end."""

from __future__ import annotations

import itertools
import os
import sys
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
_ends: Final[set[Callable[[], None]]] = set()


def in_child(act: Callable[[], None]) -> Callable[[], None]:
    """Register a function, or a method while its object lives, to run in each forked child; also a decorator."""
    if isinstance(act, MethodType):
        number = next(_numbers)  # not the object itself: it need not be hashable
        # Bound now: at the interpreter's end a module's names are gone before its objects.
        forget = partial(_methods.pop, number)
        _methods[number] = weakref.ref(act.__self__, forget), act.__func__
    else:
        _functions.append(act)
    return act


def at_worker_end(act: Callable[[], None]) -> None:
    """Have a function called when this process ends if it is a worker of multiprocessing: those skip ``atexit``.

    The worker itself has to call this, once or often, before there is something to do.
    """
    if act not in _ends and (workers := sys.modules.get("multiprocessing.util")) is not None:
        _ends.add(act)
        workers.Finalize(None, act, exitpriority=0)


def _begin() -> None:
    _ends.clear()
    with ExitStack() as everything:  # also where one of them fails
        for reference, method in list(_methods.values()):
            if (owner := reference()) is not None:
                everything.callback(method, owner)
        for function in _functions:
            everything.callback(function)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_begin)
