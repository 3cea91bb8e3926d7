"""Settings, and the recorder that they make: arguments > environment > ``[tool.benchmark_recorder]`` > defaults."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import ConfigurationError, StoreFormatError, StoreSetupError, preview
from benchmark_recorder.history import History
from benchmark_recorder.recorder import DEFAULT_PATH, BenchmarkRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark_recorder.stores.base import Store

ENVIRONMENT: Final = {
    "store": "BENCHMARK_RECORDER_STORE",
    "durability": "BENCHMARK_RECORDER_DURABILITY",
    "on_invalid": "BENCHMARK_RECORDER_ON_INVALID",
    "disabled": "BENCHMARK_RECORDER_DISABLED",
    "journal": "BENCHMARK_RECORDER_JOURNAL",
    "deliver": "BENCHMARK_RECORDER_DELIVER",
    "keep_delivered": "BENCHMARK_RECORDER_KEEP_DELIVERED",
}

_CHOICES: Final = {
    "durability": ("process", "fsync"),
    "on_invalid": ("raise", "log"),
    "deliver": ("background", "off"),
}
_TEXTS: Final = {"store": "a path or a URL", "journal": "a path", "keep_delivered": 'a time such as "30d" or "12h"'}
_GATE: Final = ("margins", "require", "on_inconclusive", "scope", "coverage", "blocks")
_SECONDS: Final = {"d": 86_400, "h": 3600}
_SWITCHES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force.

    Attributes:
        store: a path or a URL.
        durability: ``"process"`` or ``"fsync"``.
        strict: whether storage trouble is raised.
        on_invalid: ``"raise"`` or ``"log"``.
        store_task_text: whether tasks' texts are kept.
        disabled: whether recording is switched off.
        journal: the path of the local file in front of a remote store.
        deliver: ``"background"`` or ``"off"``.
        keep_delivered: how long the journal keeps what a remote store has confirmed: ``"30d"``; ``None``: for ever.
        gate: what ``check_gate`` takes where a call says nothing: margins, require, on_inconclusive, scope, coverage.
        origins: where each setting that is not a default came from.
    """

    store: str = DEFAULT_PATH
    durability: Literal["process", "fsync"] = "process"
    strict: bool = False
    on_invalid: Literal["raise", "log"] = "raise"
    store_task_text: bool = True
    disabled: bool = False
    journal: str = DEFAULT_PATH
    deliver: Literal["background", "off"] = "background"
    keep_delivered: str | None = None
    gate: Mapping[str, object] = field(default_factory=dict, compare=False)
    origins: tuple[tuple[str, str], ...] = field(default=(), compare=False)


def effective_settings(**arguments: Any) -> Settings:  # noqa: ANN401
    """The settings in force, given some by argument (``None``: not given).

    Raises:
        ConfigurationError: a setting is unknown or has a wrong value; says where it came from.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    given = ((name, value, "argument") for name, value in arguments.items() if value is not None)
    for name, value, origin in (*_from_project(), *_from_environment(), *given):
        values[name], origins[name] = _checked(name, value, origin), origin
    return Settings(**values, origins=tuple(sorted(origins.items())))


def _from_environment() -> Iterator[tuple[str, Any, str]]:
    for name, variable in ENVIRONMENT.items():
        text = os.environ.get(variable)
        if name == "disabled" and text is not None:
            if text.strip().lower() not in _SWITCHES:
                raise ConfigurationError(f"{variable}: expected 1 or 0, got {text!r}")
            yield name, _SWITCHES[text.strip().lower()], variable
        elif text:
            yield name, text, variable


def _from_project() -> Iterator[tuple[str, Any, str]]:
    """The table of the nearest ``pyproject.toml`` at or above the working directory; its paths start there."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed under the program, which may name its store by a whole path
        return
    path = next((p for folder in (here, *here.parents) if (p := folder / "pyproject.toml").is_file()), None)
    if path is None:
        return
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read for [tool.benchmark_recorder]: {error.strerror}") from error
    if b"benchmark_recorder" not in text:
        return
    import tomllib

    try:
        tools = tomllib.loads(text.decode("utf-8-sig")).get("tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    table = tools.get("benchmark_recorder", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{path}: expected a table [tool.benchmark_recorder], got {table!r}")
    for name, value in table.items():
        if name in {"store", "journal"} and isinstance(value, str) and "://" not in value:
            value = str(path.parent / expanded(value))  # noqa: PLW2901
        yield name, value, f"[tool.benchmark_recorder] of {path}"


def _checked(name: str, value: object, origin: str) -> object:
    known = {f.name: f.type for f in fields(Settings) if f.name != "origins"}
    if name not in known:
        raise ConfigurationError(f"{origin}: unknown setting {name!r}; known are {', '.join(known)}")
    if name == "gate":
        right, expected = isinstance(value, dict) and value.keys() <= set(_GATE), f"a table of {', '.join(_GATE)}"
    elif name in _CHOICES:
        right, expected = value in _CHOICES[name], " or ".join(map(repr, _CHOICES[name]))
    elif name in _TEXTS:
        right, expected = isinstance(value, str) and bool(value), _TEXTS[name]
        right = right and (name != "keep_delivered" or _seconds(str(value)) is not None)
    else:
        right, expected = isinstance(value, bool), "true or false"
    if not right:
        raise ConfigurationError(f"{name} ({origin}): expected {expected}, got {value!r}")
    return value


