"""Records as rows of a BigQuery table that is registered as a Vertex AI feature group.

Rows are only ever added; a record that was sent twice is counted once when it is read. Nothing of Google is imported
before the first call, and the registry's client, which only the set-up needs, not before that.
"""

from __future__ import annotations

import os
import re
import threading
import time
import weakref
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import unquote, urlsplit

from benchmark_recorder.errors import ConfigurationError, MissingDependencyError
from benchmark_recorder.records import COLUMNS, same_json
from benchmark_recorder.stores.base import Store
from benchmark_recorder.stores.vertex.rows import SCHEMA, Row, document_of, row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from google.auth.credentials import Credentials
    from google.cloud import aiplatform_v1, bigquery
    from numpy.typing import NDArray

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.records import Columns, Document, Query
    from benchmark_recorder.stores.vertex.setup import Finding, Step

LOCATION: Final = "us-central1"
DATASET: Final = "genesis_benchmarks"
TABLE: Final = "benchmark_metrics"

_IDS: Final = {
    "project": (r"[a-z][a-z0-9-]{4,28}[a-z0-9]", "6 to 30 lower-case letters, digits and hyphens"),
    "location": (r"[a-z]+(-[a-z]+)+[0-9]+", "a region such as us-central1"),
    "dataset": (r"[A-Za-z0-9_]{1,1024}", "letters, digits and underscores"),
    "table": (r"[a-z_][a-z0-9_]{0,127}", "lower-case letters, digits and underscores, for it names the feature group"),
}


