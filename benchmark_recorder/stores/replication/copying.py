"""Records from one store to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from benchmark_recorder.errors import RefusedRecordsError
from benchmark_recorder.records import Query
from benchmark_recorder.stores.replication.prefetch import one_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark_recorder.records import Document
    from benchmark_recorder.stores.base import Store

BATCH: Final = 1000
"""Records in memory at a time."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did.

    Attributes:
        read: records in the source.
        new: of those, the ones that the target did not have.
        refused: why the target refused some for their content, by id.
    """

    read: int = 0
    new: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def copy(source: Store, target: Store, report: Callable[[int], None]) -> Copied:
    """Copy all records that the target does not have; to repeat it, also after a failure, is safe.

    Args:
        source: is only read.
        target: keeps what it has.
        report: told how many records were dealt with, again and again.

    Raises:
        StoreError: a store cannot be read, or written.
    """
    read = new = 0
    refused: dict[str, str] = {}
    # The next ones are read and made ready while the target takes these.
    for batch in one_ahead(map(target.prepared, _batches(source.documents(Query())))):
        try:
            new += target.append(batch)
        except RefusedRecordsError as error:
            refused |= error.reasons
            new += error.new
        read += len(batch)
        report(len(batch))
    return Copied(read, new, refused)


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, BATCH)):
        yield batch