def _seconds(text: str) -> float | None:
    """``"30d"`` or ``"12h"`` in seconds; ``None`` for anything else."""
    number, unit = text[:-1], text[-1:]
    return float(number) * _SECONDS[unit] if unit in _SECONDS and number.isdecimal() else None


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
) -> BenchmarkRecorder:
    """The recorder for some settings; the same one for the same settings, as long as the process lives.

    What is not given comes from ``BENCHMARK_RECORDER_STORE``, ``..._DURABILITY``, ``..._ON_INVALID``,
    ``..._JOURNAL``, ``..._DELIVER``, ``..._KEEP_DELIVERED`` and ``..._DISABLED=1``, then from
    ``[tool.benchmark_recorder]`` in ``pyproject.toml``, then from the defaults.

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
    where, settings = _resolved(
        store,
        durability=durability,
        strict=strict,
        on_invalid=on_invalid,
        store_task_text=store_task_text,
        journal=None if journal is None else os.fspath(journal),
        deliver=deliver,
        keep_delivered=keep_delivered,
    )
    journal = settings.journal if isinstance(where, Path) else str(_place(settings.journal))
    key = (
        where if isinstance(where, Path | str) else id(where),  # the recorder holds it, so nothing else gets this id
        replace(settings, store="", journal=journal),
    )
    with _lock:
        if key not in _recorders:
            recorder = _build(where, settings)
            _recorders.setdefault(key, recorder)
        return _recorders[key]


def get_benchmark_history(store: str | os.PathLike[str] | Store | None = None) -> History:
    """The history that a recorder with the same settings writes: answers every question, and records nothing.

    With a remote store, what waits in the local journal counts as well, where there is a journal. No journal, cursor
    or thread is made.

    Args:
        store: as for ``get_benchmark_recorder``.

    Raises:
        ConfigurationError: a setting is wrong; says where it came from.
        StoreFormatError: the path is a folder.
        StoreSetupError: the home or the working directory, where the path begins, is gone.
        MissingDependencyError: the store needs a package that is not installed; holds the pip line.
    """
    where, settings = _resolved(store)
    store = open_store(os.fspath(where)) if isinstance(where, Path | str) else where
    journal = _place(settings.journal)
    if store.is_remote and any(map(os.path.lexists, (journal, f"{journal}.d"))):
        store = _behind_journal(store, replace(settings, deliver="off"))
    history = History(store)
    history.gate_settings = settings.gate
    return history


def _resolved(
    store: str | os.PathLike[str] | Store | None,
    **arguments: Any,  # noqa: ANN401
) -> tuple[Path | str | Store, Settings]:
    """Where the records are, and the settings in force, given some by argument."""
    from benchmark_recorder.stores.base import Store

    if isinstance(store, Store):
        return store, effective_settings(**arguments)
    if not isinstance(store, str | os.PathLike | None):
        raise ConfigurationError(f"store: expected a path, a URL or a Store, got {preview(store)}")
    settings = effective_settings(store=None if store is None else os.fspath(store), **arguments)
    return _place(settings.store), settings


def _place(place: str) -> Path | str:
    """An absolute path, or a URL."""
    if "://" in place:
        return place
    try:
        path = expanded(place).absolute()
    except FileNotFoundError as error:
        raise StoreSetupError(f"store: the working directory, where {place} begins, is gone") from error
    if path.is_dir():
        raise StoreFormatError(f"store: {path} is a folder; name a file in it, such as {path / 'metrics.json'}")
    return path


def expanded(place: str | os.PathLike[str]) -> Path:
    """A path with the home directory for its ``~``.

    Raises:
        StoreSetupError: that user has none.
    """
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise StoreSetupError(
            f"store: {os.fspath(place)}: there is no such home directory; name the store by a whole path (--store)"
        ) from error


def _build(where: Path | str | Store, settings: Settings) -> BenchmarkRecorder:
    store = open_store(os.fspath(where), settings.durability) if isinstance(where, Path | str) else where
    recorder = BenchmarkRecorder(
        store=_behind_journal(store, settings) if store.is_remote else store,
        strict=settings.strict,
        on_invalid=settings.on_invalid,
        store_task_text=settings.store_task_text,
        enabled=not settings.disabled,
    )
    recorder.gate_settings = settings.gate
    atexit.register(recorder.close)
    return recorder


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

        return JSONFileStore(_json(Path(place), "store"), durability=durability)
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group="benchmark_recorder.stores")}
    if scheme not in found:
        known = ", ".join(f"{name}://" for name in sorted(found)) or "none"
        raise ConfigurationError(
            f"store: no store for {scheme}://; give the path of a JSON file, or a URL of an installed store ({known})"
        )
    store: Store = found[scheme].load()(place)
    return store


def _json(path: Path, setting: str) -> Path:
    """A path that does not promise another format than JSON; a file that exists is known by its content.

    Raises:
        ConfigurationError: it does.
    """
    if path.suffix.lower() not in {"", ".json"} and not path.exists():
        raise ConfigurationError(
            f"{setting}: {path}: a file of records is JSON, not {path.suffix}; end its name in .json, or in nothing "
            "(`benchmark-recorder export` writes .csv, .jsonl, .json and .xml)"
        )
    return path


def _behind_journal(remote: Store, settings: Settings) -> Store:
    from benchmark_recorder.stores.json_file import JSONFileStore
    from benchmark_recorder.stores.replication import ReplicatedStore

    path = _place(settings.journal)
    if not isinstance(path, Path):
        raise ConfigurationError(f"journal: expected the path of a file, got {settings.journal!r}")
    return ReplicatedStore(
        JSONFileStore(_json(path, "journal"), durability=settings.durability),
        remote,
        beside=path,
        deliver=settings.deliver,
        keep_delivered=None if settings.keep_delivered is None else _seconds(settings.keep_delivered),
    )


@in_child
def _new_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()
