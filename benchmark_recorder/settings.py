"""Settings: arguments > environment > ``[tool.benchmark_recorder]`` > defaults; and where they say records live."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from benchmark_recorder.errors import ConfigurationError, StoreFormatError, StoreSetupError, preview
from benchmark_recorder.recorder import DEFAULT_PATH
from benchmark_recorder.stores.base import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENVIRONMENT: Final = {
    "store": "BENCHMARK_RECORDER_STORE",
    "durability": "BENCHMARK_RECORDER_DURABILITY",
    "on_invalid": "BENCHMARK_RECORDER_ON_INVALID",
    "disabled": "BENCHMARK_RECORDER_DISABLED",
    "journal": "BENCHMARK_RECORDER_JOURNAL",
    "deliver": "BENCHMARK_RECORDER_DELIVER",
    "keep_delivered": "BENCHMARK_RECORDER_KEEP_DELIVERED",
    "version": "BENCHMARK_RECORDER_VERSION",
    "labels": "BENCHMARK_RECORDER_LABELS",
}

_CHOICES: Final = {
    "durability": ("process", "fsync"),
    "on_invalid": ("raise", "log"),
    "deliver": ("background", "off"),
}
_TEXTS: Final = {
    "store": "a path or a URL",
    "journal": "a path",
    "keep_delivered": 'a time such as "30d" or "12h"',
    "version": "a text that is not blank",
}
_GATE: Final = ("margins", "require", "on_inconclusive", "scope", "method", "coverage", "blocks")
_SECONDS: Final = {"d": 86_400, "h": 3600}
_SWITCHES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force; ``get_benchmark_recorder`` describes those that it takes.

    Attributes:
        disabled: whether recording is switched off.
        gate: what ``check_gate`` takes where a call says nothing: the names in ``_GATE``.
        alerts: rules of ``benchmark-recorder watch``, which looks at them itself.
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
    version: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    gate: Mapping[str, object] = field(default_factory=dict, compare=False)
    alerts: Mapping[str, object] = field(default_factory=dict, compare=False)
    origins: tuple[tuple[str, str], ...] = field(default=(), compare=False)


def effective_settings(**arguments: Any) -> Settings:  # noqa: ANN401
    """The settings in force, given some by argument (``None``: not given).

    Raises:
        ConfigurationError: a setting is unknown or has a wrong value; says where it came from.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    given = ((name, value, "argument") for name, value in arguments.items() if value is not None)
    for name, value, origin in (*_from_file(), *_from_environment(), *given):
        values[name], origins[name] = _checked(name, value, origin), origin
    return Settings(**values, origins=tuple(sorted(origins.items())))


def _from_environment() -> Iterator[tuple[str, Any, str]]:
    for name, variable in ENVIRONMENT.items():
        text = os.environ.get(variable)
        if name == "disabled" and text is not None:
            if text.strip().lower() not in _SWITCHES:
                raise ConfigurationError(f"{variable}: expected 1 or 0, got {text!r}")
            yield name, _SWITCHES[text.strip().lower()], variable
        elif name == "labels" and text:
            pairs = (pair.partition("=") for pair in text.split(","))
            yield name, {key.strip(): value.strip() for key, _, value in pairs}, variable
        elif text:
            yield name, text, variable


CONFIG: Final = "BENCHMARK_RECORDER_CONFIG"
"""The variable that names the file of settings."""


def _from_file() -> Iterator[tuple[str, Any, str]]:
    """The settings in the file that ``CONFIG`` names, or in the nearest ``pyproject.toml`` with our table."""
    if named := os.environ.get(CONFIG):
        from benchmark_recorder.project import expanded, settings_in

        path = expanded(named)
        found = settings_in(_read(path, CONFIG), path)
        if found is None:
            raise ConfigurationError(f"{CONFIG}: {path} has no table [tool.benchmark_recorder]")
        yield from found
        return
    for path in _project_files():
        text = _read(path, "[tool.benchmark_recorder]")
        if b"benchmark_recorder" in text:
            from benchmark_recorder.project import settings_in

            if (found := settings_in(text, path)) is not None:
                yield from found
                return


def _project_files() -> Iterator[Path]:
    """Each ``pyproject.toml`` from the working directory up to the root of the repository."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was removed under the program, which may name its store by a whole path
        return
    for folder in (here, *here.parents):
        if (path := folder / "pyproject.toml").is_file():
            yield path
        if (folder / ".git").exists():
            return


def _read(path: Path, purpose: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read for {purpose}: {error.strerror}") from error


def _checked(name: str, value: object, origin: str) -> object:
    known = {f.name: f.type for f in fields(Settings) if f.name != "origins"}
    if name not in known:
        raise ConfigurationError(f"{origin}: unknown setting {name!r}; known are {', '.join(known)}")
    if name == "gate":
        right, expected = isinstance(value, dict) and value.keys() <= set(_GATE), f"a table of {', '.join(_GATE)}"
    elif name == "alerts":
        right, expected = isinstance(value, dict), "a table of rules"
        value = value if right else "something else"  # it may be a secret
    elif name == "labels":
        right = isinstance(value, dict) and all(isinstance(t, str) and t for pair in value.items() for t in pair)
        expected = "names and texts that are not empty: region=eu,tier=gold, or a table of texts"
    elif name in _CHOICES:
        right, expected = value in _CHOICES[name], " or ".join(map(repr, _CHOICES[name]))
    elif name in _TEXTS:
        right, expected = isinstance(value, str) and bool(value.strip()), _TEXTS[name]
        right = right and (name != "keep_delivered" or seconds_of(str(value)) is not None)
    else:
        right, expected = isinstance(value, bool), "true or false"
    if not right:
        raise ConfigurationError(f"{name} ({origin}): expected {expected}, got {value!r}")
    return value


def seconds_of(text: str) -> float | None:
    """``"30d"`` or ``"12h"`` in seconds; ``None`` for anything else."""
    number, unit = text[:-1], text[-1:]
    return float(number) * _SECONDS[unit] if unit in _SECONDS and number.isdecimal() else None


def resolved(
    store: str | os.PathLike[str] | Store | None,
    **arguments: Any,  # noqa: ANN401
) -> tuple[Path | str | Store, Settings]:
    """Where the records are, and the settings in force, given some by argument."""
    if isinstance(store, Store):
        return store, effective_settings(**arguments)
    if not isinstance(store, str | os.PathLike | None):
        raise ConfigurationError(f"store: expected a path, a URL or a Store, got {preview(store)}")
    settings = effective_settings(store=None if store is None else os.fspath(store), **arguments)
    return place_of(settings.store), settings


def place_of(place: str) -> Path | str:
    """An absolute path, or a URL."""
    if "://" in place:
        return place
    path = Path(place)
    if place.startswith("~"):
        from benchmark_recorder.project import expanded

        path = expanded(place)
    try:
        path = path.absolute()
    except FileNotFoundError as error:
        raise StoreSetupError(f"store: the working directory, where {place} begins, is gone") from error
    if path.is_dir():
        raise StoreFormatError(f"store: {path} is a folder; name a file in it, such as {path / 'metrics.json'}")
    return path


def json_path(path: Path, setting: str) -> Path:
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
