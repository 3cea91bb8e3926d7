"""Records in MongoDB: one document per execution, in an ordinary collection.

How to operate it is in ``docs/stores.md``.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import ConfigurationError, RefusedRecordsError, StoreFormatError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import Store
from benchmark_recorder.stores.mongodb.client import address, check_names, connect, hosts_of, require_driver

if TYPE_CHECKING:
    from collections.abc import Collection as SizedIterable
    from collections.abc import Iterator, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo.collection import Collection
    from pymongo.errors import BulkWriteError

    from benchmark_recorder.cells import Cell, Cells
    from benchmark_recorder.records import Columns, Document, Query
    from benchmark_recorder.stores.mongodb.client import Client


WRITE_SECONDS: Final = 10.0
"""How long one batch may wait for the majority: many times what a healthy replica set needs."""

READ_SECONDS: Final = 120.0
"""How long one question may take: a scan of some ten million records."""

CLOSE_SECONDS: Final = 0.5
"""How long an exit may take to disconnect from the server."""

ROWS_AT_ONCE: Final = 1000
"""Documents that become arrays together: few enough for the processor's cache; ten times as many take 1.5 times as long
each."""

WHOLE_AT_ONCE: Final = 10_000
"""Whole documents in one reply: some 10 MB. For single fields the server chooses, up to 16 MB."""

_DUPLICATE_KEY: Final = 11000
_TOO_LARGE: Final = 10334

_NOT_THE_RECORDS_FAULT: Final = frozenset(
    # rights, shutdown, elections, interruption, time limits, conflicts, disk space, sharding in motion
    {6, 7, 13, 18, 24, 46, 50, 63, 64, 89, 91, 100, 112, 133, 134, 150, 175, 189, 202, 234, 262, 290, 314, 317, 358}
    | {8000, 9001, 10107, 11600, 11601, 11602, 13388, 13435, 13436, 14031}
)
"""Codes of a document's write error that may not recur; any other is the document's own fault."""

_NO_INDEX: Final = frozenset({13, 50, 85, 86, 8000})
"""Codes for an index that is not created: no right, no time (create it by hand), or another index in its place."""


class MongoDBStore(Store):
    """A collection of a MongoDB database (server 5.0 or newer). Safe to use from any thread, and after a fork.

    Nothing is sent before the first question or append, so the constructor never waits for a server.

    Args:
        uri_or_client: ``mongodb://...`` or ``mongodb+srv://...``, or a ``MongoClient``, which is never closed here.
        database: its name; the one in the URL unless given.
        collection: its name.
        expire_after_days: the server removes older records; never unless given.

    Raises:
        MissingDependencyError: pymongo is not installed.
        ConfigurationError: the URL or a name is not valid.
    """

    is_remote: ClassVar[bool] = True

    def __init__(
        self,
        uri_or_client: str | Client,
        database: str | None = None,
        collection: str = "executions",
        *,
        expire_after_days: float | None = None,
    ) -> None:
        require_driver()
        if expire_after_days is not None and not expire_after_days > 0:
            raise ConfigurationError(f"expire_after_days: expected a number above 0, got {expire_after_days!r}")
        self._uri = uri_or_client if isinstance(uri_or_client, str) else None
        self._given = None if isinstance(uri_or_client, str) else uri_or_client
        hosts, named = address(uri_or_client) if isinstance(uri_or_client, str) else (None, None)
        self._database = database or named
        if not self._database:
            raise ConfigurationError("database: name one, in the URL (mongodb://host/database) or as an argument")
        check_names(self._database, collection)
        self._collection_name = collection
        self._hosts = hosts
        self._expire_after_days = expire_after_days
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._is_prepared = False
        in_child(self._forget_parent)

    def _forget_parent(self) -> None:
        """In a forked child: neither the parent's client is used, nor a lock that another of its threads held."""
        _parents.append(self._client)
        self._lock, self._client, self._is_prepared = threading.Lock(), None, False

    def __repr__(self) -> str:
        return f"MongoDBStore({self.name!r})"

    @property
    def name(self) -> str:
        """``mongodb://host/database.collection``, without the user and the password."""
        hosts = self._hosts if self._hosts is not None else hosts_of(self._given)
        return f"mongodb://{hosts}/{self._database}.{self._collection_name}"

    # Store ------------------------------------------------------------------------------------------------------------

    def append(self, documents: Sequence[Document], *, fresh: bool = False) -> int:  # noqa: ARG002
        """See ``Store.append``."""
        from benchmark_recorder.stores.mongodb.documents import Encoded

        encoded = Encoded.of(documents)
        reasons = dict(encoded.reasons)
        new = 0
        if encoded.rows:
            with self._talking():
                self._prepare()
                new = self._insert(list(encoded.rows.values()), reasons)
        if reasons:
            raise RefusedRecordsError(
                f"{self.name} refused {len(reasons)} of {len(documents)} records for their content: "
                f"{next(iter(reasons.values()))}",
                reasons=reasons,
                new=new,
            )
        return new

    def prepared(self, documents: Sequence[Document]) -> Sequence[Document]:
        """See ``Store.prepared``."""
        from benchmark_recorder.stores.mongodb.documents import Encoded

        return Encoded.of(documents)

    def stored_ids(self, ids: SizedIterable[str]) -> frozenset[str]:
        """See ``Store.stored_ids``."""
        with self._talking():
            rows = self._collection().find(
                {"_id": {"$in": list(ids)}},
                _BY_ID,
                collation=_SIMPLE,
                batch_size=len(ids) + 1,  # one reply
                max_time_ms=int(READ_SECONDS * 1000),
            )
            return frozenset(row["_id"] for row in rows)

    def scan(self, query: Query, fields: SizedIterable[str]) -> Columns:
        """See ``Store.scan``."""
        from benchmark_recorder.columns import GrowingColumn
        from benchmark_recorder.fields import COLUMNS
        from benchmark_recorder.stores.mongodb.documents import decode

        columns = {name: GrowingColumn(COLUMNS[name]) for name in fields}
        for rows in self._rows(query, [_FIELD.get(name, name) for name in columns]):
            with _ours(self.name):
                for name, column in columns.items():
                    field = _FIELD.get(name, name)
                    values = [row.get(field) for row in rows]
                    if name == "metadata":
                        values = [None if text is None else decode(text) for text in values]
                    column.extend(values)
        return {name: column.finished() for name, column in columns.items()}

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        from benchmark_recorder.cells import collect

        several = query.versions is None or len(set(query.versions)) > 1
        cells = self._cells(query, across_versions=several)
        if query.versions is None and len({cell.version for cell in cells}) == 1:
            # There is only one version, which only the server knew.
            cells = self._cells(replace(query, versions=(cells[0].version,)), across_versions=False)
        return collect(cells, query.versions, query.own_cells)

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        from benchmark_recorder.stores.mongodb.documents import document_of

        for rows in self._rows(query, None):
            with _ours(self.name):
                documents = [document_of(row) for row in rows]
            yield from documents

    def close(self) -> None:
        """See ``Store.close``; a client that was given, or the parent process's, stays open."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            import pymongo

            # The driver ends its sessions first, and would wait long for a server that hangs.
            with pymongo.timeout(CLOSE_SECONDS):
                client.close()

    # Talking to the server --------------------------------------------------------------------------------------------

    def _insert(self, rows: Sequence[RawBSONDocument], reasons: dict[str, str]) -> int:
        """Insert rows; how many were new. Those that the server or the driver refuse are added to ``reasons``."""
        from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

        collection = self._collection()
        try:
            collection.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            return _outcome_of(error, reasons)
        except (DocumentTooLarge, OperationFailure) as error:
            if isinstance(error, OperationFailure) and error.code != _TOO_LARGE:
                raise
            if len(rows) == 1:
                reasons[rows[0]["_id"]] = str(error)
                return 0
        else:
            return len(rows)
        # The reply does not say which one it is: halve until it is alone. Repeating is safe.
        middle = len(rows) // 2
        return self._insert(rows[:middle], reasons) + self._insert(rows[middle:], reasons)

    def _rows(self, query: Query, fields: list[str] | None) -> Iterator[list[dict[str, Any]]]:
        from benchmark_recorder.stores.mongodb.pipeline import filter_of

        projection = None if fields is None else {"_id": "_id" in fields} | {f: True for f in fields if f != "_id"}
        if projection == {"_id": False}:
            projection = {"_id": True}
        # Without an id or a time no order can be seen, and sorting takes the server as long again.
        sort = [("_id", 1)] if fields is None or _SHOWS_ORDER & set(fields) else None
        with self._talking():
            cursor = self._collection().find(
                filter_of(query),
                projection,
                sort=sort,
                collation=_SIMPLE,
                batch_size=WHOLE_AT_ONCE if fields is None else 0,
                max_time_ms=int(READ_SECONDS * 1000),
            )
        with cursor:
            while True:
                with self._talking():
                    rows = list(islice(cursor, ROWS_AT_ONCE))
                if not rows:
                    return
                yield rows

    def _cells(self, query: Query, *, across_versions: bool) -> list[Cell]:
        from benchmark_recorder.stores.mongodb.pipeline import cell_of, pipeline_of

        pipeline = pipeline_of(query, across_versions=across_versions)
        with (
            self._talking(),
            self._collection().aggregate(
                pipeline, allowDiskUse=True, collation=_SIMPLE, maxTimeMS=int(READ_SECONDS * 1000)
            ) as cursor,
            _ours(self.name),
        ):
            return [cell_of(row) for row in cursor]

    def _prepare(self) -> None:
        """Create the indexes, once per process; without them questions are slower, and recording works."""
        if self._is_prepared:
            return
        from pymongo import ASCENDING, IndexModel
        from pymongo.errors import OperationFailure

        indexes = [
            IndexModel([("version", ASCENDING), ("time", ASCENDING)]),
            IndexModel([("task_id", ASCENDING), ("version", ASCENDING), ("time", ASCENDING)]),
        ]
        if self._expire_after_days is not None:
            seconds = int(self._expire_after_days * 86_400)
            indexes.append(IndexModel([("recorded_at", ASCENDING)], expireAfterSeconds=seconds))
        try:
            self._collection().create_indexes(indexes)
        except OperationFailure as error:
            if error.code not in _NO_INDEX:
                raise
            logger.info("%s has to do without some indexes: %s", self.name, _reason(error))
        self._is_prepared = True

    def _collection(self) -> Collection[dict[str, Any]]:
        from bson.codec_options import CodecOptions
        from pymongo import WriteConcern

        assert self._database is not None
        options: CodecOptions[dict[str, Any]] = CodecOptions()
        return self._connected()[self._database].get_collection(
            self._collection_name,
            codec_options=options,
            write_concern=WriteConcern(w="majority", wtimeout=int(WRITE_SECONDS * 1000)),
        )

    def _connected(self) -> Client:
        """The client of this process: the one that was given, or one of our own."""
        if self._given is not None:
            return self._given
        with self._lock:
            if self._client is None:
                self._client = connect(self._uri)
            return self._client

    @contextmanager
    def _talking(self) -> Iterator[None]:
        """Around one exchange with the server: the driver's errors as ours.

        Not under ``pymongo.timeout``, which makes the driver retry until the time is up; we retry ourselves.
        """
        from pymongo.errors import ConfigurationError as DriverConfigurationError
        from pymongo.errors import InvalidURI, PyMongoError

        try:
            yield
        except (DriverConfigurationError, InvalidURI) as error:
            raise StoreUnavailableError(f"{self.name} cannot be used: {_reason(error)}") from error
        except PyMongoError as error:
            raise StoreUnavailableError(f"{self.name} cannot be reached or refuses: {_reason(error)}") from error


_parents: Final[list[Client | None]] = []
"""Clients of the parent process, in a forked child: kept, neither used nor closed, as their sockets are shared."""

_SIMPLE: Final = {"locale": "simple"}
"""Texts are equal if their bytes are, whatever the collection's own collation."""

