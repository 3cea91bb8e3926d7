"""How a question is put to the server: in which steps, and what is made of the answers.

Few tasks are told apart by one aggregation. Where there are many, most of which may have a single record, a first one
finds those that have several, and all others are pooled while they are read. Each record is read by one aggregation
alone, so it is in exactly one cell whatever is written at the same time; a task whose second record comes between the
two is pooled until the next question.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from benchmark_recorder.cells import collect, group_notes
from benchmark_recorder.errors import StoreUnavailableError
from benchmark_recorder.matching import LISTED, UnmatchedTasks, compared
from benchmark_recorder.stores.mongodb.groups import Key, Labels, NotGroupedError, TooManyGroupsError
from benchmark_recorder.stores.mongodb.pipeline import (
    cell_of,
    cells_of,
    first_alone,
    groups_of,
    part_of,
    repeated_of,
    units_of,
)
from benchmark_recorder.stores.mongodb.refusals import TOO_LARGE, ours
from benchmark_recorder.tabulation import cells_of_units

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.queries import Query
    from benchmark_recorder.stores.mongodb.pipeline import Stage

Made = TypeVar("Made")

FEW_TASKS: Final = 1000
"""Tasks of a collection up to which all are told apart, also those that have a single record."""

MOST_OWN_TASKS: Final = 100_000
"""Tasks that the server tells apart at most: some 5 MB of the 16 that a question may have."""

LONGEST_IDS: Final = 2_000_000
"""Characters of their ids together, of up to 4 bytes each."""

_TOO_MUCH: Final = frozenset({TOO_LARGE, 146, 292, 17419, 17420})
"""Codes for a document, or a stage of an aggregation, that is larger than the server allows."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """A question that the server answers.

    Attributes:
        query: which records.
        name: the store's.
        answers: the documents of a pipeline.
    """

    query: Query
    name: str
    answers: Callable[[list[Stage]], Iterable[dict[str, Any]]]

    def cells(self, *, few_tasks: bool) -> Cells:
        """See ``Store.summarize``; errors as in ``grouped``.

        Args:
            few_tasks: whether the collection has at most ``FEW_TASKS``.

        Raises:
            NotGroupedError: also where more tasks have several records than the server tells apart.
        """
        query = self.query
        own = None if few_tasks else self._repeated() | query.own_cells
        cells, rest = self.grouped(lambda keys: cells_of(query, keys, own), cell_of)
        alone = () if own is None or not compared(query.versions) else self._alone(cells, own)
        return replace(collect(cells, query.versions, query.own_cells, unmatched=alone), caveats=group_notes(rest))

    def units(self) -> Cells:
        """The same of units."""
        parts, rest = self.grouped(lambda keys: units_of(self.query, keys), part_of)
        return cells_of_units(parts, self.query, group_notes(rest))

    def _alone(self, cells: Sequence[Cell], own: Collection[str]) -> list[UnmatchedTasks]:
        """What is known of the tasks in pooled cells, each of which has one record."""
        tasks: Counter[str] = Counter()
        for cell in cells:
            if cell.task_id is None:
                tasks[cell.version] += cell.tasks
        with ours(self.name):
            return [UnmatchedTasks(version, n, self._first_alone(version, own)) for version, n in sorted(tasks.items())]

    def _first_alone(self, version: str, own: Collection[str]) -> tuple[str, ...]:
        return tuple(row["task_id"] for row in self.answers(first_alone(self.query, version, own, LISTED)))

    def _repeated(self) -> frozenset[str]:
        """The tasks that have several records."""
        with ours(self.name):
            rows = list(self.answers(repeated_of(self.query, MOST_OWN_TASKS + 1)))
            tasks = frozenset(row["_id"] for row in rows if row["_id"] is not None)
            if len(rows) > MOST_OWN_TASKS or sum(map(len, tasks)) > LONGEST_IDS:
                raise NotGroupedError
        return tasks

    def grouped(
        self,
        pipeline_of: Callable[[Sequence[Key]], list[Stage]],
        made: Callable[[dict[str, Any], Labels], Made],
    ) -> tuple[list[Made], Mapping[str, int]]:
        """What is made of the documents of a pipeline, and by key how many groups are in the rest.

        One aggregation, unless there are more groups than are kept.

        Raises:
            NotGroupedError: the server does not have some record's group, or cannot hold all groups.
        """
        keys = [Key.of(name) for name in self.query.by]
        while True:
            labels = Labels(keys)
            try:
                with ours(self.name):
                    return [made(row, labels) for row in self.answers(pipeline_of(keys))], labels.rest
            except TooManyGroupsError as error:
                (place,) = error.args
                with ours(self.name):
                    keys[place] = keys[place].narrowed(self.answers(groups_of(self.query, keys[place])))
            except StoreUnavailableError as error:
                if self.query.by and getattr(error.__cause__, "code", None) in _TOO_MUCH:
                    raise NotGroupedError from error
                raise
