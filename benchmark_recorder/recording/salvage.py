"""A measured run whose fields are partly wrong: what can be recorded of it, and that something was left out."""

from __future__ import annotations

import atexit
import threading
import warnings
from collections import Counter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmark_recorder._fork import at_worker_end, in_child
from benchmark_recorder.errors import InvalidRecordError
from benchmark_recorder.log import logger
from benchmark_recorder.records import encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

INVALID_RESULT: Final = "InvalidResult"
"""The class of a failure whose result does not say whether it succeeded."""

INVALID_TASK: Final = "(invalid task)"

_LONGEST_NAME: Final = 200
_INTERVAL: Final = 60.0
"""Seconds between two messages."""


def salvaged(admit: Callable[..., T], arguments: Mapping[str, Any], instead: Mapping[str, Any]) -> tuple[T, list[str]]:
    """What ``admit`` makes of a run's arguments without those that it refuses, and the names of these.

    ``instead`` has values of arguments that cannot be left out.

    Raises:
        InvalidRecordError: not even those values are right.
    """
    kept = dict(arguments)
    dropped: list[str] = []
    first: InvalidRecordError | None = None
    while True:
        try:
            admitted = admit(**kept)
        except InvalidRecordError as error:
            first = first or error
            name = str(error.field).partition(".")[0].partition("[")[0]
            if name not in kept or dropped.count(name) > 1:
                raise
            inside = _sound_keys(admit, kept[name]) if name == "metadata" and name not in dropped else None
            if inside is None or len(inside) == len(kept[name]):
                dropped.append(name)
                kept[name] = {"task": INVALID_TASK, "success": False, **instead}.get(name)
            else:
                dropped += [_key_name(key) for key in kept[name] if key not in inside]
                kept[name] = inside
            if name == "success":
                kept["error_type"] = kept.get("error_type") or INVALID_RESULT
        else:
            say_dropped(dropped, first)
            return admitted, dropped


def _sound_keys(admit: Callable[..., object], metadata: object) -> dict[str, Any] | None:
    """The pairs that are JSON by themselves; ``None`` if it is not a dict."""
    if not isinstance(metadata, dict):
        return None
    sound = {}
    for key, value in tuple(metadata.items()):
        try:
            admit(task="", duration=0.0, success=False, version="v", metadata={key: value})
        except InvalidRecordError:
            continue
        sound[key] = value
    return sound


def _key_name(key: object) -> str:
    return f"metadata.{encodable(key)}"[:_LONGEST_NAME] if isinstance(key, str) else "metadata"


class _Said:
    """Says that something was left out: the first time, then at most once a minute, and at the end."""

    def __init__(self) -> None:
        self.runs = 0
        self.names: Counter[str] = Counter()
        self.next = 0.0
        self.lock = threading.RLock()

    def add(self, names: list[str], why: Exception | str | None) -> None:
        with self.lock:
            first = not self.runs
            self.runs += 1
            self.names.update(names)
            now = monotonic()
            says = now >= self.next
            if says:
                self.next = now + _INTERVAL
        if first:
            atexit.unregister(_at_exit)  # a forked child has its parent's
            atexit.register(_at_exit)
            at_worker_end(_at_exit)
        if says:
            logger.warning("recorded without %s: %s", ", ".join(names), why)

    def summary(self) -> str:
        most = ", ".join(f"{name} ({count:,})" for name, count in self.names.most_common(5))
        return f"{self.runs:,} run{'' if self.runs == 1 else 's'} recorded without fields that were wrong: {most}"


_said = _Said()


@in_child
def _forget() -> None:
    global _said  # noqa: PLW0603
    _said = _Said()


def say_dropped(names: list[str], why: Exception | str | None) -> None:
    """Count a run that is recorded without something that was wrong, and say so now and then."""
    _said.add(names, why)


def _at_exit() -> None:
    """Even a program without logging must not lose figures in silence."""
    if _said.runs:
        warnings.warn(_said.summary(), RuntimeWarning, stacklevel=2)
