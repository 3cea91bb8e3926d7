"""Opens what a setting names: a store by its path or URL, a remote one behind its journal, and a history."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmark_recorder.errors import ConfigurationError
from benchmark_recorder.history import History
from benchmark_recorder.settings import json_path, place_of, resolved, seconds_of

if TYPE_CHECKING:
    from benchmark_recorder.settings import Settings
    from benchmark_recorder.stores.base import Store


def get_benchmark_history(
    store: str | os.PathLike[str] | Store | None = None, *, journal: str | os.PathLike[str] | None = None
) -> History:
    """The history that a recorder with the same settings writes: answers every question, and records nothing.

    With a remote store, what waits in the local journal counts as well, where there is a journal. No journal, cursor
    or thread is made.

    Args:
        store: as for ``get_benchmark_recorder``.
        journal: the same.

    Raises:
        ConfigurationError: a setting is wrong; says where it came from.
        StoreFormatError: the path is a folder.
        StoreSetupError: the home or the working directory, where the path begins, is gone.
        MissingDependencyError: the store needs a package that is not installed; holds the pip line.
    """
    where, settings = resolved(store, journal=None if journal is None else os.fspath(journal))
    store = open_store(os.fspath(where)) if isinstance(where, Path | str) else where
    file = place_of(settings.journal)
    if store.is_remote and any(map(os.path.lexists, (file, f"{file}.d"))):
        store = behind_journal(store, replace(settings, deliver="off"))
    history = History(store)
    history.gate_settings = settings.gate
    return history


def open_store(place: str, durability: Literal["process", "fsync"] = "process") -> Store:
    """The store at a path or a URL, without a journal in front of it.

    A URL's scheme is the name of an entry point of the group ``benchmark_recorder.stores``: a function, or a class,
    that makes a store of the URL.

    Args:
        place: the path or the URL.
        durability: of a JSON file.

    Raises:
        ConfigurationError: no installed package has a store for this scheme, the URL is wrong, or the name of a new
            file has the ending of another format.
        MissingDependencyError: the store needs a package that is not installed.
    """
    scheme, separator, _ = place.partition("://")
    if not separator:
        from benchmark_recorder.stores.json_file import JSONFileStore

        return JSONFileStore(json_path(Path(place), "store"), durability=durability)
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group="benchmark_recorder.stores")}
    if scheme not in found:
        known = ", ".join(f"{name}://" for name in sorted(found)) or "none"
        raise ConfigurationError(
            f"store: no store for {scheme}://; give the path of a JSON file, or a URL of an installed store ({known})"
        )
    store: Store = found[scheme].load()(place)
    return store


def behind_journal(remote: Store, settings: Settings) -> Store:
    """The same store with the local journal in front of it.

    Raises:
        ConfigurationError: the journal is not a file.
    """
    from benchmark_recorder.stores.json_file import JSONFileStore
    from benchmark_recorder.stores.replication import ReplicatedStore

    path = place_of(settings.journal)
    if not isinstance(path, Path):
        raise ConfigurationError(f"journal: expected the path of a file, got {settings.journal!r}")
    return ReplicatedStore(
        JSONFileStore(json_path(path, "journal"), durability=settings.durability),
        remote,
        beside=path,
        deliver=settings.deliver,
        keep_delivered=None if settings.keep_delivered is None else seconds_of(settings.keep_delivered),
    )
