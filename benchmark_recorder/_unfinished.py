"""What a forked child has in place of a module that another thread was still importing when it was forked."""

from __future__ import annotations

from types import ModuleType
from typing import NoReturn

from benchmark_recorder.errors import StoreUnavailableError


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