class VertexStore(Store):
    """A BigQuery table, registered as a Vertex AI feature group. Safe to use from any thread, and after a fork.

    Made by ``benchmark-recorder vertex setup``; the store itself never creates anything, and its constructor does
    nothing but look at the arguments.

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
        ConfigurationError: a name that Google would refuse; says what it takes.
        MissingDependencyError: Google's packages are not installed.
    """

    is_remote: ClassVar[bool] = True
    repeats_are_free: ClassVar[bool] = True

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
        for name, value in (("project", project), ("location", location), ("dataset", dataset), ("table", table)):
            _check_id(name, value)
        _require_google()
        self.project, self.location, self.dataset, self.table = project, location, dataset, table
        self.timeout, self.deadline = timeout, deadline
        self._credentials = credentials
        self._given_bigquery, self._given_registry = bigquery_client, registry_client
        self._last_order = 0
        self._lock = threading.Lock()
        self._made: dict[str, Any] = {}
        _stores.add(self)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """The store of ``vertex://project/location/dataset``, or ``.../dataset/table``; what is left out is default.

        Raises:
            ConfigurationError: it is no such URL.
        """
        parts = urlsplit(url)
        names = [unquote(name) for name in (parts.netloc, *parts.path.strip("/").split("/")) if name]
        if parts.scheme != "vertex" or not 1 <= len(names) <= 4 or parts.query or parts.fragment:
            raise ConfigurationError(f"store: expected vertex://project/location/dataset, got {url!r}")
        return cls(*names)

    def __repr__(self) -> str:
        return f"VertexStore({self.name!r})"

    @property
    def name(self) -> str:
        """The URL; holds no secret."""
        table = "" if self.table == TABLE else f"/{self.table}"
        return f"vertex://{self.project}/{self.location}/{self.dataset}{table}"

    @property
    def table_id(self) -> str:
        """The table as BigQuery names it: ``project.dataset.table``."""
        return f"{self.project}.{self.dataset}.{self.table}"

    # Store ------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:
        """See ``Store.append``; ``fresh`` spares a query, and what is sent twice still counts once.

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
        with _google():
            from benchmark_recorder.stores.vertex.requests import patience, translated
            from benchmark_recorder.stores.vertex.stream import Stream

        retry = patience(self.deadline)

        def send(batch: Sequence[Row]) -> Sequence[Mapping[str, Any]]:
            return self.bigquery_client().insert_rows_json(
                self.table_id, batch, row_ids=[row["record_id"] for row in batch], timeout=self.timeout, retry=retry
            )

        with translated(self.name, self.project):
            Stream(send, self.name).deliver(rows)
        return len(rows)

    def scan(self, query: Query, fields: Collection[str]) -> Columns:
        """See ``Store.scan``; the order is that of ``record_id``, which is that of recording."""
        import numpy as np

        from benchmark_recorder.stores.vertex.sql import Filters, scan_sql

        filters = Filters.of(query)
        names = list(dict.fromkeys([*fields, *(["metadata"] if filters.metadata_here else ())]))
        rows: list[Sequence[Any]] = []
        if names and not filters.impossible:
            sql = scan_sql(self.table_id, names, filters)
            rows = [row.values() for row in self._rows(sql, filters.values)]
        columns = {name: _column(name, [row[place] for row in rows]) for place, name in enumerate(names)}
        if filters.metadata_here:
            kept = np.array([_holds(metadata, filters.metadata_here) for metadata in columns["metadata"]], dtype=bool)
            columns = {name: column[kept] for name, column in columns.items()}
        return {name: columns[name] for name in fields}

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
        """See ``Store.summarize``; one query, whose answer holds the cells alone."""
        from benchmark_recorder.cells import CELL_FIELDS, Cells, collect, tabulate
        from benchmark_recorder.stores.vertex.sql import Filters, cell_of, summarize_sql

        filters = Filters.of(query)
        if filters.impossible:
            return Cells()
        if filters.metadata_here:  # SQL has no equality of JSON
            return collect(tabulate(self.scan(query, CELL_FIELDS)), query.versions, query.own_cells)
        rows = self._rows(summarize_sql(self.table_id, query, filters), filters.values)
        return collect(map(cell_of, rows), query.versions, query.own_cells)

    def close(self) -> None:
        """See ``Store.close``; clients that were given stay open."""
        with self._lock:
            made, self._made = self._made, {}
        if client := made.get("bigquery"):
            client.close()
        if client := made.get("registry"):
            client.transport.close()

    # The one-time set-up ----------------------------------------------------------------------------------------------

    def set_up(self, *, dry_run: bool = False) -> Iterator[Step]:
        """Create what is missing of dataset, table, feature group and features, one step after the other.

        To run it again changes nothing.

        Args:
            dry_run: say what would be created, and create nothing.

        Raises:
            StoreSetupError: something stands in the way; says what to do.
            StoreUnavailableError: a call failed for now; run it again.
        """
        with _google():
            from benchmark_recorder.stores.vertex.setup import Setup

        return Setup(self).run(dry_run=dry_run)

    def check(self) -> Iterator[Finding]:
        """Look at each part of the set-up; a finding with a problem holds the fix. Nothing is changed."""
        with _google():
            from benchmark_recorder.stores.vertex.setup import Setup

        return Setup(self).check()

    # Google's clients -------------------------------------------------------------------------------------------------

    def bigquery_client(self) -> bigquery.Client:
        """The BigQuery client, made on first use.

        Raises:
            MissingDependencyError: the package is not installed.
            google.auth.exceptions.GoogleAuthError: there are no credentials.
        """
        with _google():
            from google.cloud import bigquery

        return self._given_bigquery or self._client(
            "bigquery",
            lambda: bigquery.Client(project=self.project, credentials=self._credentials, location=self.location),
        )

    def registry_client(self) -> aiplatform_v1.FeatureRegistryServiceClient:
        """The same for the feature registry, whose import takes a second or two."""
        with _google():
            from google.cloud import aiplatform_v1

        return self._given_registry or self._client(
            "registry",
            lambda: aiplatform_v1.FeatureRegistryServiceClient(
                credentials=self._credentials,
                client_options={"api_endpoint": f"{self.location}-aiplatform.googleapis.com"},
            ),
        )

    def _client(self, kind: str, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - one of two classes
        with self._lock:
            if kind not in self._made:
                self._made[kind] = make()
            return self._made[kind]

    # Pieces -----------------------------------------------------------------------------------------------------------

    def _rows(self, sql: str, values: Mapping[str, tuple[str, Any]]) -> Iterator[Any]:
        """The rows of a query, page by page."""
        with _google():
            from benchmark_recorder.stores.vertex.requests import answer, translated

        with translated(self.name, self.project):
            yield from answer(
                self.bigquery_client(),
                sql,
                values,
                project=self.project,
                location=self.location,
                timeout=self.timeout,
                deadline=self.deadline,
            )

    def _known(self, documents: Mapping[str, Document]) -> set[str]:
        """Which of some records are here."""
        from benchmark_recorder.identity import timestamp_micros
        from benchmark_recorder.stores.vertex.rows import moment_of
        from benchmark_recorder.stores.vertex.sql import known_ids_sql

        moments = [timestamp_micros(document["timestamp"]) for document in documents.values()]
        values = {
            "first": ("TIMESTAMP", moment_of(min(moments))),
            "last": ("TIMESTAMP", moment_of(max(moments))),
            "record_ids": ("STRING", list(documents)),
        }
        return {row["record_id"] for row in self._rows(known_ids_sql(self.table_id), values)}

    def _start_afresh(self) -> None:
        """A new lock and no clients: a forked child shares neither with its parent."""
        self._lock = threading.Lock()
        self._made = {}

    def _next_orders(self, count: int) -> int:
        """The first of some places that stand behind all that this process gave out before."""
        with self._lock:
            first = max(self._last_order + 1, time.time_ns())
            self._last_order = first + count - 1
            return first


def _check_id(name: str, value: object) -> None:
    pattern, expected = _IDS[name]
    if isinstance(value, str) and re.fullmatch(pattern, value):
        return
    hint = ""
    if (
        isinstance(value, str)
        and name in {"dataset", "table"}
        and re.fullmatch(pattern, fixed := value.replace("-", "_"))
    ):
        hint = f"; Google takes no hyphen there: {fixed!r} would do"
    raise ConfigurationError(f"{name}: expected {expected}, got {value!r}{hint}")


def _require_google() -> None:
    """Look whether the packages are there, without importing them."""
    with _google():
        for package in ("google.cloud.bigquery", "google.cloud.aiplatform_v1"):
            if find_spec(package) is None:
                raise ImportError(package)


@contextmanager
def _google() -> Iterator[None]:
    """Around each import of Google's packages."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            'the Vertex AI store needs Google\'s packages: pip install "benchmark-recorder[vertex]"'
        ) from error


def _column(name: str, values: Sequence[Any]) -> NDArray[np.generic]:
    """One field of a scan; see ``records.COLUMNS``."""
    import json

    import numpy as np

    kind = COLUMNS[name]
    if kind == "float64":
        values = [np.nan if value is None else value for value in values]
    elif name == "metadata":
        values = [json.loads(value) for value in values]
    column: NDArray[np.generic] = np.empty(len(values), dtype=kind)
    column[:] = values
    return column


def _holds(metadata: dict[str, Any], pairs: Iterable[tuple[str, Any]]) -> bool:
    return all(key in metadata and same_json(metadata[key], value) for key, value in pairs)


_stores: weakref.WeakSet[VertexStore] = weakref.WeakSet()


def _after_fork() -> None:
    for store in _stores:
        store._start_afresh()  # noqa: SLF001 - the class's own module


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)
