"""The beginning of a forked child, whose parent's locks, descriptors and threads are not its own; and its end.

Python locks a module while it is imported. A child that is forked meanwhile would wait for ever to import it, because
the thread that holds the lock is not there. So a fork waits for imports of other threads, and where one takes too long,
the child gets a module that raises an error (``Unfinished``). These are Python's own locks, not one of ours, so it
holds for each import in the program, also those that drivers make.
"""

from __future__ import annotations

import itertools
import logging  # noqa: F401 - its fork hook takes a lock that imports need, and the latest hook is the first to be called
import os
import sys
import weakref
from contextlib import ExitStack
from functools import partial
from threading import get_ident
from time import monotonic, sleep
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from benchmark_recorder.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_functions: Final[list[Callable[[], None]]] = []
_methods: Final[dict[int, tuple[weakref.ref[object], Callable[[Any], None]]]] = {}
_numbers: Final = itertools.count()
_ends: Final[set[Callable[[], None]]] = set()

IMPORT_SECONDS: Final = 1.0
"""How long a fork waits for imports of other threads."""

_unfinished_imports: Final[set[str]] = set()
"""Of other threads, at the last fork; the next one does not wait for them again."""


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


def _wait_for_imports() -> None:
    deadline = monotonic() + IMPORT_SECONDS
    while (names := _imports_of_others()) - _unfinished_imports and monotonic() < deadline:
        sleep(0.001)
    _unfinished_imports.clear()
    _unfinished_imports.update(names)


def _imports_of_others() -> set[str]:
    """The modules that other threads are importing."""
    names: set[str] = set()
    for thread, innermost in sys._current_frames().items():  # noqa: SLF001 - public, in spite of its name
        frame = None if thread == get_ident() else innermost
        while frame is not None:
            if frame.f_code.co_name == "_find_and_load" and frame.f_code.co_filename == _IMPORT_SYSTEM:
                names.add(frame.f_locals["name"])
            frame = frame.f_back
    return names


_IMPORT_SYSTEM: Final = "<frozen importlib._bootstrap>"


class Unfinished(ModuleType):
    """Raises an error at the first use of a module that can never be imported in this process.

    Without it, that import would wait for ever.
    """

    def __getattr__(self, name: str) -> NoReturn:
        # Programs look through all modules for names like __file__; __path__ is read to import a submodule.
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        raise StoreUnavailableError(
            f"{self.__name__} cannot be used in this process: another thread was still importing it when the process "
            "was forked; import it before the fork, or start processes by spawn or forkserver",
            unchanged=True,
        )


def _begin() -> None:
    if _unfinished_imports:
        sys.modules.update({name: Unfinished(name) for name in _unfinished_imports})
        _unfinished_imports.clear()
    _ends.clear()
    with ExitStack() as everything:  # also where one of them fails
        for reference, method in list(_methods.values()):
            if (owner := reference()) is not None:
                everything.callback(method, owner)
        for function in _functions:
            everything.callback(function)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_wait_for_imports, after_in_child=_begin)
