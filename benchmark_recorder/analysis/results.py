"""What every answer is made of: frozen, read as attribute and as key, ready for JSON, with its caveats as data."""

from __future__ import annotations

import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MemberDescriptorType


class Result:
    """A frozen dataclass that also reads as a mapping of its fields: ``m.mean``, ``m["mean"]``, ``**m``.

    A key is the field's name, unless the field's metadata names another ``key``: keys, which JSON shows, never change.
    It has a mapping's methods, but does not inherit from ``Mapping``: polars takes every ``Mapping`` for a dict of
    columns, and would never ask a result for its table.
    """

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        if key in self:
            return getattr(self, self._names()[key])
        raise KeyError(f"{key!r}; there are {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, key: object) -> bool:
        return key in self._names()

    def keys(self) -> KeysView[str]:
        """The fields' keys."""
        return dict.fromkeys(self).keys()  # reads as a list of names

    def values(self) -> ValuesView[Any]:
        """Their values."""
        return ValuesView(self._mapping)

    def items(self) -> ItemsView[str, Any]:
        """Both."""
        return ItemsView(self._mapping)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """One value, or the default where the field does not exist."""
        return getattr(self, self._names()[key]) if key in self else default

    @classmethod
    @cache
    def _names(cls) -> dict[str, str]:
        """The fields' names by their keys."""
        return {field.metadata.get("key", field.name): field.name for field in fields(cls)}  # type: ignore[arg-type]

    @property
    def _mapping(self) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self)  # all that a view asks for is here

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, texts and numbers, all the way down; what is not finite is ``None``."""
        return {name: _plain(value) for name, value in self.items()}


def _plain(value: object) -> Any:  # noqa: ANN401
    """One value as JSON has it."""
    if isinstance(value, float):
        return float(value) + 0.0 if math.isfinite(value) else None  # never -0.0
    if isinstance(value, Mapping | Result):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Caveat(Result):
    """A warning as data: the analysis went on, but the reader must know.

    Attributes:
        code: stable, for programs: ``"too_few_samples"``.
        sentence: for people; empty until ``reporting.views`` words it, unless the store wrote it. It may hold names of
            versions and tasks as they were recorded: escape it like any other text.
        figures: the numbers and names in the sentence.
    """

    code: str
    sentence: str = field(default="", compare=False)
    figures: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.sentence or self.code


@dataclass(frozen=True, slots=True)
class Interval(Result):
    """A confidence interval, both ends in the unit of the figure it belongs to.

    Attributes:
        low: ``None`` where it has no lower end.
        high: ``None`` where it has no upper end.
        confidence: 0.95 unless it says otherwise.
    """

    low: float | None
    high: float | None
    confidence: float = 0.95


@dataclass(frozen=True, slots=True)
class Estimate(Result):
    """A figure with its uncertainty.

    Attributes:
        value: ``None`` where it is undefined.
        interval: ``None`` where none can be given; ``method`` says why.
        n: the runs (or tasks) that it rests on.
        method: how value and interval were found, in a few words.
    """

    value: float | None
    interval: Interval | None
    n: int
    method: str


def finite(value: float) -> float | None:
    """The value, or ``None`` where it is not finite; never -0.0."""
    return value + 0.0 if math.isfinite(value) else None


def ratio_of(log_ratio: float) -> float:
    """``exp``, infinite where a float cannot hold it as percent."""
    return math.exp(log_ratio) if log_ratio < 700 else math.inf


def interval_of(low: float, high: float, confidence: float = 0.95) -> Interval | None:
    """An interval with ends that are not finite left open; ``None`` where nothing is left or it has no width.

    An interval of width 0 would claim certainty, which no sample gives.
    """
    lower = low if math.isfinite(low) else None
    upper = high if math.isfinite(high) else None
    if lower is None and upper is None:
        return None
    if lower is not None and upper is not None and not lower < upper:
        return None
    return Interval(lower, upper, confidence)


T = TypeVar("T")
C = TypeVar("C", bound=type)


class Deferred(Generic[T]):
    """A value that is computed when it is first asked for; threads that ask at once may each compute the same."""

    __slots__ = ("_compute", "_value")

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute: Callable[[], T] | None = compute

    def __call__(self) -> T:
        """The value."""
        if (compute := self._compute) is not None:
            self._value = compute()
            self._compute = None  # and with it, what it was computed from
        return self._value


def deferred(compute: Callable[[], T]) -> T:
    """What a field that defers may be given instead of its value."""
    return cast("T", Deferred(compute))


class _Field:
    """A slot in whose place a ``Deferred`` may stand."""

    def __init__(self, slot: MemberDescriptorType) -> None:
        self._slot = slot

    def __get__(self, instance: object, owner: type | None = None) -> Any:  # noqa: ANN401
        if instance is None:
            return self
        value = self.as_it_is(instance)
        if isinstance(value, Deferred):
            value = value()
            self._slot.__set__(instance, value)
        return value

    def __set__(self, instance: object, value: object) -> None:
        self._slot.__set__(instance, value)

    def as_it_is(self, instance: object) -> Any:  # noqa: ANN401
        """The value, or what will compute it."""
        return self._slot.__get__(instance)


def defers(*names: str) -> Callable[[C], C]:
    """Let some fields of a dataclass with slots be ``deferred``."""

    def decorate(cls: C) -> C:
        for name in names:
            setattr(cls, name, _Field(getattr(cls, name)))
        return cls

    return decorate


def fields_as_they_are(result: Result) -> dict[str, Any]:
    """A result's fields without computing deferred ones; those are computed once for all copies."""
    slots = {field.name: getattr(type(result), field.name) for field in fields(result)}  # type: ignore[arg-type]
    return {
        name: slot.as_it_is(result) if isinstance(slot, _Field) else getattr(result, name)
        for name, slot in slots.items()
    }