_BY_ID: Final = {"_id": 1}

_FIELD: Final = {"record_id": "_id"}
_SHOWS_ORDER: Final = frozenset({"_id", "time", "timestamp"})


def _outcome_of(error: BulkWriteError, reasons: dict[str, str]) -> int:
    """How many documents of a partly refused batch were new; the refusals are added to ``reasons``.

    Raises:
        pymongo.errors.BulkWriteError: some may not be stored, through no fault of their own.
    """
    details = error.details or {}
    refused: dict[str, str] = {}
    for failure in details.get("writeErrors", ()):
        code = failure.get("code")
        if code in _NOT_THE_RECORDS_FAULT:
            raise error
        # Under another unique index, a different record is stored, and this one is not.
        if code != _DUPLICATE_KEY or failure.get("keyPattern", _BY_ID) != _BY_ID:
            refused[failure["op"]["_id"]] = f"{failure.get('errmsg', 'refused')} (code {code})"
    if details.get("writeConcernErrors"):
        raise error
    reasons |= refused
    return int(details.get("nInserted", 0))


_TIMEOUTS: Final = re.compile(r" \(configured timeouts: [^()]*\)")


def _reason(error: Exception) -> str:
    """The driver's words in one short line, without its timeouts and its description of the servers."""
    words = str(error).partition(", full error:")[0].partition(", Timeout: ")[0]
    text = " ".join(_TIMEOUTS.sub("", words).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


@contextmanager
def _ours(name: str) -> Iterator[None]:
    """Around reading: what cannot be read as a record was not written by this package."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise StoreFormatError(f"{name} holds documents that are not benchmark records: {error}") from error
