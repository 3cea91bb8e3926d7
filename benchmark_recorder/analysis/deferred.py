"""A field of a frozen result that is computed when it is first looked at.

Nobody can tell: attribute, key, equality, ``repr``, ``asdict``, copy and pickle have the value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import MemberDescriptorType

    from benchmark_recorder.analysis.result import Result

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
            setattr(cls, name, _Field(cls.__dict__[name]))
        return cls

    return decorate


def fields_as_they_are(result: Result) -> dict[str, Any]:
    """A result's fields; what was not looked at yet is not computed for this, and only once for all who have it."""
    return {
        name: field.as_it_is(result) if isinstance(field := getattr(type(result), name), _Field) else result[name]
        for name in result
    }
