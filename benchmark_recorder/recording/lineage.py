"""Which run a run is a part of, and what a run adds up of its parts."""

from __future__ import annotations

from contextvars import ContextVar
from operator import index
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from benchmark_recorder._fork import in_child
from benchmark_recorder.records import stamp

if TYPE_CHECKING:
    from collections.abc import Callable

Figures: TypeAlias = "tuple[float | None, ...]"
"""Cost and tokens, in the order of ``SUMMED``; ``None`` for what is not known."""

_NUMBERS: Final[dict[str, Callable[[Any], float]]] = {"cost": float, "input_tokens": index, "output_tokens": index}

SUMMED: Final = tuple(_NUMBERS)
"""What a root adds up where it says nothing itself."""

_NOTHING: Final[Figures] = (None,) * len(SUMMED)


class Lineage:
    """A run among those around it and inside it.

    Attributes:
        place: the same for all runs whose records meet in one store: only these have to do with each other.
        outer: the run around it in its context, of any store.
        parent: the run that it is a part of.
        ended: whether it is over.
    """

    __slots__ = ("_ids", "_parts", "ended", "outer", "parent", "place")

    def __init__(self, place: object) -> None:
        self.place = place
        self.outer: Lineage | None = None
        self.parent: Lineage | None = None
        self.ended = False
        self._ids: list[str] = []
        self._parts: list[Figures] = []

    def begin(self, *, is_root: bool) -> None:
        """Look for the run around it: it makes this one a part, unless that run's root has ended."""
        self.outer = outer = current.get()
        if not is_root:
            while outer is not None and outer.place != self.place:
                outer = outer.outer
            if outer is not None and not outer.root.ended:
                self.parent = outer
                outer.root.settle(stamp()[0])

    def enter(self) -> None:
        """From now on, runs that begin in this context are parts of this one."""
        current.set(self)

    def leave(self) -> None:
        """The run around this one goes on; nothing happens in another context than that of ``enter``."""
        if current.get() is self:
            outer = self.outer
            while outer is not None and outer.ended:
                outer = outer.outer
            current.set(outer)

    @property
    def is_alone(self) -> bool:
        """Whether it is a part of no run, and no part of it has ended."""
        return self.parent is None and not self._parts

    @property
    def root(self) -> Lineage:
        """The run that it is a part of in the end; itself if it is a part of none."""
        return self if self.parent is None else self.parent.root

    def settle(self, record_id: str) -> str:
        """The id of its record: this one, unless it was settled earlier.

        It is settled when the first part begins, so that the ids of runs without parts rise with the time of recording.
        """
        if not self._ids:
            self._ids.append(record_id)  # where two threads come at once, the first one's counts
        return self._ids[0]

    def fields(self, record_id: str) -> dict[str, str]:
        """Of its record: the id, which is this one unless it was settled earlier, and its root's."""
        fields = {"record_id": self.settle(record_id)}
        if self.parent is not None:
            fields["parent_id"] = self.parent.root.settle(stamp()[0])
        return fields

    def add_part(self, figures: Figures) -> None:
        """Take a part's figures into the sums of this run, or if it has ended, of the first around it that goes on."""
        if not self.ended:
            self._parts.append(figures)
        elif self.parent is not None:
            self.parent.add_part(figures)

    def add_values(self, *values: object) -> None:
        """The same of cost and tokens as a caller gave them."""
        self.add_part(figures_of(*values))

    def completed(self, own: Figures) -> Figures:
        """A run's figures, where it says nothing the sums of its parts, if each part says something."""
        if not self._parts:
            return own
        sums = (None if None in parts else sum(parts) for parts in zip(*self._parts, strict=True))
        return tuple(theirs if mine is None else mine for mine, theirs in zip(own, sums, strict=True))


current: Final = ContextVar[Lineage | None]("benchmark_recorder", default=None)
"""The innermost run around the code that asks."""


@in_child
def _begin_anew() -> None:
    """A forked child cannot know when its parent's run ends, so nothing in it is a part of that run."""
    current.set(None)


def figures_of(*values: object) -> Figures:
    """Cost and tokens as they are added; ``None`` for a value that is not known, or wrong."""
    return tuple(map(_number, _NUMBERS.values(), values))


def _number(convert: Callable[[Any], float], value: object) -> float | None:
    if value is None or isinstance(value, str | bool):
        return None
    try:
        number = convert(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None
