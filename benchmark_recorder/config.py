"""The recorder of the settings in force: one for the same settings, as long as the process lives."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import ConfigurationError
from benchmark_recorder.recorder import BenchmarkRecorder
from benchmark_recorder.settings import Settings, json_path, place_of, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_recorder.stores.base import Store

_recorders: dict[tuple[Any, ...], BenchmarkRecorder] = {}
_lock = threading.RLock()  # a signal handler may ask for a recorder in the middle of this


def get_benchmark_recorder(  # noqa: PLR0913
    store: str | os.PathLike[str] | Store | None = None,
    *,
    enable_vertex_ai: bool = False,
    vertex_project_id: str | None = None,
    durability: Literal["process", "fsync"] | None = None,
    strict: bool | None = None,
    on_invalid: Literal["raise", "log"] | None = None,
    store_task_text: bool | None = None,
    journal: str | os.PathLike[str] | None = None,
    deliver: Literal["background", "off"] | None = None,
    keep_delivered: str | None = None,
    version: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> BenchmarkRecorder:
    """The recorder for some settings; the same one for the same settings, as long as the process lives.

    What is not given comes from ``BENCHMARK_RECORDER_STORE``, ``..._DURABILITY``, ``..._ON_INVALID``,
    ``..._JOURNAL``, ``..._DELIVER``, ``..._KEEP_DELIVERED``, ``..._VERSION``, ``..._LABELS`` and ``..._DISABLED=1``,
    then from ``[tool.benchmark_recorder]`` in ``pyproject.toml``, then from the defaults.

    Args:
        store: the path of a JSON file (``benchmarks/metrics.json`` unless given), a URL (``mongodb://host/database``,
            ``vertex://project/location/dataset``), or a ``Store``. A record for a remote store
            goes into a local journal first.
        enable_vertex_ai: deliver to the Vertex AI Feature Store; the same as ``store="vertex://<vertex_project_id>"``.
        vertex_project_id: the Google Cloud project.
        durability: ``"process"``: a record whose call returned survives a killed process; ``"fsync"``: a power cut.
        strict: raise storage trouble out of recording calls.
        on_invalid: ``"raise"`` or ``"log"`` wrong arguments of recording calls.
        store_task_text: ``False`` keeps a task's id, and not its text.
        journal: the path of the local file in front of a remote store; ``benchmarks/metrics.json`` unless given.
        deliver: ``"background"``: a thread brings records to the remote store; ``"off"``: ``benchmark-recorder sync``.
        keep_delivered: how long the journal keeps what the remote store has confirmed: ``"30d"``, ``"12h"``.
        version: of records that name none.
        labels: metadata of every record, such as ``{"region": "eu"}``; what a record says itself is stronger.

    Raises:
        ConfigurationError: a setting is wrong; says where it came from.
        StoreFormatError: the path is a folder.
        StoreSetupError: the home or the working directory, where the path begins, is gone.
        MissingDependencyError: the store needs a package that is not installed; holds the pip line.
    """
    if enable_vertex_ai:
        if store is not None or vertex_project_id is None:
            raise ConfigurationError(
                "enable_vertex_ai: give vertex_project_id, and no other store; journal= names the local file"
            )
        store = f"vertex://{vertex_project_id}"
    where, settings = resolved(
        store,
        durability=durability,
        strict=strict,
        on_invalid=on_invalid,
        store_task_text=store_task_text,
        journal=None if journal is None else os.fspath(journal),
        deliver=deliver,
        keep_delivered=keep_delivered,
        version=version,
        labels=labels,
    )
    journal = settings.journal if isinstance(where, Path) else str(place_of(settings.journal))
    key = (
        where if isinstance(where, Path | str) else id(where),  # the recorder holds it, so nothing else gets this id
        replace(settings, store="", journal=journal),
        *sorted(settings.labels.items()),
    )
    with _lock:
        if key not in _recorders:
            recorder = _build(where, settings)
            _recorders.setdefault(key, recorder)
        return _recorders[key]


def _build(where: Path | str | Store, settings: Settings) -> BenchmarkRecorder:
    store: Store
    if isinstance(where, Path):
        from benchmark_recorder.stores.json_file import JSONFileStore

        store = JSONFileStore(json_path(where, "store"), durability=settings.durability)
    else:
        from benchmark_recorder.opening import behind_journal, open_store

        store = open_store(where) if isinstance(where, str) else where
        store = behind_journal(store, settings) if store.is_remote else store
    recorder = BenchmarkRecorder(
        store=store,
        strict=settings.strict,
        on_invalid=settings.on_invalid,
        store_task_text=settings.store_task_text,
        version=settings.version,
        labels=settings.labels,
        enabled=not settings.disabled,
    )
    recorder.gate_settings = settings.gate
    atexit.register(recorder.close)
    return recorder


@in_child
def _new_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's
    """What ``opening`` and ``settings`` define, under the names that it had here."""
    home = {"get_benchmark_history": "opening", "open_store": "opening", "effective_settings": "settings"}.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"benchmark_recorder.{home}"), name)
