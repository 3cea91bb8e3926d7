"""Records in MongoDB: one document per execution, in an ordinary collection.

How to operate it is in ``docs/stores.md``.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from benchmark_recorder._fork import in_child
from benchmark_recorder.errors import ConfigurationError, RefusedRecordsError, StoreUnavailableError
from benchmark_recorder.log import logger
from benchmark_recorder.stores.base import EXTRAS, Store
from benchmark_recorder.stores.mongodb import refusals
from benchmark_recorder.stores.mongodb.client import (
    address,
    check_client,
    check_names,
    connect,
    hosts_of,
    require_driver,
)

if TYPE_CHECKING:
    from collections.abc import Collection as SizedIterable
    from collections.abc import Iterator, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo.collection import Collection

    from benchmark_recorder.cells import Cells
    from benchmark_recorder.histogram import Histograms
    from benchmark_recorder.queries import Query
    from benchmark_recorder.records import Columns, Document
    from benchmark_recorder.stores.mongodb.aggregation import Aggregation
    from benchmark_recorder.stores.mongodb.client import Client
    from benchmark_recorder.stores.mongodb.pipeline import Stage

WRITE_SECONDS: Final = 10.0
"""How long one batch may wait for the majority: many times what a healthy replica set needs."""

READ_SECONDS: Final = 120.0
"""How long one question may take: a scan of some ten million records."""

CLOSE_SECONDS: Final = 0.5
"""How long an exit may take to disconnect from the server."""

WHOLE_AT_ONCE: Final = 10_000
"""Whole documents in one reply: some 10 MB. For single fields the server chooses, up to 16 MB."""

Hint: TypeAlias = "dict[str, Any]"


class MongoDBStore(Store):
    """A collection of a MongoDB database (server 4.4 or newer). Safe to use from any thread, and after a fork.

    Nothing is sent before the first question or append, so the constructor never waits for a server.

    Args:
        uri_or_client: ``mongodb://...`` or ``mongodb+srv://...``, or a ``MongoClient``, which is never closed here.
        database: its name; the one in the URL unless given.
        collection: its name.
        expire_after_days: the server removes older records; never unless given.

    Raises:
        MissingDependencyError: pymongo is not installed.
        ConfigurationError: the URL, the client or a name is not valid.
    """

    is_remote: ClassVar[bool] = True
    supports: ClassVar[frozenset[str]] = EXTRAS

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
        if not isinstance(uri_or_client, str):
            check_client(uri_or_client)
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
        self._questions = refusals.Questions(self._collection, self._talking)
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
        answers = self._questions.answers(
            lambda collection, options: collection.find(
                {"_id": {"$in": list(ids)}},
                _BY_ID,
                batch_size=len(ids) + 1,  # one reply
                max_time_ms=_READ_MILLISECONDS,
                **options,
            ),
            {"collation": _SIMPLE},
        )
        return frozenset(row["_id"] for rows in answers for row in rows)

    def scan(self, query: Query, fields: SizedIterable[str]) -> Columns:
        """See ``Store.scan``."""
        from benchmark_recorder.columns import GrowingColumn
        from benchmark_recorder.fields import COLUMNS
        from benchmark_recorder.stores.mongodb.documents import decode

        columns = {name: GrowingColumn(COLUMNS[name]) for name in fields}
        for rows in self._rows(query, [_FIELD.get(name, name) for name in columns]):
            with refusals.ours(self.name):
                for name, column in columns.items():
                    field = _FIELD.get(name, name)
                    values = [row.get(field) for row in rows]
                    if name == "metadata":
                        values = [None if text is None else decode(text) for text in values]
                    column.extend(values)
        return {name: column.finished() for name, column in columns.items()}

    def summarize(self, query: Query) -> Cells:
        """See ``Store.summarize``."""
        from benchmark_recorder.stores.mongodb.groups import NotGroupedError
        from benchmark_recorder.tabulation import fields_of, summarize_columns

        asked = self._asked(query)
        try:
            return asked.cells(few_tasks=self._has_few_tasks()) if query.unit is None else asked.units()
        except (NotGroupedError, refusals.LackingError) as error:
            self._questions.note(error)
            return summarize_columns(self.scan(query, fields_of(query)), query)

    def histogram(self, query: Query, field: str = "execution_time") -> Histograms:
        """See ``Store.histogram``."""
        from benchmark_recorder.fields import COLUMNS
        from benchmark_recorder.histogram import histograms_from
        from benchmark_recorder.stores.mongodb.groups import NotGroupedError
        from benchmark_recorder.stores.mongodb.pipeline import bucket_from, histogram_of

        query.refuse_unit("a histogram")
        if COLUMNS.get(field) not in {"float64", "int64"}:
            return super().histogram(query, field)
        try:
            found, rest = self._asked(query).grouped(
                lambda keys: histogram_of(query, keys, _FIELD.get(field, field)),
                lambda row, labels: (
                    (row["_id"]["version"], labels.of(row["_id"].get("group", ()))),
                    bucket_from(row["_id"].get("bucket")),
                    row["n"],
                ),
            )
        except (NotGroupedError, refusals.LackingError) as error:
            self._questions.note(error)
            return super().histogram(query, field)
        return histograms_from(found, rest)

    def documents(self, query: Query) -> Iterator[Document]:
        """See ``Store.documents``."""
        from benchmark_recorder.stores.mongodb.documents import document_of

        for rows in self._rows(query, None):
            with refusals.ours(self.name):
                documents = [document_of(row) for row in rows]
            yield from documents

    @property
    def limitation(self) -> str | None:
        """See ``Store.limitation``."""
        return self._questions.limitation

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
            result = collection.insert_many(rows, ordered=False)
        except BulkWriteError as error:
            return refusals.outcome_of(error, len(rows), self.name, reasons)
        except (DocumentTooLarge, OperationFailure) as error:
            if isinstance(error, OperationFailure) and error.code != refusals.TOO_LARGE:
                raise
            if len(rows) == 1:
                reasons[rows[0]["_id"]] = str(error)
                return 0
        else:
            refusals.check_acknowledged(result, self.name)
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
        return self._questions.answers(
            lambda collection, options: collection.find(
                filter_of(query),
                projection,
                sort=sort,
                batch_size=WHOLE_AT_ONCE if fields is None else 0,
                max_time_ms=_READ_MILLISECONDS,
                **options,
            ),
            {"collation": _SIMPLE},
        )

    def _asked(self, query: Query) -> Aggregation:
        from benchmark_recorder.stores.mongodb.aggregation import Aggregation

        return Aggregation(query, self.name, partial(self._aggregated, self._hint(query)))

    def _hint(self, query: Query) -> Hint:
        """How the records are best found, where the server would choose another way; empty where it would not.

        It always takes an index, but to fetch a third of the records in an index's order takes as long as to read all.
        """
        from benchmark_recorder.stores.mongodb.pipeline import index_filter_of

        if (condition := index_filter_of(query)) is None:
            return {}
        if self._questions.is_plain:
            return {}
        try:
            with self._talking():
                collection = self._collection()
                third = collection.estimated_document_count() // 3
                if not third:
                    return {}
                seen = collection.count_documents(
                    condition, limit=third, collation=_SIMPLE, maxTimeMS=_READ_MILLISECONDS
                )
        except refusals.LackingError:
            return {}
        return _AS_STORED if seen == third else {}

    def _has_few_tasks(self) -> bool:
        """Whether the collection has few tasks: a walk over the index that skips from task to task."""
        from benchmark_recorder.stores.mongodb.aggregation import FEW_TASKS

        distinct: list[Stage] = [{"$group": {"_id": "$task_id"}}, {"$limit": FEW_TASKS + 1}, {"$count": "n"}]
        return all(row["n"] <= FEW_TASKS for row in self._aggregated({}, distinct))

    def _aggregated(self, hint: Hint, pipeline: list[Stage]) -> Iterator[dict[str, Any]]:
        for rows in self._questions.answers(
            lambda collection, options: collection.aggregate(pipeline, maxTimeMS=_READ_MILLISECONDS, **options),
            {"allowDiskUse": True, "collation": _SIMPLE, **hint},
        ):
            yield from rows

    def _prepare(self) -> None:
        """Create the indexes, once per process; without them questions are slower, and recording works."""
        if self._is_prepared:
            return
        from pymongo.errors import OperationFailure

        from benchmark_recorder.stores.mongodb.client import NO_INDEX, indexes

        try:
            self._collection().create_indexes(indexes(self._expire_after_days))
        except OperationFailure as error:
            if error.code not in NO_INDEX:
                raise
            logger.info("%s has to do without some indexes: %s", self.name, refusals.reason_of(error))
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
        from pymongo.errors import InvalidURI, OperationFailure, PyMongoError

        try:
            yield
        except (DriverConfigurationError, InvalidURI) as error:
            raise StoreUnavailableError(f"{self.name} cannot be used: {refusals.reason_of(error)}") from error
        except PyMongoError as error:
            reason = refusals.reason_of(error)
            if isinstance(error, OperationFailure) and refusals.is_lacking(error):
                raise refusals.LackingError(f"{self.name} is a server that lacks what was asked: {reason}") from error
            raise StoreUnavailableError(f"{self.name} cannot be reached or refuses: {reason}") from error


_parents: Final[list[Client | None]] = []
"""Clients of the parent process, in a forked child: kept, neither used nor closed, as their sockets are shared."""

_SIMPLE: Final = {"locale": "simple"}
"""Texts are equal if their bytes are, whatever the collection's own collation."""

_BY_ID: Final = {"_id": 1}
_AS_STORED: Final = {"hint": {"$natural": 1}}
_READ_MILLISECONDS: Final = int(READ_SECONDS * 1000)

_FIELD: Final = {"record_id": "_id"}
_SHOWS_ORDER: Final = frozenset({"_id", "time", "timestamp"})
