"""What a server lacks: one that only speaks MongoDB's protocol, or a small tier of Atlas.

Such a refusal lasts, so it is not an outage: the question is put more plainly, or its records are fetched and tabulated
here.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from benchmark_recorder.errors import StoreError
from benchmark_recorder.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from pymongo.collection import Collection
    from pymongo.command_cursor import CommandCursor
    from pymongo.cursor import Cursor
    from pymongo.errors import OperationFailure

    Answer: TypeAlias = Cursor[dict[str, Any]] | CommandCursor[dict[str, Any]]
    Ask: TypeAlias = Callable[[Collection[dict[str, Any]], Mapping[str, Any]], Answer]

_CODES: Final = frozenset({59, 72, 115, 168, 238, 303, 304, 15952, 15999, 31325, 40324, 40415, 40485})
"""No such command, option, stage, operator or accumulator, in the numbers of the several servers."""

_WORDS: Final = re.compile(
    r"not supported|unsupported|not implemented|unrecogni[sz]ed|not allowed in this atlas tier|"
    r"unknown (?:group |top level )?(?:operator|expression|option|field)",
    re.IGNORECASE,
)
"""How they put it under other codes (Atlas has 8000 for everything, refused logins included)."""


class LackingError(StoreError):
    """The server lacks a part of what it was asked, and always will."""


def is_lacking(error: OperationFailure) -> bool:
    """Whether a refusal is about what was asked for, and would be the same at any other time."""
    return (
        error.code in _CODES or _WORDS.search(str(error.details.get("errmsg") if error.details else error)) is not None
    )


ROWS_AT_ONCE: Final = 1000
"""Documents that become arrays together: few enough for the processor's cache; ten times as many take 1.5 times as long
each."""


class Questions:
    """Puts questions to a collection; options that its server lacks are left out.

    Args:
        collection: makes it.
        talking: around one exchange with the server: the driver's errors as ours.

    Attributes:
        is_plain: whether the server lacks some of the options.
        limitation: what it lacks besides, so that questions are answered here, as far as is known.
    """

    def __init__(
        self, collection: Callable[[], Collection[dict[str, Any]]], talking: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._collection, self._talking = collection, talking
        self.is_plain = False
        self.limitation: str | None = None

    def answers(self, ask: Ask, options: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        """The documents of an answer, some at a time.

        Args:
            ask: puts the question to a collection.
            options: on which the answer does not depend where a server lacks them.

        Raises:
            LackingError: the server lacks something that is needed.
        """
        try:
            answer, rows = self._begin(ask, {} if self.is_plain else options)
        except LackingError:
            answer, rows = self._begin(ask, {})
            self.is_plain = True
        with answer:
            while rows:
                yield rows
                with self._talking():
                    rows = list(islice(answer, ROWS_AT_ONCE))

    def _begin(self, ask: Ask, options: Mapping[str, Any]) -> tuple[Answer, list[dict[str, Any]]]:
        with self._talking():
            answer = ask(self._collection(), options)
            return answer, list(islice(answer, ROWS_AT_ONCE))

    def note(self, error: Exception) -> None:
        """A question is answered here; the log says once why, if the server lacks something."""
        if isinstance(error, LackingError) and self.limitation is None:
            self.limitation = f"{error}; questions fetch its records and are answered here"
            logger.info("%s", self.limitation)
