"""Records as rows of a BigQuery table that is registered as a Vertex AI feature group.

Rows are only ever added; a record that was sent twice counts once when it is read. Google's packages are imported at
the first call, and the registry's client, which only the set-up needs, at the set-up.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from benchmark_recorder.fields import COLUMNS
from benchmark_recorder.queries import same_json
from benchmark_recorder.records import timestamp_micros
from benchmark_recorder.stores.base import EXTRAS, Store
from benchmark_recorder.stores.vertex.place import (
    DATASET,
    LOCATION,
    TABLE,
    Clients,
    Place,
    google,
    names_in,
    require_google,
)
from benchmark_recorder.stores.vertex.rows import JSON_FIELDS, SCHEMA, document_of, moment_of, row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from google.auth.credentials import Credentials
    from google.cloud import aiplatform_v1, bigquery

    from benchmark_recorder.cells import Cell, Cells, UnmatchedTasks
    from benchmark_recorder.histogram import Histograms
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.vertex.groups import Key, Labels
    from benchmark_recorder.stores.vertex.setup import Finding, Step
    from benchmark_recorder.stores.vertex.sql import Filters

Made = TypeVar("Made")


class VertexStore(Store):
    """A BigQuery table, registered as a Vertex AI feature group. Safe to use from any thread, and after a fork.

    ``benchmark-recorder vertex setup`` creates it; the store itself never creates anything, and its constructor only
    checks the arguments.

    Args:
        project: the Google Cloud project.
        location: the region of the dataset and the feature group.
        dataset: BigQuery's.
        table: of the dataset; also the feature group's id.
        credentials: Google's; those of the environment unless given.
        bigquery_client: a client of the caller's, which is never closed here.
        registry_client: the same for the feature registry; only the set-up needs it.
        timeout: seconds that one request may take.
        deadline: seconds that one call may take with its retries; at least one request is made.

    Raises:
        ConfigurationError: Google would refuse a name; says what it accepts.
        MissingDependencyError: Google's packages are not installed.
    """

    is_remote: ClassVar[bool] = True
    repeats_are_free: ClassVar[bool] = True
    supports: ClassVar[frozenset[str]] = EXTRAS

    def __init__(  # noqa: PLR0913 - settings
        self,
        project: str,
        location: str = LOCATION,
        dataset: str = DATASET,
        table: str = TABLE,
        *,
        credentials: Credentials | None = None,
        bigquery_client: bigquery.Client | None = None,
        registry_client: aiplatform_v1.FeatureRegistryServiceClient | None = None,
        timeout: float = 10.0,
        deadline: float = 30.0,
    ) -> None:
        self._place = Place(project, location, dataset, table, timeout, deadline)
        require_google()
        self.project, self.location, self.dataset, self.table = project, location, dataset, table
        self.timeout, self.deadline = timeout, deadline
        self._clients = Clients(self._place, credentials, bigquery_client, registry_client)
        self._last_order = 0
        self._absent: set[str] = set()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The store of ``vertex://project/location/dataset``, or ``.../dataset/table``; only the project is required.

        Raises:
            ConfigurationError: it is not such a URL.
        """
        return cls(*names_in(url))

    def __repr__(self) -> str:
        return f"VertexStore({self.name!r})"

    @property
    def name(self) -> str:
        """The URL; holds no secret."""
        return self._place.name

    @property
    def table_id(self) -> str:
        """The table as BigQuery names it: ``project.dataset.table``."""
        return self._place.table_id

    # Store ------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``; ``fresh`` saves a query, and a record that is sent twice still counts once.

        Raises:
            RefusedRecordsError: some records are refused; all others are stored.
            StoreSetupError: nothing can be stored until someone acts; says what to do.
            StoreUnavailableError: not all are stored; try again later.
        """
        unique: dict[str, Document] = {}
        for document in documents:
            unique.setdefault(document["record_id"], document)
        if unique and not fresh:
            for record_id in self._known(unique):
                del unique[record_id]
        if not unique:
            return 0
        order = self._next_orders(len(unique))
        rows = [row_of(document, order + number) for number, document in enumerate(unique.values())]
        with google():
            from benchmark_recorder.stores.vertex.requests import translated
            from benchmark_recorder.stores.vertex.stream import Stream

        with translated(self._place):
            Stream(self._clients.bigquery(), self._place, self._absent).deliver(rows)
        return len(rows)

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``; the order is that of ``record_id``, which is that of recording."""
        from benchmark_recorder.columns import column_of
        from benchmark_recorder.stores.vertex.sql import Filters, scan_sql

        filters = Filters.of(query)
        names = list(dict.fromkeys([*fields, *(["metadata"] if filters.metadata_here else ())]))
        rows: list[Sequence[Any]] = []
        if names and not filters.impossible:
            rows = [row.values() for row in self._rows(scan_sql(self.table_id, names, filters), filters.values)]
        if filters.metadata_here:
            place = names.index("metadata")
            rows = [row for row in rows if _holds(json.loads(row[place]), filters.metadata_here)]
        columns = {}
        for place, name in enumerate(dict.fromkeys(fields)):
            values = [row[place] for row in rows]
            if name in JSON_FIELDS:
                values = [None if value is None else json.loads(value) for value in values]
            columns[name] = column_of(values, COLUMNS[name])
        return columns

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        from benchmark_recorder.stores.vertex.sql import Filters, scan_sql

        filters = Filters.of(query)
        if filters.impossible:
            return
        sql = scan_sql(self.table_id, [column.name for column in SCHEMA], filters)
        for row in self._rows(sql, filters.values):
            document = document_of(dict(row.items()))
            if _holds(document["metadata"], filters.metadata_here):
                yield document

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``; one query for the cells, and where two versions are compared, at most two more."""
        from benchmark_recorder.cells import Cells
        from benchmark_recorder.stores.vertex.groups import SameGroupError
        from benchmark_recorder.stores.vertex.sql import Filters
        from benchmark_recorder.tabulation import fields_of, summarize_columns

        filters = Filters.of(query)
        if filters.impossible:
            return Cells()
        if not filters.metadata_here:  # SQL has no equality of JSON
            with suppress(SameGroupError):
                return self._cells(query, filters) if query.unit is None else self._units(query, filters)
        return summarize_columns(self.scan(query, fields_of(query)), query)

    def _cells(self, query: Query, filters: Filters) -> Cells:
        """The cells; errors as in ``_grouped``."""
        from benchmark_recorder import matching
        from benchmark_recorder.cells import beyond_of, collect, group_notes
        from benchmark_recorder.stores.vertex.sql import cell_of, summarize_sql, unmatched_from, unmatched_sql
        from benchmark_recorder.tabulation import fields_of, summarize_columns

        def ask(*, beyond: bool) -> tuple[list[Cell], Mapping[str, int]]:
            return self._grouped(
                query, filters, lambda keys: summarize_sql(self.table_id, query, filters, keys, beyond=beyond), cell_of
            )

        cells, rest = ask(beyond=False)
        others: list[Cell] = []
        unmatched: list[UnmatchedTasks] = []
        if matching.compared(query.versions) and any(cell.task_id is None for cell in cells):
            unmatched = unmatched_from(self._rows(unmatched_sql(self.table_id, query, filters), filters.values))
            if len({cell.task_id for cell in cells}) > matching.MAX_MATCHED_TASKS:
                if rest:  # another question might keep other groups
                    return summarize_columns(self.scan(query, fields_of(query)), query)
                others, _ = ask(beyond=True)
        found = collect(cells, query.versions, query.own_cells, beyond=beyond_of(others), unmatched=unmatched)
        return replace(found, caveats=group_notes(rest))

    def histogram(self, query: Query, field: str = "execution_time") -> Histograms:
        """See ``Store.histogram``."""
        from benchmark_recorder.histogram import histograms_from
        from benchmark_recorder.stores.vertex.sql import Filters, histogram_sql

        query.refuse_unit("a histogram")
        filters = Filters.of(query)
        if filters.impossible or filters.metadata_here or COLUMNS.get(field) not in {"float64", "int64"}:
            return super().histogram(query, field)
        found, rest = self._grouped(
            query,
            filters,
            lambda keys: histogram_sql(self.table_id, keys, field, filters),
            lambda row, labels: ((row["version"], labels.of(row)), True if row["zero"] else row["bucket"], row["n"]),
            mergeable=True,
        )
        return histograms_from(found, rest)

    def close(self) -> None:
        """See ``Store.close``; clients that were given stay open."""
        self._clients.close()

    # The one-time set-up ----------------------------------------------------------------------------------------------

    def set_up(self, *, dry_run: bool = False) -> Iterator[Step]:
        """Create dataset, table, feature group and features where they are missing, step by step.

        Running it again changes nothing.

        Args:
            dry_run: say what would be created, and create nothing.

        Raises:
            StoreSetupError: a person must act first; says what to do.
            StoreUnavailableError: a call failed for now; run it again.
        """
        with google():
            from benchmark_recorder.stores.vertex.setup import Setup

        return Setup(self._place, self._clients).run(dry_run=dry_run)

    def check(self) -> Iterator[Finding]:
        """Check each part of the set-up; each problem comes with its fix. Nothing is changed."""
        with google():
            from benchmark_recorder.stores.vertex.setup import Setup

        return Setup(self._place, self._clients).check()

    # Google's clients -------------------------------------------------------------------------------------------------

    def bigquery_client(self) -> bigquery.Client:
        """The BigQuery client, made on first use.

        Raises:
            MissingDependencyError: the package is not installed.
            google.auth.exceptions.GoogleAuthError: there are no credentials.
        """
        return self._clients.bigquery()

    def registry_client(self) -> aiplatform_v1.FeatureRegistryServiceClient:
        """The same for the feature registry, whose import takes a second or two."""
        return self._clients.registry()

    # Pieces -----------------------------------------------------------------------------------------------------------

    def _grouped(
        self,
        query: Query,
        filters: Filters,
        sql_of: Callable[[Sequence[Key]], str],
        made: Callable[[Any, Labels], Made],
        *,
        mergeable: bool = False,
    ) -> tuple[list[Made], Mapping[str, int]]:
        """What is made of the rows of a query, and by key how many groups are in the rest.

        One query, unless there are more groups than are kept.

        Raises:
            SameGroupError: two raw values of a key have one label, and what is made cannot be added up.
        """
        from benchmark_recorder.stores.vertex.groups import Key, Labels, TooManyGroupsError
        from benchmark_recorder.stores.vertex.sql import groups_sql

        keys = [Key.of(name, place) for place, name in enumerate(query.by)]
        while True:
            labels = Labels(keys, mergeable=mergeable)
            sql = sql_of(keys)
            values = filters.values | {name: value for key in keys for name, value in key.values.items()}
            try:
                return [made(row, labels) for row in self._rows(sql, values)], labels.rest
            except TooManyGroupsError as error:
                (place,) = error.args
                key = keys[place]
                rows = self._rows(groups_sql(self.table_id, key, filters), {**filters.values, **key.values})
                keys[place] = key.narrowed(rows)

    def _units(self, query: Query, filters: Filters) -> Cells:
        """Cells of units; errors as in ``_grouped``."""
        from benchmark_recorder.cells import group_notes
        from benchmark_recorder.stores.vertex.units import part_of, units_sql
        from benchmark_recorder.tabulation import cells_of_units

        parts, rest = self._grouped(
            query, filters, lambda keys: units_sql(self.table_id, query, filters, keys), part_of
        )
        return cells_of_units(parts, query, group_notes(rest))

    def _rows(self, sql: str, values: Mapping[str, tuple[str, Any]]) -> Iterator[Any]:
        """The rows of a query, page by page; columns that an older table lacks are no error."""
        with google():
            from benchmark_recorder.stores.vertex.columns import missing_columns
            from benchmark_recorder.stores.vertex.requests import answer, is_invalid_query, translated
            from benchmark_recorder.stores.vertex.sql import with_columns

        with translated(self._place):
            client = self._clients.bigquery()
            try:
                rows = answer(client, sql, values, self._place)
            except Exception as error:
                # Asked again, as someone may have added them since.
                if not is_invalid_query(error) or not (missing := missing_columns(client, self._place)):
                    raise
                rows = answer(client, with_columns(sql, self.table_id, missing), values, self._place)
            yield from rows

    def _known(self, documents: Mapping[str, Document]) -> set[str]:
        """The ids of the records that are stored already."""
        from benchmark_recorder.stores.vertex.sql import known_ids_sql

        moments = [timestamp_micros(document["timestamp"]) for document in documents.values()]
        values = {
            "first": ("TIMESTAMP", moment_of(min(moments))),
            "last": ("TIMESTAMP", moment_of(max(moments))),
            "record_ids": ("STRING", list(documents)),
        }
        return {row["record_id"] for row in self._rows(known_ids_sql(self.table_id), values)}

    def _next_orders(self, count: int) -> int:
        """The first of ``count`` numbers greater than all that this process used before.

        Threads that append at once have no order among them, so no lock is needed.
        """
        first = max(self._last_order + 1, time.time_ns())
        self._last_order = first + count - 1
        return first


def _holds(metadata: dict[str, Any], pairs: Iterable[tuple[str, Any]]) -> bool:
    return all(key in metadata and same_json(metadata[key], value) for key, value in pairs)
