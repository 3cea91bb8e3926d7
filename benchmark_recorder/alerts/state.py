"""What watchers noted: one file beside the records, written by one watcher at a time, replaced as a whole."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.locking import lock, unavailable
from benchmark_recorder.stores.sidefiles import folder_of, make_folders, open_private, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1


class StateFile:
    """The state of all rules and deliveries.

    Args:
        document: the file of records, or the journal, beside which it lies.
    """

    def __init__(self, document: str | os.PathLike[str]) -> None:
        self._document = os.fspath(document)
        self.path = os.path.join(folder_of(self._document), "alerts.json")  # noqa: PTH118

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this watcher is the only one, as long as the context lasts.

        Raises:
            StoreUnavailableError: the folder cannot be written to.
        """
        path = os.path.join(folder_of(self._document), "alerts.lock")  # noqa: PTH118
        try:
            make_folders(self._document)
            file = open(path, "ab", opener=open_private)  # noqa: SIM115
        except OSError as error:
            raise unavailable(error, path, "write") from error
        with file:
            try:
                lock(file.fileno(), path, seconds=0)
            except StoreUnavailableError as error:
                if not isinstance(error.__context__, BlockingIOError):
                    raise
                yield False
            else:
                yield True

    def read(self) -> dict[str, Any]:
        """What was noted; nothing where there is no file, or one that is damaged, which a warning says."""
        empty: dict[str, Any] = {"version": VERSION, "looked": 0, "rules": {}, "outbox": [], "channels": {}}
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123
                found = json.load(file)
        except FileNotFoundError:
            return empty
        except OSError as error:
            raise unavailable(error, self.path, "read") from error
        except ValueError:
            found = None
        if isinstance(found, dict) and all(isinstance(found.get(name), type(value)) for name, value in empty.items()):
            return found
        logger.warning("%s is damaged: watching begins anew, and alerts may be repeated", self.path)
        return empty

    def write(self, state: dict[str, Any]) -> None:
        """Replace it.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        try:
            os.replace(write_beside(self._document, [json.dumps(state).encode()]), self.path)  # noqa: PTH105
        except OSError as error:
            raise unavailable(error, self.path, "write") from error


def problems_of(document: str | os.PathLike[str]) -> list[str]:
    """What keeps messages from arriving, in words; nothing where nobody watches."""
    file = StateFile(document)
    if not os.path.exists(file.path):  # noqa: PTH110
        return []
    channels = file.read()["channels"]
    return [
        f"{address}: {known['error']}" + (f"; {known['given_up']:,} given up" if known.get("given_up") else "")
        for address, known in channels.items()
        if known.get("error")
    ]
