"""The local side of a question: what the remote store does not have, or may not have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark_recorder.stores.base import READ_AT_ONCE
from benchmark_recorder.stores.replication.delivery import in_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmark_recorder.records import Document


@dataclass(frozen=True)
class Pending:
    """The undelivered records of the journal, as far as they count here.

    Attributes:
        documents: all of them, each id once.
        uncertain: how many of the first may be in the remote store as well; ``None`` for all.
    """

    documents: Callable[[], Iterable[Document]]
    uncertain: int | None


@dataclass(frozen=True)
class Undelivered:
    """The local side of a question.

    Attributes:
        ids: the records that are counted here, and may be in the remote store, too.
        matching: all matching records that are counted here.
    """

    ids: frozenset[str]
    matching: Callable[[], Iterator[Document]]

    def parts(self) -> Iterator[list[Document]]:
        """The matching records, some at a time."""
        return in_batches(self.matching(), READ_AT_ONCE)


def first_by_id(documents: Iterable[Document]) -> Iterator[Document]:
    """Each id once."""
    seen: set[str] = set()
    for document in documents:
        if (record_id := document["record_id"]) not in seen:
            seen.add(record_id)
            yield document
